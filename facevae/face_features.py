"""The face itself: skin over a height field, eyes, brows, mouth, beard. Each function paints one part on the canvas."""

import math

import numpy as np

from facevae.face_canvas import (
    EYE_U,
    EYE_V,
    Canvas,
    Colour,
    Window,
    cloud,
    cover,
    dome,
    ellipse,
    look_up,
    low_dome,
    mix,
    ridge,
    scale,
    smoothstep,
)
from facevae.face_looks import Eyes, Face, Head, Light, Mouth

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
