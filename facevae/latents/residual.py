"""An edit that keeps a photograph's own detail: the photograph plus what the edit changes of its reconstruction.

`decode(z + s v)` shows a face with all the blur of the autoencoder. The photograph x plus the difference of two
decodings, x + m p (decode(z + a s v) - decode(z)) / a, is sharp wherever nothing changes. With a = 2 it is half of an
edit twice as strong: there the decoder draws glasses in their own shape, where with less it draws a shadow. Two masks
in [0, 1] leave out what a vector changes besides: m, of the edit itself, the smallest of its changes, of light and of
colours; p, of the attribute, all where it does not show in the train images (`effect_maps`). NumPy alone: the command
line uses it too.
"""

from collections.abc import Callable

import numpy as np

# Nothing is kept where the blurred change is below the first share of the largest in that image, all above the second.
# A narrower mask needs more strength to be seen, by which unseen real faces lost more than it kept of them; most of all
# with bangs, which are not hair without some shade around them.
_NOTHING, _ALL = np.float32(0.02), np.float32(0.1)

# The same of an attribute's effect: nothing is kept where it is below the first share of its largest. With 0.1 and 0.3
# bangs and men are seen less often (docs/design.md).
_HIDDEN, _SHOWN = np.float32(0.05), np.float32(0.2)

# Standard deviation of the blur, as a share of the image's side.
_BLUR = 1 / 40

FARTHEST = 3.0
"""Strengths of more than this are beyond what the autoencoder has seen of any face."""

# How many times as strong as it is shown an edit is decoded: three times, and what is drawn is no longer as the drawn
# faces' truth is.
_AHEAD = 2.0

SEARCHED_TO = 2.0
"""A strength for each face is searched up to so many times the one that is recommended for all."""

CLEARLY = 0.8
"""The judge's probability above which a strength is enough: at a half a person sees hardly anything of glasses."""


def times_ahead(strengths: np.ndarray) -> np.ndarray:
    """How many times as strong as they are shown edits of such strengths are decoded: a in (N,) float32, 1 to 2.

    Twice, but up to a strength of 3, beyond which the autoencoder knows no faces; stronger edits as they are.
    """
    strengths = np.abs(strengths).astype(np.float32)
    return (np.float32(FARTHEST) / strengths.clip(np.finfo(np.float32).tiny)).clip(1, _AHEAD).astype(np.float32)


def residual_edit(
    images: np.ndarray, before: np.ndarray, ahead: np.ndarray, times: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Images with the change of an edit: (N, 3, S, S) float32 in [0, 1] three times and (N,) -> (N, 3, S, S).

    `before`: decode(z); `ahead`: decode(z + a s v); `times`: a, from `times_ahead`; `places`: p, (S, S), from
    `AttributeVectors.places`. Where nothing changes it is the image, bit for bit.
    """
    return (images + kept_change(before, ahead, times, places)).clip(0, 1)


def kept_change(before: np.ndarray, ahead: np.ndarray, times: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What is added to the images, m p (ahead - before) / a: (N, 3, S, S) twice, (N,) and (S, S) -> (N, 3, S, S)."""
    change = (ahead - before) / times[:, None, None, None].astype(before.dtype)
    return change * (change_mask(change) * places)


def change_mask(change: np.ndarray) -> np.ndarray:
    """How much of a change is kept where: (N, 3, S, S) -> (N, 1, S, S) in [0, 1], soft.

    By the change's own size, the largest of the three colours', blurred: 0 below 0.02 of where it is largest in that
    image, 1 above 0.1. Relative, so that a weak edit is kept in the same place as a strong one.
    """
    size = _blurred(np.abs(change).max(1, keepdims=True), _BLUR * change.shape[-1])
    return _smoothstep(size / size.max((2, 3), keepdims=True).clip(np.finfo(size.dtype).tiny), _NOTHING, _ALL)


def place_mask(maps: np.ndarray, side: int) -> np.ndarray:
    """Where attributes show: their effect maps, (K, G, G) in [0, 1], K >= 1 -> (S, S) float32 in [0, 1], soft.

    Interpolated bilinearly; of several attributes the one that shows there most. Below 0.05 of where an attribute shows
    most it is 0, above 0.2 it is 1.
    """
    grid = maps.shape[1]
    at = ((np.arange(side) + 0.5) * grid / side - 0.5).clip(0, grid - 1)
    weights = (1 - np.abs(at[:, None] - np.arange(grid))).clip(0).astype(np.float32)
    return _smoothstep((weights @ maps.astype(np.float32) @ weights.T).max(0), _HIDDEN, _SHOWN)


def smallest_strengths(
    seen: Callable[[np.ndarray], np.ndarray], count: int, most: float, steps: int = 5
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `count` faces the smallest strength with which its attribute is seen, by bisection; whether it is.

    `seen`: strengths (count,) float32 -> (count,) bool, all faces at once; it is asked `steps` + 1 times. Strengths,
    (count,), are found to most / 2^steps, rounded up, so that with them the attribute is seen; where that is so at none
    that was tried, which the second answer, (count,) bool, says, it is `most`.
    """
    low, high = np.zeros(count, np.float32), np.full(count, most, np.float32)
    reachable = seen(high)
    for _ in range(steps):
        middle = (low + high) / 2
        found = seen(middle)
        reachable = reachable | found  # too much of a change can hide what less of it shows
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return np.where(reachable, high, np.float32(most)), reachable


def _smoothstep(values: np.ndarray, low: np.float32, high: np.float32) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = ((values - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def _blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """(N, 1, S, S) by a Gaussian of so many pixels, continued by its mirror image."""
    radius = min(max(1, round(3 * sigma)), images.shape[-1] - 1)
    if radius < 1:
        return images
    kernel = np.exp(-(np.arange(-radius, radius + 1, dtype=np.float32) ** 2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).astype(images.dtype)
    for axis in (2, 3):
        around = [(0, 0)] * 4
        around[axis] = (radius, radius)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.pad(images, around, mode="reflect"), len(kernel), axis=axis
        )
        images = np.ascontiguousarray(windows @ kernel)
    return images
