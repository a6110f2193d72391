"""Hair and hats."""

from typing import NamedTuple

import numpy as np

from facevae.drawing.anatomy import Face
from facevae.drawing.canvas import (
    Canvas,
    Window,
    bank,
    cloud,
    cover,
    dome,
    ellipse,
    look_up,
    places,
    ridge,
    ripple,
    scale,
    smoothstep,
)
from facevae.drawing.eyes import brow_colour
from facevae.drawing.skin import SKULL, outline


class Strands(NamedTuple):
    """Hair as a field over a window, the same for every lock of a head; (h, w) each."""

    window: Window
    tone: np.ndarray  # brightness, about 1
    rough: np.ndarray  # fine detail in [-0.5, 0.5], for ragged edges
    shift: np.ndarray  # pixels by which waves push the hair sideways


def comb(canvas: Canvas, face: Face) -> Strands:
    """Brush the hair: strands run away from the parting, waves bend them, light makes a band of sheen across them."""
    hair, head = face.hair, face.head
    window = canvas.window(-72, head.top - 24, 72, max(hair.end + 10, 130))
    u, v = window.u - head.centre, window.v
    curly = "Male" in face.has and "Wavy_Hair" in face.has
    dice = face.dice("strands")
    row, column = dice.between(0, 440), dice.between(190, 320)
    curl = cloud((7, 7), window, dice.place())
    sign = np.where(u < hair.part, np.float32(-0.25), np.float32(0.25))
    phase = v * (1.0 / hair.wavelength) + (sign + hair.phase)
    # Short curls are blobs all over the head; long waves run downwards.
    shift = 16.0 * curl if curly else (hair.wave * ripple(phase)) * smoothstep(v, 62.0, 120.0)
    a = u + (shift - hair.part)
    b = v - (head.top - 22.0)
    reach = np.abs(a) + np.maximum(b, 4.0)
    place = places(reach * 0.26 + row, (a / reach) * 200.0 + column)
    # Where the hairs meet at the parting they are finer than a pixel: fade them out there.
    near = smoothstep(reach, 14.0, 60.0)
    rough = bank(10, 2).ravel().take(place) * near
    thick = bank(16, 13).ravel().take(place) * near
    # The bands where rounded hair mirrors the light from above: on the crown, and where long hair bends outwards.
    band = (reach - (34.0 + 0.25 * np.abs(a))) * (1.0 / 15.0)
    low_band = (v - 150.0) * (1.0 / 22.0)
    sheen = hair.sheen / (1.0 + band * band) + 0.5 * hair.sheen / (1.0 + low_band * low_band)
    light = (0.28 * face.light.direction[0] / 50.0) * np.clip(a, -50.0, 50.0)
    strength = 1.0 if "Straight_Hair" in face.has else 0.50
    tone = 0.80 + strength * rough + 0.55 * thick + sheen * (0.75 + 1.2 * rough) + light
    if curly:
        tone = tone + 1.1 * curl
    elif "Wavy_Hair" in face.has:
        tone = tone + (0.26 * ripple(phase + 0.25)) * smoothstep(v, 70.0, 110.0)
    tone = np.maximum(tone, 0.25)
    return Strands(window, tone / (0.55 + 0.45 * tone), rough, shift)


def paint_back_hair(face: Face, strands: Strands) -> None:
    """Long hair behind neck and shoulders."""
    if "Bald" in face.has or "Male" in face.has:
        return
    strands.window.paint(cover(_curtain(face, strands), 1.6), _hair_colour(face, strands, 0.52))


def _curtain(face: Face, strands: Strands) -> np.ndarray:
    """Signed distance to the mass of long hair below the crown."""
    hair, head, window = face.hair, face.head, strands.window
    u = window.u - head.centre
    down = np.maximum(window.v - head.level, 0.0)
    side = np.where(u < 0, -strands.shift, strands.shift)  # both sides wave outwards where the strands do
    half = head.half + hair.sides + 0.10 * down + 0.7 * side
    half = half - 0.0022 * down * down
    rough = strands.rough
    end = window.v - hair.end + 0.006 * u * u + 9.0 * rough
    beside = np.abs(u) - half
    return np.maximum(np.maximum(beside, end), head.level - 16.0 - window.v)


def _hair_colour(face: Face, strands: Strands, factor: float) -> list[np.ndarray]:
    tone = strands.tone * factor
    # Highlights are less saturated than the hair: light adds a little of its own colour.
    glow = np.maximum(tone - 0.9, 0.0) * 0.085
    return [tone * c * t + glow * t for c, t in zip(face.hair.colour, face.light.tint, strict=True)]


