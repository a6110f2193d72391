"""The three sources of faces. Each fills data/raw with the same files, in CelebA's names and formats.

After the download nobody knows the source. The files are made in a folder of their own and take their
places only when all of them are whole.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from facevae import faces
from facevae.archives import open_archive
from facevae.attributes import ATTRIBUTES
from facevae.celeba import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGE_FOLDER,
    IMAGES,
    PAIRS,
    PARTITION_FILE,
    partitions_of,
    read_attributes,
    read_identities,
    read_partitions,
    write_attributes,
    write_numbers,
)
from facevae.drive import fetch_celeba
from facevae.errors import FacevaeError
from facevae.images import cover, decode, encode_jpeg
from facevae.pairs import Drawing, write_pairs
from facevae.params import Section
from facevae.photos import image_files, read_photos
from facevae.progress import track
from facevae.splits import partition_by_order
from facevae.workers import ordered_map
from facevae.zips import write_zip


class SyntheticSettings(Section):
    """Section download.synthetic: how many drawn images, their seed, and how many further identities in pairs."""

    images: int = Field(gt=0, le=900_000)
    seed: int = Field(ge=0, lt=2**32)
    pairs: int = Field(ge=0, le=90_000)


class CelebaSettings(Section):
    """Section download.celeba: the folder with CelebA's files; null fetches them over the network."""

    path: str | None


class FolderSettings(Section):
    """Section download.folder: a folder of images, and a CSV with a header image,<attribute>,..."""

    images: str
    attributes: str


class DownloadSettings(Section):
    """Section download: which source, and the section of each. Only the selected one is read further."""

    source: Literal["synthetic", "celeba", "folder"]
    synthetic: Any = None
    celeba: Any = None
    folder: Any = None


SETTINGS: dict[str, type[Section]] = {
    "synthetic": SyntheticSettings,
    "celeba": CelebaSettings,
    "folder": FolderSettings,
}


def fill_raw(settings: Section, folder: Path, workers: int) -> int:
    """Fill `folder` with the images and annotations of the source that `settings` is of; return how many images.

    Raises FacevaeError if the source is not whole; `folder` then keeps what it had.
    """
    with _staged(folder) as made:
        if isinstance(settings, SyntheticSettings):
            return _draw(settings, made, workers)
        if isinstance(settings, CelebaSettings):
            return _take_celeba(settings, made)
        return _take_folder(settings, made, workers)


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; its files replace those of the same names in `folder` when the block ends well."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder, prefix=".download.", suffix=".tmp"))
    try:
        yield made
        # The archive goes first and comes last: without it no later stage starts on a mixture of old and new.
        names = sorted((path.name for path in made.iterdir()), key=lambda name: name == IMAGES)
        (folder / IMAGES).unlink(missing_ok=True)
        for name in names:
            (made / name).replace(folder / name)
    finally:
        shutil.rmtree(made, ignore_errors=True)


# --- synthetic: faces drawn on the spot


def _draw(settings: SyntheticSettings, made: Path, workers: int) -> int:
    numbers = range(1, settings.images + 1)
    names = [f"{number:06d}.jpg" for number in numbers]
    values = np.full((len(names), len(ATTRIBUTES)), -1, dtype=np.int8)
    drawn = ordered_map(partial(_draw_image, settings.seed), numbers, workers)
    with write_zip(made / IMAGES) as file:
        for row, (data, attributes) in enumerate(track(drawn, len(names), "draw faces")):
            file.add(f"{IMAGE_FOLDER}/{names[row]}", data)
            values[row, [ATTRIBUTES.index(name) for name in attributes]] = 1
    write_attributes(made / ATTRIBUTES_FILE, names, ATTRIBUTES, values)
    write_numbers(made / PARTITION_FILE, names, [partition_by_order(row, len(names)) for row in range(len(names))])
    write_numbers(made / IDENTITY_FILE, names, numbers)
    # Nobody has seen these identities: their numbers follow the last image's.
    others = range(settings.images + 1, settings.images + settings.pairs + 1)
    drawings = ordered_map(partial(_draw_pairs, settings.seed), others, workers, batch_size=1)
    write_pairs(made / PAIRS, track(drawings, len(others), "draw pairs", unit="identities") if others else ())
    return len(names)


def _draw_image(seed: int, number: int) -> tuple[bytes, frozenset[str]]:
    attributes = faces.sample_attributes(seed, number)
    return encode_jpeg(faces.draw(seed, number, attributes)), attributes


