"""CelebA's files and their formats: the annotation, the partitions, the identities.

Annotation: a line with the number of rows, a line with the attributes' names, then a row per image:
its file name and 1 or -1 for each attribute. Partitions and identities: file name and number, without a header.
Images are looked up by the stem of their name: 000001.png is the image of the row 000001.jpg.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from facevae.errors import FacevaeError
from facevae.files import whole_file
from facevae.images import stem

IMAGES = "img_align_celeba.zip"
IMAGE_FOLDER = "img_align_celeba"
ATTRIBUTES_FILE = "list_attr_celeba.txt"
PARTITION_FILE = "list_eval_partition.txt"
IDENTITY_FILE = "identity_CelebA.txt"
PAIRS = "pairs.zip"

_ROW = re.compile(rb"[ \t]*(\S+)[ \t]+(\S+)\s*")
_FIX_FILE = "fetch the file again or mend it there"


@dataclass(frozen=True)
class AttributeTable:
    """An annotation. `images`: N file names; `names`: A attribute names; `values`: (N, A) int8, 1 or -1."""

    path: Path
    images: list[str]
    names: tuple[str, ...]
    values: np.ndarray
    _rows: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rows", _index(self.path, self.images, first_line=3))

    def rows(self, images: Iterable[str]) -> np.ndarray:
        """The row numbers of `images`, (n,) int64. Raises FacevaeError for an image without annotation."""
        return np.array([self._row(image) for image in images], dtype=np.int64)

    def _row(self, image: str) -> int:
        row = self._rows.get(stem(image))
        if row is None:
            raise FacevaeError(
                where=self.path, expected=f"a row for the image {image}", found="an image without annotation",
                fix="add its row or remove the image",
            )  # fmt: skip
        return row


def read_attributes(path: Path, expected: Sequence[str] | None = None) -> AttributeTable:
    """Read an annotation file; `expected` are the names that its header must have, None for any.

    Raises FacevaeError naming the line that is wrong.
    """
    lines = _lines(path)
    try:
        (_, count), (_, header) = next(lines), next(lines)
    except StopIteration:
        raise _bad(path, 1, "the number of rows, then a header of attribute names", "fewer than two lines") from None
    if not count.strip().isdigit():
        raise _bad(path, 1, "the number of rows", _quote(count))
    names = tuple(header.decode(errors="replace").split())
    _check_header(path, header, names, expected)
    row = re.compile(rb"[ \t]*(\S+)((?:[ \t]+-?1){%d})\s*" % len(names))
    images: list[str] = []
    values: list[np.ndarray] = []
    while chunk := list(islice(lines, 4096)):
        matches = [row.fullmatch(line) for _, line in chunk]
        if None in matches:
            raise _bad_row(path, *chunk[matches.index(None)], names)
        images += [_text(path, number, match[1]) for (number, _), match in zip(chunk, matches, strict=True)]
        # Every value is known to be 1 or -1 after a space: the byte before each 1 tells which.
        text = np.frombuffer(b"".join(match[2] for match in matches), np.uint8)
        negative = text[np.flatnonzero(text == ord("1")) - 1] == ord("-")
        values.append(np.where(negative, np.int8(-1), np.int8(1)).reshape(len(chunk), len(names)))
    if int(count) != len(images):
        raise _bad(path, 1, f"the number of rows, {len(images)}", _quote(count))
    return AttributeTable(path, images, names, np.concatenate(values) if values else np.empty((0, len(names)), np.int8))


def write_attributes(path: Path, images: Sequence[str], names: Sequence[str], values: np.ndarray) -> None:
    """Write an annotation in CelebA's format; `values`: (len(images), len(names)), 1 or -1."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(images)}\n{' '.join(names)}\n")
        for image, row in zip(images, values, strict=True):
            file.write(f"{image} {' '.join(f'{value:2d}' for value in row)}\n")


