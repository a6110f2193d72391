"""Images as people hand them over, as photographs, and back: Pillow's, arrays, files."""

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from PIL import Image

from facevae.core.errors import FacevaeError
from facevae.imaging.codec import upright
from facevae.inference.exif import ORIENTATION, with_header, without_orientation
from facevae.inference.image_files import not_there
from facevae.inference.photographs import Photograph, as_8_bits, photograph_of, suffix_for

Kind = Literal["pillow", "array", "file"]

KINDS = "a Pillow image, an array of (H, W, 3) uint8, a path, or the bytes of a file"


@dataclass(frozen=True)
class Given:
    """`photograph`: what was given; `kind`: as what; `where`: its name, for errors.

    `planes`: of an array how many, 0 if it is (H, W).
    """

    photograph: Photograph
    kind: Kind
    planes: int = 3
    where: object = "the image"

    @property
    def suffix(self) -> str:
        """How what is made of it ends, such as `.jpg`."""
        return suffix_for(self.photograph.format, self.where if isinstance(self.where, Path) else PurePath())


def take(image: Any) -> Given:
    """What a person gave as an image. Raises FacevaeError if it is none."""
    if isinstance(image, str | Path):
        path = Path(image)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise not_there(path, "an image") from None
        except OSError as error:
            raise FacevaeError(
                where=path, expected="an image", found=error.strerror or "no such file", fix="correct the path"
            ) from None
        return Given(photograph_of(data, path), "file", where=path)
    if isinstance(image, bytes | bytearray | memoryview):
        return Given(photograph_of(bytes(image), Path("the image")), "file")
    if isinstance(image, Image.Image):
        return Given(_of_pillow(image), "pillow")
    if isinstance(image, np.ndarray):
        return Given(_of_array(image), "array", image.shape[2] if image.ndim == 3 else 0)
    raise FacevaeError(where="the image", expected=KINDS, found=type(image).__name__, fix="convert it first")


def give_back(photograph: Photograph, like: Given) -> Any:
    """A photograph as what was given: an array of its type and dimensions, else Pillow's image, of 8 bits.

    Pillow's image is upright; its `info` has the photograph's EXIF, but for the orientation, and its profile.
    """
    pixels, alpha = photograph.pixels, photograph.alpha
    if like.kind == "array":
        if like.planes < 3:
            return np.ascontiguousarray(pixels[..., :1] if like.planes else pixels[..., 0])
        return pixels if alpha is None else np.dstack([pixels, alpha])
    if like.kind == "pillow" and pixels.dtype == np.uint16:  # grey: Pillow has no colours of 16 bits
        made = Image.fromarray(np.ascontiguousarray(pixels[..., 0]))
    else:
        planes = as_8_bits(pixels)
        planes = planes[..., 0] if photograph.grey else planes
        if alpha is not None:
            planes = np.dstack([planes, as_8_bits(alpha)])
        made = Image.fromarray(np.ascontiguousarray(planes))
    described = {"icc_profile": photograph.icc_profile, "exif": without_orientation(photograph.exif)}
    made.info.update({name: value for name, value in described.items() if value})
    return made


def _of_pillow(image: Image.Image) -> Photograph:
    orientation = image.getexif().get(ORIENTATION, 1)
    said: dict[str, Any] = {"orientation": orientation, "exif": with_header(image.info.get("exif"))}
    if image.mode not in ("CMYK", "LAB"):  # the profile of others does not go with RGB
        said["icc_profile"] = image.info.get("icc_profile")
    image = upright(image, orientation)
    if image.mode.startswith("I;16"):
        planes = np.asarray(image).astype(np.uint16)
        return Photograph(np.repeat(planes[..., None], 3, 2), "PNG", grey=True, **said)
    if image.mode in ("I", "F"):
        raise FacevaeError(
            where="the image", expected="a Pillow image of 8 bits, or of mode I;16", found=f"mode {image.mode}",
            fix="bring its values to 0 to 255 and convert it to L or RGB",
        )  # fmt: skip
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        planes = np.array(image.convert("RGBA"))
        return Photograph(planes[..., :3].copy(), "PNG", alpha=planes[..., 3], grey=image.mode == "LA", **said)
    return Photograph(np.array(image.convert("RGB")), "PNG", grey=image.mode in ("1", "L"), **said)


def _of_array(image: np.ndarray) -> Photograph:
    planes = image.shape[2] if image.ndim == 3 else 1
    if (
        image.dtype not in (np.uint8, np.uint16)
        or image.ndim not in (2, 3)
        or planes not in (1, 3, 4)
        or not image.size
    ):
        raise FacevaeError(
            where="the image", expected="an array of (H, W), (H, W, 3) or (H, W, 4), uint8 or uint16",
            found=f"{image.shape} {image.dtype}",
            fix="for floats in [0, 1]: (255 * image).round().astype('uint8')",
        )  # fmt: skip
    if image.ndim == 2 or planes == 1:
        return Photograph(np.repeat(image.reshape(*image.shape[:2], 1), 3, 2), "PNG", grey=True)
    return Photograph(image[..., :3].copy(), "PNG", alpha=image[..., 3].copy() if planes == 4 else None)
