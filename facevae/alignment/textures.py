"""Pictures without a face, drawn from numbers: what stands around faces, and what must not be taken for one.

Four kinds in turn: smooth noise, landscapes, shapes, stripes. A picture is (height, width, 3) uint8.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

_Rng = np.random.Generator


def texture(number: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """Picture `number` of size (width, height); the same for the same numbers, whatever else was drawn."""
    rng = np.random.default_rng((seed, number))
    draw = (_noise, _landscape, _shapes, _stripes)[number % 4]
    image = draw(rng, size)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.02) * min(size)))
    grain = rng.normal(0, rng.uniform(0, 8), (size[1], size[0], 3))
    return (np.asarray(image, np.float32) + grain).clip(0, 255).round().astype(np.uint8)


def textures(count: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """The first `count` pictures: (count, height, width, 3)."""
    return np.stack([texture(number, size, seed) for number in range(count)])


def _colour(rng: _Rng) -> tuple[int, int, int]:
    """Grey as often as not far from it: most of what photographs show is."""
    grey = rng.uniform(0, 255)
    return tuple(int(value) for value in (grey + rng.normal(0, rng.uniform(0, 70), 3)).clip(0, 255))


def _noise(rng: _Rng, size: tuple[int, int]) -> Image.Image:
    low, high = sorted(rng.integers(0, 256, 2))
    cells = rng.integers(2, 40, 2)
    noise = rng.integers(low, high + 1, (cells[1], cells[0], 3)).astype(np.uint8)
    if rng.random() < 0.4:
        noise[:] = noise[..., :1]
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def _landscape(rng: _Rng, size: tuple[int, int]) -> Image.Image:
    """A sky that fades, a sun or none, ridges one before the other, trees and houses."""
    width, height = size
    fade = np.linspace(0, 1, height)[:, None, None]
    sky = (1 - fade) * np.array(_colour(rng)) + fade * np.array(_colour(rng))
    image = Image.fromarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    if rng.random() < 0.5:
        _ellipse(pen, rng, size, 0.02, 0.12)
    x = np.linspace(0, width, 40)
    for ridge in range(rng.integers(1, 5)):
        base = height * (0.35 + 0.15 * ridge + rng.uniform(0, 0.1))
        waves = sum(
            rng.uniform(0, 0.06) * height * np.sin(x / width * rng.uniform(2, 20) + rng.uniform(0, 6)) for _ in range(3)
        )
        pen.polygon([(0, height), *zip(x, base + waves, strict=True), (width, height)], fill=_colour(rng))
        colour = _colour(rng)
        for _ in range(rng.integers(0, 12)):
            foot, tall = rng.uniform(0, width), rng.uniform(0.03, 0.2) * height
            wide, top = tall * rng.uniform(0.2, 0.8), base - tall
            if rng.random() < 0.5:
                pen.polygon([(foot - wide / 2, base), (foot, top), (foot + wide / 2, base)], fill=colour)
            else:
                pen.rectangle([foot - wide / 2, top, foot + wide / 2, base], fill=colour)
                pen.rectangle([foot - wide / 5, top + tall / 4, foot, top + tall / 2], fill=_colour(rng))
    return image


def _shapes(rng: _Rng, size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, _colour(rng))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 25)):
        if rng.random() < 0.5:
            _ellipse(pen, rng, size, 0.02, 0.4)
            continue
        at = rng.uniform(-0.2, 1.2, 2) * size
        around = at + rng.normal(0, 0.2, (rng.integers(3, 7), 2)) * min(size)
        pen.polygon([tuple(point) for point in around], fill=_colour(rng))
    return image


def _stripes(rng: _Rng, size: tuple[int, int]) -> Image.Image:
    """A wave, plain or checked, of any direction, softly or sharply changing between two colours."""
    y, x = np.mgrid[: size[1], : size[0]] / min(size)
    turn, cells = rng.uniform(0, np.pi), rng.uniform(2, 40)
    wave = np.sin(2 * np.pi * cells * (x * np.cos(turn) + y * np.sin(turn)))
    if rng.random() < 0.5:
        wave = wave * np.sin(2 * np.pi * rng.uniform(2, 40) * (y * np.cos(turn) - x * np.sin(turn)))
    share = (wave * rng.uniform(0.6, 8)).clip(-1, 1)[..., None] / 2 + 0.5
    return Image.fromarray((share * np.array(_colour(rng)) + (1 - share) * np.array(_colour(rng))).astype(np.uint8))


def _ellipse(pen: ImageDraw.ImageDraw, rng: _Rng, size: tuple[int, int], low: float, high: float) -> None:
    at = rng.uniform(0, 1, 2) * size
    radii = rng.uniform(low, high, 2) * min(size)
    pen.ellipse([*(at - radii), *(at + radii)], fill=_colour(rng))
