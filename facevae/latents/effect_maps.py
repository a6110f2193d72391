"""Where in an image an attribute shows: a map of its effect on the pixels, found in the train images.

A linear model for each cell of a grid, of all attributes at once, as brain images are analysed (Friston et al. 1994,
"Statistical parametric maps in functional imaging: a general linear approach", equation 1). What another attribute does
to a place is not counted for this one: women smile more often and have longer hair, and yet smiles are not in the hair.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from threadpoolctl import threadpool_limits
from torch import Tensor

from facevae.data.arrays import UNKNOWN, VaeArrays
from facevae.nn.layers import from_bytes

GRID = 32
"""Cells a side, or as many as the image has pixels."""

# Images beyond these, evenly spread, would change no map visibly.
_ENOUGH = 20_000

_AT_ONCE = 500

# Against directions of which the images tell next to nothing: attributes that always go together.
_RIDGE = 1e-3


def maps_of(names: Sequence[str], arrays: VaeArrays) -> np.ndarray:
    """The maps of these attributes in the train images, (A, G, G); see `effect_maps`."""
    if not names:
        return np.zeros((0, GRID, GRID), np.float32)
    found = effect_maps(arrays.images["train"], arrays.attributes["train"])
    return found[[arrays.attribute_names.index(name) for name in names]]


def effect_maps(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How much each attribute changes which place: (N, S, S, 3) uint8, (N, A) -> (A, G, G) float32 in [0, 1].

    Of each cell the three colours' means and the contrast within it are fitted, x = b + sum_a y_a e_a + noise. A map is
    the norm of an attribute's four effects e_a, each in standard deviations of its noise, less what chance alone makes
    of it, relative to where it is largest; mirrored images count as images, as in the trainings. Unknown labels count
    as the mean of the known. All 1 where nothing can be told: nowhere a clear effect, only one kind of images, or no
    more images than attributes.
    """
    chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), _ENOUGH)).round().astype(int))
    design, side = _design(labels[chosen]), min(GRID, images.shape[1])
    spare = len(design) - design.shape[1]
    if spare <= 0:
        return np.ones((labels.shape[1], side, side), np.float32)
    products, squares = np.zeros((design.shape[1], 4 * side**2)), np.zeros(4 * side**2)
    with threadpool_limits(1):  # sums depend on how many threads share them
        for rows, found in _features(images, chosen, side):
            products += design[rows].T @ found
            squares += np.square(found).sum(0)
        gram = design.T @ design
        inverse = np.linalg.inv(gram + _RIDGE * np.eye(len(gram)))
        effects = inverse @ products
        unexplained = (squares - 2 * (effects * products).sum(0) + (effects * (gram @ effects)).sum(0)).clip(0)
        variance = unexplained / spare
    scaled = np.divide(np.square(effects), variance, out=np.zeros_like(effects), where=variance > _LEAST)
    sizes = scaled[1:].reshape(labels.shape[1], 4, side, side)
    by_chance = 4 * np.diag(inverse)[1:, None, None]
    sizes = _smoothed((sizes.sum(1) + sizes[..., ::-1].sum(1)) / 2 - by_chance)
    return _relative(np.where(sizes.max((1, 2), keepdims=True) > _CLEARLY * by_chance, sizes, 1.0))


# How many times what chance makes of a cell an attribute must add to the cell where it shows most: without any effect
# the largest of a thousand cells may have as much.
_CLEARLY = 2.0

# Variances of values in [0, 1] below which a cell is the same in all images.
_LEAST = 1e-8


def _design(labels: np.ndarray) -> np.ndarray:
    """(N, A) of 0, 1 or unknown -> (N, 1 + A) float64: a column of ones, then the labels less their means."""
    known = labels != UNKNOWN
    sums = np.where(known, labels, 0).sum(0)
    means = sums / np.maximum(known.sum(0), 1)
    return np.column_stack([np.ones(len(labels)), np.where(known, labels - means, 0.0)])


def _features(images: np.ndarray, chosen: np.ndarray, side: int) -> Iterator[tuple[slice, np.ndarray]]:
    """For some of the chosen images at a time, what is seen in each cell: (n, 4 G G) float64."""
    for start in range(0, len(chosen), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        batch: Tensor = from_bytes(images[chosen[rows]])
        means = F.adaptive_avg_pool2d(batch, side)
        contrast = (F.adaptive_avg_pool2d(batch.square(), side) - means.square()).clamp_min(0).mean(1, keepdim=True)
        yield rows, torch.cat([means, contrast.sqrt()], 1).flatten(1).double().numpy()


def _smoothed(maps: np.ndarray) -> np.ndarray:
    """(A, G, G), each cell with a quarter of either neighbour, down and across; borders continue."""
    for axis in (1, 2):
        around = np.pad(maps, [(1, 1) if axis == other else (0, 0) for other in range(3)], mode="edge")
        before, after = (np.take(around, range(start, start + maps.shape[axis]), axis) for start in (0, 2))
        maps = maps / 2 + (before + after) / 4
    return maps


def _relative(squares: np.ndarray) -> np.ndarray:
    """Square roots relative to each map's largest; all 1 where nothing is above 0."""
    sizes = np.sqrt(squares.clip(0)).astype(np.float32)
    most = sizes.max((1, 2), keepdims=True)
    return np.divide(sizes, most, out=np.ones_like(sizes), where=most > 0)
