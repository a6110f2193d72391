"""Latent arithmetic: what is done with latents and directions. Pure functions on float tensors.

A vector's unit is one attribute: adding it once goes from a face without the attribute to one with it. `t` is a share
of the way, from 0 to 1: a number, or a tensor (..., 1) that broadcasts against the latents (..., D).
"""

from collections.abc import Callable

import torch
from torch import Tensor

# (a, b, t) -> what lies between a and b: `lerp` or `slerp`.
Interpolation = Callable[[Tensor, Tensor, float | Tensor], Tensor]

# Radians between two directions, or between one and the other's opposite, below which float32 knows no arc.
_NO_ARC = 1e-4


def edit(z: Tensor, vector: Tensor, strength: float) -> Tensor:
    """z + strength * vector: (N, D), (D,) -> (N, D). `strength` is the report's smile factor; negative removes."""
    return z + strength * vector


def edit_all(z: Tensor, vectors: Tensor, strengths: Tensor) -> Tensor:
    """Several attributes at once, each with its own strength: (N, D), (A, D), (A,) -> (N, D)."""
    return z + strengths @ vectors


def explained_change(edited: Tensor, before: Tensor, after: Tensor) -> float:
    """1 - sum |edited - after|^2 / sum |before - after|^2 over images, (N, ...) each.

    1: the edit is the truth `after`; 0: as far from it as doing nothing; negative: worse than nothing. The sums run
    over all images before the division, so an image on which little changes weighs little.
    """
    missed = (edited - after).double().square().sum()
    change = (before - after).double().square().sum()
    return float(1 - missed / change)


def lerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The point at `t` on the straight line from a to b, exactly these at its ends: (..., D) twice -> (..., D)."""
    return torch.lerp(a, b, torch.as_tensor(t, dtype=a.dtype, device=a.device))


def slerp(a: Tensor, b: Tensor, t: float | Tensor) -> Tensor:
    """The point at `t` on the arc from a to b, exactly these at its ends: (..., D) twice -> (..., D).

    The direction turns evenly (Shoemake 1985, "Animating rotation with quaternion curves"), the length goes evenly
    from one to the other. Latents of many dimensions lie near a sphere; the straight line cuts through its inside,
    where hardly any face is (White 2016, arXiv 1609.04468, section 2). Where there is no arc, or no single one, it is
    the straight line: between parallel vectors, opposite ones, and where one is zero.
    """
    t = torch.as_tensor(t, dtype=a.dtype, device=a.device)
    length_a, length_b = a.norm(dim=-1, keepdim=True), b.norm(dim=-1, keepdim=True)
    unit_a, unit_b = a / length_a, b / length_b
    # Kahan's angle: the arc cosine loses half of the digits where it is small.
    angle = 2 * torch.atan2((unit_a - unit_b).norm(dim=-1, keepdim=True), (unit_a + unit_b).norm(dim=-1, keepdim=True))
    length = torch.lerp(length_a, length_b, t) / angle.sin()
    arc = (length / length_a * ((1 - t) * angle).sin()) * a + (length / length_b * (t * angle).sin()) * b
    # Not a number compares as false: a zero vector has no angle.
    has_arc = (angle > _NO_ARC) & (angle < torch.pi - _NO_ARC)
    return torch.where(t == 0, a, torch.where(t == 1, b, torch.where(has_arc, arc, lerp(a, b, t))))


def analogy(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """What is to c as b is to a, c + (b - a): (..., D) three times -> (..., D). White 2016, section 2."""
    return c + (b - a)


def j_diagram(a: Tensor, b: Tensor, c: Tensor, rows: int, columns: int, interpolate: Interpolation = lerp) -> Tensor:
    """An analogy with everything in between: (D,) three times -> (rows, columns, D), both at least 2.

    a top left, b top right, c bottom left and the analogy bottom right; each column goes from the top row to the
    bottom one (White 2016, "J-diagram"). With `lerp` each cell is c's row and b's column added to a.
    """
    across, down = torch.linspace(0, 1, columns)[:, None], torch.linspace(0, 1, rows)[:, None, None]
    top = interpolate(a, b, across)
    bottom = interpolate(c, analogy(a, b, c), across)
    return interpolate(top, bottom, down)


def mine_grid(anchors: Tensor, spacing: int, interpolate: Interpolation = slerp) -> Tensor:
    """Cells between the latents of a grid: (R, C, D) -> ((R - 1) * spacing + 1, (C - 1) * spacing + 1, D).

    Every `spacing`-th cell, at least 1, is an anchor, exactly; first the rows are filled, then the columns between
    them. White 2016, "Manifold Interpolated Neighbor Embedding", for which neighbours are to be alike.
    """
    filled = _fill(anchors.transpose(0, 1), spacing, interpolate).transpose(0, 1)
    return _fill(filled, spacing, interpolate)


def _fill(anchors: Tensor, spacing: int, interpolate: Interpolation) -> Tensor:
    """Fill up between rows that follow each other: (R, C, D) -> ((R - 1) * spacing + 1, C, D)."""
    t = torch.arange(spacing)[:, None, None] / spacing
    filled = interpolate(anchors[:-1, None], anchors[1:, None], t)
    return torch.cat([filled.flatten(0, 1), anchors[-1:]])
