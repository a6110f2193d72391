"""Latent arithmetic: what is done with latents and directions. Pure functions on float arrays, NumPy alone.

A vector's unit is one attribute: adding it once goes from a face without the attribute to one with it. `t` is a share
of the way, from 0 to 1: a number, or an array (..., 1) that broadcasts against the latents (..., D).
"""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

# (a, b, t) -> what lies between a and b: `lerp` or `slerp`.
Interpolation = Callable[[np.ndarray, np.ndarray, float | np.ndarray], np.ndarray]

# NumPy's or PyTorch's.
ArrayT = TypeVar("ArrayT")

# Radians between two directions, or between one and the other's opposite, below which float32 knows no arc.
_NO_ARC = 1e-4


def edit(z: ArrayT, vector: ArrayT, strength: float) -> ArrayT:
    """z + strength * vector: (N, D), (D,) -> (N, D). `strength` is the report's smile factor; negative removes."""
    return z + strength * vector


def edit_all(z: ArrayT, vectors: ArrayT, strengths: ArrayT) -> ArrayT:
    """Several attributes at once, each with its own strength: (N, D), (A, D), (A,) or (N, A) -> (N, D)."""
    return z + strengths @ vectors


def explained_change(edited: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """1 - sum |edited - after|^2 / sum |before - after|^2 over images, (N, ...) each.

    1: the edit is the truth `after`; 0: as far from it as doing nothing; negative: worse than nothing. The sums run
    over all images before the division, so an image on which little changes weighs little.
    """
    missed = np.square(edited - after, dtype=np.float64).sum()
    change = np.square(before - after, dtype=np.float64).sum()
    return float(1 - missed / change)


def lerp(a: np.ndarray, b: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """The point at `t` on the straight line from a to b, exactly these at its ends: (..., D) twice -> (..., D)."""
    t = np.asarray(t, a.dtype)
    # From the nearer end, so that rounding leaves both ends as they are.
    return np.where(t < 0.5, a + t * (b - a), b - (1 - t) * (b - a))


def slerp(a: np.ndarray, b: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """The point at `t` on the arc from a to b, exactly these at its ends: (..., D) twice -> (..., D).

    The direction turns evenly (Shoemake 1985, "Animating rotation with quaternion curves"), the length goes evenly
    from one to the other. Latents of many dimensions lie near a sphere; the straight line cuts through its inside,
    where hardly any face is (White 2016, arXiv 1609.04468, section 2). Where there is no arc, or no single one, it is
    the straight line: between parallel vectors, opposite ones, and where one is zero.
    """
    t = np.asarray(t, a.dtype)
    length_a, length_b = np.linalg.norm(a, axis=-1, keepdims=True), np.linalg.norm(b, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit_a, unit_b = a / length_a, b / length_b
        # Kahan's angle: the arc cosine loses half of the digits where it is small.
        apart, together = (np.linalg.norm(unit, axis=-1, keepdims=True) for unit in (unit_a - unit_b, unit_a + unit_b))
        angle = 2 * np.arctan2(apart, together)
        length = lerp(length_a, length_b, t) / np.sin(angle)
        arc = (length / length_a * np.sin((1 - t) * angle)) * a + (length / length_b * np.sin(t * angle)) * b
    # Not a number compares as false: a zero vector has no angle.
    has_arc = (angle > _NO_ARC) & (angle < np.pi - _NO_ARC)
    return np.where(t == 0, a, np.where(t == 1, b, np.where(has_arc, arc, lerp(a, b, t))))


def analogy(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """What is to c as b is to a, c + (b - a): (..., D) three times -> (..., D). White 2016, section 2."""
    return c + (b - a)


def j_diagram(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, rows: int, columns: int, interpolate: Interpolation = lerp
) -> np.ndarray:
    """An analogy with everything in between: (D,) three times -> (rows, columns, D), both at least 2.

    a top left, b top right, c bottom left and the analogy bottom right; each column goes from the top row to the
    bottom one (White 2016, "J-diagram"). With `lerp` each cell is c's row and b's column added to a.
    """
    across = np.linspace(0, 1, columns, dtype=a.dtype)[:, None]
    down = np.linspace(0, 1, rows, dtype=a.dtype)[:, None, None]
    top = interpolate(a, b, across)
    bottom = interpolate(c, analogy(a, b, c), across)
    return interpolate(top, bottom, down)


def mine_grid(anchors: np.ndarray, spacing: int, interpolate: Interpolation = slerp) -> np.ndarray:
    """Cells between the latents of a grid: (R, C, D) -> ((R - 1) * spacing + 1, (C - 1) * spacing + 1, D).

    Every `spacing`-th cell, at least 1, is an anchor, exactly; first the rows are filled, then the columns between
    them. White 2016, "Manifold Interpolated Neighbor Embedding", for which neighbours are to be alike.
    """
    filled = _fill(anchors.swapaxes(0, 1), spacing, interpolate).swapaxes(0, 1)
    return _fill(filled, spacing, interpolate)


def _fill(anchors: np.ndarray, spacing: int, interpolate: Interpolation) -> np.ndarray:
    """Fill up between rows that follow each other: (R, C, D) -> ((R - 1) * spacing + 1, C, D)."""
    t = (np.arange(spacing, dtype=anchors.dtype) / spacing)[:, None, None]
    filled = interpolate(anchors[:-1, None], anchors[1:, None], t)
    return np.concatenate([filled.reshape(-1, *filled.shape[2:]), anchors[-1:]])
