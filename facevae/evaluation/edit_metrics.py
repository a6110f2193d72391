"""The verdicts on edits in figures: means over the attributes, and the methods compared."""

from collections.abc import Mapping, Sequence

import numpy as np

from facevae.evaluation.edits import EditVerdict
from facevae.latents.vectors import METHODS

Rows = list[dict[str, float | str]]

# What is averaged over the verdicts, as far as it is known of all.
MEASURES = (
    "detection_rate", "success_rate", "leakage", "identity_kept", "identity", "identity_reconstruction",
    "detection_rate_all",
)  # fmt: skip


def mean_verdict(verdicts: Sequence[EditVerdict]) -> dict[str, float]:
    """Means of the measures over verdicts; what is None of any of them is left out, without verdicts all."""
    columns = {name: [getattr(verdict, name) for verdict in verdicts] for name in MEASURES}
    return {name: float(np.mean(values)) for name, values in columns.items() if values and None not in values}


def explained_changes(scores: Rows, method: str) -> dict[str, float]:
    """Of the counterfactual scores of a method against the reconstruction: the mean over attributes, and the lowest.

    Nothing where there are no scores.
    """
    values = _explained(scores, method)
    return {"explained_change": float(np.mean(values)), "lowest_explained_change": min(values)} if values else {}


def compare_methods(scores: Rows, areas: Mapping[str, np.ndarray]) -> Rows:
    """A row per method.

    `roc_auc`: the mean over the attributes of `areas`, the ROC AUC of each method's vectors as classifiers, (A,), NaN
    where unknown, of which one is known at least. Of the counterfactual scores against the reconstruction, where there
    are any: their mean, the lowest, and how many attributes are above 0.
    """
    return [
        {
            "method": method,
            "roc_auc": float(np.nanmean(areas[method])),
            **explained_changes(scores, method),
            **({"attributes_above_0": sum(value > 0 for value in _explained(scores, method))} if scores else {}),
        }
        for method in METHODS
        if method in areas and not np.isnan(areas[method]).all()
    ]


METHOD_STRENGTH_COLUMNS = ("method", "strength", "attributes", "success_rate", "leakage")


def compare_strengths(curves: Sequence[EditVerdict]) -> Rows:
    """A row per method and strength: of how many attributes there is a verdict, and the means over them."""
    rows: Rows = []
    for method in METHODS:
        mine = [verdict for verdict in curves if verdict.method == method]
        for strength in sorted({verdict.strength for verdict in mine}):
            at = [verdict for verdict in mine if verdict.strength == strength]
            means = float(np.mean([v.success_rate for v in at])), float(np.mean([v.leakage for v in at]))
            rows.append(dict(zip(METHOD_STRENGTH_COLUMNS, (method, strength, len(at), *means), strict=True)))
    return rows


def methods_summary(rows: Rows, by_strength: Rows) -> str:
    """The comparison as a table for a reader: a line per method."""
    lines = []
    for row in rows:
        cells = dict(row)
        for at in by_strength:
            if at["method"] == row["method"]:
                cells |= {f"{name}_{at['strength']:g}": at[name] for name in ("success_rate", "leakage")}
        lines.append(cells)
    if not lines:
        return ""
    columns = list(lines[0])
    table = [columns]
    table += [[value if isinstance(value, str) else f"{value:.3g}" for value in line.values()] for line in lines]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in table)
    )


def _explained(scores: Rows, method: str) -> list[float]:
    return [
        float(row["explained_change"])
        for row in scores
        if row["method"] == method and row["reference"] == "reconstruction"
    ]
