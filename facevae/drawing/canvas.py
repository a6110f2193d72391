"""What the face renderer draws with: a canvas in face coordinates, soft shapes, textures and keyed randomness.

A drawing must have the same bytes on every machine. So on arrays there is only arithmetic that IEEE 754 rounds the
same everywhere (+ - * /, sqrt, comparisons, floor): no exp, sin or power, whose SIMD versions differ between CPUs, and
no float sums, whose order does. Falloffs are polynomials or rational functions; resizing is Pillow's, on 8 bits, which
is fixed-point.
"""

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 178, 218

EYE_U, EYE_V = 20.0, 111.0  # CelebA's aligned eyes: (69, 111) and (109, 111)

CENTRE_X = 89.0

Colour = tuple[float, float, float]  # red, green, blue in [0, 1]


class Window(NamedTuple):
    """A rectangle of the picture; writing to `rgb` writes to the picture.

    u, v: (h, w) float32 face coordinates in pixels: u is 0 on the line between the eyes' middle and the chin, positive
        to the right of the picture; v is the row that the point has in a face that is not tilted.
    rgb: (3, h, w) float32 in [0, 1].
    rows, columns: where the rectangle lies in the picture.
    """

    u: np.ndarray
    v: np.ndarray
    rgb: np.ndarray
    rows: slice
    columns: slice

    def paint(self, alpha: np.ndarray, colour) -> None:
        """Lay `colour` (three numbers, or (3, h, w)) over the window; alpha: (h, w) in [0, 1].

        Where alpha is 0 not a bit changes: that keeps an attribute inside its region.
        """
        for channel in range(3):
            self.rgb[channel] += alpha * (colour[channel] - self.rgb[channel])

    def darken(self, amount: np.ndarray, tint: Colour = (1.0, 1.0, 1.0)) -> None:
        """Take `amount` (h, w) of the light away, from each channel in proportion to `tint`."""
        for channel in range(3):
            self.rgb[channel] *= 1.0 - amount * tint[channel]

    def lighten(self, amount: np.ndarray, colour: Colour = (1.0, 1.0, 1.0)) -> None:
        """Add light of `colour`; amount: (h, w)."""
        for channel in range(3):
            self.rgb[channel] += amount * colour[channel]


@dataclass(frozen=True)
class Canvas:
    """The whole picture and the tilt of the face in it."""

    everything: Window
    cosine: float
    sine: float

    def window(self, left: float, top: float, right: float, bottom: float) -> Window:
        """The smallest window that holds the rectangle [left, right] x [top, bottom] of face coordinates."""
        xs, ys = [], []
        for u in (left, right):
            for v in (top - EYE_V, bottom - EYE_V):
                xs.append(CENTRE_X + u * self.cosine - v * self.sine)
                ys.append(EYE_V + u * self.sine + v * self.cosine)
        rows = slice(max(0, math.floor(min(ys))), max(0, min(HEIGHT, math.ceil(max(ys)) + 1)))
        columns = slice(max(0, math.floor(min(xs))), max(0, min(WIDTH, math.ceil(max(xs)) + 1)))
        whole = self.everything
        return Window(whole.u[rows, columns], whole.v[rows, columns], whole.rgb[:, rows, columns], rows, columns)


def blank_canvas(roll_degrees: float) -> Canvas:
    """An unpainted canvas with a face tilted by `roll_degrees` around the point between the eyes."""
    angle = math.radians(roll_degrees)
    cosine, sine = round(math.cos(angle), 6), round(math.sin(angle), 6)
    x = np.arange(WIDTH, dtype=np.float32)[None, :] - CENTRE_X
    y = np.arange(HEIGHT, dtype=np.float32)[:, None] - EYE_V
    u, v = x * cosine + y * sine, (y * cosine + EYE_V) - x * sine
    rgb = np.empty((3, HEIGHT, WIDTH), np.float32)
    return Canvas(Window(u, v, rgb, slice(0, HEIGHT), slice(0, WIDTH)), cosine, sine)


