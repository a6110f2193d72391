"""A data set as hubs have it: parquet files with a column of encoded images, and a column for each attribute."""

import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import Header, read_header
from facevae.imaging.names import IMAGE_SUFFIXES
from facevae.sources.labels import PERHAPS_MEANT, SPLIT_WORDS, Labels, apply_threshold

if TYPE_CHECKING:
    import pyarrow

SUFFIX = ".parquet"

# How numbers of a column are held until it is known whether there are -1s among all columns.
_NUMBERS = {1: 1, 0: 2, -1: -2}

# A few megabytes of images.
_ROWS_AT_ONCE = 64


def is_parquet(path: Path) -> bool:
    """Whether a path is a parquet file, or a folder of some, or of a folder `data` with some, and of no images."""
    if not path.is_dir():
        return path.suffix.lower() == SUFFIX
    suffixes = {os.path.splitext(name)[1].lower() for name in os.listdir(path)}
    return not suffixes & IMAGE_SUFFIXES and (SUFFIX in suffixes or bool(_files(path / "data")))


def _files(path: Path) -> list[Path]:
    """A file itself; the parquet files of a folder, or of the folder `data` in it."""
    if path.is_file():
        return [path]
    found = sorted(path.glob(f"[!.]*{SUFFIX}"))
    return found or sorted(path.glob(f"data/[!.]*{SUFFIX}"))


class ParquetImages:
    """The images in a parquet file or in all those of a folder; only those that are asked for are in memory.

    The column `image` has bytes, or structs of bytes and path. `names`: the paths' file names where these are all
    different, else numbers. Raises FacevaeError if pyarrow is missing, or for files of another kind.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.flaws, self.notes = path, list[Flaw](), list[str]()
        self._paths = _files(path)
        self._counts, schemas = [], []
        for one in self._paths:
            file = _opened(one)
            self._counts.append(file.metadata.num_rows)
            schemas.append(file.schema_arrow)
        self._schema = schemas[0]
        for one, schema in zip(self._paths, schemas, strict=True):
            if not schema.equals(self._schema, check_metadata=False):
                raise FacevaeError(
                    where=one, expected=f"the columns of {self._paths[0].name}", found="others",
                    fix="name files of one data set",
                )  # fmt: skip
        self._structs = _check_image_column(self._paths[0], self._schema)
        if not sum(self._counts):
            raise FacevaeError(where=path, expected="images", found="no row", fix="name another file")
        self.names = self._names()

    def where(self, name: str) -> str:
        """How a message calls an image."""
        return f"{self.path}, {name}"

    def headers(self, workers: int) -> Iterator[Header | str]:
        """Of each image, in the order of `names`, its header, or what is wrong with it."""
        for data in self.items(range(len(self.names))):
            try:
                yield read_header(io.BytesIO(data), "")
            except FacevaeError as error:
                yield error.found if data else "no bytes"

    def items(self, rows: Sequence[int]) -> Iterator[bytes]:
        """The bytes of the images at these places, which ascend."""
        wanted = np.zeros(len(self.names), bool)
        wanted[np.asarray(rows, int)] = True
        start = 0
        column = "image.bytes" if self._structs else "image"
        for path in self._paths:
            for batch in _opened(path).iter_batches(_ROWS_AT_ONCE, columns=[column], use_threads=False):
                chosen = wanted[start : start + len(batch)]
                start += len(batch)
                if chosen.any():
                    images = batch.column(0).field("bytes") if self._structs else batch.column(0)
                    yield from (image.as_py() or b"" for image in compress(images, chosen))

    def labels(self, threshold: float | None) -> Labels:
        """The other columns. Numbers that are no labels, words and lists are no attributes: `notes` names them."""
        names, columns, partitions, persons, left = [], [], self._partitions(), None, []
        for field in self._schema:
            if field.name == "image":
                continue
            meant = PERHAPS_MEANT.get(field.name.lower(), field.name.lower())
            if meant not in ("partition", "person") and _is_nested_or_text(field.type):
                left.append(field.name)
                continue
            cells = self._column(field.name)
            if meant == "person":
                persons = ["" if cell is None else str(cell) for cell in cells]
                self.notes.append(f"the column {field.name} says whom an image shows")
            elif meant == "partition":
                partitions = self._read_partitions(field.name, cells)
            elif (values := self._values(field.name, cells, threshold)) is None:
                left.append(field.name)
            else:
                names.append(re.sub(r"\s+", "_", field.name))
                columns.append(values)
        if left:
            self.notes.append(f"no attributes, and left out: {', '.join(left)}")
        values = np.stack(columns, axis=1) if columns else np.empty((len(self.names), 0), np.int8)
        # As in a CSV: where there are -1s, 0 is unknown.
        zero = 0 if (values == _NUMBERS[-1]).any() else -1
        values[values == _NUMBERS[-1]] = -1
        values[values == _NUMBERS[0]] = zero
        return Labels(tuple(names), self.names, values, partitions, persons, lambda row: self.where(self.names[row]))

    def _names(self) -> list[str]:
        """The paths' file names; where two are alike, or there are none, numbers."""
        if self._structs and self._schema.field("image").type.get_field_index("path") >= 0:
            paths = self._column("image.path", "path")
            names = [PurePosixPath(str(path or "").replace("\\", "/")).name for path in paths]
            fit = all(PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and name.isprintable() for name in names)
            if fit and len({PurePosixPath(name).stem for name in names}) == len(names):
                return names
        count = sum(self._counts)
        return [f"{number:0{max(6, len(str(count)))}d}.jpg" for number in range(1, count + 1)]

    def _column(self, column: str, part: str | None = None) -> list[Any]:
        found: list[Any] = []
        for path in self._paths:
            table = _opened(path).read(columns=[column], use_threads=False).column(0)
            for chunk in table.chunks:
                found += (chunk.field(part) if part else chunk).to_pylist()
        return found

    def _values(self, name: str, cells: list[Any], threshold: float | None) -> np.ndarray | None:
        """(n,) int8 of 1, -1 and 0, where numbers 0 and -1 are `_NUMBERS`; None for numbers that are no labels.

        Raises FacevaeError for probabilities.
        """
        different = {cell for cell in cells if cell is not None and cell == cell}  # nan is unknown
        if threshold is not None and all(0 <= cell <= 1 for cell in different):
            return np.array(
                [0 if cell is None or cell != cell else apply_threshold(cell, threshold) for cell in cells], np.int8
            )
        if different <= {0, 1, -1}:
            if all(isinstance(cell, bool) for cell in different):
                return np.array([0 if cell is None else 1 if cell else -1 for cell in cells], np.int8)
            return np.array([0 if cell is None or cell != cell else _NUMBERS[cell] for cell in cells], np.int8)
        if threshold is None and all(0 <= cell <= 1 for cell in different):
            raise FacevaeError(
                where=f"{self.path}, {name}", expected="1, 0 or -1", found=repr(next(iter(different - {0, 1}))),
                fix="set download.folder.threshold, such as 0.5, above which a probability is a yes",
            )  # fmt: skip
        return None

    def _partitions(self) -> list[int] | None:
        """What the files' names say, as data sets' libraries write them: train-00000-of-00003.parquet."""
        words = [re.split(r"[-_.]", path.name.lower())[0] for path in self._paths]
        if not all(word in SPLIT_WORDS for word in words):
            return None
        return [SPLIT_WORDS[word] for word, count in zip(words, self._counts, strict=True) for _ in range(count)]

    def _read_partitions(self, name: str, cells: list[Any]) -> list[int]:
        meanings = SPLIT_WORDS | {str(number): number for number in range(3)}
        found = [meanings.get(str(cell).lower()) for cell in cells]
        if None in found:
            raise FacevaeError(
                where=f"{self.path}, {name}", expected=f"one of {', '.join(meanings)}",
                found=repr(cells[found.index(None)]), fix="call the column otherwise, or correct it",
            )  # fmt: skip
        return found


