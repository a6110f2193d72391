"""CelebA's tables in the forms in which people have them: the official text, or a CSV as on Kaggle; read by pandas.

pandas fills a row that is too short, takes a surplus cell of all rows for an index, and skips empty lines: so columns
are counted in the header, every cell must look as it should, and whatever is wrong is named with its line.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from facevae.celeba.tables import (
    LANDMARKS,
    AttributeTable,
    ImageIndex,
    LandmarkTable,
    NumberTable,
    missing,
    pack_values,
    quoted,
)
from facevae.core.errors import FacevaeError
from facevae.imaging.names import IMAGE_FOLDER, IMAGE_SUFFIXES

_FIX = "fetch the file again or correct that line"

# A file of something else may be one endless line.
_LONGEST_LINE = 65_536

_ROWS_AT_ONCE = 4096

# Some write it before each image's name.
_FOLDER = f"{IMAGE_FOLDER}/"


@dataclass(frozen=True)
class _Form:
    """How a table is written: its separator, the columns' names, the rows it promises, and where the rows begin.

    `header` is the line of the names. `index`: 1 if a column that numbers the rows stands before the images.
    """

    csv: bool
    names: tuple[str, ...]
    count: int | None
    header: int
    index: int = 0

    def split(self, line: str) -> list[str]:
        """The image's name and the cells in a line."""
        cells = [cell.strip(" \t\r\n") for cell in line.split(",")] if self.csv else re.findall(r"[^ \t\r\n]+", line)
        return cells[self.index :]


@dataclass(frozen=True)
class _Cells:
    """What a table's cells look like, and what a message calls them."""

    pattern: str
    expected: str


def parse_attributes(path: Path, expected: Sequence[str] | None = None) -> AttributeTable:
    """Read an annotation; `expected` are the names that its header must have, None for any or none at all.

    Where any will do, a value may be 0, unknown. Raises FacevaeError naming the line that is wrong.
    """
    text = _Text(path)
    form = _form_with_names(text)
    if expected is not None and form.names != tuple(expected):
        wrong = next((name for name in expected if name not in form.names), None)
        more = next((name for name in form.names if name not in expected), None)
        what = f"{len(form.names)} names, not in CelebA's order"
        if wrong or more:
            what = f"no {wrong} among {len(form.names)} names" if wrong else f"another one, {more}"
        raise text.bad(form.header, f"CelebA's {len(expected)} attribute names", what)
    # CelebA's are all known. Whoever writes 0 there means -1, and is asked to say so.
    cells = _Cells("-?1", "1 or -1") if expected is not None else _Cells("-?1|0", "1, -1 or 0")
    index, bits = _read(text, form, cells, pack_values)
    return AttributeTable(index, form.names, bits)


def parse_landmarks(path: Path) -> LandmarkTable:
    """Read the landmarks of aligned images; of an empty file, none. Raises FacevaeError naming the line."""
    text = _Text(path)
    form = _form_with_names(text) if text.lines else _Form(False, LANDMARKS, None, 0)
    if form.names != LANDMARKS:
        raise text.bad(form.header, f"the names {' '.join(LANDMARKS)}", " ".join(form.names)[:60])
    return LandmarkTable(*_read(text, form, _Cells("-?[0-9]{1,6}", "a number of pixels")))


def parse_partitions(path: Path) -> NumberTable:
    """The partition, an index in splits.PARTITIONS, of each image. Raises FacevaeError naming the line."""
    return _parse_numbers(path, _Cells("[012]", "0, 1 or 2 (train, valid, test)"))


def parse_identities(path: Path) -> NumberTable:
    """The identity's number of each image; of an empty file, none. Raises FacevaeError naming the line."""
    return _parse_numbers(path, _Cells("[0-9]{1,18}", "the number of an identity"))


def _parse_numbers(path: Path, cells: _Cells) -> NumberTable:
    text = _Text(path)
    index, numbers = _read(text, _form_of_numbers(text), cells)
    return NumberTable(index, numbers[:, 0])


