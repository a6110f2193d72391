"""A person's own photos: a folder of images, and a CSV that says which attributes each has.

The CSV's header is image,<attribute>,... with an optional column partition. Values: 1, or 0 or -1;
partition: 0, 1, 2 or train, valid, test.
"""

import csv
import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

from facevae.errors import FacevaeError
from facevae.images import IMAGE_SUFFIXES, decoded_size, stem
from facevae.splits import PARTITIONS, partition_by_name

CELEBA_SIZE = (178, 218)
SMALLEST = 178
"""Photos of different sizes are brought to CelebA's; a shorter side below this would be blown up too far."""
_PARTITION_CELLS = {str(number): number for number in range(3)} | {
    name: number for number, name in enumerate(PARTITIONS)
}


@dataclass(frozen=True)
class Photo:
    """One photo: its file, its name in the archive, its attributes' values, 1 or -1, and its partition."""

    file: Path
    entry: str
    values: list[int]
    partition: int


@dataclass(frozen=True)
class Photos:
    """All photos, sorted by file name; `size` is that to which they must be brought, None if all have one size."""

    names: tuple[str, ...]
    photos: list[Photo]
    size: tuple[int, int] | None


def read_photos(folder: Path, table: Path) -> Photos:
    """Read the CSV and match it with the images in `folder`: every row needs its image and every image its row.

    Without a partition column a hash of the file name decides. Raises FacevaeError for whatever is wrong.
    """
    files, (names, rows) = image_files(folder), _read_csv(table)
    _match(folder, table, files.keys(), rows.keys())
    entries = _entry_names(folder, files)
    photos = [
        Photo(file, entries[name], rows[name][0], partition_by_name(name) if rows[name][1] is None else rows[name][1])
        for name, file in files.items()
    ]
    return Photos(names, photos, _common_size(files))


def image_files(folder: Path) -> dict[str, Path]:
    """The images in `folder` by file name, hidden files and files of other kinds passed over. Raises FacevaeError."""
    if not folder.is_dir():
        raise FacevaeError(where=folder, expected="a folder of images", found="no such folder", fix="correct the path")
    files = {
        path.name: path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    }
    if not files:
        raise FacevaeError(where=folder, expected="images", found="none", fix="correct the path or add images")
    return files


def _match(folder: Path, table: Path, files: Set[str], rows: Set[str]) -> None:
    unknown = sorted(rows - files)
    if unknown:
        raise FacevaeError(
            where=table, expected=f"names of images in {folder}",
            found=f"the unknown image {unknown[0]}", fix="correct the name or remove the row",
        )  # fmt: skip
    bare = sorted(files - rows)
    if bare:
        raise FacevaeError(
            where=table, expected=f"a row for the image {bare[0]}", found="an image without annotation",
            fix="add its row or remove the image",
        )  # fmt: skip


def _read_csv(path: Path) -> tuple[tuple[str, ...], dict[str, tuple[list[int], int | None]]]:
    """The attributes' names, and for each image its values, 1 or -1, and its partition, None without the column."""
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
    columns = [column for column in header if column not in ("image", "partition")]
    names = tuple(re.sub(r"\s+", "_", column) for column in columns)
    if "image" not in header or not names or "" in names or len({*header}) < len(header) or len({*names}) < len(names):
        raise FacevaeError(
            where=f"{path}, line 1", expected="a header image,<attribute>,... of different names",
            found=",".join(header)[:80] or "nothing", fix="correct the header",
        )  # fmt: skip
    found: dict[str, tuple[list[int], int | None]] = {}
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
        found[cells["image"]] = (values, partition)
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


def _common_size(files: dict[str, Path]) -> tuple[int, int] | None:
    """None if all images have one size, else the size to which they are brought."""
    sizes = {name: decoded_size(path.read_bytes(), path) for name, path in files.items()}
    if len(set(sizes.values())) == 1:
        return None
    for name, size in sizes.items():
        if min(size) < SMALLEST:
            raise FacevaeError(
                where=files[name], expected=f"at least {SMALLEST} pixels on each side, as images differ in size",
                found=f"{size[0]}x{size[1]}", fix="remove it or provide a larger one",
            )  # fmt: skip
    return CELEBA_SIZE
