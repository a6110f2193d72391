"""What surrounds and adorns the face: background, clothes, glasses, jewellery, and the camera."""

import numpy as np
from PIL import Image

from facevae.drawing.anatomy import GRAIN, Face
from facevae.drawing.canvas import (
    EYE_U,
    HEIGHT,
    WIDTH,
    Canvas,
    Colour,
    Window,
    cloud,
    cover,
    dome,
    ellipse,
    mix,
    ridge,
    ripple,
    rounded_box,
    scale,
    smoothstep,
)

BACKGROUNDS: tuple[tuple[Colour, Colour], ...] = (
    ((0.86, 0.87, 0.88), (0.62, 0.66, 0.71)),  # studio grey
    ((0.30, 0.34, 0.40), (0.13, 0.15, 0.19)),  # dark studio
    ((0.46, 0.57, 0.36), (0.20, 0.29, 0.17)),  # leaves
    ((0.62, 0.76, 0.90), (0.88, 0.90, 0.90)),  # sky
    ((0.72, 0.56, 0.40), (0.33, 0.22, 0.16)),  # a warm room
    ((0.68, 0.42, 0.42), (0.36, 0.18, 0.24)),  # red wall
    ((0.34, 0.52, 0.58), (0.14, 0.25, 0.32)),  # teal
    ((0.90, 0.82, 0.68), (0.70, 0.60, 0.50)),  # sand
    ((0.24, 0.28, 0.46), (0.50, 0.38, 0.52)),  # dusk
)

CLOTHES_COLOURS: tuple[Colour, ...] = (
    (0.10, 0.11, 0.14),
    (0.15, 0.20, 0.34),
    (0.88, 0.87, 0.85),
    (0.55, 0.16, 0.18),
    (0.24, 0.38, 0.34),
    (0.62, 0.52, 0.42),
    (0.40, 0.32, 0.50),
    (0.36, 0.55, 0.68),
    (0.78, 0.50, 0.46),
    (0.42, 0.43, 0.45),
)

TIES = ((0.66, 0.10, 0.13), (0.12, 0.22, 0.52), (0.10, 0.38, 0.30), (0.50, 0.16, 0.42), (0.80, 0.58, 0.14))

FRAMES = ((0.06, 0.06, 0.07), (0.24, 0.11, 0.06), (0.40, 0.07, 0.09), (0.10, 0.13, 0.26), (0.26, 0.23, 0.20))


