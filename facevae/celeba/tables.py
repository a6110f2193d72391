"""CelebA's files as data/raw holds them: attributes, partitions, identities, landmarks.

Attributes and landmarks: a line with the number of rows, a line with the columns' names, then a row per image: its
file name and a number for each column. Partitions and identities: file name and number, without a header. CelebA's
attributes are 1 or -1; 0 is one that nobody has said. Without any attribute line 2 is empty, and rows are names.

What is written here is read here, without pandas, whose import takes half a second and 45 MB: more than some stages
take in all. Tables as people have them, in other forms too, are read by `celeba.forms`.

Images are looked up by the stem of their name: 000001.png is the image of the row 000001.jpg. Tables of any length are
held as numpy arrays, a few bytes per image.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.imaging.names import stem

IMAGES = "img_align_celeba.zip"

ATTRIBUTES_FILE = "list_attr_celeba.txt"

PARTITION_FILE = "list_eval_partition.txt"

IDENTITY_FILE = "identity_CelebA.txt"

LANDMARKS_FILE = "list_landmarks_align_celeba.txt"

PAIRS = "pairs.zip"

SKIPPED = "skipped.csv"

CHANGES = "changes.csv"

_PARTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")

LANDMARKS = tuple(f"{part}_{axis}" for part in _PARTS for axis in "xy")

_FIX = "run stages.download again"

_IMAGES_AT_ONCE = 1024

_BYTES_AT_ONCE = 131_072


class ImageIndex:
    """Row number of each image, by the stem of its name, with its folders.

    `names`: (N,) bytes in UTF-8, the file names as they stand.
    """

    def __init__(self, path: Path, names: np.ndarray, first_line: int, fix: str = _FIX) -> None:
        self.path, self.names = path, names
        stems = np.fromiter((stem(name.decode()).encode() for name in names), names.dtype, len(names))
        self._order = np.argsort(stems, kind="stable").astype(np.int32)
        self._sorted = stems[self._order]
        again = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        if len(again):
            # Stable: of two the later one comes second. The first line that repeats an earlier one is named.
            row = int(self._order[again + 1].min())
            found = f"{names[row].decode()} a second time"
            raise FacevaeError(
                where=f"{path}, line {first_line + row}", expected="one row for each image", found=found, fix=fix
            )

    def find(self, images: Iterable[str]) -> np.ndarray:
        """The row numbers of `images`, (n,) int64; -1 for an image without a row."""
        found = [np.empty(0, np.int64)]
        images = iter(images)
        while chunk := list(islice(images, _IMAGES_AT_ONCE)):
            stems = np.array([stem(image).encode(errors="surrogateescape") for image in chunk])
            places = np.searchsorted(self._sorted, stems).clip(max=max(0, len(self._sorted) - 1))
            rows = self._order[places] if len(self._order) else np.full(len(chunk), -1)
            found.append(np.where(self._sorted[places] == stems, rows, -1) if len(self._order) else rows)
        return np.concatenate(found)


@dataclass(frozen=True)
class _Table:
    """A row for each image."""

    index: ImageIndex

    def __len__(self) -> int:
        return len(self.index.names)

    @property
    def images(self) -> list[str]:
        """The images' file names, row by row."""
        return [name.decode() for name in self.index.names]

    def find_rows(self, images: Iterable[str]) -> np.ndarray:
        """The row numbers of `images`, (n,) int64; -1 for an image without a row."""
        return self.index.find(images)

    def rows(self, images: Sequence[str], lacks: str) -> np.ndarray:
        """The row numbers of `images`, (n,) int64.

        Raises FacevaeError for an image without a row, `lacks` saying what it then is without.
        """
        rows = self.find_rows(images)
        if (rows < 0).any():
            image = images[int(np.argmin(rows))]
            raise FacevaeError(
                where=self.index.path, expected=f"a row for the image {image}", found=f"an image without {lacks}",
                fix="add its row or remove the image",
            )  # fmt: skip
        return rows


@dataclass(frozen=True)
class AttributeTable(_Table):
    """Who has what. `names`: A attribute names, perhaps none; `bits`: (N, 2, ceil(A / 8)) uint8, of `pack_values`."""

    names: tuple[str, ...]
    bits: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """(N, A) int8: 1, -1, or 0 where it is unknown."""
        return self.values_at(np.arange(len(self)))

    def values_at(self, rows: np.ndarray) -> np.ndarray:
        """The values of these rows, (n, A) int8: 1, -1, or 0 where it is unknown."""
        has, has_not = np.unpackbits(self.bits[rows], axis=2, count=len(self.names)).transpose(1, 0, 2).view(np.int8)
        return has - has_not


def pack_values(values: np.ndarray) -> np.ndarray:
    """(n, A) of 1, -1 and 0 as (n, 2, ceil(A / 8)) uint8: packed by numpy which are 1, and which are -1."""
    return np.packbits(np.stack([values > 0, values < 0], axis=1), axis=2)


@dataclass(frozen=True)
class NumberTable(_Table):
    """A number for each image, its partition (an index in splits.PARTITIONS) or its identity: `numbers`, (N,) int64."""

    numbers: np.ndarray

    def by_stem(self) -> dict[str, int]:
        """The number of each image's stem."""
        return {stem(image): int(number) for image, number in zip(self.images, self.numbers, strict=True)}

    def find(self, images: Iterable[str]) -> np.ndarray:
        """The numbers of `images`, (n,) int64; -1 for an image without a row."""
        rows = self.find_rows(images)
        return np.where(rows < 0, -1, self.numbers[rows]) if len(self) else rows

    def of(self, images: Sequence[str], lacks: str) -> np.ndarray:
        """The numbers of `images`, (n,) int64. Raises FacevaeError for an image without a row, as `rows` does."""
        return self.numbers[self.rows(images, lacks)]


