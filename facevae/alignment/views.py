"""Views cut out of a photograph: squares of any size, turn and place, scaled down to what the aligner looks at.

A view is said by a similarity matrix (2, 3) that takes its own coordinates, -1 to 1, to the photograph's pixels.
"""

import math

import numpy as np
from PIL import Image

from facevae.alignment.similarity import corners, scale_of

VIEW = 64
"""Pixels of a view's side."""

SIDE = 2.0
"""Of a view, in its own coordinates."""


class Pyramid:
    """A photograph (H, W, 3) uint8 and its halvings, each made when a view is first cut out of it."""

    def __init__(self, photograph: np.ndarray) -> None:
        self.size = photograph.shape[1], photograph.shape[0]
        self._levels = [photograph]

    def level(self, number: int) -> np.ndarray:
        """The photograph halved so many times, or as often as it can be: each pixel is the mean of four before."""
        while len(self._levels) <= number and min(self._levels[-1].shape[:2]) >= 2:
            self._levels.append(np.asarray(Image.fromarray(self._levels[-1]).reduce(2)))
        return self._levels[min(number, len(self._levels) - 1)]

    def level_for(self, step: float) -> tuple[np.ndarray, np.ndarray]:
        """The smallest level to take samples from that lie `step` pixels of the photograph apart, and its scale, (2,).

        The scale is of x and y: halvings of odd sides round up, so that it is not quite a power of two.
        """
        image = self.level(max(0, math.floor(math.log2(max(step, 1)) + 1e-6)))
        return image, np.array(image.shape[1::-1]) / self.size

    def scaled(self, longest: int) -> np.ndarray:
        """The photograph scaled down until no side is longer than `longest`; as it is, if none is."""
        number = max(0, round(math.log2(max(self.size) / longest)))  # a halving is far quicker than a resize
        image = self.level(number)
        scale = longest / max(image.shape[:2])
        if scale >= 1:
            return image
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))

    def views(self, matrices: np.ndarray) -> np.ndarray:
        """The views at `matrices` (n, 2, 3): (n, VIEW, VIEW, 3) float32 in [0, 1].

        Beyond the photograph its outermost pixels go on.
        """
        steps = scale_of(matrices) * (SIDE / VIEW)
        found = np.empty((len(matrices), VIEW, VIEW, 3), np.float32)
        levels = np.floor(np.log2(np.maximum(steps, 1)))
        for number in np.unique(levels):
            rows = levels == number
            image, shrink = self.level_for(2**number)
            found[rows] = _cut(image, matrices[rows] * shrink[:, None])
        return found


def _cut(image: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Bilinear samples of an image at the pixels of views, (n, VIEW, VIEW, 3) in [0, 1]."""
    line = (np.arange(VIEW) + 0.5) * (SIDE / VIEW) - 1
    across, down = matrices[:, None, None, :, 0] * line[:, None], matrices[:, None, None, :, 1] * line[:, None, None]
    places = across + down + matrices[:, None, None, :, 2] - 0.5
    height, width = image.shape[:2]
    x, y = places[..., 0].clip(0, width - 1), places[..., 1].clip(0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    fx, fy = (x - left).astype(np.float32)[..., None], (y - top).astype(np.float32)[..., None]
    upper = image[top, left] * (1 - fx) + image[top, right] * fx
    lower = image[below, left] * (1 - fx) + image[below, right] * fx
    return (upper * (1 - fy) + lower * fy) / np.float32(255)


def cut_out(pyramid: Pyramid, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The image of `size` (width, height) whose pixels `matrix` (2, 3) takes to the photograph's: (h, w, 3) uint8.

    Sampled twice as finely as needed from the photograph, halved until that leaves no pixel out, and averaged. Beyond
    the photograph its outermost pixels go on.
    """
    fine = matrix @ np.diag([0.5, 0.5, 1])
    image, shrink = pyramid.level_for(float(scale_of(fine)))
    fine = fine * shrink[:, None]
    twice = 2 * size[0], 2 * size[1]
    image, shift = _padded(image, fine, twice)
    fine[:, 2] += shift
    found = Image.fromarray(image).transform(
        twice, Image.Transform.AFFINE, tuple(fine.ravel()), Image.Resampling.BICUBIC
    )
    return np.asarray(found.reduce(2))


def _padded(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The part of an image that another one is cut out of, its outermost pixels repeated, and how far that moved it."""
    ends = matrix @ np.vstack([corners(size).T, np.ones(4)])
    low, high = np.floor(ends.min(1)).astype(int) - 3, np.ceil(ends.max(1)).astype(int) + 3
    columns, rows = (np.arange(low[axis], high[axis]).clip(0, image.shape[1 - axis] - 1) for axis in (0, 1))
    return image[rows[:, None], columns], -low
