"""A person's own photos: a folder of images, and a CSV that says which attributes each has.

The CSV's header is image,<attribute>,... with optional columns partition and person, in any letter case. Values: 1,
or 0 or -1; partition: 0, 1, 2 or train, valid, test; person: any name.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, NamedTuple

from facevae.celeba.splits import PARTITIONS, partition_by_name
from facevae.core.errors import FacevaeError
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import decoded_size
from facevae.imaging.names import IMAGE_SUFFIXES, UNREAD_SUFFIXES, stem

if TYPE_CHECKING:
    import pandas

CELEBA_SIZE = (178, 218)

SMALLEST = 178

"""Photos of different sizes are brought to CelebA's; a shorter side below this would be blown up too far."""

_RESERVED = ("image", "partition", "person")

# Columns that others give such a meaning: as attributes they would be learned, and the hash would split the images.
_PERHAPS_MEANT = {
    "split": "partition", "set": "partition", "subset": "partition", "fold": "partition",
    "identity": "person", "subject": "person",
}  # fmt: skip

_VALUE_CELLS = {"1": 1, "0": -1, "-1": -1}

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

    Without a partition column a hash of the person's name decides, or without that either, of the file's: so no
    person is in two splits. Raises FacevaeError for whatever else is wrong.
    """
    (files, flaws), (names, rows) = image_files(folder), _read_csv(table)
    _check_rows(folder, table, files.keys() | {flaw.image for flaw in flaws}, rows.keys())
    flaws += [Flaw(name, f"no row in {table.name}") for name in files if name not in rows]
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


def image_files(folder: Path, below: bool = False) -> tuple[dict[str, Path], list[Flaw]]:
    """The images in `folder` by file name, and images that are left out, with the reason.

    Those in folders below are taken if `below`, left out if not; of several whose names differ in the ending alone
    none is taken, as in an archive. Hidden files and files of other kinds are passed over. Raises FacevaeError if
    there is no such folder or no image in it.
    """
    if not folder.is_dir():
        raise FacevaeError(where=folder, expected="a folder of images", found="no such folder", fix="correct the path")
    found, flaws = [], []
    for path in _visible_files(folder):
        name, suffix = path.relative_to(folder).as_posix(), path.suffix.lower()
        if suffix in UNREAD_SUFFIXES:
            flaws.append(Flaw(name, f"of a format that is not read, {suffix}"))
        elif suffix in IMAGE_SUFFIXES and path.parent != folder and not below:
            flaws.append(Flaw(name, "in a folder below, which is not read"))
        elif suffix in IMAGE_SUFFIXES:
            found.append(path)
    if below:
        counts = Counter(stem(path.name) for path in found)
        doubles = [path for path in found if counts[stem(path.name)] > 1]
        flaws += [Flaw(path.relative_to(folder).as_posix(), "one of several images of this name") for path in doubles]
        found = [path for path in found if counts[stem(path.name)] == 1]
    if not found:
        left = f"none that can be taken ({flaws[0].image}: {flaws[0].reason})" if flaws else "none"
        raise FacevaeError(where=folder, expected="images", found=left, fix="correct the path or add images")
    return {path.name: path for path in found}, flaws


def _visible_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in sorted(names) if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _check_rows(folder: Path, table: Path, files: Set[str], rows: Set[str]) -> None:
    unknown = sorted(rows - files)
    if unknown:
        raise FacevaeError(
            where=table, expected=f"names of images in {folder}",
            found=f"the unknown image {unknown[0]}", fix="correct the name or remove the row",
        )  # fmt: skip


def _read_csv(path: Path) -> tuple[tuple[str, ...], dict[str, _Row]]:
    """The attributes' names, and each image's row."""
    table = _read_cells(path)
    columns = [column for column in table.columns if column not in _RESERVED]
    if repeated := table["image"][table["image"].duplicated()].head(1).to_dict():
        ((number, image),) = repeated.items()
        raise FacevaeError(
            where=f"{path}, line {number}", expected="one row for each image", found=f"{image} again", fix="remove one"
        )
    meanings = dict.fromkeys(columns, _VALUE_CELLS)
    if "partition" in table:
        meanings["partition"] = _PARTITION_CELLS
    for column, meaning in meanings.items():
        parsed = table[column].map(meaning)
        for number, cell in table[column][parsed.isna()].items():
            raise FacevaeError(
                where=f"{path}, line {number}, {column}", expected=f"one of {', '.join(meaning)}", found=repr(cell),
                fix="correct the cell",
            )  # fmt: skip
        table[column] = parsed.astype(int)
    if table.empty:
        raise FacevaeError(where=path, expected="a row for each image", found="only a header", fix="add rows")
    nothing = [None] * len(table)
    rows = map(_Row, table[columns].to_numpy().tolist(), table.get("partition", nothing), table.get("person", nothing))
    return tuple(re.sub(r"\s+", "_", column) for column in columns), dict(zip(table["image"], rows, strict=True))


def _read_cells(path: Path) -> "pandas.DataFrame":
    """The CSV's cells as words, its columns called as in the header, its index the number of each row's line."""
    import pandas as pd

    try:
        # This engine alone tells a cell that is not there, NaN, from an empty one.
        cells = pd.read_csv(
            path, engine="python", header=None, dtype=str, na_filter=False, skip_blank_lines=False,
            encoding="utf-8-sig",
        )  # fmt: skip
    except FileNotFoundError:
        raise FacevaeError(
            where=path, expected="a CSV of attributes", found="no such file", fix="correct download.folder.attributes"
        ) from None
    except pd.errors.EmptyDataError:
        raise _bad_header(path, []) from None
    except (UnicodeDecodeError, pd.errors.ParserError) as error:
        if counts := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error)):
            raise _wrong_count(path, *map(int, counts.groups())) from None
        raise FacevaeError(
            where=path, expected="a CSV in UTF-8", found=str(error), fix="save it as CSV UTF-8"
        ) from None
    cells = cells.map(str.strip, na_action="ignore").set_axis(cells.index + 1)
    header = cells[:1].stack().tolist()
    rows = cells.iloc[1:]
    rows = rows[(rows.notna() & (rows != "")).any(axis=1)]
    for number, row in rows[rows.isna().any(axis=1)].iterrows():
        raise _wrong_count(path, len(header), number, int(row.notna().sum()))
    return rows.set_axis(_column_names(path, header), axis=1)


def _column_names(path: Path, header: Sequence[str]) -> list[str]:
    """The header's words, those with a meaning of their own in small letters."""
    columns = [word.lower() if word.lower() in _RESERVED else word for word in header]
    attributes = {re.sub(r"\s+", "_", column) for column in columns if column not in _RESERVED}
    different = len({*columns}) == len(columns) and len(attributes) == len({*columns} - {*_RESERVED})
    unfit = any(not name or "\0" in name or PurePath(name).suffix.lower() in IMAGE_SUFFIXES for name in attributes)
    if "image" not in columns or not attributes or not different or unfit:
        raise _bad_header(path, header)
    for column in columns:
        if meant := _PERHAPS_MEANT.get(column.lower()):
            raise FacevaeError(
                where=f"{path}, line 1", expected=f"attributes, and the columns {', '.join(_RESERVED)}",
                found=f"the column {column}, which is perhaps the {meant}",
                fix=f"call it {meant}; or, if it is an attribute, otherwise (is_{column.lower()})",
            )  # fmt: skip
    return columns


def _bad_header(path: Path, header: Sequence[str]) -> FacevaeError:
    return FacevaeError(
        where=f"{path}, line 1", expected="a header image,<attribute>,... of different names",
        found=",".join(header)[:80] or "nothing", fix="correct the header",
    )  # fmt: skip


def _wrong_count(path: Path, expected: int, line: int, found: int) -> FacevaeError:
    return FacevaeError(
        where=f"{path}, line {line}", expected=f"{expected} cells, as the header has", found=str(found),
        fix="correct the row",
    )  # fmt: skip


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