@dataclass(frozen=True)
class LandmarkTable(_Table):
    """Where eyes, nose and mouth are in each aligned image: `values`, (N, 10) int64 pixels, in LANDMARKS' order."""

    values: np.ndarray


def read_attributes(path: Path) -> AttributeTable:
    """Read what `write_attributes` wrote. Raises FacevaeError naming the line that is anything else."""
    with _opened(path) as file:
        count, header = file.readline(), file.readline()
        names = tuple(_text(path, 2, header).split())
        if header != f"{' '.join(names)}\n".encode() or b"\0" in header or len(set(names)) < len(names):
            raise _damaged(path, 2, "different names of attributes, or an empty line", header)
        images, bits = [np.empty(0, "S1")], [pack_values(np.empty((0, len(names)), np.int8))]
        for rows in _rows(path, file, 3, rb"([^\s\0]+)((?:  1| -1|  0){%d})\n" % len(names)):
            # Three bytes for each value: its sign, or a space, and its digit.
            cells = np.frombuffer(b"".join(row[2] for row in rows), np.uint8).reshape(len(rows), len(names), 3)
            values = np.where(cells[:, :, 1] == ord("-"), -1, cells[:, :, 2].astype(np.int8) - ord("0"))
            images.append(np.array([row[1] for row in rows]))
            bits.append(pack_values(values))
    index = ImageIndex(path, np.concatenate(images), 3)
    if count != b"%d\n" % len(index.names):
        raise _damaged(path, 1, f"the number of rows, {len(index.names)}", count)
    return AttributeTable(index, names, np.concatenate(bits))


def read_partitions(path: Path) -> NumberTable:
    """Read what `write_numbers` wrote of partitions. Raises FacevaeError naming the line that is anything else."""
    return _read_numbers(path, rb"[012]")


def read_identities(path: Path) -> NumberTable:
    """Read what `write_numbers` wrote of identities. Raises FacevaeError naming the line that is anything else."""
    return _read_numbers(path, rb"\d{1,18}")


def write_attributes(path: Path, images: Sequence[str], names: Sequence[str], values: np.ndarray) -> None:
    """Write an annotation in CelebA's format; `values`: (len(images), len(names)), 1, -1 or 0 (unknown)."""
    _write_table(path, images, names, values, width=2)


def write_landmarks(path: Path, images: Sequence[str], values: np.ndarray) -> None:
    """Write landmarks in CelebA's format; `values`: (len(images), 10). Without images the header, and no row."""
    _write_table(path, images, LANDMARKS, values, width=3)


def write_numbers(path: Path, images: Iterable[str], numbers: Iterable[int]) -> None:
    """Write a partition or identity file in CelebA's format."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{image} {number}\n" for image, number in zip(images, numbers, strict=True))


def quoted(text: str | bytes) -> str:
    """`text` for a message: printable, and short."""
    shown = (text.decode(errors="replace") if isinstance(text, bytes) else text).strip()
    return repr(shown if len(shown) <= 60 else shown[:57] + "...")


def missing(path: Path) -> FacevaeError:
    """The error for a table that is not there."""
    return FacevaeError(
        where=path, expected="a file of CelebA's format", found="no such file", fix="run stages.download or fetch it"
    )


def _write_table(path: Path, images: Sequence[str], names: Sequence[str], values: np.ndarray, width: int) -> None:
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(images)}\n{' '.join(names)}\n")
        row_format = f" %{width}d" * len(names)
        for image, row in zip(images, values, strict=True):
            file.write(f"{image}{row_format % tuple(row)}\n")


def _read_numbers(path: Path, number: bytes) -> NumberTable:
    images, numbers = [np.empty(0, "S1")], [np.empty(0, np.int64)]
    with _opened(path) as file:
        for rows in _rows(path, file, 1, rb"([^\s\0]+) (%s)\n" % number):
            images.append(np.array([row[1] for row in rows]))
            numbers.append(np.array([int(row[2]) for row in rows], np.int64))
    return NumberTable(ImageIndex(path, np.concatenate(images), 1), np.concatenate(numbers))


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise missing(path) from None


def _rows(path: Path, file: BinaryIO, number: int, pattern: bytes) -> Iterator[list[re.Match]]:
    """The lines from here, some at a time, all of which match; `number` is that of the first."""
    row = re.compile(pattern)
    while lines := file.readlines(_BYTES_AT_ONCE):
        rows = [row.fullmatch(line) for line in lines]
        if None in rows:
            wrong = rows.index(None)
            raise _damaged(path, number + wrong, "a row as stages.download writes it", lines[wrong])
        for wrong, one in enumerate(rows):
            if len(_text(path, number + wrong, one[1]).split()) != 1:
                raise _damaged(path, number + wrong, "a file name without spaces of any kind", lines[wrong])
        yield rows
        number += len(lines)


def _text(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise _damaged(path, number, "text in UTF-8", line) from None


def _damaged(path: Path, number: int, expected: str, line: bytes) -> FacevaeError:
    return FacevaeError(where=f"{path}, line {number}", expected=expected, found=quoted(line), fix=_FIX)
