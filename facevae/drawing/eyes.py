"""Eyes and brows of a drawn face."""

import numpy as np

from facevae.drawing.anatomy import Eyes, Face
from facevae.drawing.canvas import (
    EYE_U,
    EYE_V,
    Canvas,
    Colour,
    Window,
    cover,
    dome,
    look_up,
    mix,
    ridge,
    scale,
    smoothstep,
)

# --- eyes -------------------------------------------------------------------------------------------------------------


def paint_eyes(canvas: Canvas, face: Face) -> None:
    for side in (-1.0, 1.0):
        # The eye further from the camera of a turned head looks a little narrower.
        eyes = face.eyes._replace(half=face.eyes.half * (1.0 - 0.10 * max(0.0, side * face.yaw)))
        window = canvas.window(side * EYE_U - 19, EYE_V - 16, side * EYE_U + 19, EYE_V + 13)
        _paint_eye(window, face, eyes, side)


def _paint_eye(window: Window, face: Face, eyes: Eyes, side: float) -> None:
    x, y = (window.u - side * EYE_U) * side, window.v - EYE_V
    n = x * (1.0 / eyes.half)
    arc = 1.0 - n * n
    axis = -eyes.tilt * n
    upper = axis - eyes.up * arc * (1.0 - 0.22 * n)
    lower = axis + eyes.low * arc * (1.0 + 0.20 * n)
    makeup, male = "Heavy_Makeup" in face.has, "Male" in face.has
    lid = np.clip(upper, -9.0, 1.0)
    if makeup:
        shadow = dome(x, y, 1.5, -6.0, 15, 9) * smoothstep(y - lid, 1.0, -1.0)
        window.paint(np.minimum(1.0 * shadow, 0.58), (0.25, 0.15, 0.19))
    crease = ridge(y - (lid - 2.8), 1.7) * smoothstep(np.abs(n), 1.1, 0.7)
    window.darken((0.45 if not makeup else 0.6) * crease, (0.85, 1.0, 1.0))
    opening = np.minimum(y - upper, lower - y)
    alpha = cover(-opening)
    _paint_eyeball(window, face, eyes, x, y, side, alpha, y - upper)
    within = smoothstep(np.abs(n), 1.10, 0.92)
    thick = 0.75 + 0.35 * np.clip(n, -1.0, 1.0) + (0.8 if makeup else 0.0) - (0.25 if male else 0.0)
    lash = np.clip(thick + 0.5 - np.abs(y - upper + 0.3), 0.0, 1.0) * within
    window.paint(0.92 * lash, (0.07, 0.05, 0.05))
    if not male:
        # Lashes swept up at the outer corner.
        wing = ridge(y - (axis - 0.55 * (x - eyes.half) - 0.4), 1.5 if makeup else 1.0)
        wing = wing * smoothstep(x, eyes.half - 3.0, eyes.half) * smoothstep(x, eyes.half + 4.5, eyes.half)
        window.paint(0.7 * wing, (0.07, 0.05, 0.05))
    under = ridge(y - lower - 0.2, 1.3) * within
    window.paint((0.65 if makeup else 0.30) * under, (0.20, 0.11, 0.09))
    if "Narrow_Eyes" in face.has:
        # Lids that half close: a heavy fold over the slit.
        window.darken(0.22 * ridge(y - (lid - 1.6), 3.2) * smoothstep(np.abs(n), 1.2, 0.8), (0.8, 1.0, 1.0))


def _paint_eyeball(window: Window, face: Face, eyes: Eyes, x, y, side: float, alpha, under_lid) -> None:
    white = 0.90 - 0.22 * np.minimum(x * x * 0.010, 1.0)
    white = white * (0.70 + 0.30 * smoothstep(under_lid, 0.0, 3.2))
    colour = np.stack((white, white * 0.965, white * 0.945))
    gaze_x, gaze_y = eyes.gaze[0] * side, eyes.gaze[1] - 0.6
    a, b = x - gaze_x, y - gaze_y
    r = np.sqrt(a * a + b * b)
    iris, pupil = cover(r - 4.8, 1.4), cover(r - 2.1, 1.2)
    glow = 0.62 + 0.65 * smoothstep(b, -3.0, 4.0)
    glow = glow * (1.0 - 0.5 * smoothstep(r, 3.6, 5.0)) * (0.55 + 0.45 * smoothstep(under_lid, 0.5, 4.0))
    for channel in range(3):
        colour[channel] += iris * (glow * eyes.iris[channel] - colour[channel])
        colour[channel] += pupil * (np.float32(0.03) - colour[channel])
    # The lamp's reflection lies on the same side in both eyes.
    spot_x = gaze_x + side * (1.9 if face.light.direction[0] > 0 else -1.9)
    c, d = x - spot_x, y - gaze_y + 1.9
    glint = 0.95 * cover(np.sqrt(c * c + d * d) - 1.05, 1.2)
    for channel in range(3):
        colour[channel] += glint * (1.0 - colour[channel])
    window.paint(alpha, colour)


def paint_brows(canvas: Canvas, face: Face) -> None:
    """Two brows of fine hairs, in a darker shade of the hair."""
    eyes = face.eyes
    row, column = face.dice("brows").place()
    colour = brow_colour(face)
    strong = 0.94 if "Bushy_Eyebrows" in face.has else 0.80
    if "Heavy_Makeup" in face.has:
        strong = strong + 0.06
    for side in (-1.0, 1.0):
        window = canvas.window(side * 20 - 19, eyes.brow_v - 16, side * 20 + 19, eyes.brow_v + 10)
        x, v = window.u * side, window.v
        n = (x - 6.5) * (1.0 / 27.0)
        m = np.clip(n, 0.0, 1.0)
        # Rises to a peak two thirds along, then falls.
        peak = np.where(m < 0.62, m * (1.0 / 0.62), (1.0 - m) * (1.0 / 0.38))
        bend = peak * (2.0 - peak)
        centre = eyes.brow_v + 1.6 - (eyes.brow_arch + 1.6) * bend + 2.0 * m * m
        thick = eyes.brow_thick * (1.15 - 0.75 * m * m) + 0.2
        strand = look_up((1, 2), v * 0.8 + row, (x + 0.9 * (v - centre)) * 1.3 + column)
        alpha = cover(np.abs(v - centre) - thick - 0.8 * strand, 2.2)
        alpha = alpha * smoothstep(n, -0.07, 0.10) * smoothstep(n, 1.04, 0.86) * (strong + 0.35 * strand)
        window.paint(np.clip(alpha, 0.0, 1.0), colour)


def brow_colour(face: Face) -> Colour:
    """The hair's colour, darker: fair people's brows are darker than their hair."""
    return scale(mix(face.hair.colour, (0.20, 0.13, 0.10), 0.45), 0.80)
