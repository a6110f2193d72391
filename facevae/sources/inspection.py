"""Which raw images can be used: decoded, all of them, before anything is made of them."""

import csv
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import decode_image
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map

OnBadImage = Literal["error", "skip"]

_CHANGES = ["image", "name", "change"]


class Images(Protocol):
    """Raw images, in an archive or in a folder. `names`: their file names, sorted."""

    names: Sequence[str]

    def read(self, name: str) -> bytes:
        """The bytes of an image. Raises FacevaeError if they are damaged."""

    def where(self, name: str) -> str:
        """How a message calls it."""


def look_at(images: Images, names: Sequence[str], workers: int) -> tuple[list[str], list[Flaw]]:
    """The named images that are whole and of the most common size, in order, and what is wrong with the others.

    All are decoded.
    """
    widths, heights, flaws = array("I"), array("I"), []
    found = ordered_map(_look, _with_bytes(images, names), workers, total=len(names))
    for name, size in zip(names, track(found, len(names), "check images"), strict=True):
        if isinstance(size, str):
            flaws.append(Flaw(name, size))
            size = 0, 0
        widths.append(size[0])
        heights.append(size[1])
    sizes = Counter(size for size in zip(widths, heights, strict=True) if size != (0, 0))
    if not sizes:
        return [], flaws
    width, height = usual = sizes.most_common(1)[0][0]
    if len(sizes) > 1:
        rows = np.flatnonzero((np.array(widths) != width) | (np.array(heights) != height))
        odd = ((names[row], (widths[row], heights[row])) for row in rows)
        flaws += [
            Flaw(name, f"{size[0]}x{size[1]} pixels, the others have {width}x{height}")
            for name, size in odd
            if size != (0, 0)
        ]
    return [name for name, size in zip(names, zip(widths, heights, strict=True), strict=True) if size == usual], flaws


def refuse(flaws: Iterable[Flaw], path: Path, on_bad_image: OnBadImage, good: int) -> list[Flaw]:
    """`flaws` by image. Raises FacevaeError for the first if they are an error, or if no `good` images are left."""
    found = sorted(flaws)
    if found and (on_bad_image == "error" or not good):
        number = f"{len(found)} bad images in all" if len(found) > 1 else "the only bad image"
        raise FacevaeError(
            where=f"{path}, {found[0].image}", expected="a whole image, annotated, of the size that the others have",
            found=f"{found[0].reason} ({number})",
            fix="replace or remove them, or set on_bad_image: skip, which leaves them out and lists them",
        )  # fmt: skip
    return found


def write_flaws(path: Path, flaws: Iterable[Flaw]) -> None:
    """Write a CSV of the images that were left out, and why."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Flaw._fields)
        writer.writerows(flaws)


def write_changes(path: Path, changes: Iterable[tuple[str, str, str]], flaws: Iterable[Flaw]) -> None:
    """Write a CSV of what was done to images: an image's name, that in the archive, and what; the left out ones last.

    An image that is packed as it is, under its own name, has no row.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_CHANGES)
        writer.writerows(changes)
        writer.writerows((flaw.image, "", f"left out: {flaw.reason}") for flaw in flaws)


def is_list_of_changes(path: Path) -> bool:
    """Whether a file begins as `write_changes` begins one."""
    with path.open("rb") as file:
        return file.readline().rstrip(b"\r\n") == ",".join(_CHANGES).encode()


def _with_bytes(images: Images, names: Iterable[str]) -> Iterator[tuple[str, bytes] | str]:
    for name in names:
        try:
            yield images.where(name), images.read(name)
        except FacevaeError as error:
            yield error.found


def _look(item: tuple[str, bytes] | str) -> tuple[int, int] | str:
    """Width and height of an image, or what is wrong with it."""
    if isinstance(item, str):
        return item
    where, data = item
    try:
        return decode_image(data, where).size
    except FacevaeError as error:
        return error.found
