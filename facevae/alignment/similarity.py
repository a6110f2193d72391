"""Similarity transforms of the plane, a turn, a scale and a shift, as 2x3 matrices [A | b]: a point p goes to A p + b.

Points are (x, y), the y axis down, as pixels of images are counted: (0, 0) is the outer corner of the first pixel. A
positive turn goes from the x axis to the y axis, clockwise to the eye. Arrays of matrices (..., 2, 3) do as well.
"""

import numpy as np


def similarity(x: np.ndarray, y: np.ndarray, log_scale: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Matrices (..., 2, 3) that turn by `turn` radians and scale by exp(`log_scale`), then shift by (x, y)."""
    a, b = np.exp(log_scale) * np.cos(turn), np.exp(log_scale) * np.sin(turn)
    return np.stack([np.stack([a, -b, x], axis=-1), np.stack([b, a, y], axis=-1)], axis=-2)


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """First `first`, then `second`: (..., 2, 3)."""
    linear = second[..., :2] @ first[..., :2]
    shift = second[..., :2] @ first[..., 2:] + second[..., 2:]
    return np.concatenate([linear, shift], axis=-1)


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The way back: (..., 2, 3)."""
    linear = np.linalg.inv(matrix[..., :2])
    return np.concatenate([linear, -linear @ matrix[..., 2:]], axis=-1)


def moved(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where points (n, 2) go: (..., n, 2)."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def scale_of(matrix: np.ndarray) -> np.ndarray:
    """How many times longer things become, (...)."""
    return np.sqrt(np.abs(np.linalg.det(matrix[..., :2])))


def turn_of(matrix: np.ndarray) -> np.ndarray:
    """By how much things are turned, in radians within [-pi, pi], (...)."""
    return np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])


def corners(size: tuple[int, int]) -> np.ndarray:
    """The corners of an image of `size` (width, height): (4, 2)."""
    width, height = size
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float)


def corner_error(found: np.ndarray, truth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Mean distance of a frame's four corners from where they belong, in the frame's own pixels, (...).

    `found` and `truth`, (..., 2, 3), take the frame's pixels, of `size` (width, height), to a picture's.
    """
    apart = moved(found, corners(size)) - moved(truth, corners(size))
    return np.linalg.norm(apart, axis=-1).mean(-1) / scale_of(truth)
