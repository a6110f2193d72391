"""Aligned images out of the raw archive, by split, in memory: for what looks at more than the models' squares."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from facevae.celeba.splits import PARTITIONS
from facevae.celeba.tables import read_partitions
from facevae.core.errors import FacevaeError
from facevae.imaging.archive import AT_ONCE, chunks_of, open_archive, read_chunk
from facevae.imaging.codec import decode_image, decoded_size
from facevae.imaging.names import Names
from facevae.imaging.zip_format import Entry
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map


@dataclass(frozen=True)
class AlignedImages:
    """By split: `images` (n, H, W, 3) uint8 and their `names`.

    `frame` is the (width, height) that they have in the archive, `digest` a SHA-256 of the archive's images.
    """

    images: dict[str, np.ndarray]
    names: dict[str, Names]
    frame: tuple[int, int]
    digest: str


def read_aligned(
    archive_path: Path,
    partitions_path: Path,
    splits: Sequence[str],
    most: int | None,
    short_side: int | None,
    workers: int,
) -> AlignedImages:
    """The images of these splits, at most `most` of them all together (null: all), evenly spaced.

    They are scaled down to `short_side` pixels, if that is given. Raises FacevaeError if an image is damaged or of
    another size than the first, or if a split would be empty.
    """
    with open_archive(archive_path) as archive:
        partitions = read_partitions(partitions_path).of(archive.names, "partition")
        rows = np.flatnonzero(np.isin(partitions, [PARTITIONS.index(split) for split in splits]))
        count = min(most or len(rows), len(rows))
        rows = rows[np.arange(count) * len(rows) // max(1, count)]
        first = archive.names[0]
        frame = decoded_size(archive.read(first), archive.where(first))
        read = _ReadChunk(archive_path, frame, short_side)
        images, names = {}, {}
        for split in splits:
            chosen = names[split] = archive.names.take(rows[partitions[rows] == PARTITIONS.index(split)])
            if not len(chosen):
                raise FacevaeError(
                    where=archive_path, expected=f"at least one image of the {split} split", found="none",
                    fix="provide or ask for more images",
                )  # fmt: skip
            width, height = read.size
            images[split] = np.empty((len(chosen), height, width, 3), np.uint8)
            parts = ordered_map(
                read, chunks_of(archive, chosen), workers, batch_size=1, total=-(-len(chosen) // AT_ONCE)
            )
            found = (image for part in parts for image in part)
            for row, image in enumerate(track(found, len(chosen), f"read {split} images")):
                images[split][row] = image
        return AlignedImages(images, names, frame, archive.digest())


@dataclass(frozen=True)
class _ReadChunk:
    """Decodes a chunk's images and scales them down: (n, H, W, 3) uint8."""

    archive: Path
    source: tuple[int, int]
    short_side: int | None

    @property
    def size(self) -> tuple[int, int]:
        if self.short_side is None or self.short_side >= min(self.source):
            return self.source
        scale = self.short_side / min(self.source)
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
