"""A person's own photos: a folder of images, and a CSV that says which attributes each has.

The CSV's header is image,<attribute>,... with optional columns partition and person. Values: 1, or 0 or -1;
partition: 0, 1, 2 or train, valid, test; person: any name.
"""

import csv
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from facevae.celeba.splits import PARTITIONS, partition_by_name
from facevae.core.errors import FacevaeError
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import decoded_size
from facevae.imaging.names import IMAGE_SUFFIXES, stem

CELEBA_SIZE = (178, 218)

SMALLEST = 178

"""Photos of different sizes are brought to CelebA's; a shorter side below this would be blown up too far."""

_PARTITION_CELLS = {str(number): number for number in range(3)} | {
    name: number for number, name in enumerate(PARTITIONS)
}


@dataclass(frozen=True)
class Photo:
    """One photo: its file, its name in the archive, its attributes' values, 1 or -1, its partition, whom it shows."""

    file: Path
    entry: str
    values: list[int]
    partition: int
    person: str


@dataclass(frozen=True)
class Photos:
    """Photos sorted by file name; `size` is that to which they must be brought, None if all have one size.

    `flaws`: the images that can't be among them, and why.
    """

    names: tuple[str, ...]
    photos: list[Photo]
    size: tuple[int, int] | None
    flaws: list[Flaw]


class _Row(NamedTuple):
    """A row of the CSV; partition and person are None without such a column."""

    values: list[int]
    partition: int | None
    person: str | None


def read_photos(folder: Path, table: Path) -> Photos:
    """Read the CSV and match it with the images in `folder`: every row needs its image; images without a row are flaws.

    Without a partition column a hash of the person's name decides, or without that either, of the file's: so nobody
    stands in two splits. Raises FacevaeError for whatever else is wrong.
    """
    files, (names, rows) = image_files(folder), _read_csv(table)
    _check_rows(folder, table, files.keys(), rows.keys())
    flaws = [Flaw(name, f"no row in {table.name}") for name in files if name not in rows]
    sizes: dict[str, tuple[int, int]] = {}
    for name in rows.keys() & files.keys():
        try:
            sizes[name] = decoded_size(files[name].read_bytes(), files[name])
        except FacevaeError as error:
            flaws.append(Flaw(name, error.found))
    size = CELEBA_SIZE if len(set(sizes.values())) > 1 else None
    small = [name for name, found in sizes.items() if size and min(found) < SMALLEST]
    for name in small:
        found = "{}x{}".format(*sizes.pop(name))
        flaws.append(Flaw(name, f"{found} pixels, where images that differ in size need {SMALLEST} on each side"))
    entries = _entry_names(folder, sorted(sizes))
    photos = [_photo(files[name], entry, rows[name]) for name, entry in entries.items()]
    return Photos(names, photos, size, flaws)


def _photo(file: Path, entry: str, row: _Row) -> Photo:
    person = row.person or file.name
    return Photo(file, entry, row.values, partition_by_name(person) if row.partition is None else row.partition, person)


def image_files(folder: Path) -> dict[str, Path]:
    """The images in `folder` by file name, hidden files and files of other kinds passed over. Raises FacevaeError."""
    if not folder.is_dir():
        raise FacevaeError(where=folder, expected="a folder of images", found="no such folder", fix="correct the path")
    files = {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    }
    if not files:
        raise FacevaeError(where=folder, expected="images", found="none", fix="correct the path or add images")
    return files


def _check_rows(folder: Path, table: Path, files: Set[str], rows: Set[str]) -> None:
    unknown = sorted(rows - files)
    if unknown:
        raise FacevaeError(
            where=table, expected=f"names of images in {folder}",
            found=f"the unknown image {unknown[0]}", fix="correct the name or remove the row",
        )  # fmt: skip


def _read_csv(path: Path) -> tuple[tuple[str, ...], dict[str, _Row]]:
    """The attributes' names, and each image's row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(file)] or [[]]
    except FileNotFoundError:
        raise FacevaeError(
            where=path, expected="a CSV of attributes", found="no such file", fix="correct download.folder.attributes"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FacevaeError(
            where=path, expected="a CSV in UTF-8", found=str(error), fix="save it as CSV UTF-8"
        ) from None
    columns = [column for column in header if column not in ("image", "partition", "person")]
    names = tuple(re.sub(r"\s+", "_", column) for column in columns)
    if "image" not in header or not names or "" in names or len({*header}) < len(header) or len({*names}) < len(names):
        raise FacevaeError(
            where=f"{path}, line 1", expected="a header image,<attribute>,... of different names",
            found=",".join(header)[:80] or "nothing", fix="correct the header",
        )  # fmt: skip
    found: dict[str, _Row] = {}
    for number, row in enumerate(rows, start=2):
        if not any(row):
            continue
        where = f"{path}, line {number}"
        if len(row) != len(header):
            raise FacevaeError(
                where=where,
                expected=f"{len(header)} cells, as the header has",
                found=str(len(row)),
                fix="correct the row",
            )
        cells = dict(zip(header, row, strict=True))
        if cells["image"] in found:
            raise FacevaeError(
                where=where, expected="one row for each image", found=f"{cells['image']} again", fix="remove one"
            )
        values = [_parse(where, column, cells[column], {"1": 1, "0": -1, "-1": -1}) for column in columns]
        partition = _parse(where, "partition", cells["partition"], _PARTITION_CELLS) if "partition" in cells else None
        found[cells["image"]] = _Row(values, partition, cells.get("person"))
    if not found:
        raise FacevaeError(where=path, expected="a row for each image", found="only a header", fix="add rows")
    return names, found


def _parse(where: str, column: str, cell: str, meaning: dict[str, int]) -> int:
    if cell not in meaning:
        raise FacevaeError(
            where=f"{where}, {column}",
            expected=f"one of {', '.join(meaning)}",
            found=repr(cell),
            fix="correct the cell",
        )
    return meaning[cell]


def _entry_names(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The name in the archive for each file: its own, as .jpg, with "_" for spaces, which the annotation can't hold."""
    entries = {name: re.sub(r"\s", "_", stem(name)) + ".jpg" for name in names}
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        if owners.setdefault(entry, name) != name:
            raise FacevaeError(
                where=folder, expected="images of different names", found=f"{owners[entry]} and {name}, both {entry}",
                fix="rename one",
            )  # fmt: skip
    return entries
