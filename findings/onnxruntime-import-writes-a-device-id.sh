#!/bin/sh
# Importing onnxruntime 1.32 writes a number for this machine into the home folder, and a database of events to be sent.
#
# A library that multiplies matrices is imported and computes: from the documentation, which speaks of telemetry in the
# builds for Windows, one would guess that on Linux nothing else happens. The wheels of 1.32 for Linux create
# ~/.cache/Microsoft/DeveloperTools/.onnxruntime/deviceid and onnxruntime.db with the import, before any session is
# made. Where $HOME can't be written, as in many containers, nothing is said.
#
# What to do: set ORT_DISABLE_TELEMETRY=1 before the first import, in the environment or by os.environ; nothing is
# written then. Afterwards, or by the session's options, it is too late.
#
# Exits with 0 while this holds: the import writes files into an empty home folder, and with the variable it writes none.
# Exits with 1 when either is otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0
mkdir "$folder/home" "$folder/other"

imported() {  # the home folder, then variables
    home=$1
    shift
    env -u XDG_CACHE_HOME "HOME=$home" "$@" "$folder/venv/bin/python" -c "import onnxruntime as o; print('onnxruntime', o.__version__)"
    (cd "$home" && find . -type f | sort)
}

with=$(imported "$folder/home")
without=$(imported "$folder/other" ORT_DISABLE_TELEMETRY=1)
echo "imported: $with"
echo "with ORT_DISABLE_TELEMETRY=1: $without"
case $with in *deviceid*) ;; *) exit 1 ;; esac
case $without in *./*) exit 1 ;; esac