def _outer(face: Face, strands: Strands) -> np.ndarray:
    """Signed distance to the silhouette of the hair on the head."""
    hair, head, window = face.hair, face.head, strands.window
    u, v = window.u - head.centre, window.v
    sides = hair.sides + (1.5 if "Wavy_Hair" in face.has else 0.0)
    volume = hair.volume + (2.5 if "Wavy_Hair" in face.has else 0.0) - (1.5 if "Straight_Hair" in face.has else 0.0)
    radius_u, top = head.half + sides, head.top - volume
    a = u * (1.0 / radius_u)
    b = np.minimum(v - head.level, 0.0) * (1.0 / (head.level - top))
    q = a * a + b * b * (1.0 - SKULL + SKULL * b * b)
    steep_a, steep_b = a * (2.0 / radius_u), b * (2.0 / (head.level - top))
    distance = (q - 1.0) / np.sqrt(steep_a * steep_a + steep_b * steep_b + 1e-5)
    rough = strands.rough
    shift = np.abs(strands.shift)
    return distance + 1.3 * rough + (0.35 * shift if "Wavy_Hair" in face.has else 0.0)


def _opening(face: Face, strands: Strands) -> np.ndarray:
    """Signed distance to the window in the hair through which the face shows."""
    hair, head, window = face.hair, face.head, strands.window
    u, v = window.u - head.centre, window.v
    male = "Male" in face.has
    half = head.half - (1.0 if male else 3.0) + (5.0 if hair.tucked and not male else 0.0)
    centre_v = 122.0 if male else 132.0
    lean = 0.5 * hair.part
    up = np.minimum(v - centre_v, 0.0) * (1.0 / (centre_v - hair.hairline))
    a = (u - lean * np.minimum(-up, 1.0)) * (1.0 / half)
    q = a * a + up * up * (0.40 + 0.60 * up * up) if male else a * a + up * up * (1.3 - 0.3 * up * up)
    steep_a, steep_b = a * (2.0 / half), up * (2.0 / (centre_v - hair.hairline))
    distance = (q - 1.0) / np.sqrt(steep_a * steep_a + steep_b * steep_b + 1e-5)
    if "Receding_Hairline" in face.has:
        distance = distance - (13.0 if male else 8.0) * dome(np.abs(u), v, 24, hair.hairline + 3, 17, 18)
        # Bare temples end on the head: hair goes on behind them. Below the temples nothing is held back.
        distance = np.maximum(distance, outline(window.u, v, head) + 4.0 - 400.0 * smoothstep(v, 105.0, 125.0))
    return distance - 2.4 * strands.rough


def paint_hair(face: Face, strands: Strands) -> None:
    """Hair on the head, and long locks beside the face down over the shoulders."""
    if "Bald" in face.has:
        return
    hair, head, window = face.hair, face.head, strands.window
    u, v = window.u, window.v
    opening = _opening(face, strands)
    rough = strands.rough
    if "Male" in face.has:
        # Short hair fades out beside the ears.
        shape = np.maximum(_outer(face, strands), (v - 113.0 - 8.0 * rough) * 0.3)
        softness = 2.2
    else:
        locks = np.maximum(_curtain(face, strands), head.level - 10.0 - v)
        if hair.end < 185:
            locks = np.maximum(locks, v - hair.end)
        shape = np.minimum(np.maximum(_outer(face, strands), v - head.level - 4.0), locks)
        softness = 1.6
    if "Wearing_Hat" in face.has:
        shape = np.maximum(shape, HAT_BRIM_V - 6.0 - v)  # the hat presses flat what is under it
    distance = np.maximum(shape, -0.65 * opening)  # a hairline is softer than a silhouette
    # Shadow of the hair on the forehead and cheeks, thrown inwards.
    skin = cover(outline(u, v, head)) * smoothstep(v, 150.0, 120.0)
    window.darken(0.26 * ridge(np.maximum(distance, 0.0), 8.0) * skin, (0.8, 1.0, 1.0))
    roots = 1.0 - 0.32 * ridge(opening, 9.0)
    window.paint(cover(distance, softness), [plane * roots for plane in _hair_colour(face, strands, 1.0)])


def paint_bangs(canvas: Canvas, face: Face, strands: Strands) -> None:
    """A fringe over the forehead, cut above the brows."""
    if "Bangs" not in face.has:
        return
    hair, head = face.hair, face.head
    window = canvas.window(-50, head.top - 6, 50, 108)
    u, v = window.u - head.centre, window.v
    row, column = face.dice("bangs").place()
    spread = 1.0 + 0.004 * (v - 60.0)
    along, across = v * 0.12 + row, (u - 0.3 * hair.part) / spread * 3.2 + (column + 200)
    tuft, fine = look_up((6, 6), along, across), look_up((6, 2), along, across)
    slant = 0.10 * u if hair.part > 0 else -0.10 * u
    bottom = 92.5 + 0.004 * u * u + slant + 9.0 * tuft
    inside = np.maximum(np.abs(u) - (head.half - 1.0), ellipse(u, v, 0, 100, head.half + 1, 100 - head.top + 1))
    distance = np.maximum(np.maximum(v - bottom, inside), head.top + 6.0 - v)
    skin = cover(outline(window.u, v, head))
    window.darken(0.30 * ridge(np.maximum(distance, 0.0), 6.0) * skin * smoothstep(v, 80.0, 88.0), (0.8, 1.0, 1.0))
    band = (v - (hair.hairline + 6.0)) * (1.0 / 9.0)
    tone = 0.84 + 0.7 * fine + 0.55 * tuft + hair.sheen * 0.8 / (1.0 + band * band)
    tone = tone * (1.0 - 0.18 * smoothstep(v, 80.0, 94.0))
    fade = smoothstep(v, head.top + 4.0, hair.hairline)
    glow = np.maximum(tone - 0.9, 0.0) * 0.085
    colour = [tone * c * t + glow * t for c, t in zip(hair.colour, face.light.tint, strict=True)]
    window.paint(cover(distance, 1.6) * fade, colour)


