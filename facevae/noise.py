"""Gaussian noise for the denoising autoencoder, keyed by the image's name."""

import hashlib
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from facevae.params import Section


class NoiseSettings(Section):
    """Section add_noise: the standard deviation in 8-bit grey levels, and the seed."""

    sigma: float = Field(ge=0, le=255)
    seed: int = Field(ge=0, lt=2**63)


@dataclass(frozen=True)
class Noise:
    """Adds Gaussian noise of `sigma` grey levels to an image, rounds, and clips to [0, 255].

    The noise depends on the seed, the image's name and its shape alone: neither the order of the images nor
    which others there are changes it.
    """

    sigma: float
    seed: int

    def __call__(self, name: str, image: np.ndarray) -> np.ndarray:
        """`image` (height, width, 3) uint8 with noise, uint8."""
        # Hashed, so that neighbouring seeds and names share nothing; 128 bits are Philox's whole key.
        key = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()[:16]
        generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
        noise = generator.standard_normal(image.shape, dtype=np.float32) * np.float32(self.sigma)
        return np.rint(image + noise).clip(0, 255).astype(np.uint8)