def _opened(path: Path) -> "pyarrow.parquet.ParquetFile":
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise FacevaeError(
            where=path, expected="pyarrow, which reads parquet", found="none",
            fix="install it: pip install -c constraints.txt -e '.[parquet]'",
        ) from None  # fmt: skip
    try:
        # Its default would read the whole file ahead and keep it: findings/pyarrow-iter-batches-holds-the-file.sh.
        return ParquetFile(path, pre_buffer=False)
    except (ArrowInvalid, OSError) as error:
        found = str(error).splitlines()[0]
        raise FacevaeError(where=path, expected="a parquet file", found=found, fix="fetch it again") from None


def _check_image_column(path: Path, schema: "pyarrow.Schema") -> bool:
    """Whether the images are structs. Raises FacevaeError if there are none."""
    from pyarrow import types

    kind = schema.field("image").type if "image" in schema.names else None
    structs = kind is not None and types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    inner = kind.field("bytes").type if structs else kind
    if inner is None or not (types.is_binary(inner) or types.is_large_binary(inner)):
        raise FacevaeError(
            where=path, expected="a column image of encoded images, bytes or structs of bytes and path",
            found=", ".join(f"{field.name} ({field.type})" for field in schema)[:200],
            fix="call the column of the images so, or name another file",
        )  # fmt: skip
    return structs


def _is_nested_or_text(kind: "pyarrow.DataType") -> bool:
    from pyarrow import types

    return not (types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind))
