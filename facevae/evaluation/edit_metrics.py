"""The verdicts on edits in figures: by attribute, by method, as metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facevae.evaluation.edits import EditVerdict
from facevae.latents.vectors import METHODS

Scores = Sequence[Mapping[str, float | str]]


def edit_metrics(verdicts: Sequence[EditVerdict], scores: Scores, attributes: Sequence[str]) -> dict[str, Any]:
    """The verdicts of the chosen attributes and their means over all, the counterfactual scores likewise."""
    optional = ("seen_on_all", "identity", "identity_reconstruction", "identity_kept")
    measures = ["seen", "flipped", "leakage"]
    measures += [name for name in optional if all(getattr(verdict, name) is not None for verdict in verdicts)]
    means = {f"mean_{name}": float(np.mean([getattr(v, name) for v in verdicts])) for name in measures}
    chosen = [verdict for verdict in verdicts if verdict.attribute in attributes]
    shown = ("strength", "faces", *measures)
    found = means | {v.attribute: {name: getattr(v, name) for name in shown} for v in chosen}
    if not scores:
        return {"edits": found}
    columns = [name for name in scores[0] if name not in ("attribute", "identities", "pixels")]
    summed: dict[str, Any] = {}
    for column in columns:
        values = [float(row[column]) for row in scores]
        summed |= {f"mean_{column}": float(np.mean(values)), f"lowest_{column}": min(values)}
    by_attribute = {
        str(row["attribute"]): {column: float(row[column]) for column in columns}
        for row in scores
        if row["attribute"] in attributes
    }
    return {"edits": found, "counterfactual": summed | by_attribute}


def compare_methods(
    curves: Sequence[EditVerdict], scores: Scores, areas: Mapping[str, np.ndarray]
) -> list[dict[str, float | str]]:
    """A row per method: means over the attributes.

    Of `curves`, verdicts by attribute, method and strength: for each strength `flipped` and `leakage`. Of the
    counterfactual scores, where there are any: their mean, the lowest, and how many attributes are above 0. `areas`:
    the ROC AUC of each method's vectors as classifiers, (A,), NaN where unknown.
    """
    rows = []
    for method in METHODS:
        row: dict[str, float | str] = {"method": method}
        mine = [verdict for verdict in curves if verdict.method == method]
        for strength in sorted({verdict.strength for verdict in mine}):
            at = [verdict for verdict in mine if verdict.strength == strength]
            row[f"flipped_{strength:g}"] = float(np.mean([verdict.flipped for verdict in at]))
            row[f"leakage_{strength:g}"] = float(np.mean([verdict.leakage for verdict in at]))
        if scores:
            explained = [float(score[f"{method}_against_reconstruction"]) for score in scores]
            row |= {"explained_change": float(np.mean(explained)), "lowest_explained_change": min(explained)}
            row["attributes_above_0"] = sum(value > 0 for value in explained)
        row["roc_auc"] = float(np.nanmean(areas[method])) if not np.isnan(areas[method]).all() else 0.5
        rows.append(row)
    return rows


def methods_summary(rows: Scores) -> str:
    """The comparison as a table for a reader."""
    columns = list(rows[0])
    lines = [columns]
    lines += [[value if isinstance(value, str) else f"{value:.3g}" for value in row.values()] for row in rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(line, widths, strict=True)) for line in lines)
    )
