"""Skin of a drawn face over a height field, its ears and neck."""

import math

import numpy as np

from facevae.drawing.anatomy import Face, Head, Light
from facevae.drawing.canvas import (
    EYE_U,
    EYE_V,
    Canvas,
    Window,
    cloud,
    cover,
    dome,
    ellipse,
    low_dome,
    mix,
    ridge,
    scale,
    smoothstep,
)

SKULL = 0.55  # how square the skull is, as Head.square is for the jaw


def outline(u: np.ndarray, v: np.ndarray, head: Head) -> np.ndarray:
    """Signed distance, pixels, to the outline of the face: an ellipse above, a jaw below."""
    down = v - head.level
    above = np.minimum(down, 0.0) * (1.0 / (head.level - head.top))
    below = np.clip(down * (1.0 / (head.chin - head.level)), 0.0, 1.25)
    x = (u - head.centre) * (1.0 / head.half)
    t = above * above
    q = t * (1.0 - SKULL + SKULL * t)
    t = below * below
    q += t * (1.0 - head.square + head.square * t)
    x /= 1.0 - head.taper * t
    q += x * x
    steep_x, steep_t = x * (2.0 / head.half), (above + below) * (2.0 / (head.chin - head.level))
    return (q - 1.0) / np.sqrt(steep_x * steep_x + steep_t * steep_t + 1e-5)


# --- skin -------------------------------------------------------------------------------------------------------------


def paint_skin(canvas: Canvas, face: Face) -> None:
    """Face, lit as a surface: a height field of ellipsoid, nose, cheeks, folds; its slope meets the light."""
    head = face.head
    window = canvas.window(head.centre - 52, head.top - 4, head.centre + 52, head.chin + 8)
    distance = outline(window.u, window.v, head)
    albedo = _albedo(window, face)
    window.paint(cover(distance), lit(_relief(window, face), albedo, face.light, _oil(face)))
    _shadows(window, face, cover(distance))


def lit(height: np.ndarray, albedo: np.ndarray, light: Light, oil: float) -> np.ndarray:
    """Light on a height field. height: (h, w) pixels; albedo: (3, h, w) or three numbers. Returns (3, h, w).

    Lambert's cosine, wrapped a little round the edge as skin does (light that enters it comes out reddish there), and
    a Blinn highlight with exponent 16 (four squarings: no power function).
    """
    slope_x, slope_y = np.zeros_like(height), np.zeros_like(height)
    slope_x[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * 0.5
    slope_y[1:-1] = (height[2:] - height[:-2]) * 0.5
    length = 1.0 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1.0)
    x, y, z = light.direction
    cosine = (z - slope_x * x - slope_y * y) * length
    bright = light.ambient + (1.06 - light.ambient) * np.maximum(cosine * 0.82 + 0.18, 0.0)
    half_z = z + 1.0
    half = 1.0 / math.sqrt(x * x + y * y + half_z * half_z)
    shine = np.maximum((half_z - slope_x * x - slope_y * y) * (length * half), 0.0)
    for _ in range(4):
        shine = shine * shine
    shine = shine * oil
    result = np.empty((3, *height.shape), np.float32)
    dim = np.maximum(1.0 - bright, 0.0) * bright
    for channel, red in enumerate((0.22, 0.0, -0.06)):
        result[channel] = albedo[channel] * (bright + red * dim) * light.tint[channel] + shine * light.tint[channel]
    return result


def _oil(face: Face) -> float:
    return 0.06 if "Heavy_Makeup" in face.has else 0.10


def _albedo(window: Window, face: Face) -> np.ndarray:
    """Colour of the skin, (3, h, w): redder nose and cheeks, blotches, make-up."""
    u, v, has = window.u, window.v, face.has
    dice = face.dice("skin texture")
    blotch = cloud((10, 10), window, dice.place()) * 0.05 + cloud((3, 3), window, dice.place()) * 0.035
    if "Young" not in has:
        blotch = blotch * 2.4
    if "Heavy_Makeup" in has:
        blotch = blotch * 0.4
    albedo = np.empty((3, *u.shape), np.float32)
    side = np.abs(u - face.head.centre)
    flush = 0.5 * low_dome(side, v, 24, 132, 15, 14) + 0.6 * low_dome(u, v, 0, face.nose.tip_v, 11, 12)
    flush = flush * (0.05 if "Pale_Skin" in has else 0.11)
    if "Rosy_Cheeks" in has:
        flush = flush + 0.60 * low_dome(side, v, 25, 134, 20, 18)
    elif "Heavy_Makeup" in has:
        flush = flush + 0.17 * low_dome(side, v, 27, 131, 15, 11)
    for channel, red in enumerate((0.10, -0.50, -0.36)):
        albedo[channel] = face.skin[channel] * (1.0 + blotch) * (1.0 + red * flush)
    return albedo


