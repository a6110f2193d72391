#!/bin/sh
# Since 0.29 typer loads pydantic as soon as a command's first parameter has a value, also a default; 0.28 did not know
# pydantic at all.
#
# From a release that changes a minor number of a library for command lines one would guess that a command which takes a
# path and a number starts as quickly as before. Parsing stands on pydantic now: `--help` is as quick as it was, but any
# call that runs waits for pydantic, which takes longer to load than typer itself. A command of which people expect an
# answer at once loses a tenth of a second or more to it, and an environment that is to stay small gains 9 MB.
#
# What to do: stay with 0.28 where the start counts; where pydantic is loaded anyway, nothing is lost.
#
# Exits with 0 while this holds: a command with one path loads pydantic with 0.29.2 and not with 0.28.0, and --help loads
# it with neither. Exits with 1 when any of these is otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/command.py" <<'PYTHON'
import sys
import time
from pathlib import Path

import typer

app = typer.Typer(add_completion=False)


@app.command()
def main(path: Path = Path("here"), count: int = 1) -> None:
    """Do nothing."""


began = time.perf_counter()
try:
    app()
except SystemExit:
    pass
print(f"{'with' if 'pydantic' in sys.modules else 'without'} pydantic, {1000 * (time.perf_counter() - began):.0f} ms",
      file=sys.stderr)
PYTHON
wrong=0
for version in 0.28.0 0.29.2; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "typer==$version" pydantic==2.14.3
    for words in --help "--count 2"; do
        # shellcheck disable=SC2086
        said=$("$folder/$version/bin/python" "$folder/command.py" $words 2>&1 >/dev/null)
        echo "typer $version, command $words: $said"
        expected=without
        [ "$version $words" = "0.29.2 --count 2" ] && expected=with
        case $said in "$expected "*) ;; *) wrong=1 ;; esac
    done
done
exit $wrong
