"""Counterfactual pairs: the same identity drawn without and with one attribute, everything else equal.

They travel as one zip: an image file per drawing and `pairs.csv`, a row per pair with the columns
identity, attribute, without, with; the last two name entries. Real photographs have no pairs: then
there is only the header.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.imaging.codec import decode
from facevae.imaging.zip_format import open_zip, write_zip

TABLE = "pairs.csv"

COLUMNS = ("identity", "attribute", "without", "with")


@dataclass(frozen=True)
class Drawing:
    """One identity's drawings, encoded: `base` has the attributes `base_has`; `switched` differ from it in one."""

    identity: int
    base: bytes
    base_has: frozenset[str]
    switched: dict[str, bytes]


@dataclass(frozen=True)
class Pairs:
    """All pairs of one attribute. `identities`: n numbers; `without`, `having`: (n, height, width, 3) uint8."""

    attribute: str
    identities: list[int]
    without: np.ndarray
    having: np.ndarray


def write_pairs(path: Path, drawings: Iterable[Drawing]) -> int:
    """Write the drawings of all identities as pairs, none for none; return how many pairs they make."""
    rows: list[tuple[int, str, str, str]] = []
    with write_zip(path) as file:
        for drawing in drawings:
            base = f"{drawing.identity:06d}/base.jpg"
            file.add(base, drawing.base)
            for attribute, data in drawing.switched.items():
                entry = f"{drawing.identity:06d}/{attribute}.jpg"
                file.add(entry, data)
                without, having = (entry, base) if attribute in drawing.base_has else (base, entry)
                rows.append((drawing.identity, attribute, without, having))
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([COLUMNS, *rows])
        file.add(TABLE, table.getvalue().encode())
    return len(rows)


def read_pairs(
    path: Path, frame: Callable[[np.ndarray], np.ndarray], attributes: Iterable[str] | None = None
) -> Iterator[Pairs]:
    """Yield the pairs of each attribute that has any, every image framed: in the order of `attributes`, if given.

    `frame` turns the images, (height, width, 3) uint8, into ones of equal size. Only the identities' base
    drawings and one attribute's pairs are held at a time. Raises FacevaeError if the file is damaged.
    """
    with open_zip(path) as file:
        entries = file.trusted()

        def read(name: str) -> bytes:
            if name not in entries:
                raise FacevaeError(
                    where=path, expected=f"an entry {name}", found="none", fix="run stages.download again"
                )
            return file.read(entries[name])

        table = _parse_table(path, read(TABLE))
        found = dict.fromkeys(attribute for _, attribute, _, _ in table)
        bases: dict[str, np.ndarray] = {}

        def load(entry: str) -> np.ndarray:
            if entry in bases:
                return bases[entry]
            image = frame(decode(read(entry), f"{path}, {entry}"))
            if entry.endswith("/base.jpg"):
                bases[entry] = image
            return image

        for attribute in found if attributes is None else [name for name in attributes if name in found]:
            rows = [row for row in table if row[1] == attribute]
            yield Pairs(
                attribute,
                [int(identity) for identity, *_ in rows],
                np.stack([load(without) for *_, without, _ in rows]),
                np.stack([load(having) for *_, having in rows]),
            )


def _parse_table(path: Path, data: bytes) -> list[list[str]]:
    where = f"{path}, {TABLE}"
    # Bytes that are no UTF-8 can't be a row that is looked for here either.
    text = data.decode(errors="replace")
    header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(header) != COLUMNS or any(len(row) != len(COLUMNS) or not row[0].isdigit() for row in rows):
        raise FacevaeError(
            where=where,
            expected=f"rows of {', '.join(COLUMNS)}",
            found="something else",
            fix="run stages.download again",
        )
    return rows