def read_partitions(path: Path) -> dict[str, int]:
    """The partition, an index in splits.PARTITIONS, of each image's stem. Raises FacevaeError naming the line."""
    return _read_numbers(path, "0, 1 or 2 (train, valid, test)", rb"[012]")


def partitions_of(path: Path, partitions: dict[str, int], images: Iterable[str]) -> np.ndarray:
    """The partitions of `images`, (n,) int64, from what `read_partitions(path)` returned.

    Raises FacevaeError for an image that has none.
    """
    found = []
    for image in images:
        partition = partitions.get(stem(image))
        if partition is None:
            raise FacevaeError(
                where=path, expected=f"a row for the image {image}", found="an image without partition",
                fix="add its row or remove the image",
            )  # fmt: skip
        found.append(partition)
    return np.array(found, dtype=np.int64)


def read_identities(path: Path) -> dict[str, int]:
    """The identity's number of each image's stem; {} for an empty file. Raises FacevaeError naming the line."""
    return _read_numbers(path, "the number of an identity", rb"[0-9]{1,18}")


def write_numbers(path: Path, images: Sequence[str], numbers: Sequence[int]) -> None:
    """Write a partition or identity file in CelebA's format."""
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{image} {number}\n" for image, number in zip(images, numbers, strict=True))


def _read_numbers(path: Path, expected: str, pattern: bytes) -> dict[str, int]:
    allowed = re.compile(pattern)
    images, numbers = [], []
    for line_number, line in _lines(path):
        match = _ROW.fullmatch(line)
        if match is None:
            raise _bad(path, line_number, "an image's file name and a number", _quote(line))
        if not allowed.fullmatch(match[2]):
            raise _bad(path, line_number, expected, _quote(match[2]))
        images.append(_text(path, line_number, match[1]))
        numbers.append(int(match[2]))
    return dict(zip(_index(path, images, first_line=1), numbers, strict=True))


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
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield from empty
                yield number, line
                empty = []
            else:
                empty.append((number, line))


def _index(path: Path, images: list[str], first_line: int) -> dict[str, int]:
    """Row of each image's stem. Raises FacevaeError if one stands there twice."""
    rows = dict(zip(map(stem, images), range(len(images)), strict=True))
    if len(rows) < len(images):
        row = next(row for row, image in enumerate(images) if rows[stem(image)] != row)
        raise _bad(path, first_line + rows[stem(images[row])], "one row for each image", f"{images[row]} a second time")
    return rows


def _check_header(path: Path, line: bytes, names: tuple[str, ...], expected: Sequence[str] | None) -> None:
    if expected is not None and names != tuple(expected):
        wrong = next((name for name in expected if name not in names), None)
        what = f"no {wrong} among {len(names)} names" if wrong else f"{len(names)} names, not in CelebA's order"
        raise _bad(path, 2, f"CelebA's {len(expected)} attribute names", what)
    if not names or len(set(names)) < len(names):
        raise _bad(path, 2, "different attribute names", _quote(line))
    if names[-1] in ("1", "-1"):
        raise _bad(path, 2, "a header of attribute names", _quote(line))


def _bad_row(path: Path, number: int, line: bytes, names: tuple[str, ...]) -> FacevaeError:
    _, *values = line.split() or [b""]
    if len(values) != len(names):
        return _bad(path, number, f"a file name and {len(names)} values", f"{len(values)} values: {_quote(line)}")
    name, value = next((name, value) for name, value in zip(names, values, strict=True) if value not in (b"1", b"-1"))
    return _bad(path, number, f"1 or -1 for {name}", _quote(value))


def _bad(path: Path, line: int, expected: str, found: str) -> FacevaeError:
    return FacevaeError(where=f"{path}, line {line}", expected=expected, found=found, fix=_FIX_FILE)


def _quote(text: bytes) -> str:
    """`text` for a message: printable, and short."""
    shown = text.decode(errors="replace").strip()
    return repr(shown if len(shown) <= 60 else shown[:57] + "...")


def _text(path: Path, line: int, name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise _bad(path, line, "a file name in UTF-8", repr(name)) from None
