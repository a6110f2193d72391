"""Beard and mustache of a drawn face."""

import numpy as np

from facevae.drawing.anatomy import Face
from facevae.drawing.canvas import Canvas, Colour, cloud, cover, dome, look_up, mix, ridge, scale, smoothstep
from facevae.drawing.mouth import lip_lines
from facevae.drawing.skin import outline

# --- beards -----------------------------------------------------------------------------------------------------------


def paint_beard(canvas: Canvas, face: Face) -> None:
    """5 o'clock shadow, beard, goatee, sideburns (mustache: see paint_mustache), over the skin and under the mouth."""
    has, head = face.has, face.head
    if not has & {"5_o_Clock_Shadow", "Goatee", "Sideburns"} and "No_Beard" in has:
        return
    window = canvas.window(head.centre - 50, 86, head.centre + 50, head.chin + 9)
    u, v = window.u, window.v
    edge = outline(u, v, head)
    dice = face.dice("beard")
    thickness = dice.between(0, 1)
    grain = cloud((1, 1), window, dice.place()) + 0.7 * cloud((4, 4), window, dice.place())
    colour = beard_colour(face)
    hairy = (colour[0] * (1.0 + 0.5 * grain), colour[1] * (1.0 + 0.5 * grain), colour[2] * (1.0 + 0.5 * grain))
    top, _, _, bottom, x = lip_lines(u, face.mouth)
    lips = cover(np.maximum(top - v, v - bottom) - 1.5, 3.0) * smoothstep(np.abs(x), 1.1, 0.95)
    growth = _growth(u, v, face, edge)
    if "5_o_Clock_Shadow" in has:
        stubble = np.clip(growth * (0.50 + 0.42 * grain), 0.0, 0.7) * (1.0 - 0.8 * lips)
        window.paint(stubble, mix((0.22, 0.23, 0.26), scale(face.skin, 0.3), 0.35))
    if "No_Beard" not in has:
        rim = smoothstep(edge, -16.0 - 4.0 * thickness, -7.0) * smoothstep(v, 124.0, 146.0)
        chin = dome(u, v, face.mouth.u, head.chin - 1, 26, 16)
        jaw = np.maximum(rim, np.minimum(1.6 * chin, 1.0)) * cover(edge - 2.0, 3.0)
        jaw = jaw * (0.72 + 0.14 * thickness + 0.45 * grain) * (1.0 - lips)
        window.paint(np.clip(jaw, 0.0, 0.93), hairy)
    if "Goatee" in has:
        start = face.mouth.v + 0.66 * face.mouth.gap + face.mouth.lower
        box = dome(u, v, face.mouth.u, head.chin - 4, 19, head.chin - start + 1)
        sides = ridge(np.abs(u - face.mouth.u) - face.mouth.half - 0.5, 4.5)
        sides = sides * smoothstep(v, 146.0, 151.0) * smoothstep(v, head.chin - 2, head.chin - 9)
        alpha = np.minimum(np.maximum(3.2 * box, 1.4 * sides), 1.0) * (0.95 + 0.25 * grain) * (1.0 - lips)
        window.paint(np.clip(alpha * cover(edge - 5.0, 3.0), 0.0, 0.97), np.stack(hairy) * 0.6)
    if "Sideburns" in has:
        burn = smoothstep(edge, -11.5, -6.5) * smoothstep(v, 90.0, 98.0) * smoothstep(v, 149.0, 141.0)
        burn = burn * (0.95 + 0.25 * grain) * cover(edge - 1.0, 2.0)
        window.paint(np.clip(burn, 0.0, 0.97), np.stack(hairy) * 0.85)


def _growth(u, v, face: Face, edge) -> np.ndarray:
    """Where a beard grows, (h, w) in [0, 1]: jaw, chin, round the mouth, not on the cheeks."""
    side = np.abs(u - face.head.centre) * (1.0 / face.head.half)
    line = 147.0 - 26.0 * side * side * side
    low = smoothstep(v - line, -4.0, 7.0)
    mouth_part = dome(u, v, face.mouth.u, 150, 24, 16)
    return np.minimum(np.maximum(low, 1.5 * mouth_part), 1.0) * cover(edge + 1.0, 3.0)


def beard_colour(face: Face) -> Colour:
    return scale(mix(face.hair.colour, (0.16, 0.11, 0.09), 0.35), 0.80)


def paint_mustache(canvas: Canvas, face: Face) -> None:
    """A solid mustache on the upper lip, drooping a little past the corners."""
    if "Mustache" not in face.has:
        return
    mouth = face.mouth
    window = canvas.window(mouth.u - 29, mouth.v - 20, mouth.u + 29, mouth.v + 12)
    row, column = face.dice("mustache").place()
    x = (window.u - mouth.u) * (1.0 / (mouth.half + 4.0))
    arc = 1.0 - x * x
    middle = mouth.v + mouth.lift * (0.40 - x * x) - 0.34 * mouth.gap * np.clip(arc, 0.0, 1.0)
    low = middle - 0.45 * mouth.upper * np.clip(arc, 0.0, 1.0) + 2.2 * x * x
    high = middle - mouth.upper - 5.8 * np.clip(arc, 0.0, 1.0) * (1.0 - 0.22 * ridge(x, 0.2)) + 3.5 * x * x
    strand = look_up((1, 2), window.v * 0.5 + row, np.abs(window.u - mouth.u) * 2.8 + 1.2 * window.v + column)
    inside = np.minimum(window.v - high, low - window.v) + 1.2 * strand
    alpha = cover(-inside, 1.8) * smoothstep(np.abs(x), 1.08, 0.94)
    colour = scale(beard_colour(face), 0.82)
    glow = (1.0 + 0.75 * strand) * (1.15 - 0.03 * (window.v - high))
    window.paint(0.97 * alpha, [channel * glow for channel in colour])
