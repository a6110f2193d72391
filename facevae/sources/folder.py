"""The source of a person's own faces: a folder of images or parquet files, brought into CelebA's form."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from facevae.celeba.pairs import write_pairs
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    CHANGES,
    IDENTITY_FILE,
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
from facevae.imaging.codec import decode, encode_jpeg, read_header, resize_to_fill
from facevae.imaging.names import IMAGE_FOLDER
from facevae.imaging.zip_format import write_zip
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map
from facevae.sources.images import FolderImages, read_item
from facevae.sources.inspection import OnBadImage, refuse, write_changes, write_flaws
from facevae.sources.labels import read_labels
from facevae.sources.parquet import ParquetImages, is_parquet
from facevae.sources.paths import resolve_path
from facevae.sources.photos import PhotoSource, Plan, changes_of, plan_photos
from facevae.sources.summary import describe, left_out


class FolderSettings(Section):
    """Section download.folder: a folder of images or parquet files, and a CSV with a header image,<attribute>,...

    `attributes` null: without any, or those of the parquet files. `persons`: folder, the first folder of an image's
    path; column, that of the CSV; null: the column if there is one. `threshold`: the least probability that is a yes.
    """

    images: str
    attributes: str | None
    persons: Literal["folder", "column"] | None = None
    threshold: float | None = Field(default=None, gt=0, le=1)
    on_bad_image: OnBadImage


def plan_folder(settings: FolderSettings, workers: int) -> tuple[PhotoSource, Plan]:
    """What would be taken, by names, labels and headers. Raises FacevaeError as `take_folder` does, but for pixels."""
    path = resolve_path(settings.images)
    if settings.persons == "folder" and is_parquet(path):
        raise FacevaeError(
            where=path, expected="folders of images, as download.folder.persons: folder says", found="parquet",
            fix="set download.folder.persons to column or null",
        )  # fmt: skip
    source = ParquetImages(path) if is_parquet(path) else FolderImages(path)
    labels, what = None, str(path)
    if settings.attributes is not None:
        table = resolve_path(settings.attributes)
        labels, what = read_labels(table, settings.threshold), table.name
    elif isinstance(source, ParquetImages):
        labels = source.labels(settings.threshold)
    return source, plan_photos(source, labels, settings.persons, settings.on_bad_image == "skip", what, workers)


def take_folder(settings: FolderSettings, made: Path, workers: int) -> int:
    """Write a person's images to the folder `made`, under their own names; returns how many.

    An RGB JPEG, PNG or WebP that is upright is packed as it is, others become JPEGs. Images of one size keep it. Images
    of different sizes are scaled to cover CelebA's 178x218, and what sticks out is cut off evenly. Raises FacevaeError
    for images that can't be used, unless these are to be skipped.
    """
    source, plan = plan_folder(settings, workers)
    flaws, lost = list(plan.flaws), set[int]()
    items = source.items([photo.place for photo in plan.photos])
    brought = ordered_map(partial(_bring, plan.size), items, workers, total=len(plan.photos))
    with write_zip(made / IMAGES) as file:
        for index, data in enumerate(track(brought, len(plan.photos), "convert images")):
            photo = plan.photos[index]
            if isinstance(data, str):
                flaws.append(Flaw(photo.name, data))
                lost.add(index)
            else:
                file.add(f"{IMAGE_FOLDER}/{photo.entry}", data)
    plan = plan.without(lost) if lost else plan
    flaws = refuse(flaws, resolve_path(settings.images), settings.on_bad_image, len(plan.photos))
    write_flaws(made / SKIPPED, flaws)
    write_changes(made / CHANGES, changes_of_plan(plan), flaws)
    _write_annotation(made, plan)
    for line in (*describe(plan), *left_out(flaws)):
        print(line, flush=True)
    return len(plan.photos)


def changes_of_plan(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Of each image that is changed its name, that in the archive, and what is done to it."""
    for photo in plan.photos:
        changes = changes_of(photo.header, plan.size)
        if photo.entry != photo.name and not changes:
            changes = ["renamed"]
        if changes:
            yield photo.name, photo.entry, "; ".join(changes)


def _write_annotation(made: Path, plan: Plan) -> None:
    entries = [photo.entry for photo in plan.photos]
    write_attributes(made / ATTRIBUTES_FILE, entries, plan.names, plan.values)
    write_numbers(made / PARTITION_FILE, entries, plan.partitions)
    # Where nothing is known about who is who, each image counts as another person.
    numbers: dict[str, int] = {}
    persons = [numbers.setdefault(photo.person, len(numbers) + 1) for photo in plan.photos]
    write_numbers(made / IDENTITY_FILE, entries, persons)
    write_landmarks(made / LANDMARKS_FILE, [], np.empty((0, 10)))
    write_pairs(made / PAIRS, ())


def _bring(size: tuple[int, int] | None, item: str | bytes) -> bytes | str:
    """An image as it is packed, or what is wrong with it. It is decoded in any case: a cut-off one is found here."""
    try:
        data = read_item(item)
        header, image = read_header(io.BytesIO(data), ""), decode(data, "")
    except FacevaeError as error:
        return error.found
    except OSError as error:
        return f"a file that can't be read ({error.strerror})"
    if not changes_of(header, size):
        return data
    return encode_jpeg(image if size is None else resize_to_fill(image, size))
