"""Formats in which a stage could pack its images: how long they take to write and to read, and how large they are."""

import io
import statistics
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from facevae.celeba.splits import evenly_spaced
from facevae.celeba.tables import IMAGES
from facevae.core.params import load_section
from facevae.imaging.codec import decode
from facevae.imaging.frames import SquareFrame
from facevae.imaging.tiff import TiffFormat
from facevae.preparation.crop_settings import VaeCrop

OURS = "TIFF, by facevae.imaging.tiff"
# What Pillow calls it, and its options.
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG, Huffman coding alone": ("PNG", {"compress_level": 1, "compress_type": zlib.Z_HUFFMAN_ONLY}),
    "PNG, deflate level 1": ("PNG", {"compress_level": 1}),
    "PNG, not compressed": ("PNG", {"compress_level": 0}),
    "BMP": ("BMP", {}),
    "PPM": ("PPM", {}),
    "TIFF": ("TIFF", {}),
    OURS: ("TIFF", {}),
    "WebP, lossless, method 0": ("WEBP", {"lossless": True, "method": 0, "quality": 0}),
}


class Cost(NamedTuple):
    """Of an image on average: microseconds to encode and to decode it, bytes relative to its pixels'."""

    encode: float
    decode: float
    size: float


def measure_formats(project: Path, size: int, images: int, rounds: int) -> dict[str, Cost]:
    """The cost of each format, medians over the rounds, on images framed as crop_pad vae does, of `size` pixels."""
    framed = framed_images(project, size, images)
    measured: dict[str, list[Cost]] = {name: [] for name in FORMATS}
    for number in range(rounds + 1):
        for name, costs in measured.items():
            cost = _measure(name, framed)
            # The first round loads the codecs.
            if number:
                costs.append(cost)
    return {name: Cost(*map(statistics.median, zip(*costs, strict=True))) for name, costs in measured.items()}


def framed_images(project: Path, size: int, images: int) -> list[np.ndarray]:
    """So many images of a data set, evenly spread, (size, size, 3) uint8 each."""
    settings = load_section(project / "params.yaml", "crop_pad.vae", VaeCrop)
    frame = SquareFrame(settings.crop, size, settings.resample)
    with zipfile.ZipFile(project / "data/raw" / IMAGES) as file:
        names = sorted(file.namelist())
        return [frame(decode(file.read(name), name)) for name in evenly_spaced(names, min(images, len(names)))]


def encode_as(name: str, image: np.ndarray) -> bytes:
    """The image (height, width, 3) uint8 in the format of FORMATS."""
    if name == OURS:
        return _tiffs(*image.shape[:2]).encode(image)
    kind, options = FORMATS[name]
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **options)
    return file.getvalue()


def decode_as(name: str, data: bytes, size: tuple[int, int]) -> np.ndarray:
    """The pixels of an image in the format of FORMATS, (height, width, 3) uint8, of this `size`, (height, width)."""
    if name == OURS:
        return _tiffs(*size).decode(data, name)
    with Image.open(io.BytesIO(data), formats=[FORMATS[name][0]]) as image:
        return np.array(image)


@cache
def _tiffs(height: int, width: int) -> TiffFormat:
    return TiffFormat(width, height)


def _measure(name: str, images: Sequence[np.ndarray]) -> Cost:
    encode_seconds, encoded = _timed(lambda image: encode_as(name, image), images)
    decode_seconds, _ = _timed(lambda data: decode_as(name, data, images[0].shape[:2]), encoded)
    microseconds = 1e6 / len(images)
    bytes_per_pixel_byte = sum(map(len, encoded)) / sum(image.nbytes for image in images)
    return Cost(encode_seconds * microseconds, decode_seconds * microseconds, bytes_per_pixel_byte)


def _timed(function: Callable[[Any], Any], items: Sequence[Any]) -> tuple[float, list[Any]]:
    started = time.perf_counter()
    results = [function(item) for item in items]
    return time.perf_counter() - started, results
