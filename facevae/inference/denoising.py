"""A trained denoiser on images of any size: what does not fit into memory at once goes through it in tiles."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.inference.networks import Network
from facevae.inference.photographs import Photograph, as_8_bits
from facevae.inference.pixels import as_levels, unit_floats
from facevae.inference.threads import in_threads
from facevae.jobs.progress import track

TILE = 800
"""Longest side of a tile in pixels, without what it sees of its neighbours."""

AT_ONCE = 2
"""Tiles that are computed side by side, each by its share of the cores: see networks.py."""

# Pixels of an image from which on it is cut in two for that, although one tile would do.
_WORTH_TWO = 256 * 256

# The 75th percentile of the absolute value of a standard normal number is the MAD's; its inverse gives sigma.
_SIGMA_PER_MAD = 1.4826

# Grey levels that noise of this many sigmas does not push beyond black or white: it is measured on these alone.
_UNCLIPPED = 1.5

# Values that tell the noise of an image.
_ENOUGH = 1_500_000

CLEAN = 2.0
"""Noise of a smaller sigma, in grey levels, is none that anybody sees: grain, or the rounding of JPEG."""


@dataclass(frozen=True)
class Denoiser:
    """`facts`: what its file says of it. See networks.py for the network."""

    network: Network
    facts: dict[str, Any]

    def check_size(self, size: tuple[int, int], where: object) -> None:
        """Raise FacevaeError naming `where` if it can't take images of `size`, (width, height)."""
        if self.facts["dense"]:
            if self._border(size) is None:
                raise FacevaeError(
                    where=where, expected=f"{self.facts['width']}x{self.facts['height']} pixels or these without an "
                    "even border, since the denoiser has a dense bottleneck", found=f"{size[0]}x{size[1]}",
                    fix="bring the image to that size or train a denoiser with dae.architecture unet",
                )  # fmt: skip
            return
        if min(size) < self.facts["multiple"]:
            raise FacevaeError(
                where=where, expected=f"at least {self.facts['multiple']} pixels on each side",
                found=f"{size[0]}x{size[1]}", fix="take a larger image",
            )  # fmt: skip

    def __call__(
        self, image: np.ndarray, *, self_ensemble: bool = False, tile: int = TILE, what: str = ""
    ) -> np.ndarray:
        """The denoised image in its own size: (H, W, 3) uint8 or uint16 -> the same, if `check_size` accepts its size.

        `self_ensemble`: the mean of the answers to the image and to its mirror image (Timofte et al. 2016). Tiles see
        as much of their neighbours as the network looks around, so that they join without a seam. With `what`, progress
        is shown where there are several.
        """
        height, width = image.shape[:2]
        if self.facts["dense"]:
            border = self._border((width, height))
            assert border is not None  # check_size
            padded = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
            inside = slice(border, border + height), slice(border, border + width)
            return self._answer(padded, self_ensemble, inside)
        multiple, halo = self.facts["multiple"], self.facts["reach"]
        padded = image
        if height % multiple or width % multiple:
            padded = np.pad(image, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
        # Tiles begin where the network's strides do, else they would be computed on another grid. Which tiles there are
        # depends on the image alone and not on this machine's cores: so do the answer's last bits.
        down, across = math.ceil(height / tile), math.ceil(width / tile)
        if down == across == 1 and height * width >= _WORTH_TWO:
            down, across = (2, 1) if height >= width else (1, 2)
        rows, columns = (
            math.ceil(side / parts / multiple) * multiple for side, parts in ((height, down), (width, across))
        )
        corners = [(top, left) for top in range(0, height, rows) for left in range(0, width, columns)]
        output = np.empty_like(padded)

        def fill(corner: tuple[int, int]) -> None:
            top, left = corner
            above, before = max(0, top - halo), max(0, left - halo)
            seen = padded[above : top + rows + halo, before : left + columns + halo]
            inside = slice(top - above, top - above + rows), slice(left - before, left - before + columns)
            output[top : top + rows, left : left + columns] = self._answer(seen, self_ensemble, inside)

        done: Iterable[None] = in_threads(fill, corners, AT_ONCE)
        for _ in track(done, len(corners), what, "tiles") if what and corners[1:] else done:
            pass
        return np.ascontiguousarray(output[:height, :width])

    def photograph(
        self, noisy: Photograph, *, self_ensemble: bool = False, where: object = "the image", what: str = ""
    ) -> tuple[Photograph, float]:
        """The denoised photograph, with its bits, transparency and all that its file says, and the sigma of its noise.

        See `__call__` and `noise_sigma`. Raises FacevaeError naming `where` if `check_size` does.
        """
        height, width = noisy.pixels.shape[:2]
        self.check_size((width, height), where)
        pixels = self(noisy.pixels, self_ensemble=self_ensemble, what=what)
        sigma = noise_sigma(as_8_bits(noisy.pixels), as_8_bits(pixels))
        if noisy.colourless:  # the network's three answers to equal planes differ by a little
            mean = pixels.mean(2, keepdims=True, dtype=np.float32).round().astype(pixels.dtype)
            pixels = np.repeat(mean, 3, 2)
        return replace(noisy, pixels=pixels), sigma

    def _border(self, size: tuple[int, int]) -> int | None:
        """How wide a border around an image of `size` makes it the network's, as crop_pad put around the training's.

        None if no even one does, or only one so wide that the network would see more border than it has learnt to.
        """
        across, down = self.facts["width"] - size[0], self.facts["height"] - size[1]
        fits = across == down and across % 2 == 0 and 0 <= across // 2 <= min(size) // 10
        return across // 2 if fits else None

    def _answer(self, image: np.ndarray, self_ensemble: bool, inside: tuple[slice, slice]) -> np.ndarray:
        """The rows and columns `inside` of the denoised image."""
        batch = unit_floats(image[None])
        answer = self.network(batch)
        if self_ensemble:
            answer = (answer + self.network(np.ascontiguousarray(batch[..., ::-1]))[..., ::-1]) / 2
        return as_levels(answer[..., inside[0], inside[1]], image.dtype)[0]


def noise_sigma(noisy: np.ndarray, denoised: np.ndarray) -> float:
    """The sigma, in grey levels, of the Gaussian noise that a denoiser took out: (H, W, 3) uint8 twice.

    By the median absolute deviation of what it took, over the values that such noise would not have pushed beyond black
    or white: the rest has been clipped, and says too little.
    """
    # Of a large image evenly spaced pixels are enough.
    step = max(1, round((noisy.size / _ENOUGH) ** 0.5))
    noisy, denoised = noisy[::step, ::step], denoised[::step, ::step]
    taken = noisy.astype(np.int16) - denoised
    sigma = _SIGMA_PER_MAD * float(np.median(np.abs(taken)))
    for _ in range(3):
        inside = (denoised > _UNCLIPPED * sigma) & (denoised < 255 - _UNCLIPPED * sigma)
        if inside.mean() < 0.01:
            break
        # Whole grey levels are too coarse for a median of little noise: it is read between them.
        sigma = _SIGMA_PER_MAD * _median_between(np.abs(taken[inside]))
    return float(sigma)


def _median_between(values: np.ndarray) -> float:
    """The median of absolute whole numbers, each of which stands for all within half of it."""
    counts = np.bincount(values)
    before = np.concatenate([[0], np.cumsum(counts)])
    half = len(values) / 2
    level = int(np.searchsorted(before[1:], half))
    share = (half - before[level]) / counts[level]
    return share / 2 if level == 0 else level - 0.5 + share
