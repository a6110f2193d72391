"""Photographs as they are stored: pixels of 8 or 16 bits, alpha, profile of colours, EXIF; read, and written back.

What is edited is shown to a model as `visible`; what is written has the photograph's own pixels wherever nothing was
changed, in the file's own orientation.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from facevae.core.errors import FacevaeError
from facevae.imaging.codec import UPRIGHT, upright
from facevae.inference.beginnings import format_in
from facevae.inference.exif import (
    INNER,
    ORIENTATION,
    WORDS,
    can_be_coded,
    orientation_in,
    says_more_than_words,
    with_header,
    words_in,
)
from facevae.inference.image_files import decode_own
from facevae.inference.png import Chunk, bits_and_planes, described_by, encode_planes, kept_chunks

_PHOTOMETRIC = 262

# The number of IPTC among a JPEG's blocks of Photoshop's, and a TIFF's tags.
_IPTC, _IPTC_IN_TIFF = 0x0404, 33723

# What turns an image back from upright.
_BACK = UPRIGHT | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}

# Formats by the endings that an output may have.
FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
    ".avif": "AVIF",
}  # fmt: skip

# Those whose EXIF Pillow writes tag by tag.
_EXIF_ANEW = ("TIFF", "AVIF")

_ALPHA, _SIXTEEN_BITS = ("PNG", "WEBP", "TIFF", "AVIF"), ("PNG", "TIFF")


@dataclass(frozen=True)
class Photograph:
    """`pixels`: (H, W, 3) uint8 or uint16, upright; `alpha`: (H, W) of the same type; `grey`: a file of one plane.

    `format`: as Pillow calls it; `orientation`: EXIF's number for how the file has it; `chunks`: of a PNG, what it says
    of the image; `options`: of other formats, with which Pillow writes the like; `inks`: the file had CMYK;
    `pictures`: how many it had, of which this is the first; `remarks`: words for what no other format gets.
    """

    pixels: np.ndarray
    format: str
    alpha: np.ndarray | None = None
    grey: bool = False
    orientation: int = 1
    icc_profile: bytes | None = None
    exif: bytes | None = None
    chunks: list[Chunk] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    inks: bool = False
    pictures: int = 1
    remarks: tuple[str, ...] = ()

    @property
    def colourless(self) -> bool:
        """Whether it is black and white, be it stored in one plane or in three equal ones."""
        if self.grey:
            return True
        some = self.pixels[::16, ::16]  # most photographs show their colours there already
        return all(bool((pixels == pixels[..., :1]).all()) for pixels in (some, self.pixels))

    def visible(self) -> np.ndarray:
        """What a model is shown: (H, W, 3) uint8, transparent parts white."""
        pixels, alpha = (None if part is None else as_8_bits(part) for part in (self.pixels, self.alpha))
        if alpha is None:
            return pixels
        image = Image.fromarray(np.dstack([pixels, alpha]))
        return np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))


def read_photograph(path: Path) -> Photograph:
    """The photograph in a file. Raises FacevaeError if it is not a whole image."""
    return photograph_of(path.read_bytes(), path)


def photograph_of(data: bytes, path: Path) -> Photograph:
    """The photograph in the bytes of a file, which errors call `path`. Raises FacevaeError if it is no whole image."""
    shown = decode_own(data, path)
    image = Image.open(io.BytesIO(data))
    photograph = _described(image, data)
    planes = _sixteen_bits(image, data, path)
    if planes is None and not image.has_transparency_data:
        return replace(photograph, pixels=shown, grey=image.mode in ("1", "L"))
    if planes is None:
        planes = np.asarray(upright(image.convert("RGBA"), photograph.orientation))
        return replace(
            photograph, pixels=planes[..., :3].copy(), alpha=planes[..., 3], grey=image.mode in ("1", "L", "LA")
        )
    planes = _turned(planes, UPRIGHT.get(photograph.orientation))
    colours = planes.shape[2] - (planes.shape[2] in (2, 4))
    return replace(
        photograph, pixels=np.repeat(planes[..., :1], 3, 2) if colours == 1 else planes[..., :3].copy(),
        alpha=planes[..., -1] if colours < planes.shape[2] else None, grey=colours == 1,
    )  # fmt: skip


def encode_photograph(photograph: Photograph, suffix: str) -> bytes:
    """As a file that ends in `suffix`, with all of the photograph that its format can hold: see `left_out`."""
    kind = FORMATS[suffix]
    pixels = photograph.pixels if kind in _SIXTEEN_BITS else as_8_bits(photograph.pixels)
    alpha = photograph.alpha if kind in _ALPHA else None
    if photograph.alpha is not None and alpha is None:
        pixels = photograph.visible()
    elif alpha is not None and pixels.dtype == np.uint8:
        alpha = as_8_bits(alpha)
    planes = pixels[..., :1] if photograph.grey else pixels
    if alpha is not None:
        planes = np.dstack([planes, alpha])
    if _says_how_it_lies(photograph, kind):
        planes = _turned(planes, _BACK.get(photograph.orientation))
    try:
        return _WRITERS.get(kind, _by_pillow)(photograph, planes, kind)
    except (OSError, RuntimeError, ValueError) as error:  # WebP ends at 16,383 pixels, JPEG at 65,500
        raise FacevaeError(
            where=f"an output in {suffix}", expected=f"a photograph that {kind} can hold",
            found=f"one of {planes.shape[1]}x{planes.shape[0]} pixels ({error})", fix="end its name in .png",
        ) from None  # fmt: skip


def left_out(photograph: Photograph, suffix: str) -> list[str]:
    """What of a photograph is not in the file that ends in `suffix`, in words."""
    kind, lost = FORMATS[suffix], []
    if photograph.pictures > 1:
        lost.append(f"its other pictures, {photograph.pictures - 1}")
    if photograph.pixels.dtype == np.uint16 and kind not in _SIXTEEN_BITS:
        lost.append("8 of its 16 bits")
    if photograph.alpha is not None and kind not in _ALPHA:
        lost.append("transparency, now white")
    if photograph.inks:
        lost.append("its inks, now RGB, and their profile")
    if kind == "BMP" and (photograph.exif or photograph.icc_profile):
        lost.append("EXIF and profile of colours")
    if _loses_exif(photograph, kind):
        lost.append("EXIF")
    # A TIFF keeps none either: its XMP may name an orientation that the pixels no longer have.
    if kind != photograph.format or kind == "TIFF":
        lost += photograph.remarks
    return lost


def own_suffix(path: Path) -> str:
    """How what is made of a file ends: by its content, since a name such as .jpg would make a lossy copy of a PNG.

    By its name where there is no file yet, or none of a known format.
    """
    return suffix_for(format_in(path) or FORMATS.get(path.suffix.lower(), ""), path)


def suffix_for(kind: str, name: PurePath) -> str:
    """How a file of this format ends: as `name` does if that fits; .png where the format is not written."""
    suffix = name.suffix.lower()
    if FORMATS.get(suffix) == kind:
        return suffix
    return next((ending for ending, other in FORMATS.items() if other == kind), ".png")


def unexpected_format(photograph: Photograph, source: Path, suffix: str) -> str | None:
    """The format of what ends in `suffix`, where nobody asked for it: `source` has one that is not written or not said.

    None of other files.
    """
    kind = FORMATS[suffix]
    expected = FORMATS.get(source.suffix.lower(), photograph.format)
    return kind if suffix == own_suffix(source) and kind != expected else None


def _loses_exif(photograph: Photograph, kind: str) -> bool:
    if kind == "TIFF" and photograph.pixels.dtype == np.uint16:
        return says_more_than_words(photograph.exif)
    return kind in _EXIF_ANEW and not can_be_coded(photograph.exif)


def _says_how_it_lies(photograph: Photograph, kind: str) -> bool:
    """Whether a file of this kind will name the photograph's orientation, by its EXIF or in its own way, as by XMP."""
    if photograph.exif is not None and orientation_in(photograph.exif) == photograph.orientation:
        if kind in _EXIF_ANEW and not can_be_coded(photograph.exif):
            return False
        return kind != "BMP" and (kind, photograph.pixels.dtype) != ("TIFF", np.uint16)
    return kind == photograph.format