def _relief(window: Window, face: Face) -> np.ndarray:
    """Height of the face towards the camera, (h, w) pixels."""
    u, v, head, has = window.u, window.v, face.head, face.has
    x = (u - head.centre) * (1.0 / (head.half + 2.0))
    t = (v - head.level) * (1.0 / 62.0)
    t = np.where(t < 0.0, t * 0.80, t)
    height = 44.0 * np.sqrt(np.maximum(1.06 - x * x - 0.82 * t * t, 0.05))
    side = np.abs(u)
    # Eye sockets under the brow, lids bulging out of them.
    height = height - 3.6 * low_dome(side, v, 17, 108, 15, 12) + 2.4 * low_dome(side, v, EYE_U, EYE_V - 1, 12, 9)
    height = height + 1.6 * low_dome(side, v, 18, face.eyes.brow_v + 2, 20, 8)
    height = height + _nose_relief(u, v, face)
    height = height + _cheek_relief(u, v, face)
    height = height + 2.6 * low_dome(u, v, face.mouth.u, 166, 14, 11) - 1.2 * low_dome(u, v, face.mouth.u, 159.5, 13, 4)
    height = height - 0.8 * low_dome(u, v, 0.5 * face.mouth.u, 144, 3, 6)  # philtrum
    if "Young" not in has:
        height = height + _wrinkles(u, v, face)
    if "Bags_Under_Eyes" in has:
        height = height + 1.5 * low_dome(side, v, EYE_U, EYE_V + 8.5, 12, 4.5)
    return height


def _nose_relief(u: np.ndarray, v: np.ndarray, face: Face) -> np.ndarray:
    nose = face.nose
    lean = 3.2 * face.yaw
    along = np.clip((v - 98.0) * (1.0 / (nose.tip_v - 98.0)), 0.0, 1.2)
    x = u - lean * along
    rise = smoothstep(v, 90.0, nose.tip_v) * smoothstep(v, nose.tip_v + 8.5, nose.tip_v + 0.5)
    width = nose.ridge + (1.0 - 0.6 * nose.point) * 3.2 * along * along
    q = x / width
    q = q * q
    bridge = np.maximum(1.06 / (1.0 + q + q * q) - 0.06, 0.0)
    height = 0.80 * nose.lift * rise * bridge
    tip = 5.2 - 1.2 * nose.point
    height = height + (3.4 + 2.0 * nose.point) * low_dome(x, v, 0, nose.tip_v - 0.5, tip + 3.5, tip + 4.0)
    wings = low_dome(np.abs(x), v, nose.wing - 2.6, nose.tip_v + 1.2, 5.2, 6.0)
    return height + (4.4 - 1.6 * nose.point) * wings


def _cheek_relief(u: np.ndarray, v: np.ndarray, face: Face) -> np.ndarray:
    has = face.has
    side = np.abs(u - 0.5 * face.head.centre)
    height = 2.0 * low_dome(side, v, 24, 132, 18, 18)
    if "High_Cheekbones" in has:
        height = height + 5.0 * low_dome(side, v, 27, 126, 13, 9) - 4.6 * low_dome(side, v, 27, 144, 14, 13)
    if "Chubby" in has:
        height = height + 4.0 * low_dome(side, v, 27, 146, 19, 20)
    if "Smiling" in has:
        height = height + 3.2 * low_dome(side, v, 22, 132, 13, 11)
    fold = 1.9 if "Smiling" in has else 0.45
    fold = fold + (1.4 if "Young" not in has else 0.0)
    t = np.clip((v - 135.0) * (1.0 / 19.0), -0.2, 1.2)
    line = face.nose.wing + 2.0 + (face.mouth.half - 6.5) * t * (0.6 + 0.4 * t)
    ends = smoothstep(t, -0.15, 0.25) * smoothstep(t, 1.15, 0.75)
    return height - fold * ridge(side - line, 4.0) * ends


def _wrinkles(u: np.ndarray, v: np.ndarray, face: Face) -> np.ndarray:
    """Lines of the forehead, crow's feet and sagging beside the chin, as heights."""
    height = np.zeros_like(u)
    across = smoothstep(np.abs(u - face.head.centre), 27.0, 14.0)
    for row, v_line in enumerate((75.0, 81.5, 88.0)):
        bow = v_line + (0.0022 - 0.0006 * row) * u * u
        height = height - 1.0 * ridge(v - bow, 2.6) * across
    side = np.abs(u)
    for slope in (-0.45, 0.0, 0.45):
        line = EYE_V - 0.5 + slope * (side - 31.0)
        height = height - 0.8 * ridge(v - line, 2.0) * low_dome(side, v, 35.5, EYE_V, 5.5, 9)
    height = height - 1.5 * ridge(side - (0.22 * (v - 150.0) + 19.5), 4.0) * smoothstep(v, 152.0, 158.0) * (
        smoothstep(v, 172.0, 163.0)
    )
    return height - 0.9 * ridge(v - (EYE_V + 9.5 - 0.02 * (side - EYE_U) * (side - EYE_U)), 2.5) * (
        smoothstep(np.abs(side - EYE_U), 12.0, 6.0)
    )


