"""The source of a person's own faces: a folder of images and a CSV, brought into CelebA's form."""

from functools import partial
from pathlib import Path

import numpy as np

from facevae.celeba.pairs import write_pairs
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGE_FOLDER,
    IMAGES,
    LANDMARKS_FILE,
    PAIRS,
    PARTITION_FILE,
    SKIPPED,
    write_attributes,
    write_landmarks,
    write_numbers,
)
from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import decode, encode_jpeg, resize_to_fill
from facevae.imaging.zip_format import write_zip
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map
from facevae.sources.inspection import OnBadImage, refuse, write_flaws
from facevae.sources.paths import resolve_path
from facevae.sources.photos import Photo, read_photos


class FolderSettings(Section):
    """Section download.folder: a folder of images, and a CSV with a header image,<attribute>,..."""

    images: str
    attributes: str
    on_bad_image: OnBadImage


def take_folder(settings: FolderSettings, made: Path, workers: int) -> int:
    """Write a person's images to the folder `made`, as RGB JPEGs under their own names; returns how many.

    Images of one size keep it. Images of different sizes are scaled to cover CelebA's 178x218, and what
    sticks out is cut off evenly. Raises FacevaeError for images that can't be used, unless these are to be skipped.
    """
    folder = resolve_path(settings.images)
    found = read_photos(folder, resolve_path(settings.attributes))
    flaws, packed = list(found.flaws), []
    converted = ordered_map(partial(_reencode, found.size), (photo.file for photo in found.photos), workers)
    with write_zip(made / IMAGES) as file:
        for photo, data in zip(found.photos, track(converted, len(found.photos), "convert images"), strict=True):
            if isinstance(data, str):
                flaws.append(Flaw(photo.file.name, data))
            else:
                file.add(f"{IMAGE_FOLDER}/{photo.entry}", data)
                packed.append(photo)
    write_flaws(made / SKIPPED, refuse(flaws, folder, settings.on_bad_image, len(packed)))
    _write_annotation(made, packed, found.names)
    return len(packed)


def _write_annotation(made: Path, photos: list[Photo], attributes: tuple[str, ...]) -> None:
    entries = [photo.entry for photo in photos]
    write_attributes(made / ATTRIBUTES_FILE, entries, attributes, np.array([photo.values for photo in photos], np.int8))
    write_numbers(made / PARTITION_FILE, entries, [photo.partition for photo in photos])
    # Where nothing is known about who is who, each image counts as another person.
    numbers: dict[str, int] = {}
    persons = [numbers.setdefault(photo.person, len(numbers) + 1) for photo in photos]
    write_numbers(made / IDENTITY_FILE, entries, persons)
    write_landmarks(made / LANDMARKS_FILE, [], np.empty((0, 10)))
    write_pairs(made / PAIRS, ())


def _reencode(size: tuple[int, int] | None, file: Path) -> bytes | str:
    """An image as a JPEG, or what is wrong with it."""
    try:
        image = decode(file.read_bytes(), file)
    except FacevaeError as error:
        return error.found
    return encode_jpeg(image if size is None else resize_to_fill(image, size))