def _described(image: Image.Image, data: bytes) -> Photograph:
    """The photograph without its pixels."""
    kind, options = "JPEG" if image.format == "MPO" else str(image.format), {}
    orientation = image.getexif().get(ORIENTATION, 1)  # first: of a PNG it reads EXIF behind the pixels too
    info, exif = image.info, with_header(image.info.get("exif"))
    if kind == "JPEG" and image.mode in ("L", "RGB"):
        # Its own tables: coded anew, blocks in which nothing has changed come out almost as they were.
        sampling = JpegImagePlugin.get_sampling(image)
        options = {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})
    elif kind == "TIFF":
        words = Image.Exif()
        for tag, value in image.getexif().items():
            if tag in WORDS:  # as bytes: of a string Pillow would write ASCII alone
                words[tag] = value.encode("latin-1") if isinstance(value, str) else value
        for tags in INNER:
            if inner := image.getexif().get_ifd(tags):
                words.get_ifd(tags).update(inner)
        exif, orientation = (words.tobytes() if len(words) else None), 1  # Pillow decodes it upright
    elif kind == "WEBP":
        # Exact: what is transparent has colours, too.
        options = {"lossless": True, "exact": True} if b"VP8L" in _webp_chunks(data) else {"lossless": False}
    options |= {name: info[name] for name in _BY_OPTIONS.get(kind, ()) if name in info}
    if kind == "JPEG":
        options["extra"] = _segments(image)
    # One of inks, or of Lab, does not fit the RGB that is written.
    profile = None if image.mode in ("CMYK", "LAB") else info.get("icc_profile")
    chunks = kept_chunks(data) if kind == "PNG" else []
    nothing = np.zeros((0, 0, 3), np.uint8)
    inks, pictures = image.mode == "CMYK", _pictures_in(image, data)
    return Photograph(
        nothing, kind, None, False, orientation, profile, exif, chunks, options, inks, pictures, _remarks(image)
    )