class _Text:
    """A table's text, checked line by line. `lines`: the number of the last that is not empty; `head`: the first three.

    Raises FacevaeError naming the line for what no reader should see: other bytes than UTF-8, a zero byte, a carriage
    return inside a line, a line without end.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.lines, self.head = path, 0, []
        try:
            file = path.open("rb")
        except FileNotFoundError:
            raise missing(path) from None
        with file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
                self._check(number, line)
                if line.strip():
                    self.lines = number
                if number <= 3:
                    self.head.append(line.decode("utf-8-sig"))
        self.head += [""] * (3 - len(self.head))

    def _check(self, number: int, line: bytes) -> None:
        if len(line) == _LONGEST_LINE:
            raise self.bad(number, "a line of text", f"one of more than {_LONGEST_LINE} bytes")
        try:
            line.decode()
        except UnicodeDecodeError:
            raise self.bad(number, "text in UTF-8", quoted(line)) from None
        if b"\0" in line or b"\r" in line.removesuffix(b"\r\n"):
            raise self.bad(number, "a line of text", quoted(line))

    def line(self, number: int) -> str:
        """A line, by its number from 1."""
        with self.path.open(encoding="utf-8-sig", newline="\n") as file:
            return next(islice(file, number - 1, None), "")

    def bad(self, number: int, expected: str, found: str) -> FacevaeError:
        """The error for a line."""
        return FacevaeError(where=f"{self.path}, line {number}", expected=expected, found=found, fix=_FIX)


def _form_with_names(text: _Text) -> _Form:
    """The form of a table whose header names its columns."""
    first, second, _ = text.head
    if "," in first:
        words = _words(first)
        index = _index_columns(words, second)
        form = _Form(True, tuple(words[1 + index :]), None, 1, index)
    else:
        if not re.fullmatch(r"\s*[0-9]{1,9}\s*", first):
            raise text.bad(1, "the number of rows, then a header of names; or a CSV", quoted(first))
        words = second.split()
        form = _Form(False, tuple(words), int(first), 2)
    names = form.names
    # Images without attributes: an empty line 2 of three. A CSV without a comma would not have come here.
    if "" in names or len(set(names)) < len(names) or (words and _is_image(words[0])) or (form.csv and not names):
        raise text.bad(form.header, "a header of different names", quoted(text.head[form.header - 1]))
    return form


def _form_of_numbers(text: _Text) -> _Form:
    """The form of a table of one number for each image, whose CSV has a header or not."""
    first, second, _ = text.head
    number = ("number",)
    if "," not in first or re.fullmatch(r"[^,]*,\s*[0-9]+\s*", first):
        return _Form("," in first, number, None, 0)
    words = _words(first)
    index = _index_columns(words, second)
    # A CSV without a header would lose its first image in silence.
    if len(words) - index != 2 or _is_image(words[0]):
        raise text.bad(1, "a header of two names, or an image's file name and a number", quoted(first))
    return _Form(True, number, None, 1, index)


def _words(line: str) -> list[str]:
    return [word.strip().strip('"') for word in line.split(",")]


def _is_image(word: str) -> bool:
    return PurePath(word).suffix.lower() in IMAGE_SUFFIXES


def _index_columns(header: Sequence[str], row: str) -> int:
    """1 if the first column numbers the rows, without a name or with one, as pandas writes it; else 0."""
    cells = _words(row)
    return int(len(cells) > 1 and len(header) > 2 and cells[0].isdigit() and _is_image(cells[1]))


def _read(
    text: _Text, form: _Form, cells: _Cells, convert: Callable[[np.ndarray], np.ndarray] = lambda values: values
) -> tuple[ImageIndex, np.ndarray]:
    """The index, and what `convert` makes of the values, (n, columns) int64, of some rows at a time."""
    pattern = re.compile(cells.pattern)
    # In the official form CelebA's own names have no comma, a person's may.
    name = re.compile(r'[^,"\s]+' if form.csv else r"\S+")
    images, values = [np.empty(0, "S1")], [convert(np.empty((0, len(form.names)), np.int64))]
    number = form.header + 1
    for names, codes, words in _chunks(text, form):
        numbers = [int(word) if pattern.fullmatch(word) else None for word in words]
        if None in numbers or not all(map(name.fullmatch, names)):
            known = np.array([value is not None for value in numbers])[codes].all(1)
            named = np.array([name.fullmatch(one) is not None for one in names])
            raise _bad_row(text, number + int((known & named).argmin()), form, cells)
        images.append(np.array([one.removeprefix(_FOLDER).encode() for one in names]))
        values.append(convert(np.array(numbers, np.int64)[codes]))
        number += len(names)
    # The largest width of all chunks; a list of them would be as wide anyway.
    index = ImageIndex(text.path, np.concatenate(images), form.header + 1, _FIX)
    if form.count is not None and form.count != len(index.names):
        raise text.bad(1, f"the number of rows, {len(index.names)}", quoted(text.head[0]))
    return index, np.concatenate(values)


def _chunks(text: _Text, form: _Form) -> Iterator[tuple[list[str], np.ndarray, list[str]]]:
    """Of some rows at a time: the images' names (n), and the cells, as places (n, columns) in a list of all there are.

    Raises FacevaeError for a row with too many cells; where there are too few, the others are empty.
    """
    import pandas as pd

    rows = text.lines - form.header
    if rows <= 0:
        return
    # pandas counts the columns in the first row.
    if len(form.split(text.head[form.header])) != 1 + len(form.names):
        raise _bad_row(text, form.header + 1, form)
    options: dict[str, Any] = {"sep": ","} if form.csv else {"sep": r"\s+"}
    try:
        with pd.read_csv(
            text.path, header=None, skiprows=form.header, nrows=rows, chunksize=_ROWS_AT_ONCE, dtype=object,
            na_filter=False, skip_blank_lines=False, quoting=csv.QUOTE_NONE, encoding="utf-8-sig", **options,
        ) as chunks:  # fmt: skip
            for chunk in chunks:
                names, cells = np.split(chunk.to_numpy()[:, form.index :], [1], axis=1)
                codes, words = pd.factorize(cells.ravel())
                names = names[:, 0].tolist()
                if form.csv:
                    names = [name.strip(" \t").strip('"') for name in names]
                    words = [word.strip(" \t") for word in words]
                yield names, codes.reshape(cells.shape), list(words)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        line = re.search(r"in line (\d+)", str(error))
        raise _bad_row(text, int(line[1]) if line else form.header + 1, form) from None


def _bad_row(text: _Text, number: int, form: _Form, cells: _Cells | None = None) -> FacevaeError:
    """What is wrong with a line: the number of its cells, one of them, or the image's name."""
    line = text.line(number)
    _, *values = form.split(line) or [""]
    if len(values) != len(form.names):
        if form.names == ("number",):
            return text.bad(number, "an image's file name and a number", quoted(line))
        return text.bad(number, f"a file name and {len(form.names)} values", f"{len(values)} values: {quoted(line)}")
    wrong = (
        pair for pair in zip(form.names, values, strict=True) if cells and not re.fullmatch(cells.pattern, pair[1])
    )
    name, value = next(wrong, (None, ""))
    if name is None:
        return text.bad(number, "an image's file name without spaces, commas or quotes", quoted(line))
    return text.bad(number, f"{cells.expected} for {name}", quoted(value))
