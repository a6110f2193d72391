"""Edits of drawn faces against the truth: how much of the true change an edit makes."""

from collections.abc import Iterable

import numpy as np
import torch

from facevae.celeba.pairs import Pairs
from facevae.latents.arithmetic import edit, explained_change
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.vectors import METHODS, AttributeVectors
from facevae.models.vae import Vae
from facevae.nn.layers import as_unit_floats

# A pixel counts as drawn by an attribute if it changes by more grey levels: JPEG alone changes it by less.
_DRAWN_LEVELS = 16

SCORE_COLUMNS = (
    "attribute",
    "identities",
    "pixels",
    *(f"{method}_against_{truth}" for method in METHODS for truth in ("reconstruction", "truth")),
)


@torch.no_grad()
def counterfactual_scores(
    vae: Vae, pairs: Iterable[Pairs], vectors: AttributeVectors, device: torch.device
) -> list[dict[str, float | str]]:
    """How much of an attribute's true change an edit of strength 1 makes, where the truth is known: faces are drawn.

    Of the same unseen identity x0 is drawn without and x1 with the attribute, r0 and r1 are their reconstructions and
    e is the edit of x0. A row per attribute, for each method: `against_reconstruction`,
    1 - sum |e - r1|^2 / sum |r0 - r1|^2, and `against_truth`, the same with x1 in place of r1; how many identities
    were compared, and how many pixels the attribute changes by more than 16 grey levels, on average. An attribute that
    draws less than a pixel, cut off by the crop perhaps, is left out.
    """
    rows: list[dict[str, float | str]] = []
    for pair in pairs:
        changed = np.abs(pair.having.astype(int) - pair.without).max(3) > _DRAWN_LEVELS
        pixels = float(changed.sum((1, 2)).mean())
        if pair.attribute not in vectors.names or pixels < 1:
            continue
        z0, z1 = (posterior_means(vae, images, device) for images in (pair.without, pair.having))
        r0, r1 = (decode_all(vae, z, device) for z in (z0, z1))
        if torch.equal(r0, r1):
            continue
        x1 = as_unit_floats(torch.from_numpy(pair.having))
        row: dict[str, float | str] = {"attribute": pair.attribute, "identities": len(pair.identities)}
        row["pixels"] = pixels
        for method in METHODS:
            edited = decode_all(vae, edit(z0, vectors.of(pair.attribute, method), 1.0), device)
            row[f"{method}_against_reconstruction"] = explained_change(edited, r0, r1)
            row[f"{method}_against_truth"] = explained_change(edited, r0, x1)
        rows.append(row)
    return rows