def _segments(image: Image.Image) -> bytes:
    """A JPEG's comments and IPTC as they stand in its file, so that damaged ones can be written again, too."""
    found = []
    for name, data in getattr(image, "applist", ()):
        if name == "COM" or (name == "APP13" and data.startswith(b"Photoshop 3.0\0")):
            found.append((b"\xff\xfe" if name == "COM" else b"\xff\xed") + struct.pack(">H", len(data) + 2) + data)
    return b"".join(found)


def _remarks(image: Image.Image) -> tuple[str, ...]:
    """What an image says of itself, beside EXIF, in words for the person who loses it."""
    iptc = image.tag_v2 if image.format == "TIFF" else image.info.get("photoshop", ())
    has = {
        "XMP": "xmp" in image.info, "IPTC": (_IPTC_IN_TIFF if image.format == "TIFF" else _IPTC) in iptc,
        "its comment": "comment" in image.info,
        "its text": any(not name.startswith(_NO_TEXT) for name in getattr(image, "text", ())),
    }  # fmt: skip
    return tuple(word for word, there in has.items() if there)


def _pictures_in(image: Image.Image, data: bytes) -> int:
    """How many pictures a file has, as far as they are whole enough to be counted."""
    if image.format == "MPO":
        return 1  # the second picture of an MPO is the first, seen by the other eye or smaller
    try:
        # Opened anew: counting may leave an image at the picture that it could not read.
        return getattr(Image.open(io.BytesIO(data)), "n_frames", 1)
    except Exception:  # of damaged ones Pillow raises anything; the first picture is whole all the same
        return 1


def _webp_chunks(data: bytes) -> list[bytes]:
    """The names of the chunks of a WebP: VP8L is one without loss, VP8 one with."""
    place, found = 12, []
    while place + 8 <= len(data):
        found.append(data[place : place + 4])
        (length,) = struct.unpack_from("<I", data, place + 4)
        place += 8 + length + length % 2
    return found


def _sixteen_bits(image: Image.Image, data: bytes, where: object) -> np.ndarray | None:
    """The stored planes, (H, W, C) uint16, of a PNG or TIFF of 16 bits; None of another.

    Raises FacevaeError naming `where` if the 16 bits can't be read.
    """
    if image.mode.startswith("I;16"):
        planes = np.asarray(image).astype(np.uint16)[..., None]
        # Pillow gives numbers as they are stored, where 0 is white in a TIFF that says so.
        return 65535 - planes if image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0 else planes
    if image.format == "PNG" and bits_and_planes(data)[0] == 16:
        return _by_opencv(data, where)
    if image.format == "TIFF" and image.tag_v2.get(258, (8,))[0] == 16:
        import tifffile

        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            try:
                planes = page.asarray()
            except (ValueError, KeyError, ImportError):
                raise FacevaeError(
                    where=where, expected="16 bits stored plainly or by Deflate", found=page.compression.name,
                    fix="save it as a PNG of 16 bits",
                ) from None  # fmt: skip
            if page.planarconfig == 2:
                planes = np.moveaxis(planes, 0, -1)
        return _turned(planes, UPRIGHT.get(image.tag_v2.get(ORIENTATION, 1)))
    return None


