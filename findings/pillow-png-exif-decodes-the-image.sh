#!/bin/sh
# Asking a PNG for its Exif decodes the whole image, so that a cut-off PNG fails at getexif() and no other format does.
#
# Image.open(...) reads the header, and getexif() looks like more of the same: for JPEG, WebP and TIFF it is. A PNG's Exif
# may stand behind its pixels, so Pillow decodes all of these first if none came before them. Whoever looks at the sizes
# of 200,000 files, turned as their Exif says, decodes every PNG among them; and `getexif` raises OSError for a cut-off
# one whose width and height are known.
#
# What to do: walk the PNG's chunks, each of which begins with its length, and ask only if one is eXIf (or text, which
# may hold it in XMP).
#
# Exits with 0 while this holds: getexif() of a cut-off PNG fails, of a cut-off JPEG does not, and of a whole PNG loads
# its pixels. Exits with 1 when either is otherwise, or when walking the chunks finds no Exif that is there.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PYTHON'
import io
import os
import struct
import sys
import time

import PIL
from PIL import ExifTags, Image

print(f"Pillow {PIL.__version__}")
photo = Image.frombytes("RGB", (2000, 1500), os.urandom(2000 * 1500 * 3))


def saved(name, **options):
    file = io.BytesIO()
    photo.save(file, name, **options)
    return file.getvalue()


def asked(data):
    """What comes of asking for the Exif, in how many milliseconds; and whether the pixels were decoded for it."""
    image = Image.open(io.BytesIO(data))
    decoded, load = [], image.load
    image.load = lambda: decoded.append(True) or load()
    start = time.perf_counter()
    try:
        image.getexif()
        found = "an answer"
    except OSError as error:
        found = f"{type(error).__name__}: {error}"
    return found, 1000 * (time.perf_counter() - start), bool(decoded)


def has_exif(data):
    """Whether a PNG has such a chunk, by their lengths alone."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"eXIf":
            return True
        at += 12 + length
    return False


found = {}
for name in ("JPEG", "PNG"):
    whole = saved(name)
    for what, data in (("whole", whole), ("cut off", whole[: len(whole) // 2])):
        found[name, what] = answer, taken, decoded = asked(data)
        print(f"{name:4} {what:7}: {answer}, {taken:.1f} ms, pixels decoded: {decoded}")
exif = Image.Exif()
exif[ExifTags.Base.Orientation] = 6
walked = has_exif(saved("PNG", exif=exif)), has_exif(saved("PNG"))
print(f"by walking the chunks: {walked[0]} for a PNG with Exif, {walked[1]} for one without")
holds = found["PNG", "whole"][2] and found["PNG", "cut off"][0] != "an answer"
others = found["JPEG", "cut off"][0] == "an answer" and not found["JPEG", "whole"][2]
sys.exit(0 if holds and others and walked == (True, False) else 1)
PYTHON
