"""CelebA's files and their formats: attributes, partitions, identities, landmarks.

Attributes and landmarks: a line with the number of rows, a line with the columns' names, then a row per image: its
file name and a number for each column. Partitions and identities: file name and number, without a header. Lines end in
LF or CRLF. Kaggle's .csv forms, a header and commas, are read as well; what is written is always the official form.

Images are looked up by the stem of their name: 000001.png is the image of the row 000001.jpg. Tables of any length are
held as numpy arrays, a few bytes per image.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePath

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.imaging.names import IMAGE_SUFFIXES, stem

IMAGES = "img_align_celeba.zip"

IMAGE_FOLDER = "img_align_celeba"

ATTRIBUTES_FILE = "list_attr_celeba.txt"

PARTITION_FILE = "list_eval_partition.txt"

IDENTITY_FILE = "identity_CelebA.txt"

LANDMARKS_FILE = "list_landmarks_align_celeba.txt"

PAIRS = "pairs.zip"

SKIPPED = "skipped.csv"

_PARTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")

LANDMARKS = tuple(f"{part}_{axis}" for part in _PARTS for axis in "xy")

_FIX_FILE = "fetch the file again or mend it there"

# A file of something else may be one endless line.
_LONGEST_LINE = 65_536

_ROWS_AT_ONCE = 1024


class ImageIndex:
    """Row number of each image, by the stem of its name. `names`: (N,) bytes, the file names as they stand."""

    def __init__(self, path: Path, names: np.ndarray, first_line: int) -> None:
        self.path, self.names = path, names
        stems = np.fromiter((stem(name.decode()).encode() for name in names), names.dtype, len(names))
        self._order = np.argsort(stems, kind="stable").astype(np.int32)
        self._sorted = stems[self._order]
        again = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        if len(again):
            # Stable: of two the later one comes second. The first line that repeats an earlier one is named.
            row = int(self._order[again + 1].min())
            raise _bad(path, first_line + row, "one row for each image", f"{names[row].decode()} a second time")

    def __len__(self) -> int:
        return len(self.names)

    def find(self, images: Iterable[str]) -> np.ndarray:
        """The row numbers of `images`, (n,) int64; -1 for an image without a row."""
        found = [np.empty(0, np.int64)]
        images = iter(images)
        while chunk := list(islice(images, _ROWS_AT_ONCE)):
            stems = np.array([stem(image).encode(errors="surrogateescape") for image in chunk])
            places = np.searchsorted(self._sorted, stems).clip(max=max(0, len(self) - 1))
            rows = self._order[places] if len(self) else np.full(len(chunk), -1)
            found.append(np.where(self._sorted[places] == stems, rows, -1) if len(self) else rows)
        return np.concatenate(found)

    def rows(self, images: Sequence[str], lacks: str) -> np.ndarray:
        """The same. Raises FacevaeError for an image without a row, `lacks` saying what it then is without."""
        rows = self.find(images)
        if (rows < 0).any():
            image = images[int(np.argmin(rows))]
            raise FacevaeError(
                where=self.path, expected=f"a row for the image {image}", found=f"an image without {lacks}",
                fix="add its row or remove the image",
            )  # fmt: skip
        return rows


@dataclass(frozen=True)
class AttributeTable:
    """Who has what. `names`: A attribute names; `bits`: (N, ceil(A / 8)) uint8, a bit for each, packed by numpy."""

    index: ImageIndex
    names: tuple[str, ...]
    bits: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def values(self) -> np.ndarray:
        """(N, A) int8, 1 or -1."""
        return self.values_at(np.arange(len(self)))

    def values_at(self, rows: np.ndarray) -> np.ndarray:
        """The values of these rows, (n, A) int8, 1 or -1."""
        bits = np.unpackbits(self.bits[rows], axis=1, count=len(self.names))
        return np.where(bits, np.int8(1), np.int8(-1))

    @property
    def images(self) -> list[str]:
        """The images' file names, row by row."""
        return [name.decode() for name in self.index.names]

    def find(self, images: Iterable[str]) -> np.ndarray:
        """The row numbers of `images`, (n,) int64, -1 for an image without annotation."""
        return self.index.find(images)

    def rows(self, images: Sequence[str]) -> np.ndarray:
        """The same. Raises FacevaeError for an image without annotation."""
        return self.index.rows(images, "annotation")


