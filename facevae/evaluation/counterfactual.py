"""Edits of drawn faces against the truth: how much of the true change an edit makes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from facevae.celeba.pairs import Pairs
from facevae.evaluation.ways import PLAIN, RESIDUAL, region_of
from facevae.jobs.progress import track
from facevae.latents.arithmetic import edit, explained_change
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.residual import residual_edit, times_ahead
from facevae.latents.vectors import METHODS, AttributeVectors
from facevae.models.vae import Vae
from facevae.nn.layers import from_bytes

# A pixel counts as drawn by an attribute if it changes by more grey levels: JPEG alone changes it by less.
_DRAWN_LEVELS = 16

SCORE_COLUMNS = ("attribute", "identities", "pixels", "method", "reference", "explained_change")

WAY_SCORE_COLUMNS = ("attribute", "identities", "pixels", "way", "explained_change")

Scores = list[dict[str, float | str]]


@dataclass(frozen=True)
class Counterfactuals:
    """How much of the true changes edits make: `scores` by method and reference, of which the start is the
    reconstruction; `way_scores` of the vectors in use by way of editing, of which it is the drawing itself; `regions`:
    by attribute where drawing it changes the image, (S, S) bool.
    """

    scores: Scores = field(default_factory=list)
    way_scores: Scores = field(default_factory=list)
    regions: dict[str, np.ndarray] = field(default_factory=dict)


@torch.no_grad()
def score_counterfactuals(
    vae: Vae, pairs: Iterable[Pairs], vectors: AttributeVectors, device: torch.device
) -> Counterfactuals:
    """How much of an attribute's true change an edit of strength 1 makes, where the truth is known: faces are drawn.

    Of the same unseen identity x0 is drawn without and x1 with the attribute, r0 and r1 are their reconstructions and
    e is the edit of x0. Scores by attribute, method and `reference`: `explained_change` is
    1 - sum |e - r|^2 / sum |r0 - r|^2, with the reference `reconstruction` r = r1, with `truth` r = x1. Scores by
    attribute and `way`: 1 - sum |e - x1|^2 / sum |x0 - x1|^2, where doing nothing leaves the drawing as it is.
    `identities`: how many were compared; `pixels`: how many the attribute changes by more than 16 grey levels, on
    average. An attribute that draws less than a pixel, cut off by the crop perhaps, is left out.
    """
    found = Counterfactuals()
    autoencode = _Autoencoder(vae, device)
    for pair in track(pairs, len(vectors.names), "counterfactual pairs", "attributes"):
        drawn = np.abs(pair.having.astype(int) - pair.without).max(3)
        pixels = float((drawn > _DRAWN_LEVELS).sum((1, 2)).mean())
        if pair.attribute not in vectors.names or pixels < 1:
            continue
        z0, r0, r1 = autoencode(pair)
        if torch.equal(r0, r1):
            continue
        x0, x1, r0, r1 = (part.numpy() for part in (from_bytes(pair.without), from_bytes(pair.having), r0, r1))
        methods = [method for method in METHODS if method in vectors.vectors]
        edits = [edit(z0, torch.from_numpy(vectors.of(pair.attribute, method)), 1.0) for method in methods]
        times = times_ahead(np.ones(len(z0)))
        edits.append(edit(z0, torch.from_numpy(vectors.of(pair.attribute)), float(times[0])))
        *images, ahead = decode_all(vae, torch.cat(edits), device).split(len(z0))
        edited = {method: image.numpy() for method, image in zip(methods, images, strict=True)}
        row = {"attribute": pair.attribute, "identities": len(pair.identities), "pixels": pixels}
        found.scores.extend(
            {**row, "method": method, "reference": reference, "explained_change": explained_change(image, r0, after)}
            for method, image in edited.items()
            for reference, after in (("reconstruction", r1), ("truth", x1))
        )
        plain, places = edited[vectors.method], vectors.places([pair.attribute], x0.shape[-1])
        found.way_scores.extend(
            {**row, "way": way, "explained_change": explained_change(image, x0, x1)}
            for way, image in ((PLAIN, plain), (RESIDUAL, residual_edit(x0, r0, ahead.numpy(), times, places)))
        )
        found.regions[pair.attribute] = region_of(drawn.mean(0))
    return found


class _Autoencoder:
    """Latents and reconstructions of pairs, those of a drawing that an identity's last pair had already not again.

    One of the two drawings of each pair is the identity's base, whatever the attribute.
    """

    def __init__(self, vae: Vae, device: torch.device) -> None:
        self.vae, self.device = vae, device
        self.last: dict[int, dict[bytes, tuple[Tensor, Tensor]]] = {}

    def __call__(self, pair: Pairs) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of the images without the attribute, (n, D); their reconstructions, and those of the others."""
        drawings = [
            (identity, image.tobytes(), image)
            for images in (pair.without, pair.having)
            for identity, image in zip(pair.identities, images, strict=True)
        ]
        known = {(identity, key): found for identity in pair.identities for key, found in self._of(identity).items()}
        new = {(identity, key): image for identity, key, image in drawings if (identity, key) not in known}
        if new:
            z = posterior_means(self.vae, np.stack(list(new.values())), self.device)
            known |= dict(zip(new, zip(z, decode_all(self.vae, z, self.device), strict=True), strict=True))
        self.last |= {identity: {} for identity in pair.identities}
        for identity, key, _ in drawings:
            self.last[identity][key] = known[identity, key]
        z, r = (
            torch.stack(part) for part in zip(*(known[identity, key] for identity, key, _ in drawings), strict=True)
        )
        count = len(pair.identities)
        return z[:count], r[:count], r[count:]

    def _of(self, identity: int) -> dict[bytes, tuple[Tensor, Tensor]]:
        return self.last.get(identity, {})
