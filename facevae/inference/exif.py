"""EXIF, as Pillow hands it over in bytes."""

import struct

from PIL import Image

HEADER = b"Exif\0\0"
"""What it begins with in a JPEG."""

ORIENTATION = 0x0112

WORDS = (270, 271, 272, 305, 306, 315, 33432)
"""Tags of words that a TIFF says of its image; its other tags are of how the pixels are stored."""

INNER = (0x8769, 0x8825)
"""Where EXIF has its own tags, and the place."""


def orientation_in(exif: bytes) -> int:
    """Which of the eight ways, 1 being upright."""
    return _read(exif).get(ORIENTATION, 1)


def with_header(exif: bytes | None) -> bytes | None:
    """As a JPEG has to have it: a WebP's lacks the first bytes. None if Pillow finds no tag in it."""
    try:
        if not exif or not len(_read(exif)):
            return None
    except (SyntaxError, struct.error):  # it does not begin as EXIF, or ends there
        return None
    return exif if exif.startswith(HEADER) else HEADER + exif


def without_orientation(exif: bytes | None) -> bytes | None:
    """That of an image which is upright now; None if nothing else was said, or nothing that can be written again."""
    found = _read(exif)
    if ORIENTATION not in found:
        return exif
    del found[ORIENTATION]
    return _coded(found) if len(found) else None


def can_be_coded(exif: bytes | None) -> bool:
    """Whether Pillow can write it anew, as in a TIFF and an AVIF; elsewhere its bytes stay as they are."""
    return exif is None or _coded(_read(exif)) is not None


def words_in(exif: bytes | None) -> dict[int, str]:
    """What a TIFF's own tags can hold of it, each byte as a character: which code they are in, EXIF does not say."""
    found = _read(exif)
    return {tag: str(found[tag]) for tag in WORDS if tag in found}


def says_more_than_words(exif: bytes | None) -> bool:
    """Whether there is something that `words_in` leaves out, but for the orientation."""
    found = _read(exif)
    return bool(set(found) - {*WORDS, ORIENTATION} or any(found.get_ifd(tags) for tags in INNER))


def _coded(exif: Image.Exif) -> bytes | None:
    try:
        return exif.tobytes()
    except (AttributeError, TypeError, ValueError, struct.error):  # values that are not of their tag's type
        return None


def _read(exif: bytes | None) -> Image.Exif:
    found = Image.Exif()
    found.load(exif or b"")
    return found
