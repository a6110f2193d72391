"""What a person's own table says of each image: attributes, and perhaps partition and person.

A CSV, whose cells may be separated by commas, semicolons or tabs, with a header image,<attribute>,... and optional
columns partition and person, in any letter case; or an annotation in CelebA's own form. Values: 1 and 0, 1 and -1, or
true and false; an empty cell is unknown, and so is 0 where others are -1. partition: 0, 1, 2 or train, valid, test;
person: any name.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from facevae.celeba.forms import parse_attributes
from facevae.celeba.splits import PARTITIONS
from facevae.core.errors import FacevaeError
from facevae.imaging.names import IMAGE_SUFFIXES

_RESERVED = ("image", "partition", "person")

# What others call the column of the names: pandas' users, Kaggle's, hubs'.
_IMAGE_COLUMNS = ("file_name", "filename", "image_id", "image_name", "image_path", "img", "file", "path")

PERHAPS_MEANT = {
    "split": "partition", "set": "partition", "subset": "partition", "fold": "partition",
    "identity": "person", "subject": "person", "celeb_id": "person", "person_id": "person",
}  # fmt: skip
"""Columns that others give such a meaning: as attributes they would be learned, and the hash would split the images."""

_VALUE_CELLS = {"1": 1, "0": -1, "-1": -1, "true": 1, "false": -1, "": 0}

SPLIT_WORDS = {name: number for number, name in enumerate(PARTITIONS)} | {
    "training": 0, "val": 1, "validation": 1, "dev": 1, "testing": 2,
}  # fmt: skip
"""What the partitions are called in columns, folders and names of files."""

_PARTITION_CELLS = {str(number): number for number in range(3)} | SPLIT_WORDS


@dataclass(frozen=True)
class Labels:
    """A row for each image. `names`: A attributes; `images`: n names as they stand; `values`: (n, A) int8, 1, -1, 0.

    0 is unknown. `partitions`, indices in splits.PARTITIONS, and `persons` are None where nothing says them.
    `where`: how a message calls a row.
    """

    names: tuple[str, ...]
    images: list[str]
    values: np.ndarray
    partitions: list[int] | None
    persons: list[str] | None
    where: Callable[[int], str]


def read_labels(path: Path, threshold: float | None) -> Labels:
    """Read a table. Where there is a `threshold`, values are probabilities: 1 from it on.

    Raises FacevaeError naming the line that is wrong.
    """
    rows = list(_read_rows(path))
    if not rows:
        raise _bad_header(path, [])
    (_, header), rows = rows[0], rows[1:]
    if len(header) == 1 and re.fullmatch("[0-9]+", header[0]) and rows:
        return _in_celebas_form(path)
    columns = _column_names(path, header, rows)
    for line, cells in rows:
        if len(cells) != len(columns):
            raise FacevaeError(
                where=f"{path}, line {line}", expected=f"{len(columns)} cells, as the header has",
                found=str(len(cells)), fix="correct the row",
            )  # fmt: skip
    if not rows:
        raise FacevaeError(where=path, expected="a row for each image", found="only a header", fix="add rows")
    lines = [line for line, _ in rows]
    cells = dict(zip(columns, zip(*(cells for _, cells in rows), strict=True), strict=True))
    names = [column for column in columns if column not in (*_RESERVED, "")]
    values = np.empty((len(rows), len(names)), np.int8)
    meanings = _VALUE_CELLS | ({"0": 0} if any("-1" in cells[name] for name in names) else {})
    for place, name in enumerate(names):
        values[:, place] = _numbers(path, lines, name, cells[name], meanings, threshold)
    partitions = cells.get("partition")
    if partitions is not None:
        partitions = _numbers(path, lines, "partition", partitions, _PARTITION_CELLS, None)
    persons = cells.get("person")
    return Labels(
        tuple(re.sub(r"\s+", "_", name) for name in names), list(cells["image"]), values, partitions,
        None if persons is None else list(persons), lambda row: f"{path}, line {lines[row]}",
    )  # fmt: skip


def apply_threshold(value: float, threshold: float) -> int:
    """1 for a probability from the threshold on, -1 for a smaller one."""
    return 1 if value >= threshold else -1


def _numbers(
    path: Path, lines: Sequence[int], column: str, cells: Sequence[str], meanings: dict[str, int],
    threshold: float | None,
) -> list[int]:  # fmt: skip
    """What the cells of a column mean; each different one is looked at once."""
    known: dict[str, int | None] = {
        cell: _meaning(cell, meanings, None if column == "partition" else threshold) for cell in set(cells)
    }
    found = [known[cell] for cell in cells]
    if None in found:
        row = found.index(None)
        expected, fix = f"one of {', '.join(word for word in meanings if word)}", "correct the cell"
        if column != "partition":
            fix = "correct the cell (empty is unknown), or remove the column"
            if threshold is not None:
                expected = "a probability, 0 to 1"
            elif _probability(cells[row]) is not None:
                fix = "set download.folder.threshold, such as 0.5, above which a probability is a yes"
        raise FacevaeError(
            where=f"{path}, line {lines[row]}, {column}", expected=expected, found=repr(cells[row]), fix=fix
        )
    return found


def _meaning(cell: str, meanings: dict[str, int], threshold: float | None) -> int | None:
    if threshold is not None and (probability := _probability(cell)) is not None:
        return apply_threshold(probability, threshold)
    return meanings.get(cell.lower())


def _probability(cell: str) -> float | None:
    """A number from 0 to 1, as programs write it; None for anything else."""
    if not re.fullmatch(r"[01]|[01]?\.[0-9]+([eE]-?[0-9]+)?|[0-9](\.[0-9]*)?[eE]-[0-9]+", cell):
        return None
    return float(cell) if float(cell) <= 1 else None


def _in_celebas_form(path: Path) -> Labels:
    """Of one's own attributes: 0 means what it does in a CSV."""
    table = parse_attributes(path)
    values = table.values
    if not (values < 0).any():
        values = np.where(values > 0, np.int8(1), np.int8(-1))
    return Labels(table.names, table.images, values, None, None, lambda row: f"{path}, line {row + 3}")


