"""The source of a person's own faces: a folder of images or parquet files, brought into CelebA's form."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

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
from facevae.sources.changes import FRAMED, changes_of
from facevae.sources.framing import frame_face
from facevae.sources.images import FolderImages, read_item
from facevae.sources.inspection import OnBadImage, refuse, write_changes, write_flaws
from facevae.sources.labels import read_labels
from facevae.sources.parquet import ParquetImages, is_parquet
from facevae.sources.paths import resolve_path
from facevae.sources.photos import PhotoSource, Plan, plan_photos
from facevae.sources.summary import describe, left_out, numbered


class FolderSettings(Section):
    """Section download.folder: a folder of images or parquet files, and a CSV with a header image,<attribute>,...

    `attributes` null: without any, or those of the parquet files. `persons`: folder, the first folder of an image's
    path; column, that of the CSV; null: the column if there is one. `threshold`: the least probability that is a yes.
    `align`: faces are looked for, and brought to the frame of CelebA's images.
    """

    images: str
    attributes: str | None
    persons: Literal["folder", "column"] | None = None
    threshold: float | None = Field(default=None, gt=0, le=1)
    align: bool = False
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
    skip = settings.on_bad_image == "skip"
    return source, plan_photos(source, labels, settings.persons, skip, what, workers, settings.align)


def take_folder(settings: FolderSettings, made: Path, workers: int) -> int:
    """Write a person's images to the folder `made`, under their own names; returns how many.

    An RGB JPEG, PNG or WebP that is upright is packed as it is, others become JPEGs. Images of one size keep it. Images
    of different sizes are scaled to cover CelebA's 178x218, and what sticks out is cut off evenly. With `align` the
    main face of each is framed in that size, and those without one are left out. Raises FacevaeError for
    images that can't be used, unless these are to be skipped, and if none is left.
    """
    source, plan = plan_folder(settings, workers)
    path = resolve_path(settings.images)
    if settings.align:  # which may take hours
        refuse(plan.flaws, path, settings.on_bad_image, len(plan.photos))
    packed = _pack(source, plan, made / IMAGES, workers)
    plan = plan.without(packed.lost) if packed.lost else plan
    if packed.faceless and not plan.photos:
        raise _no_faces(path, packed.faceless)
    flaws = refuse([*plan.flaws, *packed.flaws], path, settings.on_bad_image, len(plan.photos))
    # A photograph without a face is no mistake of anybody's, as a damaged one is: it ends no run.
    flaws = sorted([*flaws, *packed.faceless])
    write_flaws(made / SKIPPED, flaws)
    write_changes(made / CHANGES, changes_of_plan(plan, packed.framed), flaws)
    _write_annotation(made, plan)
    if packed.several:
        several = numbered(packed.several, "photograph")
        plan.notes.append(f"several faces in {several}: the main one of each is taken")
    for line in (*describe(plan), *left_out(flaws)):
        print(line, flush=True)
    return len(plan.photos)


@dataclass
class _Packed:
    """What became of a plan's photos: the places of those that were lost, damaged ones (`flaws`) or `faceless`.

    `framed`: by name how a face was framed; `several`: how many showed more than one.
    """

    lost: set[int] = field(default_factory=set)
    flaws: list[Flaw] = field(default_factory=list)
    faceless: list[Flaw] = field(default_factory=list)
    framed: dict[str, str] = field(default_factory=dict)
    several: int = 0


def _pack(source: PhotoSource, plan: Plan, path: Path, workers: int) -> _Packed:
    """Bring the photos into their form and write the archive of those of which that was possible."""
    found, what = _Packed(), "frame faces" if plan.align else "convert images"
    items = source.items([photo.place for photo in plan.photos])
    brought = ordered_map(partial(_bring, plan.size, plan.align), items, workers, total=len(plan.photos))
    with write_zip(path) as file:
        for index, one in enumerate(track(brought, len(plan.photos), what)):
            photo = plan.photos[index]
            if one.data is None:
                (found.flaws if one.faces is None else found.faceless).append(Flaw(photo.name, one.words))
                found.lost.add(index)
                continue
            file.add(f"{IMAGE_FOLDER}/{photo.entry}", one.data)
            if one.faces is not None:
                found.framed[photo.name] = one.words
                found.several += one.faces > 1
    return found


def _no_faces(path: Path, faceless: list[Flaw]) -> FacevaeError:
    first = min(faceless)
    return FacevaeError(
        where=f"{path}, {first.image}", expected="a face, as download.folder.align: true says",
        found=f"none that can be used in {numbered(len(faceless), 'photograph')}: {first.reason}",
        fix="name other photographs, or set align: false, which takes images as they are",
    )  # fmt: skip


def changes_of_plan(plan: Plan, framed: Mapping[str, str] | None = None) -> Iterator[tuple[str, str, str]]:
    """Of each image that is changed its name, that in the archive, and what is done to it.

    `framed`: by an image's name how its face was framed, where that is known.
    """
    for photo in plan.photos:
        changes = plan.changes(photo)
        if photo.entry != photo.name and not changes:
            changes = ["renamed"]
        if changes:
            how = (framed or {}).get(photo.name, FRAMED)
            yield photo.name, photo.entry, "; ".join(how if change == FRAMED else change for change in changes)


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


class _Brought(NamedTuple):
    """An image as it is packed; None: it can't be, and `words` say why. `faces`: of how many, where they were sought.

    Of one that was framed by its face, `words` say how.
    """

    data: bytes | None
    words: str = ""
    faces: int | None = None


def _bring(size: tuple[int, int] | None, align: bool, item: str | bytes) -> _Brought:
    """It is decoded in any case: a cut-off file is found here."""
    try:
        data = read_item(item)
        header, image = read_header(io.BytesIO(data), ""), decode(data, "")
    except FacevaeError as error:
        return _Brought(None, error.found)
    except OSError as error:
        return _Brought(None, f"a file that can't be read ({error.strerror})")
    if align:
        found, words, faces = frame_face(image)
        return _Brought(None if found is None else encode_jpeg(found), words, faces)
    if not changes_of(header, size):
        return _Brought(data)
    return _Brought(encode_jpeg(image if size is None else resize_to_fill(image, size)))