def _shadows(window: Window, face: Face, inside: np.ndarray) -> None:
    """What a height field cannot show: shadow under the nose, nostrils, tired eyes, the hair's shadow."""
    u, v, nose = window.u, window.v, face.nose
    lean, side_light = 3.2 * face.yaw, face.light.direction[0]
    window.darken(
        0.20 * low_dome(u, v, lean - 7.0 * side_light, nose.tip_v + 7.5, nose.wing + 4.0, 6.0), (0.8, 1.0, 1.0)
    )
    nostril = low_dome(np.abs(u - lean), v, 0.50 * nose.wing, nose.tip_v + 3.6, 0.36 * nose.wing, 2.3)
    window.darken(np.minimum(1.3 * nostril, 0.75), (0.9, 1.0, 1.0))
    side = np.abs(u)
    window.darken(0.16 * low_dome(side, v, 11.5, 106, 9, 10), (0.8, 1.0, 1.0))
    if "Bags_Under_Eyes" in face.has:
        bag = ridge(v - (EYE_V + 10.0 - 0.022 * (side - EYE_U) * (side - EYE_U)), 6.0)
        window.darken(0.36 * bag * smoothstep(np.abs(side - EYE_U), 13.0, 7.0), (0.85, 1.0, 0.8))
    if "High_Cheekbones" in face.has:
        away = np.abs(u - 0.5 * face.head.centre)
        window.darken(0.30 * low_dome(away, v, 30, 146, 13, 14) * inside, (0.85, 1.0, 1.0))
        window.lighten(0.17 * low_dome(away, v, 28, 125, 12, 7) * inside, face.skin)


def paint_ears(canvas: Canvas, face: Face) -> None:
    """Both ears; the one on the far side of a turned head is hidden further behind it."""
    for side in (-1.0, 1.0):
        centre = face.head.centre + side * (face.head.half + 1.5 - 2.5 * max(0.0, side * face.yaw))
        window = canvas.window(centre - 8, 100, centre + 8, 142)
        u, v = (window.u - centre) * side, window.v
        distance = ellipse(u - 0.10 * (120.0 - v), v, 0, 120, 5.6, 15)
        bump = ellipse(u - 0.10 * (120.0 - v), v, -0.5, 118, 3.0, 9)
        height = 9.0 * np.sqrt(np.maximum(1.0 - (window.u - centre) * (window.u - centre) * 0.012, 0.05))
        height = height - 3.0 * cover(bump, 4.0)
        tone = mix(face.skin, (0.75, 0.30, 0.25), 0.12)
        window.paint(cover(distance), lit(height, tone, face.light, 0.04) * 0.88)
        window.darken(0.30 * cover(bump, 4.0) * cover(distance))


def paint_neck(canvas: Canvas, face: Face) -> None:
    """Neck and upper chest, in the chin's shadow; the double chin lies on it."""
    head, male = face.head, "Male" in face.has
    window = canvas.window(-110, head.chin - 34, 110, 260)
    u, v = window.u - 0.6 * head.centre, window.v
    half = (25.5 if male else 20.5) + (3.0 if "Chubby" in face.has else 0.0) + 0.06 * (v - head.chin)
    half = half + 60.0 * smoothstep(v, 188.0, 240.0)
    x = u / half
    height = 26.0 * np.sqrt(np.maximum(1.08 - x * x, 0.05))
    # Collar bones and the hollow between them.
    height = height - 1.6 * dome(u, v, 0, 203, 8, 9) + 1.2 * ridge(v - (202.0 + 0.05 * np.abs(u)), 4.0)
    if "Double_Chin" in face.has:
        height = height + 9.0 * dome(u, v, 0, head.chin + 1, 36, 15)
    colour = lit(height, scale(face.skin, 0.93), face.light, 0.03)
    alpha = cover(np.abs(u) - half)
    window.paint(alpha, colour)
    lean = -10.0 * face.light.direction[0]
    near = outline(window.u - lean, v - 7.0, head)
    window.darken(0.42 * alpha * cover(near - 3.0, 14.0), (0.85, 1.0, 1.0))
    if "Double_Chin" in face.has:
        roll = outline(window.u, v, head)
        below = smoothstep(v, head.chin - 14.0, head.chin - 4.0) * smoothstep(np.abs(u), 34.0, 22.0)
        window.lighten(0.22 * ridge(roll - 5.0, 6.0) * below * alpha, face.skin)
        window.darken(0.45 * ridge(roll - 12.0, 5.0) * below * alpha, (0.8, 1.0, 1.0))