def paint_background(canvas: Canvas, face: Face) -> None:
    """Out of focus: two colours mixed by clouds of several sizes, each finer and fainter, and a few blurred shapes.

    Made at a quarter of the size and enlarged, which is what being out of focus looks like, and cheap.
    """
    noise, dice = face.dice("background clouds"), face.dice("background")
    first, second = dice.pick(BACKGROUNDS)
    rows, columns = 56, 46
    v = np.arange(rows, dtype=np.float32)[:, None] * (1.0 / rows)
    u = np.arange(columns, dtype=np.float32)[None, :] * (1.0 / columns)
    share = 0.35 + dice.between(-0.6, 0.6) * (v - 0.5) + dice.between(-0.8, 0.8) * (u - 0.5)
    small = Window(u, v, None, slice(0, rows), slice(0, columns))
    for grain, weight in ((17, 0.75), (9, 0.40), (4, 0.22), (2, 0.13)):
        share = share + weight * cloud((grain, grain), small, noise.place())
    share = np.clip(share, 0.0, 1.0)
    plane = np.stack([a + share * (b - a) for a, b in zip(first, second, strict=True)])
    for _ in range(3):
        accent = scale(dice.pick(BACKGROUNDS)[0], dice.between(0.7, 1.15))
        strength, round_shape = dice.between(0.0, 0.55), dice.between(0, 1) < 0.5
        box = dice.between(-0.1, 1.1), dice.between(-0.1, 0.9), dice.between(0.05, 0.25), dice.between(0.08, 0.5)
        distance = ellipse(u, v, *box) if round_shape else rounded_box(u, v, *box, 0.02)
        alpha = strength * cover(distance * columns, 5.0)
        for channel in range(3):
            plane[channel] += alpha * (accent[channel] - plane[channel])
    for channel in range(3):
        plane[channel] += 0.05 * cloud((6, 6), small, noise.place())
    pixels = np.clip(plane * 255.0, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    large = Image.fromarray(np.ascontiguousarray(pixels)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    pixels = np.asarray(large)
    for channel in range(3):
        np.multiply(pixels[:, :, channel], face.light.tint[channel] / 255.0, out=canvas.everything.rgb[channel])


def paint_clothes(canvas: Canvas, face: Face) -> None:
    """Shoulders in a top with a round or pointed neckline; with a necktie, a shirt and a jacket."""
    dice = face.dice("clothes")
    colour, pattern = dice.pick(CLOTHES_COLOURS), dice.between(0, 1)
    neckline, depth, pointed = dice.between(190, 197), dice.between(8, 26), dice.between(0, 1) < 0.4
    shoulder, slope = dice.middle(193, 201), dice.middle(0.26, 0.42)
    if "Male" in face.has:
        shoulder, slope, depth = shoulder - 3.0, slope - 0.06, depth * 0.45
    window = canvas.window(-115, 176, 115, 255)
    u, v = window.u - 0.5 * face.head.centre, window.v
    side = np.abs(u)
    line = shoulder + slope * np.maximum(side - 30.0, 0.0) + 0.0011 * side * side - 4.0 * ridge(side - 30.0, 20.0)
    body = line - v
    if "Wearing_Necktie" in face.has:
        _paint_suit(window, face, colour, u, v, body)
        return
    if pointed:
        hole = (side * (depth + 10.0) * (1.0 / 27.0) + v - (neckline + depth + 4.0)) * 0.7
    else:
        hole = ellipse(u, v, 0, neckline - 6.0, 29.0, 8.0 + 0.8 * depth)
    texture = face.dice("clothes texture")
    folds = cloud((13, 15), window, texture.place()) * 0.30 + cloud((2, 2), window, texture.place()) * 0.10
    light = face.light.direction[0]
    bright = 0.84 + 0.35 * light * np.clip(u * (1.0 / 80.0), -1, 1) + folds
    bright = bright - 0.30 * ridge(np.maximum(-body, 0.0), 5.0) * 0.5
    if pattern < 0.22:
        bright = bright + 0.16 * np.clip(3.0 * ripple(v * (1.0 / 9.0) + 0.0006 * u * u), -1, 1)
    elif pattern < 0.34:
        bright = bright + 0.10 * ripple(u * (1.0 / 4.0))
    distance = np.maximum(body, -hole)
    window.darken(0.30 * ridge(np.maximum(distance, 0.0), 5.0) * smoothstep(side, 34.0, 28.0), (0.85, 1.0, 1.0))
    window.paint(cover(distance), [bright * c * t for c, t in zip(colour, face.light.tint, strict=True)])
    rim = ridge(hole - 2.0, 2.0) * cover(body)
    window.darken(0.28 * rim)


def _paint_suit(window, face: Face, colour: Colour, u, v, body) -> None:
    dice = face.dice("suit")
    tie = dice.pick(TIES)
    stripes, shirt = dice.between(0, 1), dice.pick(((0.93, 0.94, 0.96), (0.78, 0.86, 0.95), (0.95, 0.92, 0.90)))
    jacket = mix(scale(colour, 0.45), (0.12, 0.12, 0.15), 0.5)
    side, tint, light = np.abs(u), face.light.tint, face.light.direction[0]
    grade = 0.92 + 0.30 * light * np.clip(u * (1.0 / 80.0), -1, 1)
    weave = cloud((2, 2), window, face.dice("clothes texture").place()) * 0.14
    window.paint(cover(body), [(grade + weave) * c * t for c, t in zip(jacket, tint, strict=True)])
    # Shirt front, collar and tie.
    front = np.maximum(side - (26.0 - 0.35 * (v - 190.0)), 188.0 - v + 0.1 * side)
    window.paint(cover(front), [0.95 * grade * c * t for c, t in zip(shirt, tint, strict=True)])
    window.darken(0.35 * ridge(side - (26.0 - 0.35 * (v - 190.0)), 2.5) * cover(190.0 - v, 3.0))
    knot = np.maximum(side - (7.5 - 0.28 * (v - 196.0)), np.maximum(195.0 - v, v - 206.0))
    blade = np.maximum(side - (4.6 + 0.20 * (v - 205.0)), 205.0 - v)
    cloth = 0.95 + 0.22 * np.clip(3.0 * ripple((u + v) * (1.0 / 9.0)), -1, 1) * (1.0 if stripes < 0.5 else 0.0) + weave
    shade = cloth - 0.30 * ridge(v - 206.0, 2.5) - 0.03 * side
    window.paint(cover(np.minimum(knot, blade)), [shade * c * t for c, t in zip(tie, tint, strict=True)])
    # Two collar wings over the knot's shoulders.
    wing = np.maximum(
        np.abs(side - 14.0 - 0.25 * (v - 190.0)) - (8.5 - 0.42 * np.maximum(v - 193.0, 0.0)),
        185.0 - v + 0.35 * side - 3.0,
    )
    wing = np.maximum(wing, v - 209.0)
    window.darken(0.30 * ridge(np.maximum(wing, 0.0), 3.0) * smoothstep(v, 190.0, 196.0))
    window.paint(cover(wing), [1.02 * grade * c * t for c, t in zip(shirt, tint, strict=True)])


def paint_glasses(canvas: Canvas, face: Face) -> None:
    """Two framed lenses with a bridge and side arms; the glass throws a faint glare."""
    if "Eyeglasses" not in face.has:
        return
    dice = face.dice("glasses")
    colour = dice.pick(FRAMES)
    half_u, half_v, thick = dice.between(14.0, 15.8), dice.between(9.8, 12.2), dice.between(1.5, 2.3)
    radius = dice.between(3.5, 1.0 * half_v)
    glare = dice.between(0.05, 0.14)
    head = face.head
    window = canvas.window(-54, 92, 54, 130)
    u, v = window.u, window.v
    side = np.abs(u)
    lens = rounded_box(side, v, EYE_U + 0.8, 112.5, half_u, half_v, radius)
    ring = np.abs(lens) - thick
    bridge = np.maximum(np.abs(v - (108.0 + 0.06 * u * u)) - 0.8 * thick, side - (EYE_U + 0.8 - half_u))
    ear = head.half + 1.5 + np.where(u < 0, -head.centre, head.centre)
    arm = np.maximum(np.abs(v - 107.5) - 1.0 * thick, np.maximum(EYE_U + half_u - side, side - ear))
    frame = np.minimum(np.minimum(ring, bridge), arm)
    below = np.minimum(np.abs(rounded_box(side, v - 2.2, EYE_U + 0.8, 112.5, half_u, half_v, radius)) - thick, bridge)
    window.darken(0.24 * cover(below, 3.0) * cover(-lens + 1.0), (0.85, 1.0, 1.0))
    window.darken(0.05 * cover(lens))
    stripe = ridge(u + 0.8 * (v - 112.0) - np.where(u < 0, np.float32(-24), np.float32(17)), 6.0)
    window.lighten(glare * stripe * cover(lens + 1.0))
    shine = 1.0 + 2.2 * ridge(v - (112.5 - half_v), 2.2)
    window.paint(cover(frame), [shine * c for c in colour])


def paint_jewellery(canvas: Canvas, face: Face) -> None:
    """Earrings below the lobes; a necklace round the neck's base."""
    dice = face.dice("jewellery")
    metal = dice.pick(((0.90, 0.72, 0.30), (0.86, 0.87, 0.90), (0.93, 0.75, 0.40)))
    gem = dice.pick(((0.92, 0.90, 0.86), (0.12, 0.45, 0.62), (0.72, 0.12, 0.24), (0.10, 0.50, 0.36)))
    kind, drop, beads = dice.pick(("hoop", "drop", "pearl")), dice.between(0, 6), dice.between(0, 1) < 0.55
    hang, bead_gap = dice.between(194, 199), dice.between(5.5, 7.0)
    if "Wearing_Earrings" in face.has:
        for side in (-1.0, 1.0):
            _paint_earring(canvas, face, side, kind, metal, gem, drop)
    if "Wearing_Necklace" in face.has:
        window = canvas.window(-44, hang - 24, 44, hang + 22)
        u, v = window.u - 0.5 * face.head.centre, window.v
        line = hang + 12.0 - 0.0125 * u * u
        off = v - line
        within = smoothstep(np.abs(u), 37.0, 34.0)
        window.darken(0.35 * ridge(off - 3.0, 4.0) * within)
        if beads:
            along = u * (1.0 / bead_gap)
            a, b = (along - np.floor(along) - 0.5) * bead_gap, off
            r = np.sqrt(a * a + b * b)
            shine = 0.72 + 0.5 * ridge(np.sqrt((a + 0.8) * (a + 0.8) + (b + 0.9) * (b + 0.9)), 2.2)
            window.paint(cover(r - 0.46 * bead_gap) * within, [shine * c for c in gem])
        else:
            shine = 0.75 + 0.45 * ripple(u * (1.0 / 3.2))
            window.paint(cover(np.abs(off) - 1.3) * within, [shine * c for c in metal])
            stone = ellipse(u, v, 0, hang + 17.0, 4.2, 5.2)
            window.paint(cover(stone), [(0.8 + 0.5 * dome(u, v, -1.2, hang + 15.5, 2.6, 3)) * c for c in gem])
            window.paint(cover(np.abs(stone) - 0.7), metal)


def _paint_earring(canvas: Canvas, face: Face, side: float, kind: str, metal: Colour, gem: Colour, drop: float) -> None:
    at = face.head.centre + side * (face.head.half + 1.5)
    window = canvas.window(at - 10, 128, at + 10, 168)
    u, v = window.u - at, window.v
    if kind == "hoop":
        ring = np.abs(ellipse(u, v, 0, 143.0 + 0.4 * drop, 5.2 + 0.2 * drop, 7.5 + 0.4 * drop)) - 1.35
        window.darken(0.3 * cover(ring - 1.0, 3.0))
        shine = 0.80 + 0.40 * ridge(v - 139.0, 8.0)
        window.paint(cover(ring), [shine * c for c in metal])
        return
    long = 144.0 + drop + (3.0 if kind == "drop" else -2.0)
    wire = np.maximum(np.abs(u) - 0.9, np.maximum(135.0 - v, v - long))
    size = (3.4, 5.6) if kind == "drop" else (3.9, 3.9)
    stone = ellipse(u, v, 0, long, *size)
    window.darken(0.3 * cover(stone - 1.0, 3.0))
    window.paint(cover(np.minimum(wire, ellipse(u, v, 0, 135.5, 2.1, 2.1))), metal)
    shine = 0.78 + 0.6 * dome(u, v, -1.1, long - 1.4, 2.8, 3.2)
    window.paint(cover(stone), [shine * c for c in (gem if kind == "drop" else (0.95, 0.93, 0.90))])
    if kind == "drop":
        window.paint(cover(np.abs(stone) - 0.6), metal)


def photograph(canvas: Canvas, face: Face) -> np.ndarray:
    """What the camera makes of it: a slightly soft lens, out of focus if Blurry, grain. Returns (H, W, 3) uint8."""
    rgb = canvas.everything.rgb
    for plane in rgb:
        plane *= 255.0
        _soften(plane)
        _soften(plane.T)
    if "Blurry" in face.has:
        rgb = _out_of_focus(rgb)
    raw = face.stream(GRAIN).bit_generator.random_raw((rgb.size + 7) // 8)
    dice = raw.astype("<u8").view(np.uint8)[: rgb.size].reshape(rgb.shape)
    # Two 16-sided dice in each byte; their sum has a bell of a sort, standard deviation 6.5.
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for channel in range(3):
        grain = ((dice[channel] & 15) + (dice[channel] >> 4)).astype(np.float32)
        grain *= 0.2
        grain += rgb[channel] - 2.5
        np.copyto(pixels[:, :, channel], np.clip(grain, 0.0, 255.0, out=grain), casting="unsafe")
    return pixels


def _soften(plane: np.ndarray) -> None:
    """Let 12 % of each inner row bleed into the rows above and below, in place; plane: (h, w)."""
    neighbours = plane[2:] + plane[:-2]
    neighbours *= 0.12
    inner = plane[1:-1]
    inner *= 0.76
    inner += neighbours


def _out_of_focus(rgb: np.ndarray) -> np.ndarray:
    """Shrink to a fifth and enlarge again, as Pillow does it on 8 bits."""
    pixels = np.clip(np.floor(rgb + 0.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    small = Image.fromarray(np.ascontiguousarray(pixels)).resize((WIDTH // 5, HEIGHT // 5), Image.Resampling.BICUBIC)
    large = small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
    return np.asarray(large).transpose(2, 0, 1).astype(np.float32)