def _read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the last line and the cells, stripped, of each row that is not empty."""
    last = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            separator = next((mark for mark in ",;\t" if mark in first), ",")
            reader = csv.reader(file, delimiter=separator, strict=True)
            for row in reader:
                last = reader.line_num
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield reader.line_num, cells
    except FileNotFoundError:
        raise FacevaeError(
            where=path, expected="a CSV of attributes", found="no such file",
            fix="correct download.folder.attributes, or set it to null for images without any",
        ) from None  # fmt: skip
    except IsADirectoryError:
        raise FacevaeError(
            where=path, expected="a CSV of attributes", found="a folder", fix="name the file"
        ) from None  # fmt: skip
    except UnicodeDecodeError as error:
        raise FacevaeError(
            where=path, expected="a CSV in UTF-8", found=str(error), fix="save it as CSV UTF-8"
        ) from None
    except csv.Error as error:
        raise FacevaeError(
            where=f"{path}, line {last + 1}", expected="cells as a CSV has them", found=str(error),
            fix="correct the row; a quote that opens a cell closes it, too, and one within it is written twice",
        ) from None  # fmt: skip


def _column_names(path: Path, header: Sequence[str], rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    """The header's words, those with a meaning of their own in small letters, "" for a column that numbers the rows."""
    columns = [word.lower() if word.lower() in _RESERVED else word for word in header]
    if columns[:1] in ([""], ["Unnamed: 0"]) and all(cells[0].isdigit() for _, cells in rows):
        columns[0] = ""
    if "image" not in columns:
        named = [place for place, word in enumerate(columns) if word.lower() in _IMAGE_COLUMNS]
        if len(named) == 1:
            columns[named[0]] = "image"
    own = [column for place, column in enumerate(columns) if column not in _RESERVED and (place or column)]
    attributes = {re.sub(r"\s+", "_", column) for column in own}
    different = len({*columns}) == len(columns) and len(attributes) == len(own)
    unfit = any(not name or "\0" in name or PurePath(name).suffix.lower() in IMAGE_SUFFIXES for name in attributes)
    if "image" not in columns or len(columns) < 2 or not different or unfit:
        raise _bad_header(path, header)
    for column in own:
        if meant := PERHAPS_MEANT.get(column.lower()):
            raise FacevaeError(
                where=f"{path}, line 1", expected=f"attributes, and the columns {', '.join(_RESERVED)}",
                found=f"the column {column}, which is perhaps the {meant}",
                fix=f"call it {meant}; or, if it is an attribute, otherwise (is_{column.lower()})",
            )  # fmt: skip
    return columns


def _bad_header(path: Path, header: Sequence[str]) -> FacevaeError:
    return FacevaeError(
        where=f"{path}, line 1", expected="a header image,<attribute>,... of different names",
        found=",".join(header)[:80] or "nothing",
        fix="correct the header; images without any attribute need no CSV: download.folder.attributes: null",
    )  # fmt: skip
