"""PNGs of 8 or 16 bits and 1 to 4 planes, with the chunks that another one had: Pillow writes 16 bits of grey alone."""

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

Chunk = tuple[bytes, bytes]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Colour types by the number of planes: grey, grey and alpha, RGB, RGB and alpha.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}

# What says nothing of a palette or of how pixels are coded: colour, resolution, words, EXIF, time.
_KEPT = (b"cHRM", b"cICP", b"gAMA", b"iCCP", b"sRGB", b"pHYs", b"eXIf", b"tIME", b"tEXt", b"zTXt", b"iTXt")

_LEVEL = 4


def encode_planes(planes: np.ndarray, chunks: Iterable[Chunk] = ()) -> bytes:
    """Planes (H, W, 1 to 4), uint8 or uint16, as PNG, losslessly, with further chunks before the pixels."""
    height, width, count = planes.shape
    bits = 8 * planes.dtype.itemsize
    raw = np.ascontiguousarray(planes.astype(">u2") if bits == 16 else planes).view(np.uint8).reshape(height, -1)
    # Each row as what it differs from the one above by (filter 2, "Up"), which wraps around as bytes do.
    rows = np.empty((height, raw.shape[1] + 1), np.uint8)
    rows[:, 0], rows[0, 1:] = 2, raw[0]
    np.subtract(raw[1:], raw[:-1], out=rows[1:, 1:])
    header = struct.pack(">IIBBBBB", width, height, bits, _COLOUR_TYPES[count], 0, 0, 0)
    pixels = zlib.compress(rows, _LEVEL)
    return _SIGNATURE + b"".join(
        _packed(chunk) for chunk in [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    )


def described_by(icc_profile: bytes | None, exif: bytes | None) -> list[Chunk]:
    """The chunks of a profile of colours and of EXIF, as Pillow holds them in `info`."""
    chunks = []
    if icc_profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc_profile)))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    return chunks


def kept_chunks(data: bytes) -> list[Chunk]:
    """Of a whole PNG the chunks that hold for other pixels as well: profile, EXIF, resolution, words."""
    return [chunk for chunk in _chunks(data) if chunk[0] in _KEPT]


def bits_and_planes(data: bytes) -> tuple[int, int]:
    """Bits of a value, and how many planes a pixel has, as the header of a PNG says; a palette has one plane."""
    bits, colour_type = data[24], data[25]
    return bits, {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour_type, 0)


def _chunks(data: bytes) -> Iterator[Chunk]:
    place = len(_SIGNATURE)
    while place + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += length + 12


def _packed(chunk: Chunk) -> bytes:
    kind, data = chunk
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
