"""Noisy copies of a model's images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevae.data.noise import Noise
from facevae.imaging.archive import Archive, write_changed
from facevae.imaging.names import stem
from facevae.imaging.tiff import TiffFormat


def write_noisy(clean: Archive, target: Path, noise: Noise, settings: dict[str, Any], workers: int) -> None:
    """Write a noisy copy of each image of `clean`, which a stage made, and its facts with `settings`, to `target`."""
    make = _AddNoise(noise, clean.tiffs())
    write_changed(clean, target, make, clean.names, {**clean.facts, **settings}, "add noise", workers)


@dataclass(frozen=True)
class _AddNoise:
    noise: Noise
    tiffs: TiffFormat

    def __call__(self, name: str, data: bytes, where: str) -> np.ndarray:
        return self.noise(stem(name), self.tiffs.decode(data, where))
