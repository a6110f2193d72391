"""Photographs that Pillow does not read by itself: HEIC, which pillow-heif adds, and what is named but not read."""

from functools import cache
from importlib.util import find_spec

HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})

_HEIC = "HEIC, which needs pillow-heif: pip install -c constraints.txt -e '.[heic]'; or convert it to JPEG or PNG"

_JPEG_2000 = "JPEG 2000, which is not read: convert it to PNG"

_JPEG_XL = "JPEG XL, which is not read: convert it to PNG, or back to the JPEG that it was made of (djxl)"

_RAW = "a camera's raw file, which is not read: develop it to JPEG or TIFF"

_RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef",
    ".raf", ".rw2", ".srw", ".x3f",
)  # fmt: skip

UNREAD_SUFFIXES = {
    **dict.fromkeys(HEIC_SUFFIXES, _HEIC),
    **dict.fromkeys((".j2c", ".j2k", ".jp2", ".jpc", ".jpf", ".jpx"), _JPEG_2000),
    ".jxl": _JPEG_XL,
    **dict.fromkeys(_RAW_SUFFIXES, _RAW),
    **dict.fromkeys((".psd", ".svg", ".xcf"), "a drawing program's file, which is not read: export it as PNG"),
}
"""What a file with such an ending is, and what to do about it. That of HEIC holds where `has_heic` says no."""

# How files begin, but for HEIC's: ISO base media files say in bytes 4 to 12 what they are.
_BEGINNINGS = {
    b"\xff\x0a": _JPEG_XL, b"\0\0\0\x0cJXL ": _JPEG_XL, b"\0\0\0\x0cjP  ": _JPEG_2000, b"\xff\x4f\xff\x51": _JPEG_2000,
    b"II\x1a\0\0\0HEAPCCDR": _RAW, b"FUJIFILMCCD-RAW": _RAW, b"IIRO": _RAW, b"IIU\0": _RAW, b"FOVb": _RAW,
}  # fmt: skip

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


@cache
def has_heic() -> bool:
    """Whether pillow-heif is installed."""
    return find_spec("pillow_heif") is not None


def is_heic(data: bytes) -> bool:
    """Whether a file that begins with `data` is HEIC: an AVIF may call itself mif1 too, and says further on what it is.

    32 bytes are enough.
    """
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS and b"avif" not in data[12:32]


@cache
def register_heic() -> None:
    """Teach Pillow to open HEIC, as the format HEIF. Raises ImportError without pillow-heif."""
    from pillow_heif import register_heif_opener

    register_heif_opener()


def unread_ending(suffix: str) -> str | None:
    """What a file is, and what to do, whose ending, in small letters, says that it is not read; None if it says not."""
    return None if suffix in HEIC_SUFFIXES and has_heic() else UNREAD_SUFFIXES.get(suffix)


def unread_content(data: bytes) -> str | None:
    """The same for a file that begins with `data`."""
    if is_heic(data):
        return None if has_heic() else _HEIC
    if data[4:12] == b"ftypcrx ":
        return _RAW
    return next((what for begin, what in _BEGINNINGS.items() if data.startswith(begin)), None)
