"""Images as arrays: decoding, encoding, and the two ways in which the models frame a face.

An image is `(height, width, 3)` uint8 RGB everywhere; a size is `(width, height)` in pixels, as Pillow has it.
"""

import io
import struct
import warnings
import zlib
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from facevae.core.errors import FacevaeError
from facevae.imaging.frames import Resample
from facevae.imaging.unread import has_heic, is_heic, register_heic, unread_content

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
"""What Pillow calls them; HEIF comes with pillow-heif."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""What turns an image that is stored in one of EXIF's orientations, but for the first, which is upright."""

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101  # tags of EXIF and of TIFF

# How the files begin that may be known and yet not read.
_BEGINNINGS = {
    b"\x89PNG": "a PNG", b"\xff\xd8\xff": "a JPEG", b"GIF8": "a GIF", b"II*\0": "a TIFF", b"MM\0*": "a TIFF",
    b"II+\0": "a TIFF", b"MM\0+": "a TIFF",
}  # fmt: skip

LARGEST = 64_000_000

"""Pixels of an image that is decoded, 192 MB: a small file can claim to be one of 50,000 pixels a side."""


def resize_to_fill(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`image` scaled, in proportion, until it fills `size`; what sticks out is cut off evenly on both sides."""
    scaled = fitted_size((image.shape[1], image.shape[0]), size)
    image = _resize(image, scaled, "lanczos")
    top, left = (scaled[1] - size[1]) // 2, (scaled[0] - size[0]) // 2
    return np.ascontiguousarray(image[top : top + size[1], left : left + size[0]])


def fitted_size(image: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The size of an image that was scaled, in proportion, until it fills `size`."""
    scale = max(size[0] / image[0], size[1] / image[1])
    return max(size[0], round(image[0] * scale)), max(size[1], round(image[1] * scale))


def decode(data: bytes, where: object) -> np.ndarray:
    """The image in `data`, any format and mode, upright, as RGB; transparent parts become white.

    Raises FacevaeError naming `where` if it is not a whole image or has more than LARGEST pixels.
    """
    return np.array(decode_image(data, where))


def decode_image(data: bytes, where: object) -> Image.Image:
    """As `decode`, but an image of Pillow's, of mode RGB."""
    try:
        with _opened(io.BytesIO(data)) as image:
            image.load()  # a TIFF's pixels, and a TIFF's only, are upright from here on
            # Not Pillow's exif_transpose: it writes EXIF anew, which ends at the first tag that is not of its type.
            return _as_rgb(upright(image, image.getexif().get(_ORIENTATION, 1)))
    except Exception as error:  # damaged files make Pillow's decoders raise almost anything
        raise _not_an_image(where, io.BytesIO(data), error) from None


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned by EXIF's number for how it is stored; itself where that is none of 2 to 8."""
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


class Header(NamedTuple):
    """What an image's header says: Pillow's names of format and mode, the upright size, whether it must be turned."""

    format: str
    mode: str
    size: tuple[int, int]
    turned: bool


def read_header(file: BinaryIO, where: object) -> Header:
    """The header of the image in `file`, whose pixels are not read. Raises as `decode` does."""
    try:
        with _opened(file) as image:
            # Pillow gives a TIFF's upright size, and a TIFF's only, before it has been decoded.
            width, height = (image.tag_v2[_WIDTH], image.tag_v2[_HEIGHT]) if image.format == "TIFF" else image.size
            _check_depth(image)
            orientation = image.getexif().get(_ORIENTATION, 1) if _may_have_exif(image, file) else 1
            size = (height, width) if orientation in (5, 6, 7, 8) else (width, height)  # those that lie on their side
            return Header(image.format or "", image.mode, size, orientation in range(2, 9))
    except Exception as error:
        raise _not_an_image(where, file, error) from None


def decoded_size(data: bytes, where: object) -> tuple[int, int]:
    """The upright size of the image in `data`, read from its header alone. Raises as `decode` does."""
    return read_header(io.BytesIO(data), where).size


def encode_png(image: np.ndarray) -> bytes:
    """`image` as PNG, losslessly, the same bytes every time and, there being no search for matches, everywhere.

    On photographs of 128 pixels Huffman coding alone makes files 3% larger than zlib's level 1, in 60% of
    the time; on noisy ones even smaller files.
    """
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)
    return file.getvalue()


def encode_jpeg(image: np.ndarray) -> bytes:
    """`image` as JPEG of quality 95 with halved colour resolution (4:2:0), as CelebA's own files have it."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95, subsampling="4:2:0")
    return file.getvalue()


def _opened(file: BinaryIO) -> Image.Image:
    """The image, of which only the header has been read."""
    formats, begin = FORMATS, file.read(32)
    file.seek(0)
    if is_heic(begin) and has_heic():
        register_heic()
        formats = ("HEIF",)
    with warnings.catch_warnings():
        # Pillow's own limit warns first; ours is lower and an error.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image = Image.open(file, formats=formats)
    if image.width * image.height > LARGEST:
        raise _TooLargeError(f"{image.width}x{image.height} pixels")
    return image


def _may_have_exif(image: Image.Image, file: BinaryIO) -> bool:
    """Whether to ask for it: for a PNG's, which may stand after the pixels, Pillow decodes these."""
    if image.format != "PNG" or "exif" in image.info or "Raw profile type exif" in image.info:
        return True
    at = 8
    while len(chunk := (file.seek(at), file.read(8))[1]) == 8:
        length, kind = struct.unpack(">I4s", chunk)
        if kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
            return True
        at += 12 + length
    return False


class _TooLargeError(Exception):
    """More pixels than LARGEST."""


def _resize(image: np.ndarray, size: tuple[int, int], resample: Resample) -> np.ndarray:
    return np.array(Image.fromarray(image).resize(size, Image.Resampling[resample.upper()]))


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        image.load()
        return image
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip to white.
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    _check_depth(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _check_depth(image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise ValueError("grey levels of 32 bits, for which black and white are not defined")


def _not_an_image(where: object, file: BinaryIO, error: Exception) -> FacevaeError:
    if isinstance(error, _TooLargeError | Image.DecompressionBombError):
        found = str(error) if isinstance(error, _TooLargeError) else "one that claims to be far larger"
        return FacevaeError(
            where=where, expected=f"at most {LARGEST:,} pixels", found=found, fix="scale it down or remove the file"
        )
    file.seek(0)
    begin, size = file.read(32), file.seek(0, io.SEEK_END)
    found = unread_content(begin) or f"{size} bytes that are not ({_why(begin, error)})" if size else "an empty file"
    return FacevaeError(where=where, expected="a whole image", found=found, fix="replace or remove the file")


def _why(begin: bytes, error: Exception) -> str:
    if not isinstance(error, UnidentifiedImageError):
        return f"{type(error).__name__}: {error}"
    # What Pillow says of bytes that it does not know is where it looked at them, an address in memory.
    known = next((name for beginning, name in _BEGINNINGS.items() if begin.startswith(beginning)), None)
    return "of no known format" if known is None else f"{known} that is damaged, or of a kind that is not read"