@dataclass(frozen=True)
class NumberTable:
    """A number for each image, its partition (an index in splits.PARTITIONS) or its identity: `numbers`, (N,) int64."""

    index: ImageIndex
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def images(self) -> list[str]:
        """The images' file names, row by row."""
        return [name.decode() for name in self.index.names]

    def by_stem(self) -> dict[str, int]:
        """The number of each image's stem."""
        return {stem(image): int(number) for image, number in zip(self.images, self.numbers, strict=True)}

    def find(self, images: Iterable[str]) -> np.ndarray:
        """The numbers of `images`, (n,) int64; -1 for an image without a row."""
        rows = self.index.find(images)
        return np.where(rows < 0, -1, self.numbers[rows]) if len(self) else rows

    def of(self, images: Sequence[str], lacks: str) -> np.ndarray:
        """The same. Raises FacevaeError for an image without a row, `lacks` saying what it then is without."""
        return self.numbers[self.index.rows(images, lacks)]


@dataclass(frozen=True)
class LandmarkTable:
    """Where eyes, nose and mouth are in each aligned image: `values`, (N, 10) int64 pixels, in LANDMARKS' order."""

    index: ImageIndex
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    @property
    def images(self) -> list[str]:
        """The images' file names, row by row."""
        return [name.decode() for name in self.index.names]

    def find(self, images: Iterable[str]) -> np.ndarray:
        """The row numbers of `images`, (n,) int64; -1 for an image without landmarks."""
        return self.index.find(images)


def read_attributes(path: Path, expected: Sequence[str] | None = None) -> AttributeTable:
    """Read an annotation; `expected` are the names that its header must have, None for any.

    Raises FacevaeError naming the line that is wrong.
    """

    def check(names: tuple[str, ...]) -> None:
        if expected is not None and names != tuple(expected):
            wrong = next((name for name in expected if name not in names), None)
            what = f"no {wrong} among {len(names)} names" if wrong else f"{len(names)} names, not in CelebA's order"
            raise _bad(path, _header_line(path), f"CelebA's {len(expected)} attribute names", what)

    def parse(text: bytes, columns: int) -> np.ndarray:
        # Every value is known to be 1 or -1 after a space or comma: the byte before each 1 tells which.
        cells = np.frombuffer(text, np.uint8)
        positive = cells[np.flatnonzero(cells == ord("1")) - 1] != ord("-")
        return np.packbits(positive.reshape(-1, columns), axis=1)

    index, names, bits = _read_table(path, _Cells(rb"-?1", "1 or -1", parse), check)
    return AttributeTable(index, names, bits)


def write_attributes(path: Path, images: Sequence[str], names: Sequence[str], values: np.ndarray) -> None:
    """Write an annotation in CelebA's format; `values`: (len(images), len(names)), 1 or -1."""
    _write_table(path, images, names, values, width=2)


def read_landmarks(path: Path) -> LandmarkTable:
    """Read the landmarks of aligned images; of an empty file, none. Raises FacevaeError naming the line."""

    def check(names: tuple[str, ...]) -> None:
        if names != LANDMARKS:
            raise _bad(path, _header_line(path), f"the names {' '.join(LANDMARKS)}", " ".join(names)[:60])

    def parse(text: bytes, columns: int) -> np.ndarray:
        return np.array(text.replace(b",", b" ").split(), dtype=np.int64).reshape(-1, columns)

    if next(_lines(path), None) is None:
        return LandmarkTable(ImageIndex(path, np.empty(0, "S1"), 3), np.empty((0, len(LANDMARKS)), np.int64))
    index, _, values = _read_table(path, _Cells(rb"-?\d{1,6}", "a number of pixels", parse), check)
    return LandmarkTable(index, values)


def write_landmarks(path: Path, images: Sequence[str], values: np.ndarray) -> None:
    """Write landmarks in CelebA's format; `values`: (len(images), 10). Without images the header, and no row."""
    _write_table(path, images, LANDMARKS, values, width=3)


