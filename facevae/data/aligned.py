"""Aligned images for the aligner's training: read from the raw archive, as small as the training needs them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facevae.celeba.splits import PARTITIONS, evenly_spaced
from facevae.celeba.tables import read_partitions
from facevae.core.errors import FacevaeError
from facevae.imaging.archive import AT_ONCE, chunks_of, open_archive, read_chunk
from facevae.imaging.codec import decode_image
from facevae.imaging.names import Names
from facevae.imaging.zip_format import Entry
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map

SHORT_SIDE = 89
"""Pixels of the images' shorter side in memory: half of CelebA's, finer than the views that are cut out of them."""


@dataclass(frozen=True)
class AlignedImages:
    """By split: `images` (n, H, W, 3) uint8, the shorter side SHORT_SIDE, and their `names`; `frame`, (width, height).

    `frame` is the size that they have in the archive, `digest` a SHA-256 of the archive's images.
    """

    images: dict[str, np.ndarray]
    names: dict[str, Names]
    frame: tuple[int, int]
    digest: str


def read_aligned(
    archive_path: Path, partitions_path: Path, most: int | None, workers: int, splits: tuple[str, ...]
) -> AlignedImages:
    """The images of these splits, at most `most` of all splits together (null: all), evenly spaced.

    Raises FacevaeError if an image is damaged or of another size than the first, or if a split would be empty.
    """
    with open_archive(archive_path) as archive:
        chosen = evenly_spaced(archive.names, min(most or len(archive.names), len(archive.names)))
        partitions = read_partitions(partitions_path).of(chosen, "partition")
        with_size = decode_image(archive.read(chosen[0]), archive.where(chosen[0])).size
        shrink = _Shrink(archive_path, with_size)
        images, names = {}, {}
        for split in splits:
            names[split] = chosen.take(np.flatnonzero(partitions == PARTITIONS.index(split)))
            if not len(names[split]):
                raise FacevaeError(
                    where=archive_path, expected=f"at least one image of the {split} split", found="none",
                    fix="provide or ask for more images",
                )  # fmt: skip
            width, height = shrink.size
            images[split] = np.empty((len(names[split]), height, width, 3), np.uint8)
            chunks = -(-len(names[split]) // AT_ONCE)
            parts = ordered_map(shrink, chunks_of(archive, names[split]), workers, batch_size=1, total=chunks)
            for row, image in enumerate(_tracked(parts, len(names[split]), f"read {split} images")):
                images[split][row] = image
        return AlignedImages(images, names, with_size, archive.digest())


def _tracked(parts: Iterator[np.ndarray], count: int, what: str) -> Iterator[np.ndarray]:
    return track((image for part in parts for image in part), count, what)


@dataclass(frozen=True)
class _Shrink:
    """Decodes a chunk's images and scales them down: (n, H, W, 3) uint8."""

    archive: Path
    source: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        scale = min(1.0, SHORT_SIDE / min(self.source))
        return round(self.source[0] * scale), round(self.source[1] * scale)

    def __call__(self, chunk: list[tuple[str, Entry]]) -> np.ndarray:
        images = []
        for _, data, where in read_chunk(self.archive, chunk):
            image = decode_image(data, where)
            if image.size != self.source:
                raise FacevaeError(
                    where=where, expected=f"{self.source[0]}x{self.source[1]} pixels, as the first image has",
                    found=f"{image.width}x{image.height}", fix="bring all images to one size",
                )  # fmt: skip
            images.append(np.array(image.resize(self.size, Image.Resampling.BOX)))
        return np.stack(images)
