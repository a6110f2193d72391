"""What a face measures: identity (seed, number) and attributes to sizes in pixels, colours in [0, 1] and directions."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from facevae.drawing.canvas import Colour, mix, scale, stream

# Streams of randomness, one per aspect, so that adding a draw to one never changes another. 0 samples attributes.
DICE, GRAIN = 1, 2

# Aspects that are a few numbers each: rows of one table of dice. New ones go to the end, or every face changes.
ASPECTS = ("pose", "head", "skin", "light", "eyes", "nose", "mouth", "hair", "hair colour", "glasses", "hat", "suit",
           "jewellery", "clothes", "background", "strands", "bangs", "skin texture", "brows", "beard", "mustache",
           "hat texture", "clothes texture", "background clouds")  # fmt: skip

# sRGB in [0, 1], light to dark; an identity's skin lies between two neighbours.
SKINS: tuple[Colour, ...] = (
    (0.975, 0.815, 0.725),
    (0.955, 0.765, 0.650),
    (0.920, 0.705, 0.570),
    (0.855, 0.645, 0.510),
    (0.745, 0.540, 0.405),
    (0.610, 0.420, 0.305),
    (0.465, 0.310, 0.225),
)

HAIRS: dict[str, tuple[Colour, Colour]] = {
    "Black_Hair": ((0.085, 0.075, 0.080), (0.130, 0.105, 0.095)),
    "Brown_Hair": ((0.215, 0.130, 0.080), (0.330, 0.200, 0.120)),
    "Blond_Hair": ((0.800, 0.640, 0.390), (0.920, 0.800, 0.560)),
    "Gray_Hair": ((0.600, 0.605, 0.615), (0.800, 0.800, 0.800)),
    "": ((0.470, 0.215, 0.120), (0.660, 0.520, 0.360)),  # none of the four: auburn to dark blond
}

IRISES: tuple[Colour, ...] = (
    (0.27, 0.16, 0.09),
    (0.36, 0.23, 0.12),
    (0.40, 0.36, 0.20),
    (0.34, 0.45, 0.36),
    (0.36, 0.50, 0.62),
    (0.48, 0.56, 0.62),
)


class Head(NamedTuple):
    """Outline of the face, in face coordinates (pixels)."""

    centre: float  # u of the middle: a turned head lies to one side of the line between the eyes
    half: float  # half the width at the cheeks
    top: float  # v of the crown
    level: float  # v of the widest place
    chin: float  # v of the chin's lowest point
    square: float  # 0 for an elliptic jaw, towards 1 for a square one
    taper: float  # by how much the jaw narrows towards the chin


class Light(NamedTuple):
    direction: tuple[float, float, float]  # unit vector to the light: x right, y down, z to the camera
    ambient: float
    tint: Colour


class Eyes(NamedTuple):
    half: float
    up: float
    low: float
    tilt: float
    gaze: tuple[float, float]
    iris: Colour
    brow_v: float
    brow_arch: float
    brow_thick: float


class Nose(NamedTuple):
    wing: float  # half the width at the nostrils
    ridge: float  # half the width of the bridge
    tip_v: float
    lift: float  # height towards the camera
    point: float  # 0 round to 1 sharp


class Mouth(NamedTuple):
    u: float
    v: float
    half: float
    lift: float  # by how much the corners are above the middle
    gap: float  # between the lips
    teeth: float  # height of the visible teeth
    upper: float
    lower: float
    colour: Colour
    gloss: float


class Hair(NamedTuple):
    colour: Colour
    part: float  # u of the parting
    hairline: float  # v of its top
    volume: float  # beyond the skull, above
    sides: float  # beyond the skull, beside the cheeks
    end: float  # v where it ends
    wave: float  # amplitude of the waves, pixels
    wavelength: float
    phase: float
    sheen: float
    tucked: bool  # behind the ears


@dataclass(frozen=True)
class Face:
    """All that a drawing needs to know."""

    seed: int
    number: int
    has: frozenset[str]
    rolls: dict[str, list[float]]
    roll: float  # degrees
    yaw: float  # -1 (to the left of the picture) to 1
    skin: Colour
    head: Head
    light: Light
    eyes: Eyes
    nose: Nose
    mouth: Mouth
    hair: Hair

    def stream(self, aspect: int) -> np.random.Generator:
        return stream(self.seed, self.number, aspect)

    def dice(self, aspect: str) -> "Dice":
        return Dice(self.rolls[aspect])


class Dice:
    """Uniform draws, in order, for one aspect of one identity."""

    def __init__(self, rolls: list[float]) -> None:
        self._rolls = iter(rolls)

    def between(self, low: float, high: float) -> float:
        return low + (high - low) * next(self._rolls)

    def middle(self, low: float, high: float) -> float:
        """Between `low` and `high`, most often near the middle."""
        return low + (high - low) * (self.between(0, 1) + self.between(0, 1)) / 2

    def place(self) -> tuple[int, int]:
        """Where to cut a piece from a bank of noise; see face_canvas.cloud."""
        return int(self.between(0, 290)), int(self.between(0, 290))

    def pick(self, choices):
        return choices[min(int(self.between(0, len(choices))), len(choices) - 1)]


def measure(seed: int, number: int, has: frozenset[str]) -> Face:
    """The measures of identity (seed, number) with the attributes `has`."""
    table = stream(seed, number, DICE).random((len(ASPECTS), 32)).tolist()
    rolls = dict(zip(ASPECTS, table, strict=True))
    pose = Dice(rolls["pose"])
    roll, yaw = pose.middle(-4.0, 4.0), pose.middle(-1.0, 1.0)
    skin, darkness = _skin(Dice(rolls["skin"]), has)
    return Face(
        seed=seed,
        number=number,
        has=has,
        rolls=rolls,
        roll=roll,
        yaw=yaw,
        skin=skin,
        head=_head(Dice(rolls["head"]), has, yaw),
        light=_light(Dice(rolls["light"])),
        eyes=_eyes(Dice(rolls["eyes"]), has, darkness),
        nose=_nose(Dice(rolls["nose"]), has),
        mouth=_mouth(Dice(rolls["mouth"]), has, yaw, skin),
        hair=_hair(Dice(rolls["hair"]), Dice(rolls["hair colour"]), has, darkness),
    )


def _skin(dice: Dice, has: frozenset[str]) -> tuple[Colour, float]:
    """Colour of the skin, and how dark it is from 0 to 1 whatever the attributes."""
    darkness = dice.between(0, 1)
    darkness = 0.998 * darkness * (0.25 + 0.75 * darkness)  # light tones more often, as in CelebA
    place = (len(SKINS) - 1) * darkness
    low = int(place)
    tone = mix(SKINS[low], SKINS[low + 1], place - low)
    warm = dice.middle(-0.02, 0.02)
    tone = (tone[0] + warm * 0.4, tone[1], tone[2] - warm)
    if "Pale_Skin" in has:
        tone = mix(tone, (0.985, 0.915, 0.885), 0.80)
    return tone, darkness


def _head(dice: Dice, has: frozenset[str], yaw: float) -> Head:
    half = dice.middle(38.0, 43.0)
    top, chin = dice.middle(42, 49), dice.middle(169, 175)
    level = dice.middle(113, 119)
    square, taper = dice.middle(0.15, 0.45), dice.middle(0.04, 0.13)
    if "Male" in has:
        half, chin, square, taper = half + 1.5, chin + 3.0, square + 0.28, taper - 0.02
    if "Young" not in has:
        half, level, square = half + 0.6, level + 3.0, square + 0.08
    if "Oval_Face" in has:
        half, chin, square, taper = half - 2.5, chin + 4.0, square - 0.32, taper + 0.06
    if "Chubby" in has:
        half, level, square, taper = half + 5.5, level + 9.0, square + 0.22, taper - 0.05
    return Head(-3.5 * yaw, half, top, level, chin, square, taper)


def _light(dice: Dice) -> Light:
    side, above = dice.between(-0.55, 0.55), dice.between(-0.55, -0.25)
    warmth = dice.middle(-1, 1)
    tint = (1.0 + 0.05 * warmth, 1.0, 1.0 - 0.07 * warmth)
    front = math.sqrt(1.0 - side * side - above * above)
    return Light((side, above, front), dice.between(0.42, 0.52), tint)


def _eyes(dice: Dice, has: frozenset[str], darkness: float) -> Eyes:
    half, up, low = dice.middle(9.6, 11.2), dice.middle(4.6, 5.8), dice.middle(3.0, 3.9)
    tilt, gaze = dice.middle(-0.3, 1.8), (dice.middle(-1.6, 1.6), dice.middle(-0.5, 0.5))
    iris = IRISES[int(dice.between(0, len(IRISES) - 4.0 * min(1.0, 1.6 * darkness)))]
    brow_v, arch, thick = dice.middle(96.0, 99.0), dice.middle(1.0, 2.8), dice.middle(1.3, 1.9)
    if "Male" in has:
        half, up, low, brow_v, arch, thick = half - 0.3, up - 0.8, low - 0.3, brow_v + 1.5, arch * 0.6, thick + 0.6
    if "Young" not in has:
        up, brow_v, thick = up * 0.84, brow_v + 1.0, thick * 0.9
    if "Narrow_Eyes" in has:
        up, low = up * 0.42, low * 0.55
    if "Smiling" in has:
        low = low * 0.8
    if "Arched_Eyebrows" in has:
        brow_v, arch = brow_v - 1.5, arch + 3.6
    if "Bushy_Eyebrows" in has:
        thick = thick * 1.35 + 1.3
    return Eyes(half, up, low, tilt, gaze, iris, brow_v, arch, thick)


def _nose(dice: Dice, has: frozenset[str]) -> Nose:
    wing, ridge = dice.middle(7.8, 9.6), dice.middle(5.4, 7.0)
    tip_v, lift, point = dice.middle(131.5, 135.5), dice.middle(10.0, 12.5), dice.between(0.1, 0.4)
    if "Male" in has:
        wing, ridge, tip_v, lift = wing + 0.8, ridge + 0.6, tip_v + 1.0, lift + 1.0
    if "Young" not in has:
        wing, tip_v = wing + 0.5, tip_v + 1.2
    if "Big_Nose" in has:
        wing, ridge, tip_v, lift, point = wing * 1.48, ridge * 1.45, tip_v + 3.0, lift * 1.45, 0.0
    if "Pointy_Nose" in has:
        wing, ridge, tip_v, lift, point = wing * 0.74, ridge * 0.70, tip_v + 3.0, lift * 1.5, 1.0
    return Nose(wing, ridge, tip_v, lift, point)


def _mouth(dice: Dice, has: frozenset[str], yaw: float, skin: Colour) -> Mouth:
    v, half, lift = dice.middle(150.5, 153.5), dice.middle(14.5, 17.0), dice.middle(-0.3, 1.8)
    upper, lower, gap, teeth = dice.middle(3.4, 4.6), dice.middle(4.8, 6.2), 0.0, 0.0
    stick = dice.pick(((0.78, 0.10, 0.16), (0.70, 0.08, 0.22), (0.86, 0.20, 0.24), (0.62, 0.07, 0.12)))
    rose, gloss = dice.between(0.36, 0.52), 0.10
    if "Male" in has:
        upper, lower, rose = upper - 0.7, lower - 0.5, rose - 0.12
    if "Young" not in has:
        upper, lower, rose = upper * 0.86, lower * 0.90, rose - 0.08
    if "Big_Lips" in has:
        upper, lower = upper * 1.8, lower * 1.7
    if "Mouth_Slightly_Open" in has:
        gap, teeth = 6.5, 2.6
    if "Smiling" in has:
        half, lift, upper, lower = half + 3.8, 4.2, upper * 0.75, lower * 0.75
        gap, teeth = (9.8, 6.2) if gap else (4.8, 6.0)
    colour = mix(scale(skin, 0.86), (0.74, 0.30, 0.32), rose)
    if "Wearing_Lipstick" in has:
        colour, gloss = mix(stick, scale(skin, 0.9), 0.06), 0.28
    return Mouth(2.2 * yaw, v, half, lift, gap, teeth, upper, lower, colour, gloss)


def _hair(dice: Dice, colour_dice: Dice, has: frozenset[str], darkness: float) -> Hair:
    shade, random_wave = colour_dice.between(0, 1), dice.between(0, 1)
    part, hairline = dice.pick((-14.0, -8.0, 0.0, 8.0, 14.0)), dice.middle(64, 72)
    volume, sides, long = dice.between(0, 1), dice.between(0, 1), dice.between(0, 1)
    wavelength, phase, tucked = dice.between(20, 28), dice.between(0, 1), dice.between(0, 1) < 0.4
    if "Receding_Hairline" in has:
        hairline = hairline - 9.0
    wave, sheen = 1.2 + 0.6 * random_wave, 0.35
    if "Straight_Hair" in has:
        wave, sheen = 0.0, 1.0
    if "Wavy_Hair" in has:
        wave, sheen = 4.6, 0.45
    if "Male" in has:
        volume, sides, end, tucked = 4.0 + 8.0 * volume, 3.5 + 3.0 * sides, 122.0, True
        wavelength, hairline = wavelength * 0.5, hairline - 3.0
    else:
        volume, sides = 6.0 + 5.0 * volume, 7.0 + 7.0 * sides
        end = 160.0 + 80.0 * long
    names = [name for name in HAIRS if name in has] or [""]
    colour = scale(mix(*HAIRS[names[0]], shade), 1.0 - 0.22 * darkness)
    if "Young" not in has:
        colour = mix(colour, (0.55, 0.54, 0.53), 0.18)
    return Hair(colour, part, hairline, volume, sides, end, wave, wavelength, phase, sheen, tucked)
