"""A change put into a photograph: computed in a model's frame, enlarged or turned to where the face is, and added.

Coordinates are Pillow's: x to the right and y downwards from the image's upper left corner, so that the centre of its
first pixel is at (0.5, 0.5), and a frame of S pixels reaches from 0 to S.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image

FADE = 0.2
"""Share of the frame's side over which a change fades to nothing at its border: less, and hair that turns blond shows
the frame's corners before a bright wall. Eyes and mouth lie further inside."""

# Pixels of the photograph that are computed at a time: 12 megapixels then take 40 MB besides themselves.
_AT_ONCE = 64 * 4000

# Pixels a side to which a change is enlarged in one go; the rest, of what has no detail there, is bilinear.
_LARGEST = 1024

# A border of the frame this close to the photograph's own, in pixels, is that.
_TOUCHING = 0.5


def composite(photograph: np.ndarray, matrix: np.ndarray, change: np.ndarray, fade: float = FADE) -> np.ndarray:
    """The photograph with the change added: (H, W, 3), (2, 3), (3, S, S) -> (H, W, 3) of the photograph's type.

    `photograph`: floats in [0, 1], or uint8 or uint16; `change`: in units of 1 for the whole range; `matrix`: the
    similarity that takes (x, y, 1) in the model's frame to (x, y) in the photograph, anywhere, also beyond it. The
    change is enlarged bicubically, shrunk with an antialiasing filter, fades within `fade` of the frame's side to 0 at
    its border, and the sum is clipped to the range. Pixels outside of the frame are the photograph's, bit for bit.
    Where a border of the frame lies on the photograph's own or beyond it, there is nothing to blend in with, and the
    change does not fade. Raises ValueError if the shapes, the photograph's type or the matrix are others.
    """
    peak = _peak(photograph.dtype)
    if photograph.ndim != 3 or photograph.shape[2] != 3:
        raise ValueError(f"a photograph of (H, W, 3), not {photograph.shape}")
    found = photograph.copy()
    height, width = photograph.shape[:2]
    for rows, columns, added in placed(change, matrix, (width, height), fade):
        before = photograph[rows, columns]
        after = before + peak * added
        if photograph.dtype.kind == "u":
            after = after.round()
        # Where nothing is added a float keeps even its sign of 0 and what may lie outside of the range.
        found[rows, columns] = np.where(added == 0, before, after.clip(0, peak))
    return found


def placed(
    change: np.ndarray, matrix: np.ndarray, size: tuple[int, int], fade: float = FADE
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Where in a photograph of (width, height) which change is added: rows, columns and (h, w, 3) float32, in strips.

    The arguments are those of `composite`; strips cover the frame's bounding box, as far as it is in the photograph.
    """
    matrix, side = np.asarray(matrix, np.float64), change.shape[-1]
    if change.shape != (3, side, side) or matrix.shape != (2, 3):
        raise ValueError(f"a change of (3, S, S) and a matrix of (2, 3), not {change.shape} and {matrix.shape}")
    scale = float(abs(np.linalg.det(matrix[:, :2]))) ** 0.5
    if not (np.isfinite(matrix).all() and scale > 0):
        raise ValueError("a matrix that can be inverted")
    corners = matrix @ np.array([[0, side, side, 0], [0, 0, side, side], [1, 1, 1, 1]])
    left, top = np.floor(corners.min(1)).clip(0, size).astype(int)
    right, bottom = np.ceil(corners.max(1)).clip(0, size).astype(int)
    fading = [
        not _outside(corners[:, [index, (index + 1) % 4]], size) for index in range(4)  # above, right, below, left
    ]  # fmt: skip
    pixels = min(max(1, round(side * scale)), max(side, _LARGEST))
    planes = [_scaled(plane, pixels) for plane in np.asarray(change, np.float32)]
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    rows = max(1, _AT_ONCE // max(1, right - left))
    for first in range(top, bottom, rows):
        last = min(first + rows, bottom)
        x, y = _in_frame(inverse, np.arange(left, right), np.arange(first, last))
        weight = _weight(x / side, y / side, fade, fading)
        # Pillow's matrix goes from the strip's pixels to the planes'.
        back = inverse * (pixels / side)
        back[:, 2] += back[:, :2] @ [left, first]
        strips = [
            plane.transform(
                (right - left, last - first), Image.Transform.AFFINE, tuple(back.ravel()), Image.Resampling.BILINEAR
            )
            for plane in planes
        ]
        yield slice(first, last), slice(left, right), np.stack([weight * np.asarray(strip) for strip in strips], 2)


def square_matrix(left: float, top: float, side: float, size: int) -> np.ndarray:
    """The matrix, (2, 3), of a frame of `size` pixels that is a square of `side` pixels of the photograph, upright."""
    return np.array([[side / size, 0, left], [0, side / size, top]])


def _peak(dtype: np.dtype) -> float:
    if dtype.kind == "f":
        return 1.0
    if dtype in (np.uint8, np.uint16):
        return float(np.iinfo(dtype).max)
    raise ValueError(f"a photograph of floats, uint8 or uint16, not {dtype}")


def _outside(edge: np.ndarray, size: tuple[int, int]) -> bool:
    """Whether an edge from one point to another, (2, 2) in columns, lies beyond one border of the photograph."""
    before, after = edge <= _TOUCHING, edge >= np.array(size)[:, None] - _TOUCHING
    return bool(before.all(1).any() or after.all(1).any())


def _scaled(plane: np.ndarray, pixels: int) -> Image.Image:
    resample = Image.Resampling.LANCZOS if pixels < len(plane) else Image.Resampling.BICUBIC
    return Image.fromarray(plane).resize((pixels, pixels), resample)


def _in_frame(inverse: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """x and y in the frame of the centres of the photograph's pixels, (2, h, w) float32."""
    across = inverse[:, 0, None, None] * (columns + 0.5)
    down = inverse[:, 1, None, None] * (rows + 0.5)[:, None]
    return (across + down + inverse[:, 2, None, None]).astype(np.float32)


def _weight(x: np.ndarray, y: np.ndarray, fade: float, fading: list[bool]) -> np.ndarray:
    """How much of the change is left where the frame's sides are 1: 0 on a border that it fades to, else 1 or less."""
    inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    weight = inside.astype(np.float32)
    for distance, fades in zip((y, 1 - x, 1 - y, x), fading, strict=True):
        if fades and fade > 0:
            t = (distance / np.float32(fade)).clip(0, 1)
            weight *= t * t * (3 - 2 * t)
    return weight