def read_partitions(path: Path) -> NumberTable:
    """The partition, an index in splits.PARTITIONS, of each image. Raises FacevaeError naming the line."""
    return _read_numbers(path, "0, 1 or 2 (train, valid, test)", rb"[012]")


def read_identities(path: Path) -> NumberTable:
    """The identity's number of each image; of an empty file, none. Raises FacevaeError naming the line."""
    return _read_numbers(path, "the number of an identity", rb"[0-9]{1,18}")


def write_numbers(path: Path, images: Iterable[str], numbers: Iterable[int]) -> None:
    """Write a partition or identity file in CelebA's format."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{image} {number}\n" for image, number in zip(images, numbers, strict=True))


@dataclass(frozen=True)
class _Cells:
    """What a table's cells look like, what a message calls them, and what text of them and a number of columns become.

    That is an array with a row for each row.
    """

    pattern: bytes
    expected: str
    parse: Callable[[bytes, int], np.ndarray]


def _read_table(
    path: Path, cells: _Cells, check: Callable[[tuple[str, ...]], None]
) -> tuple[ImageIndex, tuple[str, ...], np.ndarray]:
    """The index, the columns' names, and the parsed cells (N, ...), of a table in either form."""
    lines = _lines(path)
    _, first = next(lines, (1, b""))
    csv = b"," in first
    if csv:
        count, header, header_line = None, first, 1
        names = _words(path, 1, header.split(b","))[1:]
    else:
        count = first
        if not re.fullmatch(rb"\s*\d{1,9}\s*", count):
            raise _bad(path, 1, "the number of rows, then a header of names; or a CSV", _quote(count))
        header_line, header = next(lines, (2, b""))
        names = _words(path, header_line, header.split())
    if not names or "" in names or len(set(names)) < len(names) or re.fullmatch(r"-?\d+", names[-1]):
        raise _bad(path, header_line, "a header of different names", _quote(header))
    check(names)
    separator, quote = (rb"[ \t]*,[ \t]*", rb'"?') if csv else (rb"[ \t]+", b"")
    cell = separator + rb"(?:%s)" % cells.pattern
    # \S and not [^,] in the official form: CelebA's own names have no comma, a person's may.
    name = rb'([^,"\s]+)' if csv else rb"(\S+)"
    row = re.compile(rb"[ \t]*%s%s%s((?:%s){%d})\s*" % (quote, name, quote, cell, len(names)))
    images, values = [np.empty(0, "S1")], [cells.parse(b"", len(names))]
    while chunk := list(islice(lines, _ROWS_AT_ONCE)):
        matches = [row.fullmatch(line) for _, line in chunk]
        if None in matches:
            raise _bad_row(path, *chunk[matches.index(None)], names, cells, csv)
        images.append(_names(path, [(number, match[1]) for (number, _), match in zip(chunk, matches, strict=True)]))
        values.append(cells.parse(b" ".join(match[2] for match in matches), len(names)))
    # The largest width of all chunks; a list of them would be as wide anyway.
    index = ImageIndex(path, np.concatenate(images), header_line + 1)
    if count is not None and int(count) != len(index):
        raise _bad(path, 1, f"the number of rows, {len(index)}", _quote(count))
    return index, names, np.concatenate(values)


def _write_table(path: Path, images: Sequence[str], names: Sequence[str], values: np.ndarray, width: int) -> None:
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(images)}\n{' '.join(names)}\n")
        row_format = " ".join([f"%{width}d"] * len(names))
        for image, row in zip(images, values, strict=True):
            file.write(f"{image} {row_format % tuple(row)}\n")


