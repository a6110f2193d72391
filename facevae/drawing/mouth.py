"""Mouth of a drawn face."""

import numpy as np

from facevae.drawing.anatomy import Face, Mouth
from facevae.drawing.canvas import Canvas, Window, cover, dome, ridge, smoothstep

# --- mouth ------------------------------------------------------------------------------------------------------------


def lip_lines(u: np.ndarray, mouth: Mouth):
    """Rows of the lips at each u: (upper lip's top, upper lip's end, lower lip's start, lower lip's bottom, x)."""
    x = (u - mouth.u) * (1.0 / mouth.half)
    arc = 1.0 - x * x
    middle = mouth.v + mouth.lift * (0.40 - x * x)
    inner_top = middle - 0.34 * mouth.gap * arc
    inner_bottom = middle + 0.66 * mouth.gap * arc
    bow = 1.0 - 0.24 * ridge(x, 0.26)  # Cupid's bow
    top = inner_top - mouth.upper * arc * bow
    bottom = inner_bottom + mouth.lower * arc * (1.35 - 0.35 * arc)
    return top, inner_top, inner_bottom, bottom, x


def paint_mouth(canvas: Canvas, face: Face) -> None:
    """Lips, teeth and what is between them."""
    mouth = face.mouth
    window = canvas.window(mouth.u - 29, mouth.v - 17, mouth.u + 29, mouth.v + 22)
    v = window.v
    top, inner_top, inner_bottom, bottom, x = lip_lines(window.u, mouth)
    upper = np.minimum(v - top, inner_top - v + 0.4)
    lower = np.minimum(v - inner_bottom + 0.4, bottom - v)
    # Shadow under the lower lip and at the corners.
    window.darken(0.20 * dome(window.u, v, mouth.u, mouth.v + 0.66 * mouth.gap + mouth.lower + 4.5, 13, 4.5))
    corner_v = mouth.v - 0.6 * mouth.lift
    window.darken(0.30 * dome(np.abs(window.u - mouth.u), v, mouth.half + 0.5, corner_v, 4.5, 4.0), (0.8, 1.0, 1.0))
    tint, dim = face.light.tint, face.light.ambient + 0.5
    tone = tuple(channel * t * dim for channel, t in zip(mouth.colour, tint, strict=True))
    if mouth.gap:
        _paint_inside(window, mouth, v, inner_top, inner_bottom, x)
    shade = 0.80 - 0.10 * (v - inner_top) * (-1.0 / (mouth.upper + 1.0))
    window.paint(cover(-upper, 1.2), [channel * shade for channel in tone])
    depth = (v - inner_bottom) * (1.0 / (mouth.lower + 1.0))
    shade = 1.06 - 0.30 * depth * depth
    window.paint(cover(-lower, 1.2), [channel * shade for channel in tone])
    shine = dome(x, depth, -0.25 if face.light.direction[0] < 0 else 0.25, 0.40, 0.55, 0.34)
    window.lighten(mouth.gloss * shine)
    if not mouth.gap:
        seam = np.clip(1.3 - np.abs(v - inner_top), 0.0, 1.0) * smoothstep(np.abs(x), 1.06, 0.92)
        window.darken(0.62 * seam, (0.85, 1.0, 1.0))


def _paint_inside(window: Window, mouth: Mouth, v, inner_top, inner_bottom, x) -> None:
    inside = np.minimum(v - inner_top, inner_bottom - v)
    alpha = cover(-inside)
    window.paint(alpha, (0.20, 0.055, 0.06))
    edge = inner_top + mouth.teeth * (1.0 - 0.35 * x * x)
    teeth = np.minimum(inside, edge - v)
    white = 0.92 - 0.36 * x * x * x * x - 0.10 * smoothstep(v - inner_top, 2.0, 0.0)
    tooth = np.abs(window.u - mouth.u) * (1.0 / 4.3)
    gap = np.abs(tooth - np.floor(tooth) - 0.5)
    white = white - 0.07 * smoothstep(gap, 0.40, 0.5) * 1.0
    window.paint(cover(-teeth), (white, white * 0.975, white * 0.93))
