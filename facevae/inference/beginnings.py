"""Which format a file is of, by its first bytes: names lie, and decoding it would take long."""

from pathlib import Path

from facevae.imaging.unread import is_heic

_BEGINNINGS = {
    b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"BM": "BMP", b"GIF8": "GIF", b"II*\0": "TIFF",
    b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF", **dict.fromkeys((b"P%d" % n for n in range(1, 7)), "PPM"),
}  # fmt: skip


def format_in(path: Path) -> str | None:
    """As Pillow calls it. None if it is none of those that are read, or no file: a pipe can be read only once."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            begin = file.read(32)
    except OSError:  # whoever reads all of it says why
        return None
    if begin.startswith(b"RIFF") and begin[8:12] == b"WEBP":
        return "WEBP"
    if begin[4:8] == b"ftyp" and (b"avif" in begin[8:] or b"avis" in begin[8:]):
        return "AVIF"
    if is_heic(begin):
        return "HEIF"
    return next((kind for beginning, kind in _BEGINNINGS.items() if begin.startswith(beginning)), None)