def _read_numbers(path: Path, expected: str, pattern: bytes) -> NumberTable:
    allowed = re.compile(pattern)
    lines = _lines(path)
    first = list(islice(lines, 1))
    csv = bool(first) and b"," in first[0][1]
    # A CSV without a header would lose its first image in silence.
    headed = csv and not re.fullmatch(rb"[^,]*,\s*\d+\s*", first[0][1])
    if headed:
        names = _words(path, 1, first[0][1].split(b","))
        if len(names) != 2 or PurePath(names[0]).suffix.lower() in IMAGE_SUFFIXES:
            raise _bad(path, 1, "a header of two names, or an image's file name and a number", _quote(first[0][1]))
    row = re.compile(rb'[ \t]*"?([^,"\s]+)"?[ \t]*,[ \t]*(\S+)\s*' if csv else rb"[ \t]*(\S+)[ \t]+(\S+)\s*")
    if headed:
        first = []
    images, numbers = [np.empty(0, "S1")], [np.empty(0, np.int64)]
    first_line = 2 if headed else 1
    while chunk := [*first, *islice(lines, _ROWS_AT_ONCE)]:
        first = []
        found = []
        for number, line in chunk:
            match = row.fullmatch(line)
            if match is None:
                raise _bad(path, number, "an image's file name and a number", _quote(line))
            if not allowed.fullmatch(match[2]):
                raise _bad(path, number, expected, _quote(match[2]))
            found.append(match)
        images.append(_names(path, [(number, match[1]) for (number, _), match in zip(chunk, found, strict=True)]))
        numbers.append(np.array([int(match[2]) for match in found], np.int64))
    return NumberTable(ImageIndex(path, np.concatenate(images), first_line), np.concatenate(numbers))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number, from 1, and bytes of each line up to the last that is not empty. Its end may be LF or CRLF."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FacevaeError(
            where=path,
            expected="a file of CelebA's format",
            found="no such file",
            fix="run stages.download or fetch it",
        ) from None
    with file:
        empty: list[tuple[int, bytes]] = []
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
            if len(line) == _LONGEST_LINE:
                raise _bad(path, number, "a line of text", f"one of more than {_LONGEST_LINE} bytes")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")  # Excel's mark of UTF-8
            if line.strip():
                yield from empty
                yield number, line
                empty = []
            elif len(empty) > _ROWS_AT_ONCE:
                raise _bad(path, number, "an image's row", f"{_ROWS_AT_ONCE} empty lines")
            else:
                empty.append((number, line))


def _header_line(path: Path) -> int:
    """The number of the line with the columns' names: the first of a CSV, else the second."""
    _, first = next(_lines(path), (1, b""))
    return 1 if b"," in first else 2


def _bad_row(path: Path, number: int, line: bytes, names: tuple[str, ...], cells: _Cells, csv: bool) -> FacevaeError:
    _, *values = [cell.strip() for cell in line.split(b"," if csv else None)] or [b""]
    if len(values) != len(names):
        return _bad(path, number, f"a file name and {len(names)} values", f"{len(values)} values: {_quote(line)}")
    wrong = (pair for pair in zip(names, values, strict=True) if not re.fullmatch(cells.pattern, pair[1]))
    name, value = next(wrong, (None, b""))
    if name is None:
        return _bad(path, number, "an image's file name without spaces, commas or quotes", _quote(line))
    return _bad(path, number, f"{cells.expected} for {name}", _quote(value))


def _bad(path: Path, line: int, expected: str, found: str) -> FacevaeError:
    return FacevaeError(where=f"{path}, line {line}", expected=expected, found=found, fix=_FIX_FILE)


def _quote(text: bytes) -> str:
    """`text` for a message: printable, and short."""
    shown = text.decode(errors="replace").strip()
    return repr(shown if len(shown) <= 60 else shown[:57] + "...")


def _words(path: Path, line: int, cells: Sequence[bytes]) -> tuple[str, ...]:
    try:
        return tuple(cell.decode().strip().strip('"') for cell in cells)
    except UnicodeDecodeError:
        raise _bad(path, line, "names in UTF-8", _quote(b" ".join(cells))) from None


def _names(path: Path, found: Sequence[tuple[int, bytes]]) -> np.ndarray:
    """The file names of some lines, (n,) bytes."""
    for line, name in found:
        try:
            # numpy drops zero bytes at the end of what it holds as bytes.
            if "\0" in name.decode():
                raise _bad(path, line, "a file name", repr(name))
        except UnicodeDecodeError:
            raise _bad(path, line, "a file name in UTF-8", repr(name)) from None
    return np.array([name for _, name in found])