def _by_opencv(data: bytes, where: object) -> np.ndarray:
    """A PNG of 16 bits and several planes, which Pillow reads as 8: (H, W, C) uint16."""
    try:
        import cv2
    except ImportError:
        raise FacevaeError(
            where=where, expected="8 bits, or OpenCV to read 16 bits of colour with", found="16 bits, and no OpenCV",
            fix="pip install opencv-python-headless, or save it with 8 bits",
        ) from None  # fmt: skip
    planes = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    # OpenCV has blue first, and says grey with alpha in four planes.
    if bits_and_planes(data)[1] == 2:
        return np.ascontiguousarray(planes[..., [0, 3]])
    return np.ascontiguousarray(planes[..., [2, 1, 0, 3][: planes.shape[2]]])


def _png(photograph: Photograph, planes: np.ndarray, kind: str) -> bytes:
    chunks = photograph.chunks or described_by(photograph.icc_profile, photograph.exif)
    return encode_planes(planes, chunks)


def _tiff(photograph: Photograph, planes: np.ndarray, kind: str) -> bytes:
    if planes.dtype == np.uint8:
        return _by_pillow(photograph, planes, kind)
    import tifffile

    if planes.shape[2] == 2:  # which Pillow could not read again
        planes = np.dstack([np.repeat(planes[..., :1], 3, 2), planes[..., 1]])
    file, count, words = io.BytesIO(), planes.shape[2], words_in(photograph.exif)
    tifffile.imwrite(
        file, planes if count > 1 else planes[..., 0], photometric="rgb" if count > 2 else "minisblack",
        planarconfig="contig" if count > 1 else None, extrasamples=["unassalpha"] if count == 4 else None,
        compression="zlib", iccprofile=photograph.icc_profile, metadata=None, software=False,
        extratags=[(tag, 2, 0, text.encode("latin-1") + b"\0", True) for tag, text in words.items()],
    )  # fmt: skip
    return file.getvalue()


# What Pillow tells of an image in the words in which it takes it.
_BY_OPTIONS = {"JPEG": ("dpi", "xmp"), "TIFF": ("dpi",), "WEBP": ("xmp",), "AVIF": ("xmp",)}

# What a PNG's texts hold that is no text: XMP, and EXIF and profiles as ImageMagick writes them.
_NO_TEXT = ("XML:com.adobe.xmp", "Raw profile type ")

# With which Pillow writes what was of another format.
_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": "4:2:0"}, "WEBP": {"quality": 95}, "AVIF": {"quality": 95},
}  # fmt: skip


def _by_pillow(photograph: Photograph, planes: np.ndarray, kind: str) -> bytes:
    options = dict(_OPTIONS.get(kind, {}))
    if photograph.format == kind:
        if "qtables" in photograph.options:
            options = {}  # a quality would take their place
        options |= photograph.options
    if kind != "BMP":
        described = {"icc_profile": photograph.icc_profile, "exif": photograph.exif}
        if kind in _EXIF_ANEW and not can_be_coded(photograph.exif):
            del described["exif"]
        options |= {name: value for name, value in described.items() if value}
    file = io.BytesIO()
    Image.fromarray(planes[..., 0] if planes.shape[2] == 1 else planes).save(file, kind, **options)
    return file.getvalue()


_WRITERS: dict[str, Callable[[Photograph, np.ndarray, str], bytes]] = {"PNG": _png, "TIFF": _tiff}


def as_8_bits(planes: np.ndarray) -> np.ndarray:
    """uint8 as it is, uint16 by the upper half of its bits."""
    return planes if planes.dtype == np.uint8 else (planes // 257).astype(np.uint8)


def _turned(planes: np.ndarray, how: Image.Transpose | None) -> np.ndarray:
    """(H, W, C) as Pillow transposes an image, which knows no 16 bits of colour."""
    turned = {
        None: lambda a: a,
        Image.Transpose.FLIP_LEFT_RIGHT: lambda a: a[:, ::-1],
        Image.Transpose.FLIP_TOP_BOTTOM: lambda a: a[::-1],
        Image.Transpose.ROTATE_180: lambda a: a[::-1, ::-1],
        Image.Transpose.ROTATE_90: lambda a: np.rot90(a, 1),
        Image.Transpose.ROTATE_270: lambda a: np.rot90(a, 3),
        Image.Transpose.TRANSPOSE: lambda a: a.swapaxes(0, 1),
        Image.Transpose.TRANSVERSE: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    }
    return np.ascontiguousarray(turned[how](planes))
