"""The source of real faces: CelebA's own files, or a part of them, wherever they are."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.forms import parse_attributes, parse_identities, parse_landmarks, parse_partitions
from facevae.celeba.pairs import write_pairs
from facevae.celeba.splits import partition_by_name
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGE_FOLDER,
    IMAGES,
    LANDMARKS,
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
from facevae.imaging.archive import Flaw, open_archive
from facevae.imaging.zip_format import write_zip
from facevae.jobs.disk import require_space
from facevae.jobs.progress import track
from facevae.sources.inspection import Images, OnBadImage, look_at, refuse, write_flaws
from facevae.sources.locate import WANTED, acquire, find
from facevae.sources.paths import resolve_path
from facevae.sources.photos import image_files
from facevae.sources.urls import PlaceText

CELEBA_IMAGES, CELEBA_BYTES = 202_599, 1_443_490_838

"""How many images img_align_celeba.zip has, and its size."""


class CelebaSettings(Section):
    """Section download.celeba: the directory that holds CelebA's files; or, if null, the places of each of them.

    No places for a file: it is not wanted. Without partitions each person gets one, without identities each image.
    """

    path: str | None
    images: list[PlaceText]
    attributes: list[PlaceText]
    partitions: list[PlaceText]
    identities: list[PlaceText]
    landmarks: list[PlaceText]
    on_bad_image: OnBadImage


def take_celeba(settings: CelebaSettings, made: Path, workers: int, downloads: Path) -> int:
    """Fill the folder `made`; returns how many images.

    The images are packed as they are, under their own file names; the annotation has a row for each of them, whatever
    form it came in. Raises FacevaeError if a file can't be had or read, or for images that can't be used, unless these
    are to be skipped.
    """
    files = _files(settings, downloads)
    # The small ones first: what is wrong with them is known before a long look at the images.
    table = parse_attributes(files["attributes"], ATTRIBUTES)
    partitions = parse_partitions(files["partitions"]) if "partitions" in files else None
    identities = parse_identities(files["identities"]) if "identities" in files else None
    landmarks = parse_landmarks(files["landmarks"]) if "landmarks" in files else None
    flaws: list[Flaw] = []
    with _open_images(files["images"], flaws) as images:
        names = images.names
        unplaced = [] if partitions is None else _without(names, partitions.find(names))
        bare = dict.fromkeys(unplaced, "no row in the partitions")
        bare |= dict.fromkeys(_without(names, table.find_rows(names)), "no row in the annotation")
        flaws += map(Flaw._make, bare.items())
        names, unusable = look_at(images, [name for name in names if name not in bare], workers)
        flaws = refuse([*flaws, *unusable], files["images"], settings.on_bad_image, len(names))
        require_space(made / IMAGES, _bytes_of(files["images"]), "the images")
        _pack(images, names, made / IMAGES)
    write_flaws(made / SKIPPED, flaws)
    write_attributes(made / ATTRIBUTES_FILE, names, table.names, table.values_at(table.rows(names, "annotation")))
    persons = np.full(len(names), -1) if identities is None else identities.find(names)
    write_numbers(made / IDENTITY_FILE, *_known(names, persons))
    if partitions is not None:
        write_numbers(made / PARTITION_FILE, names, partitions.of(names, "partition"))
    else:
        # By person, so that nobody stands in two of them; who is not known by the image.
        keys = (name if person < 0 else str(person) for name, person in zip(names, persons, strict=True))
        write_numbers(made / PARTITION_FILE, names, map(partition_by_name, keys))
    if landmarks is None:
        write_landmarks(made / LANDMARKS_FILE, [], np.empty((0, len(LANDMARKS))))
    else:
        placed, rows = _known(names, landmarks.find_rows(names))
        write_landmarks(made / LANDMARKS_FILE, placed, landmarks.values[rows])
    write_pairs(made / PAIRS, ())
    return len(names)


def expected_size(settings: CelebaSettings) -> tuple[int, int]:
    """About how many images there will be, and how many bytes they are: all of CelebA, or what lies there."""
    found = None if settings.path is None else find(resolve_path(settings.path), WANTED["images"])
    size = CELEBA_BYTES if found is None else _bytes_of(found)
    return round(CELEBA_IMAGES * size / CELEBA_BYTES), size


def _bytes_of(path: Path) -> int:
    """Of an archive, or of all files in a folder and below."""
    files = (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _files(settings: CelebaSettings, downloads: Path) -> dict[str, Path]:
    """Where each file that is wanted lies now, by its name in the settings."""
    if settings.path is None:
        places = {
            "attributes": settings.attributes,
            "partitions": settings.partitions,
            "identities": settings.identities,
            "landmarks": settings.landmarks,
            "images": settings.images,
        }
        for key in ("attributes", "images"):
            if not places[key]:
                raise FacevaeError(
                    where=f"download.celeba.{key}", expected="a place", found="an empty list", fix="name one"
                )
        return {key: _acquired(key, named, downloads) for key, named in places.items() if named}
    folder = resolve_path(settings.path)
    files = {key: path for key, wanted in WANTED.items() if (path := find(folder, wanted)) is not None}
    for key in ("attributes", "partitions", "images"):
        if key not in files:
            wanted = WANTED[key]
            raise FacevaeError(
                where=folder, expected=" or ".join((wanted.name, *wanted.others)), found="none",
                fix="set download.celeba.path to the directory that holds CelebA's files",
            )  # fmt: skip
    return files


def _acquired(key: str, places: list[str], downloads: Path) -> Path:
    try:
        return acquire(WANTED[key], places, downloads)
    except FacevaeError as error:
        if key in ("attributes", "images"):
            raise
        fix = f"{error.fix}, or do without: download.celeba.{key}=[]"
        raise FacevaeError(where=error.where, expected=error.expected, found=error.found, fix=fix) from None


class _Folder:
    """Unpacked images, in any folder below `path`, as in a zip; what can't be taken of them is added to `flaws`."""

    def __init__(self, path: Path, flaws: list[Flaw]) -> None:
        self._files, left_out = image_files(path, below=True)
        flaws += left_out
        self.names = sorted(self._files)

    def read(self, name: str) -> bytes:
        return self._files[name].read_bytes()

    def where(self, name: str) -> str:
        return str(self._files[name])


@contextmanager
def _open_images(path: Path, flaws: list[Flaw]) -> Iterator[Images]:
    """The images of a zip, what can't be trusted of it added to `flaws`; or those of an unpacked folder."""
    if path.is_dir():
        yield _Folder(path, flaws)
    else:
        with open_archive(path, flaws) as archive:
            yield archive


def _pack(images: Images, names: Sequence[str], path: Path) -> None:
    with write_zip(path) as file:
        for name in track(names, len(names), "pack CelebA"):
            file.add(f"{IMAGE_FOLDER}/{name}", images.read(name))


def _without(names: Sequence[str], rows: np.ndarray) -> list[str]:
    """The images whose row is -1."""
    return [names[index] for index in np.flatnonzero(rows < 0)]


def _known(names: list[str], rows: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The images whose row is not -1, and their rows."""
    known = np.flatnonzero(rows >= 0)
    return [names[index] for index in known], rows[known]
