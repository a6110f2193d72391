#!/bin/sh
# Saving an AVIF with Pillow takes the orientation out of the Exif object that it is given.
#
# Image.save(..., exif=exif) writes what `exif` says: one would guess that it leaves the object as it is, as saving a
# JPEG, PNG, WebP or TIFF does. For an AVIF, whose orientation is a property of the container, Pillow pops the tag from
# the caller's object. Whoever saves one photograph in several formats, the AVIF before others, loses the orientation of
# the others: they lie on their side, without an error or a warning.
#
# What to do: give each save a copy (exif.tobytes() will do), or save the AVIF last.
#
# Exits with 0 while this holds, and with 1 when the object stays as it was or the copy does not help.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import PIL
from PIL import ExifTags, Image, features

ORIENTATION = ExifTags.Base.Orientation
print(f"Pillow {PIL.__version__}, libavif {features.version('avif')}")
photo = Image.new("RGB", (40, 20), "orange")


def after_saving(name, as_bytes=False):
    """The orientation in an Exif object that says 6, after a photo has been saved with it."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    photo.save(io.BytesIO(), name, exif=exif.tobytes() if as_bytes else exif)
    return exif.get(ORIENTATION)


found = {name: after_saving(name) for name in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")}
for name, orientation in found.items():
    print(f"orientation 6, after saving as {name:4}: {orientation}")
copied = after_saving("AVIF", as_bytes=True)
print(f"orientation 6, after saving a copy as AVIF: {copied}")
others = {orientation for name, orientation in found.items() if name != "AVIF"}
sys.exit(0 if others == {6} and found["AVIF"] is None and copied == 6 else 1)
PYTHON
