"""`facevae attributes`: what `facevae edit` can change."""

import json
from pathlib import Path
from typing import Annotated

import typer

from facevae.app.cli.options import Models


def attributes(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, models: Models = Path("models")
) -> None:
    """List what `facevae edit` can change. The attributes whose edits work best come first.

    strength: the recommended one. success_rate: share of unseen faces without the attribute on which the judge, a
    classifier, sees it after the edit. leakage: mean change of its probabilities of the other attributes; lower is
    better. method: how the vectors were found. A dash means that it could not be measured.
    """
    from facevae.inference.models import ModelFolder

    rows = ModelFolder(models).vectors.rows()
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = [("attribute", "strength", "success_rate", "leakage", "method")]
    for row in rows:
        measures = _format_share(row["success_rate"], 2), _format_share(row["leakage"], 3)
        table.append((row["attribute"], f"{row['strength']:g}", *measures, row["method"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *numbers, method in table:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=False)]
        print("  ".join([name.ljust(widths[0]), *aligned, method]))


def _format_share(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"
