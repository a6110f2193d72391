#!/bin/sh
# `dvc exp run -S key=[]` writes a params.yaml that DVC can't read.
#
# One would guess that -S changes one value and leaves a file that is read again. Where a key over a block list has a
# comment at the end of its line, and another section follows, ruamel.yaml writes that section's first key on the line of
# its name, "faces: rows: 8": no YAML any more. The experiment ends in "YAML file structure is corrupted". Any other
# value of the key works, and so does [] where the comment stands above the key.
#
# What to do: comments on lines of their own, above their keys.
#
# Exits with 0 while this holds, and with 1 when the file can be read or the comment above the key no longer helps.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dvc==3.67.1 ruamel.yaml==0.19.1
export PATH="$folder/venv/bin:$PATH" DVC_NO_ANALYTICS=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org

# Sets edits.kept=[] in a file whose comment stands behind the key or above it; succeeds if DVC can read what it wrote.
empty() {
    mkdir "$folder/$1"
    cd "$folder/$1"
    git init --quiet
    dvc init --quiet
    if [ "$1" = behind ]; then
        printf 'edits:\n  kept:  # that no edit shall move\n  - Male\n  seed: 0\n\nfaces:\n  rows: 8\n'
    else
        printf 'edits:\n  # That no edit shall move.\n  kept:\n  - Male\n  seed: 0\n\nfaces:\n  rows: 8\n'
    fi >params.yaml
    printf 'stages:\n  show:\n    cmd: cat params.yaml\n    params: [edits, faces]\n' >dvc.yaml
    git add --all
    git commit --quiet --no-gpg-sign --message one
    code=0
    dvc exp run --dry -S 'edits.kept=[]' >output 2>&1 || code=$?
    echo "--- comment $1 the key: exit code $code"
    cat output
    return "$code"
}

dvc --version
broken=no
empty behind || broken=yes
empty above || exit 1
[ "$broken" = yes ]
