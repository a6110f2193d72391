"""The source of real faces: CelebA's own files, or a part of them, wherever they are."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.forms import parse_attributes, parse_identities, parse_landmarks, parse_partitions
from facevae.celeba.pairs import write_pairs
from facevae.celeba.splits import PARTITIONS, split_by_keys
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    CHANGES,
    IDENTITY_FILE,
    IMAGES,
    LANDMARKS,
    LANDMARKS_FILE,
    PAIRS,
    PARTITION_FILE,
    SKIPPED,
    NumberTable,
    write_attributes,
    write_landmarks,
    write_numbers,
)
from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.imaging.archive import Flaw, open_archive
from facevae.imaging.names import IMAGE_FOLDER, stem
from facevae.imaging.zip_format import write_zip
from facevae.jobs.disk import require_space
from facevae.jobs.progress import track
from facevae.sources.images import FolderImages
from facevae.sources.inspection import Images, OnBadImage, look_at, refuse, write_changes, write_flaws
from facevae.sources.locate import WANTED, acquire, celeba_folder, find
from facevae.sources.paths import resolve_path
from facevae.sources.summary import left_out
from facevae.sources.urls import PlaceText, local_path, parse_place

CELEBA_IMAGES, CELEBA_BYTES = 202_599, 1_443_490_838

"""How many images img_align_celeba.zip has, and its size."""


class CelebaSettings(Section):
    """Section download.celeba: the directory that holds CelebA's files; or, if null, the places of each of them.

    No places for a file: it is not wanted, from the directory neither. Without partitions each person gets one, without
    identities each image.
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
    for line in left_out(flaws):
        print(line, flush=True)
    write_flaws(made / SKIPPED, flaws)
    write_changes(made / CHANGES, [], flaws)
    write_attributes(made / ATTRIBUTES_FILE, names, table.names, table.values_at(table.rows(names, "annotation")))
    persons = np.full(len(names), -1) if identities is None else identities.find(names)
    write_numbers(made / IDENTITY_FILE, *_known(names, persons))
    write_numbers(made / PARTITION_FILE, names, _split(names, partitions, persons))
    if landmarks is None:
        write_landmarks(made / LANDMARKS_FILE, [], np.empty((0, len(LANDMARKS))))
    else:
        placed, rows = _known(names, landmarks.find_rows(names))
        write_landmarks(made / LANDMARKS_FILE, placed, landmarks.values[rows])
    write_pairs(made / PAIRS, ())
    return len(names)


def _split(names: list[str], partitions: NumberTable | None, persons: np.ndarray) -> Iterable[int]:
    """CelebA's partitions; where there are none, or one of them has none of these images, a split by persons.

    So nobody stands in two of them; who is not known counts by the image. A line says so.
    """
    if partitions is not None:
        found = partitions.of(names, "partition")
        counts = np.bincount(found, minlength=len(PARTITIONS))
        if counts.all():
            return found
        said = ", ".join(f"{count:,} {name}" for count, name in zip(counts, PARTITIONS, strict=True))
        why = f"CelebA's partitions leave one empty ({said})"
    else:
        why = "no partition file"
    known = "person" if (persons >= 0).any() else "image"
    made = split_by_keys([name if person < 0 else str(person) for name, person in zip(names, persons, strict=True)])
    counts = np.bincount(made, minlength=len(PARTITIONS))
    said = ", ".join(f"{count:,} {name}" for count, name in zip(counts, PARTITIONS, strict=True))
    print(f"{why}: split by a hash of each {known} instead: {said}", flush=True)
    return made


def expected_size(settings: CelebaSettings, downloads: Path) -> tuple[int, int] | None:
    """About how many images there will be, and how many bytes they are: what lies there, or all of CelebA.

    None where nothing lies there and nothing can be fetched. Raises FacevaeError if the directory is not there.
    """
    found = _local_images(settings, downloads)
    places = [] if settings.path is not None else [parse_place(text) for text in settings.images]
    if found is None and all(place.kind in ("directory", "file") for place in places):
        return None
    size = CELEBA_BYTES if found is None else _bytes_of(found)
    return round(CELEBA_IMAGES * size / CELEBA_BYTES), size


def _local_images(settings: CelebaSettings, downloads: Path) -> Path | None:
    """The images that are on this machine already, if they are."""
    wanted = WANTED["images"]
    if settings.path is not None:
        return find(celeba_folder(resolve_path(settings.path)), wanted)
    for place in map(parse_place, settings.images):
        path = local_path(place, wanted.name) if place.kind in ("directory", "file") else downloads / wanted.name
        found = find(path, wanted) if path.is_dir() else path if path.is_file() else None
        if found is not None:
            return found
    return None


def _bytes_of(path: Path) -> int:
    """Of an archive, or of all files in a folder and below."""
    files = (file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _files(settings: CelebaSettings, downloads: Path) -> dict[str, Path]:
    """Where each file that is wanted lies now, by its name in the settings."""
    places = {
        "attributes": settings.attributes,
        "partitions": settings.partitions,
        "identities": settings.identities,
        "landmarks": settings.landmarks,
        "images": settings.images,
    }
    if settings.path is None:
        for key in ("attributes", "images"):
            if not places[key]:
                raise FacevaeError(
                    where=f"download.celeba.{key}", expected="a place", found="an empty list", fix="name one"
                )
        return {key: _acquired(key, named, downloads) for key, named in places.items() if named}
    folder = celeba_folder(resolve_path(settings.path))
    wanted = {key: one for key, one in WANTED.items() if places[key] or key in ("attributes", "images")}
    files = {key: path for key, one in wanted.items() if (path := find(folder, one)) is not None}
    for key in ("attributes", "images"):
        if key not in files:
            there = sorted(path.name for path in folder.iterdir() if path.name[:1] != ".")
            raise FacevaeError(
                where=folder, expected=" or ".join(WANTED[key].names()),
                found=f"none, but {', '.join(there[:6])}{' ...' * (len(there) > 6)}" if there else "an empty folder",
                fix="set download.celeba.path to the directory that holds CelebA's files; unpack what is a .7z",
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
    """Unpacked images, in any folder below `path`, by file name, as in a zip.

    What can't be taken of them is added to `flaws`: of several whose names differ in folder or ending alone none is.
    """

    def __init__(self, path: Path, flaws: list[Flaw]) -> None:
        found = FolderImages(path, heic=False)
        flaws += found.flaws
        stems = Counter(stem(PurePosixPath(name).name) for name in found.names)
        doubles = {name for name in found.names if stems[stem(PurePosixPath(name).name)] > 1}
        flaws += [Flaw(name, "one of several images of this name") for name in sorted(doubles)]
        self._files = {PurePosixPath(name).name: path / name for name in found.names if name not in doubles}
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
        with open_archive(path, flaws, flat=True) as archive:
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
