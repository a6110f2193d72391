"""How many images are framed for each model, and how: the sections crop_pad.dae and crop_pad.vae."""

from pydantic import Field

from facevae.core.params import Section
from facevae.imaging.frames import Resample


class DaeCrop(Section):
    """Section crop_pad.dae: how many images at most (null: all) and how many pixels are put around each."""

    images: int | None = Field(gt=0)
    pad: int = Field(ge=0, le=64)


class VaeCrop(Section):
    """Section crop_pad.vae: so many images at most (null: all), the centred square cut out of each, its size then."""

    images: int | None = Field(gt=0)
    crop: int = Field(ge=8, le=4096)
    size: int = Field(ge=8, le=1024)
    resample: Resample
