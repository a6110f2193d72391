"""Rows to CSV files that `dvc plots` reads: no NaN, no empty cell but where a column may have one, numbers in full."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from facevae.core.files import atomic_write


def write_table(
    path: Path,
    rows: Sequence[Mapping[str, float | str | None]],
    columns: Sequence[str] | None = None,
    unknown: Sequence[str] = (),
) -> None:
    """Write rows with the same keys as CSV, a header first: of `columns`, which are needed if there may be no row.

    None, NaN and "" become empty cells in the columns `unknown`, which no plot must use: where one number is missing,
    `dvc plots` takes the whole column for words. Raises ValueError, naming the column, for such a cell in another one,
    for rows of other columns than the first, and for a column of `unknown` that is not there.
    """
    # Here, since its import takes half a second.
    import pandas as pd

    columns = list(columns or rows[0])
    for found in (unknown, *rows):
        odd = set(found).difference(columns) or (set(columns).difference(found) if found is not unknown else ())
        if odd:
            raise ValueError(f"{path.name}: the column {min(odd)!r} is not in every row")
    # As objects, so that whole numbers beside fractions stay whole.
    table = pd.DataFrame([[row[column] for column in columns] for row in rows], columns=columns, dtype=object)
    empty = table.isna() | (table == "")
    for column in table.columns[empty.any()].difference(unknown):
        raise ValueError(f"{path.name}: the column {column!r} has a cell without a number or word")
    with atomic_write(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")