def paint_bald(canvas: Canvas, face: Face) -> None:
    """A bare crown: a shine, and a shadow of cropped hair beside the ears."""
    if "Bald" not in face.has:
        return
    head = face.head
    window = canvas.window(-50, head.top - 3, 50, 125)
    u, v = window.u - head.centre, window.v
    inside = cover(outline(window.u, v, head))
    crop = smoothstep(np.abs(u), head.half - 9.0, head.half - 2.0) * smoothstep(v, 78.0, 96.0)
    window.paint(0.50 * crop * smoothstep(v, 124.0, 112.0) * inside, scale(brow_colour(face), 0.9))
    spot = -16.0 if face.light.direction[0] < 0 else 16.0
    window.lighten(0.20 * dome(u, v, spot, head.top + 20, 22, 14) * inside)


HAT_BRIM_V = 82.0

HATS = ("beanie", "fedora", "cap")

HAT_COLOURS = (
    (0.13, 0.15, 0.22),
    (0.55, 0.12, 0.14),
    (0.16, 0.34, 0.28),
    (0.80, 0.74, 0.62),
    (0.28, 0.20, 0.16),
    (0.16, 0.33, 0.58),
    (0.72, 0.56, 0.20),
)


def paint_hat(canvas: Canvas, face: Face) -> None:
    """A knitted hat, a felt hat with a ribbon, or a peaked cap."""
    if "Wearing_Hat" not in face.has:
        return
    dice = face.dice("hat")
    kind, colour, band_colour = dice.pick(HATS), dice.pick(HAT_COLOURS), dice.pick(HAT_COLOURS)
    head = face.head
    window = canvas.window(-88, 0, 88, 112)
    u, v = window.u - head.centre, window.v
    x, _, z = face.light.direction
    brim_v, half = HAT_BRIM_V, head.half + 6.0
    crown = np.maximum(ellipse(u, v, 0, brim_v, half, brim_v - head.top + 14.0), v - brim_v - 0.004 * u * u)
    skin = cover(outline(window.u, v, head))
    window.darken(0.45 * skin * smoothstep(v, 104.0, brim_v), (0.85, 1.0, 1.0))
    weave = cloud((2, 2), window, face.dice("hat texture").place()) * 0.22
    round_light = 0.72 + 0.30 * z + 0.45 * x * np.clip(u * (1.0 / half), -1, 1) - 0.004 * (v - 60.0)
    round_light = round_light - 0.30 * (u * (1.0 / half)) * (u * (1.0 / half)) + weave
    if kind == "fedora":
        dent = ellipse(u, v, 0, head.top - 16.0, 13, 8)
        crown = np.maximum(crown, -dent)
        brim = ellipse(u, v, 0, brim_v - 3.0, half + 30.0, 13.0)
        window.paint(cover(crown), _tinted(colour, round_light))
        band = np.maximum(crown, np.abs(v - brim_v + 14.0 - 0.004 * u * u) - 6.5)
        window.paint(cover(band), _tinted(scale(colour, 0.40), round_light))
        window.paint(cover(brim), _tinted(colour, round_light * 0.25 + 0.62 - 0.016 * (v - brim_v)))
        return
    if kind == "cap":
        visor = np.maximum(
            ellipse(u, v, 5.0 * face.yaw, brim_v - 4.0, half - 3.0, 17.0), brim_v - 5.0 + 0.003 * u * u - v
        )
        seam = ridge(np.abs(u) - 16.0 * np.sqrt(np.maximum(1.0 - (v - brim_v) * (v - brim_v) * 0.0004, 0.0)), 1.4)
        window.paint(cover(crown), _tinted(colour, round_light * (1.0 - 0.25 * seam)))
        window.paint(cover(visor), _tinted(scale(band_colour, 0.9), 0.95 - 0.022 * (v - brim_v) + 0.5 * weave))
        return
    rib = 0.16 * ripple(u * (1.0 / 5.5))
    window.paint(cover(crown), _tinted(colour, round_light + 0.6 * rib * smoothstep(v, head.top - 10, head.top + 20)))
    fold = np.maximum(np.abs(u) - half - 1.0, np.abs(v - brim_v + 7.0 - 0.003 * u * u) - 9.0)
    window.paint(cover(fold, 1.6), _tinted(scale(colour, 0.85), round_light + rib))


def _tinted(colour, brightness: np.ndarray) -> np.ndarray:
    return np.stack([brightness * channel for channel in colour])
