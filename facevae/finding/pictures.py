"""Pictures with known answers: aligned faces put somewhere into larger pictures, and pictures without a face."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from facevae.alignment.similarity import compose, inverse, similarity
from facevae.alignment.textures import texture

# What a face's features take of the aligned image's shorter side, measured from its centre: an ellipse that hides them.
_FEATURES_CENTRE, _FEATURES_RADII = (0.0, 0.09), (0.29, 0.36)


@dataclass(frozen=True)
class Placed:
    """`picture` (H, W, 3) uint8 with a face at `matrix` (2, 3): from the aligned image's pixels to the picture's."""

    picture: np.ndarray
    matrix: np.ndarray


def place_face(
    face: np.ndarray, number: int, size: tuple[int, int], seed: int, *, scales: tuple[float, float], degrees: float,
    oval: bool = True,
) -> Placed:  # fmt: skip
    """An aligned image (h, w, 3) uint8 before a texture of size (width, height): scaled, turned, moved at random.

    `scales`: the least and the largest share of the picture's shorter side that the aligned image's shorter side takes;
    `degrees`: the largest turn. The aligned image's middle half is always in the picture. `oval`: only a soft oval of
    it is shown, whose size says nothing of where the face is in it; else all of it, with its sharp border.
    """
    rng = np.random.default_rng((seed, number, 1))
    short = min(face.shape[:2])
    share = math.exp(rng.uniform(math.log(scales[0]), math.log(scales[1])))
    scale, turn = share * min(size) / short, math.radians(rng.uniform(-degrees, degrees))
    room = [max(0.0, side - 0.9 * scale * short) / 2 for side in size]
    x, y = (side / 2 + rng.uniform(-part, part) for side, part in zip(size, room, strict=True))
    centre = np.array([[1, 0, -face.shape[1] / 2], [0, 1, -face.shape[0] / 2]])
    matrix = compose(similarity(x, y, math.log(scale), turn), centre)
    picture = Image.fromarray(texture(number, size, seed))
    picture.paste(_moved(Image.fromarray(face), matrix, size), mask=_window(face, matrix, size, rng, oval))
    return Placed(np.asarray(picture), matrix)


def no_face(faces: np.ndarray, number: int, size: tuple[int, int], seed: int) -> np.ndarray:
    """A picture (height, width, 3) uint8 without a face: a texture, a drawn landscape, or a face's picture without it.

    Every third is one of `faces` (n, h, w, 3) uint8, placed as `place_face` does, whose features are hidden.
    """
    if number % 3:
        return texture(number, size, seed)
    rng = np.random.default_rng((seed, number, 2))
    face = faces[rng.integers(len(faces))]
    return place_face(cut_away(face, rng), number, size, seed, scales=(0.4, 0.9), degrees=20, oval=False).picture


def cut_away(face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An aligned image whose features are under an ellipse of one colour: that of its border, or any."""
    image = Image.fromarray(face)
    width, height = image.size
    short = min(width, height)
    middle = np.array([width / 2, height / 2]) + np.array(_FEATURES_CENTRE) * short
    radii = np.array(_FEATURES_RADII) * short * rng.uniform(1, 1.2)
    colour = face[0, 0] if rng.random() < 0.5 else rng.integers(0, 256, 3)
    ImageDraw.Draw(image).ellipse([*(middle - radii), *(middle + radii)], fill=tuple(int(value) for value in colour))
    return np.asarray(image)


def _moved(image: Image.Image, matrix: np.ndarray, size: tuple[int, int]) -> Image.Image:
    """The image at its place in a picture of `size`; where it is scaled down its pixels are averaged first."""
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    factor = max(1, round(1 / scale))
    back = inverse(matrix) * [[1 / factor]]
    return image.reduce(factor).transform(size, Image.Transform.AFFINE, tuple(back.ravel()), Image.Resampling.BICUBIC)


def _window(
    face: np.ndarray, matrix: np.ndarray, size: tuple[int, int], rng: np.random.Generator, oval: bool
) -> Image.Image:
    height, width = face.shape[:2]
    whole = Image.new("L", (width, height), 255)
    back = tuple(inverse(matrix).ravel())
    inside = whole.transform(size, Image.Transform.AFFINE, back, Image.Resampling.NEAREST)
    if not oval:
        return inside
    soft = Image.new("L", (width, height))
    short = min(width, height)
    middle = np.array([width / 2, height / 2]) + short * np.array([0, 0.08]) + rng.uniform(-0.06, 0.06, 2) * short
    radii = short * rng.uniform([0.36, 0.44], [0.48, 0.6])
    ImageDraw.Draw(soft).ellipse([*(middle - radii), *(middle + radii)], fill=255)
    soft = soft.filter(ImageFilter.GaussianBlur(short * rng.uniform(0.005, 0.05)))
    shown = soft.transform(size, Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return ImageChops.multiply(shown, inside)