def stream(seed: int, number: int, aspect: int) -> np.random.Generator:
    """Randomness for one aspect of one face, which no other aspect and no attribute can shift."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number, aspect])))


# --- shapes -----------------------------------------------------------------------------------------------------------


def cover(distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
    """Coverage in [0, 1] of a shape whose signed distance (pixels, negative inside) is given; edge of `softness` px."""
    return np.clip(0.5 - distance * (1.0 / softness), 0.0, 1.0)


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high`, a cubic between. `low` > `high` falls instead of rising."""
    t = np.clip((x - low) * (1.0 / (high - low)), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def dome(u, v, centre_u: float, centre_v: float, radius_u: float, radius_v: float) -> np.ndarray:
    """A smooth hill: 1 at its centre, exactly 0 outside the ellipse, second derivative continuous."""
    a, b = (u - centre_u) * (1.0 / radius_u), (v - centre_v) * (1.0 / radius_v)
    a *= a
    b *= b
    a += b
    q = np.maximum(1.0 - a, 0.0)
    b = q * q
    b *= q
    return b


def low_dome(u, v, centre_u: float, centre_v: float, radius_u: float, radius_v: float) -> np.ndarray:
    """The same as `dome` for a large window, computed only in the rows that it reaches; v must grow from row to row."""
    result = np.zeros_like(v)
    first, last = v[:, 0], v[:, -1]
    top, bottom = centre_v - radius_v, centre_v + radius_v
    start = min(int(first.searchsorted(top)), int(last.searchsorted(top)))
    stop = max(int(first.searchsorted(bottom)), int(last.searchsorted(bottom)))
    rows = slice(start, stop)
    result[rows] = dome(u[rows], v[rows], centre_u, centre_v, radius_u, radius_v)
    return result


def ridge(distance: np.ndarray, width: float) -> np.ndarray:
    """1 where `distance` is 0, falling smoothly to exactly 0 at `width`."""
    q = distance * (1.0 / width)
    q = np.maximum(1.0 - q * q, 0.0)
    return q * q


def ellipse(u, v, centre_u: float, centre_v: float, radius_u: float, radius_v: float) -> np.ndarray:
    """Approximate signed distance, pixels, to an ellipse: exact to first order at its edge."""
    a, b = (u - centre_u) * (1.0 / radius_u), (v - centre_v) * (1.0 / radius_v)
    steep_a, steep_b = a * (2.0 / radius_u), b * (2.0 / radius_v)
    return (a * a + b * b - 1.0) / np.sqrt(steep_a * steep_a + steep_b * steep_b + 1e-5)


def rounded_box(u, v, centre_u: float, centre_v: float, half_u: float, half_v: float, radius: float) -> np.ndarray:
    """Signed distance, pixels, to a box with rounded corners."""
    a = np.abs(u - centre_u) - (half_u - radius)
    b = np.abs(v - centre_v) - (half_v - radius)
    outside_a, outside_b = np.maximum(a, 0.0), np.maximum(b, 0.0)
    outside = np.sqrt(outside_a * outside_a + outside_b * outside_b)
    return outside + np.minimum(np.maximum(a, b), 0.0) - radius


def ripple(t: np.ndarray) -> np.ndarray:
    """A wave of period 1 between -1 and 1, from parabolas: looks like a sine, is exact arithmetic."""
    g = 2.0 * (t - np.floor(t)) - 1.0
    return 4.0 * g * (np.abs(g) - 1.0)


# --- textures ---------------------------------------------------------------------------------------------------------


BANK = 512  # side of a bank, in pixels; a power of two


@functools.cache
def bank(rows: int, columns: int) -> np.ndarray:
    """Smooth noise whose grains are `rows` x `columns` pixels: (BANK, BANK) float32 in [-0.5, 0.5].

    The same for all faces, made once per process: each face cuts its own piece, which costs nothing.
    """
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([0, 0, rows, columns])))
    grid = generator.integers(0, 256, (BANK // rows, BANK // columns), dtype=np.uint8)
    image = Image.fromarray(grid).resize((BANK, BANK), Image.Resampling.BICUBIC)
    noise = np.asarray(image).astype(np.float32) * np.float32(1 / 255) - np.float32(0.5)
    noise.setflags(write=False)
    return noise


def cloud(grain: tuple[int, int], window: Window, place: tuple[int, int]) -> np.ndarray:
    """The piece of bank `grain` for a window, (h, w); `place`, within [0, 290], is where the picture's corner lies."""
    row, column = place
    rows, columns = window.rows, window.columns
    return bank(*grain)[row + rows.start : row + rows.stop, column + columns.start : column + columns.stop]


def look_up(grain: tuple[int, int], row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Nearest values of bank `grain` at float rows and columns, which wrap around."""
    return bank(*grain).ravel().take(places(row, column))


def places(row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Where in a raveled bank the values at `row` and `column` stand: for looking up in several banks."""
    place = row.astype(np.int32)
    place &= BANK - 1
    place *= BANK
    along = column.astype(np.int32)
    along &= BANK - 1
    place += along
    return place


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` of `second` in it."""
    return tuple(a + share * (b - a) for a, b in zip(first, second, strict=True))


def scale(colour: Colour, factor: float) -> Colour:
    return tuple(channel * factor for channel in colour)