def _draw_pairs(seed: int, number: int) -> Drawing:
    has = faces.sample_attributes(seed, number)
    switched = {
        name: encode_jpeg(faces.draw(seed, number, faces.switch(has, name)))
        for name in faces.DRAWN
        if faces.can_switch(has, name)
    }
    return Drawing(number, encode_jpeg(faces.draw(seed, number, has)), has, switched)


# --- celeba: the real files


def _take_celeba(settings: CelebaSettings, made: Path) -> int:
    if settings.path is not None:
        return _pack_celeba(Path(settings.path).expanduser(), made)
    with tempfile.TemporaryDirectory(dir=made.parent, prefix=".fetched.", suffix=".tmp") as fetched:
        fetch_celeba(Path(fetched))
        return _pack_celeba(Path(fetched), made)


def _pack_celeba(folder: Path, made: Path) -> int:
    """Pack the images, which may be a part of CelebA's, and copy the annotation files as they are."""
    annotation, partition = (_find(folder, name) for name in (ATTRIBUTES_FILE, PARTITION_FILE))
    if annotation is None or partition is None:
        raise FacevaeError(
            where=folder, expected=f"{ATTRIBUTES_FILE} and {PARTITION_FILE} beside the images",
            found=f"no {ATTRIBUTES_FILE if annotation is None else PARTITION_FILE}",
            fix="set download.celeba.path to the folder that holds CelebA's files",
        )  # fmt: skip
    table, partitions = read_attributes(annotation, ATTRIBUTES), read_partitions(partition)
    with _celeba_images(folder) as (names, read), write_zip(made / IMAGES) as file:
        table.rows(names)
        partitions_of(partition, partitions, names)
        for name in track(names, len(names), "pack CelebA"):
            file.add(f"{IMAGE_FOLDER}/{name}", read(name))
    shutil.copyfile(annotation, made / ATTRIBUTES_FILE)
    shutil.copyfile(partition, made / PARTITION_FILE)
    identity = _find(folder, IDENTITY_FILE)
    if identity is None:
        write_numbers(made / IDENTITY_FILE, [], [])
    else:
        read_identities(identity)
        shutil.copyfile(identity, made / IDENTITY_FILE)
    write_pairs(made / PAIRS, ())
    return len(names)


@contextmanager
def _celeba_images(folder: Path) -> Iterator[tuple[list[str], Any]]:
    """Sorted names of the images and a function that reads one: from the zip, else from the unpacked folder."""
    archive, unpacked = _find(folder, IMAGES), _find(folder, IMAGE_FOLDER)
    if archive is not None:
        with open_archive(archive) as images:
            yield images.names, images.read
    elif unpacked is not None:
        paths = image_files(unpacked)
        yield sorted(paths), lambda name: paths[name].read_bytes()
    else:
        raise FacevaeError(
            where=folder, expected=f"{IMAGES} or a folder {IMAGE_FOLDER}", found="neither",
            fix="set download.celeba.path to the folder that holds CelebA's files",
        )  # fmt: skip


def _find(folder: Path, name: str) -> Path | None:
    """Where `name` lies: in `folder` itself or, as on CelebA's Google Drive, in Anno, Eval or Img."""
    places = (folder / part / name for part in (".", "Anno", "Eval", "Img"))
    return next((place for place in places if place.exists()), None)


# --- folder: a person's own images


def _take_folder(settings: FolderSettings, made: Path, workers: int) -> int:
    """Write a person's images as RGB JPEGs under their own names.

    Images of one size keep it. Images of different sizes are scaled to cover CelebA's 178x218, and what
    sticks out is cut off evenly.
    """
    found = read_photos(Path(settings.images).expanduser(), Path(settings.attributes).expanduser())
    entries = [photo.entry for photo in found.photos]
    encoded = ordered_map(partial(_reencode, found.size), (photo.file for photo in found.photos), workers)
    with write_zip(made / IMAGES) as file:
        for entry, data in zip(entries, track(encoded, len(entries), "convert images"), strict=True):
            file.add(f"{IMAGE_FOLDER}/{entry}", data)
    values = np.array([photo.values for photo in found.photos], np.int8)
    write_attributes(made / ATTRIBUTES_FILE, entries, found.names, values)
    write_numbers(made / PARTITION_FILE, entries, [photo.partition for photo in found.photos])
    # Nothing is known about who is who: each image counts as another person.
    write_numbers(made / IDENTITY_FILE, entries, range(1, len(entries) + 1))
    write_pairs(made / PAIRS, ())
    return len(entries)


def _reencode(size: tuple[int, int] | None, file: Path) -> bytes:
    image = decode(file.read_bytes(), file)
    return encode_jpeg(image if size is None else cover(image, size))
