"""Whether an edit does what it says: the judge's verdict, and the truth where faces are drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from facevae.classifier import Classifier
from facevae.errors import FacevaeError
from facevae.latents import edit, explained_change
from facevae.layers import as_unit_floats
from facevae.pairs import Pairs
from facevae.posteriors import decode_all, posterior_means
from facevae.vae import Vae
from facevae.vectors import METHODS, AttributeVectors

# A pixel counts as drawn by an attribute if it changes by more grey levels: JPEG alone changes it by less.
_DRAWN_LEVELS = 16
SCORE_COLUMNS = (
    "attribute",
    "identities",
    "pixels",
    *(f"{method}_against_{truth}" for method in METHODS for truth in ("reconstruction", "truth")),
)


@dataclass(frozen=True)
class EditVerdict:
    """What the judge says of one attribute's edits on faces without it; shares and probabilities in [0, 1].

    `seen_before`: share whose unedited reconstruction shows the attribute to the judge; `flipped`: share of the
    others that show it after the edit; `leakage`: mean absolute change of the other attributes' probabilities.
    """

    attribute: str
    faces: int
    seen_before: float
    flipped: float
    leakage: float


@torch.no_grad()
def judge_edits(
    vae: Vae,
    judge: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    attribute_names: Sequence[str],
    vectors: AttributeVectors,
    strength: float,
    most: int,
    device: torch.device,
) -> list[EditVerdict]:
    """Edit unseen faces that lack each attribute and ask the judge: images (N, S, S, 3), labels (N, A) of 0 or 1.

    At most the first `most` faces per attribute. Left out are attributes that every face has, and those that the judge
    sees in every reconstruction already: nothing is left to flip. Raises FacevaeError if no attribute is left.
    """
    latents = posterior_means(vae, images, device)
    before = _probabilities(vae, judge, latents, device)
    verdicts = []
    for attribute in vectors.names:
        column = list(attribute_names).index(attribute)
        rows = np.flatnonzero(labels[:, column] == 0)[:most]
        seen_before = before[rows, column] > 0.5
        if seen_before.all():  # also of no rows
            continue
        after = _probabilities(vae, judge, edit(latents[rows], vectors.of(attribute), strength), device)
        flipped = (after[:, column] > 0.5)[~seen_before]
        others = np.arange(after.shape[1]) != column
        verdicts.append(
            EditVerdict(
                attribute,
                len(rows),
                float(seen_before.mean()),
                float(flipped.mean()),
                float(np.abs(after - before[rows])[:, others].mean()),
            )
        )
    if not verdicts:
        raise FacevaeError(
            where="the test split", expected="a face without one of the attributes that have a vector",
            found="none", fix="provide or annotate more images",
        )  # fmt: skip
    return verdicts


@torch.no_grad()
def counterfactual_scores(
    vae: Vae, pairs: Iterable[Pairs], vectors: AttributeVectors, strength: float, device: torch.device
) -> list[dict[str, float | str]]:
    """How much of an attribute's true change an edit makes, where the truth is known because faces are drawn.

    Of the same unseen identity x0 is drawn without and x1 with the attribute, r0 and r1 are their reconstructions and
    e is the edit of x0. A row per attribute, for each method: `against_reconstruction`,
    1 - sum |e - r1|^2 / sum |r0 - r1|^2, and `against_truth`, the same with x1 in place of r1; how many identities
    were compared, and how many pixels the attribute changes by more than 16 grey levels, on average. An attribute that
    changes no reconstruction, cut off by the crop perhaps, is left out.
    """
    rows: list[dict[str, float | str]] = []
    for pair in pairs:
        if pair.attribute not in vectors.names:
            continue
        z0, z1 = (posterior_means(vae, images, device) for images in (pair.without, pair.having))
        r0, r1 = (decode_all(vae, z, device) for z in (z0, z1))
        if torch.equal(r0, r1):
            continue
        x1 = as_unit_floats(torch.from_numpy(pair.having))
        changed = np.abs(pair.having.astype(int) - pair.without).max(3) > _DRAWN_LEVELS
        row: dict[str, float | str] = {"attribute": pair.attribute, "identities": len(pair.identities)}
        row["pixels"] = float(changed.sum((1, 2)).mean())
        for method in METHODS:
            edited = decode_all(vae, edit(z0, vectors.of(pair.attribute, method), strength), device)
            row[f"{method}_against_reconstruction"] = explained_change(edited, r0, r1)
            row[f"{method}_against_truth"] = explained_change(edited, r0, x1)
        rows.append(row)
    return rows


def _probabilities(vae: Vae, judge: Classifier, latents: Tensor, device: torch.device) -> np.ndarray:
    """The judge's probabilities for the images of latents: (N, D) -> (N, A)."""
    parts = (latents[start : start + 64].to(device) for start in range(0, len(latents), 64))
    return torch.cat([judge(vae.decode(part)).sigmoid().cpu() for part in parts]).numpy()


def edit_metrics(
    verdicts: Sequence[EditVerdict], scores: Sequence[dict[str, float | str]], attributes: Sequence[str]
) -> dict[str, Any]:
    """The verdicts of the chosen attributes and their means over all, the counterfactual scores likewise."""
    found: dict[str, Any] = {
        "mean_flipped": float(np.mean([verdict.flipped for verdict in verdicts])),
        "mean_leakage": float(np.mean([verdict.leakage for verdict in verdicts])),
    }
    chosen = [verdict for verdict in verdicts if verdict.attribute in attributes]
    found |= {v.attribute: {"flipped": v.flipped, "leakage": v.leakage, "faces": v.faces} for v in chosen}
    if not scores:
        return {"edits": found}
    columns = [name for name in scores[0] if name not in ("attribute", "identities", "pixels")]
    means = {f"mean_{column}": float(np.mean([float(row[column]) for row in scores])) for column in columns}
    shown = {
        str(row["attribute"]): {column: float(row[column]) for column in columns}
        for row in scores
        if row["attribute"] in attributes
    }
    return {"edits": found, "counterfactual": means | shown}
