"""Gaussian noise for the denoising autoencoder, keyed by the image's name."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, PlainValidator

from facevae.core.params import Section


def _checked(value: Any) -> float | list[float]:
    levels = value if isinstance(value, list) and len(value) == 2 else [value]
    if any(isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 255 for level in levels):
        raise ValueError("a number from 0 to 255, or a list of two")
    if levels != sorted(levels):
        raise ValueError("the smaller of the two numbers first")
    return [float(level) for level in levels] if isinstance(value, list) else float(value)


def _checked_fresh(value: Any) -> float | list[float] | str:
    if isinstance(value, str):
        if value != "same":
            raise ValueError("same, or a number from 0 to 255, or a list of two")
        return value
    return _checked(value)


# For the schema of params.yaml: what `_checked` takes, but for the order of the two.
_Level = Annotated[float, Field(ge=0, le=255)]
_Levels = _Level | Annotated[list[_Level], Field(min_length=2, max_length=2)]

# A standard deviation in 8-bit grey levels, or the two ends of a range that each image's own is drawn from, evenly.
Sigma = Annotated[float | list[float], PlainValidator(_checked, json_schema_input_type=_Levels)]

# A sigma as above, or `same`: that of the stored noise.
FreshSigma = Annotated[
    float | list[float] | str, PlainValidator(_checked_fresh, json_schema_input_type=_Levels | Literal["same"])
]


def ends(sigma: float | list[float]) -> tuple[float, float]:
    """Lowest and highest standard deviation."""
    return (sigma[0], sigma[1]) if isinstance(sigma, list) else (sigma, sigma)


def format_sigma(sigma: float | list[float]) -> str:
    """A sigma or a range of it, to be printed."""
    low, high = ends(sigma)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


class NoiseSettings(Section):
    """Section add_noise: the standard deviation in 8-bit grey levels, or the range of it, and the seed."""

    sigma: Sigma
    seed: int = Field(ge=0, lt=2**63)


@dataclass(frozen=True)
class Noise:
    """Adds Gaussian noise of `sigma` grey levels to an image, rounds, and clips to [0, 255].

    Of a range [low, high] each image gets a sigma of its own. The noise depends on the seed, the image's stem and its
    shape alone: neither the order of the images nor which others there are changes it.
    """

    sigma: float | list[float]
    seed: int

    def __call__(self, stem: str, image: np.ndarray) -> np.ndarray:
        """`image` (height, width, 3) uint8 with noise, uint8."""
        # Hashed, so that neighbouring seeds and names share nothing; 128 bits are Philox's whole key.
        key = hashlib.sha256(f"{self.seed}/{stem}".encode()).digest()[:16]
        generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
        noise = generator.standard_normal(image.shape, dtype=np.float32)
        low, high = ends(self.sigma)
        noise *= np.float32(low + (high - low) * generator.random())
        return np.rint(image + noise).clip(0, 255).astype(np.uint8)
