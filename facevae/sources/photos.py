"""A person's own photos, as planned from their names, headers and labels: what is taken, what is changed, what is not.

Nothing is decoded here, so that `facevae check` can tell of 200,000 files in seconds.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from facevae.celeba.splits import PARTITIONS, complete_split, split_by_keys
from facevae.core.errors import FacevaeError
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import Header
from facevae.imaging.names import stem
from facevae.sources.changes import changes_of, entry_names
from facevae.sources.labels import Labels
from facevae.sources.layout import read_layout

CELEBA_SIZE = (178, 218)

SMALLEST = 178

"""Photos of different sizes are brought to CelebA's; a shorter side below this would be blown up too far."""


class PhotoSource(Protocol):
    """Where photos are: a folder, or parquet files. `flaws`: images there that can't be taken, and why.

    `notes`: what else a person should know of it.
    """

    names: list[str]
    flaws: list[Flaw]
    notes: list[str]

    def where(self, name: str) -> str:
        """How a message calls an image."""

    def headers(self, workers: int) -> Iterator[Header | str]:
        """Of each image, in the order of `names`, its header, or what is wrong with it."""

    def items(self, rows: Sequence[int]) -> Iterator[str | bytes]:
        """Of the images at these places of `names`, which ascend, what images.read_item reads."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo: its place among the source's names, its name there and in the archive, its header; whom it shows."""

    place: int
    name: str
    entry: str
    header: Header
    row: int
    person: str


@dataclass(frozen=True)
class Plan:
    """Photos in the source's order. `values`: (N, A) int8, 1, -1 or 0; `partitions`: indices in splits.PARTITIONS.

    `hashed`: whether a hash made the partitions. `size`: that to which all must be brought, None if they have one size.
    `align`: whether they are brought to it by their faces. `flaws`: the images that can't be among them, and why.
    `notes`: what else a person should know.
    """

    photos: list[Photo]
    names: tuple[str, ...]
    values: np.ndarray
    partitions: list[int]
    hashed: bool
    size: tuple[int, int] | None
    flaws: list[Flaw]
    notes: list[str]
    align: bool = False

    def changes(self, photo: Photo) -> list[str]:
        """What must be done to a photo, in words, as far as its header tells."""
        return changes_of(photo.header, self.size, self.align)

    def without(self, lost: set[int]) -> "Plan":
        """The plan without the photos at these places of the list."""
        kept = [index for index in range(len(self.photos)) if index not in lost]
        photos = [self.photos[index] for index in kept]
        partitions = [self.partitions[index] for index in kept]
        if self.hashed:
            partitions = split_by_keys([photo.person for photo in photos])
        return replace(self, photos=photos, values=self.values[kept], partitions=partitions)


