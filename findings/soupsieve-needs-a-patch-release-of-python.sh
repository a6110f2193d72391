#!/bin/sh
# pip 26.2 and soupsieve 4.1.2, what Beautiful Soup selects with: a list of exact versions, as `pip freeze` writes it,
# taken to another computer with the same Python 3.11.
#
# One would have guessed: packages ask for a minor version of Python (3.11), so that a list made by any 3.11 can be
# installed by every 3.11; and where a package does not run on a Python, pip says so.
# Seen: soupsieve 4.1.2 asks for Python 3.11.5 or newer. With 3.11.4 pip ends with "these package versions have
# conflicting dependencies": Beautiful Soup depends on soupsieve>=1.6.1, the list names soupsieve==4.1.2. These two do not
# conflict, and no word is said of Python. Where pip searches for that one version alone, it does say so.
#
# pip takes the other Python's place with --python-version. Needs Python 3.11 or newer and a package registry. Exits with
# 1 if pip or soupsieve behave otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip() { "$folder/venv/bin/pip" --disable-pip-version-check "$@"; }
pip install --quiet pip==26.2
printf 'beautifulsoup4==4.15.0\nsoupsieve==4.1.2\n' > "$folder/list.txt"

# $1: the Python; the rest: what to install. Nothing is installed.
resolves() {
    version=$1
    shift
    pip install --dry-run --ignore-installed --no-cache-dir --target "$folder/target" --only-binary :all: \
        --python-version "$version" "$@" > "$folder/said.txt" 2>&1
}

pip --version | cut -d' ' -f1-2
resolves 3.11.5 -c "$folder/list.txt" beautifulsoup4
echo "Python 3.11.5: $(grep 'Would install' "$folder/said.txt")"
if resolves 3.11.4 -c "$folder/list.txt" beautifulsoup4; then exit 1; fi
echo "Python 3.11.4:"
grep -A 4 'ERROR: Cannot install' "$folder/said.txt"
grep -q 'conflicting dependencies' "$folder/said.txt"
if grep -qi 'requires-python\|python version' "$folder/said.txt"; then exit 1; fi
if resolves 3.11.4 soupsieve==4.1.2; then exit 1; fi
echo "soupsieve alone:"
grep -o '4.1.2 Requires-Python [^;]*' "$folder/said.txt"
