"""Rows to CSV files that `dvc plots` reads: no empty cell, no NaN, numbers in full."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from facevae.core.files import atomic_write


def write_table(path: Path, rows: Sequence[Mapping[str, float | str]], columns: Sequence[str] | None = None) -> None:
    """Write rows with the same keys as CSV, a header first: of `columns`, which are needed if there may be no row."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns or list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
