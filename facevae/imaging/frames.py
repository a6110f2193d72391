"""How an image is framed for a model: padded for the denoiser, cropped and resized for the VAE."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from PIL import Image

from facevae.core.errors import FacevaeError

Resample = Literal["nearest", "bilinear", "bicubic", "lanczos", "box"]

RESAMPLES: tuple[Resample, ...] = get_args(Resample)


class Frame(Protocol):
    """Brings an image, an array or Pillow's, to a model's size.

    Its facts travel with the images and rebuild it: see `frame_from_facts`.
    """

    def __call__(self, image: np.ndarray | Image.Image) -> np.ndarray: ...

    def facts(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class PadFrame:
    """Repeats the outermost pixels `pad` times on every side.

    The report padded with zeros; the repeated edge shows the network no black border to learn.
    """

    pad: int

    def __call__(self, image: np.ndarray | Image.Image) -> np.ndarray:
        return np.pad(np.asarray(image), ((self.pad, self.pad), (self.pad, self.pad), (0, 0)), mode="edge")

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class SquareFrame:
    """Cuts out the centred square of `crop` pixels and scales it to `size`, antialiased but for nearest."""

    crop: int
    size: int
    resample: Resample

    def __call__(self, image: np.ndarray | Image.Image) -> np.ndarray:
        # Cut out and scaled by Pillow, so that what it has decoded is not copied into an array in between.
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        width, height = image.size
        if self.crop > min(width, height):
            raise FacevaeError(
                where="crop_pad.vae.crop", expected=f"at most {min(width, height)}, the images being {width}x{height}",
                found=str(self.crop), fix="crop less, or take larger images",
            )  # fmt: skip
        top, left = (height - self.crop) // 2, (width - self.crop) // 2
        square = image.crop((left, top, left + self.crop, top + self.crop))
        if self.size != self.crop:
            square = square.resize((self.size, self.size), Image.Resampling[self.resample.upper()])
        return np.array(square)

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def frame_from_facts(facts: dict[str, Any]) -> Frame:
    """The frame whose `facts()` are among `facts`. Raises KeyError if they are not."""
    if "pad" in facts:
        return PadFrame(facts["pad"])
    return SquareFrame(facts["crop"], facts["size"], facts["resample"])