def plan_photos(
    source: PhotoSource, labels: Labels | None, persons: str | None, skip: bool, what: str, workers: int,
    align: bool = False,
) -> Plan:  # fmt: skip
    """Match the labels, from the table called `what`, with the images, and look at the headers of these.

    Without partitions the folders decide, if they are called train, valid and test; or a hash of the person's name, or
    without that either, of the image's: so no person is in two splits. With `skip`, rows without an image are flaws.
    With `align`, images of any size are taken, whose faces will be brought to CelebA's frame. Raises FacevaeError for
    rows without an image otherwise, and for whatever else is wrong with the labels.
    """
    flaws = list(source.flaws)
    if labels is None:
        rows = np.zeros(len(source.names), int)
    else:
        rows, unknown = match_rows(source, labels)
        # Where no row fits, the table or the folder is the wrong one, and nothing could be left.
        if unknown and (not skip or (rows < 0).all()):
            place = source.where("").rstrip(" ,/")
            fix = "correct the name or remove the row"
            if len(unknown) < len(labels.images):
                fix += ", or set on_bad_image: skip, which leaves such rows out and lists them"
            raise FacevaeError(
                where=labels.where(unknown[0]),
                expected=f"the name of an image in {place}, such as {source.names[0]}",
                found=f"the unknown image {labels.images[unknown[0]]} (unknown in {len(unknown)} of "
                f"{len(labels.images)} rows)", fix=fix,
            )  # fmt: skip
        flaws += [Flaw(labels.images[row], f"a row in {what} without an image") for row in unknown]
        flaws += [Flaw(source.names[place], f"no row in {what}") for place in np.flatnonzero(rows < 0)]
    headers: dict[int, Header] = {}
    for place, header in enumerate(source.headers(workers)):
        if rows[place] >= 0 and isinstance(header, str):
            flaws.append(Flaw(source.names[place], header))
        elif rows[place] >= 0:
            headers[place] = header
    size = CELEBA_SIZE if align or len({header.size for header in headers.values()}) > 1 else None
    small = [] if align else [place for place, header in headers.items() if size and min(header.size) < SMALLEST]
    for place in small:
        found = "{}x{}".format(*headers.pop(place).size)
        reason = f"{found} pixels, where images that differ in size need {SMALLEST} on each side"
        flaws.append(Flaw(source.names[place], reason))
    entries = entry_names(source.names, headers, size, align, flaws)
    said = labels.persons if labels is not None and persons != "folder" else None
    layout = read_layout(source.names)
    if persons == "column" and said is None:
        raise FacevaeError(
            where=what, expected="a column person, as download.folder.persons: column says", found="none",
            fix="add it, or set download.folder.persons to folder or null",
        )  # fmt: skip
    photos = []
    for place, entry in entries.items():
        name, row = source.names[place], int(rows[place])
        person = (said[row] if said else layout.persons[place] if persons == "folder" else "") or name
        photos.append(Photo(place, name, entry, headers[place], row, person))
    chosen = [photo.row for photo in photos]
    if labels is None:
        names, values = (), np.empty((len(photos), 0), np.int8)
    else:
        names, values = labels.names, labels.values[chosen]
    notes, keys = list(source.notes), [photo.person for photo in photos]
    given = None
    if labels is not None and labels.partitions is not None:
        given = [labels.partitions[row] for row in chosen]
    elif layout.partitions is not None:
        given = [layout.partitions[photo.place] for photo in photos]
    if given or persons == "folder":
        notes += layout.notes
    if persons == "folder" and (alone := sum(not layout.persons[photo.place] for photo in photos)):
        notes.append(f"persons: folder, but {alone:,} images lie in no person's: each counts as another person")
    partitions, note = complete_split(given, keys) if given else (split_by_keys(keys), "")
    notes += [note] if note else []
    missing = [name for number, name in enumerate(PARTITIONS) if number not in partitions]
    if missing and photos:
        notes.append(
            f"no {' and no '.join(missing)} images: the next stages need some in each split, of three persons at least"
        )
    hashed = not given
    return Plan(photos, names, values, partitions, hashed, size, flaws, notes, align)


def match_rows(source: PhotoSource, labels: Labels) -> tuple[np.ndarray, list[int]]:
    """Of each image the row of its labels, -1 for none, (n,) int64; and the rows whose image is not there.

    A row may name an image by its path from anywhere above it, with either slash; by the end of its path, such as the
    file name, or without its ending, where only one image has that. Letters with accents may be composed in either way.
    Raises FacevaeError for an image with two rows.
    """
    places = {_key(name): place for place, name in enumerate(source.names)}
    left_out = {_key(flaw.image) for flaw in source.flaws}
    shorter = _unique((way, place) for key, place in places.items() for way in _ways(key))
    bare = _unique((stem(key), place) for key, place in places.items())
    barest = _unique((stem(way), place) for key, place in places.items() for way in _ways(key))
    rows, unknown = np.full(len(source.names), -1), []
    for row, image in enumerate(labels.images):
        key = _key(image)
        place = next((places[way] for way in _ways(key) if way in places), None)
        if place is None:
            place = shorter.get(key, bare.get(key, barest.get(key)))
        if place is None:
            if not left_out.intersection(_ways(key)):
                unknown.append(row)
        elif rows[place] >= 0:
            raise FacevaeError(
                where=labels.where(row), expected="one row for each image",
                found=f"{source.names[place]} again, first in {labels.where(int(rows[place]))}", fix="remove one",
            )  # fmt: skip
        else:
            rows[place] = row
    return rows, unknown


def _key(name: str) -> str:
    name = unicodedata.normalize("NFC", name.replace("\\", "/"))
    return name.removeprefix("./")


def _ways(key: str) -> Iterator[str]:
    """A path, and what is left of it without the first, the first two ... folders; of one that climbs only itself."""
    yield key
    parts = key.split("/")
    if ".." not in parts:
        yield from ("/".join(parts[start:]) for start in range(1, len(parts)))


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """The pairs whose key there is once."""
    found: dict[str, int] = {}
    twice = set()
    for key, place in pairs:
        if found.setdefault(key, place) != place:
            twice.add(key)
    return {key: place for key, place in found.items() if key not in twice}
