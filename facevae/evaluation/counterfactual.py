"""Edits of drawn faces against the truth: how much of the true change an edit makes."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from facevae.celeba.pairs import Pairs
from facevae.jobs.progress import track
from facevae.latents.arithmetic import edit, explained_change
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.vectors import METHODS, AttributeVectors
from facevae.models.vae import Vae
from facevae.nn.layers import as_unit_floats

# A pixel counts as drawn by an attribute if it changes by more grey levels: JPEG alone changes it by less.
_DRAWN_LEVELS = 16

SCORE_COLUMNS = ("attribute", "identities", "pixels", "method", "reference", "explained_change")

Scores = list[dict[str, float | str]]


@torch.no_grad()
def counterfactual_scores(vae: Vae, pairs: Iterable[Pairs], vectors: AttributeVectors, device: torch.device) -> Scores:
    """How much of an attribute's true change an edit of strength 1 makes, where the truth is known: faces are drawn.

    Of the same unseen identity x0 is drawn without and x1 with the attribute, r0 and r1 are their reconstructions and
    e is the edit of x0. Rows by attribute, method and `reference`: `explained_change` is
    1 - sum |e - r|^2 / sum |r0 - r|^2, with the reference `reconstruction` r = r1, with `truth` r = x1. `identities`:
    how many were compared; `pixels`: how many the attribute changes by more than 16 grey levels, on average. An
    attribute that draws less than a pixel, cut off by the crop perhaps, is left out.
    """
    rows: Scores = []
    autoencode = _Autoencoder(vae, device)
    for pair in track(pairs, len(vectors.names), "counterfactual pairs", "attributes"):
        changed = np.abs(pair.having.astype(int) - pair.without).max(3) > _DRAWN_LEVELS
        pixels = float(changed.sum((1, 2)).mean())
        if pair.attribute not in vectors.names or pixels < 1:
            continue
        z0, r0, r1 = autoencode(pair)
        if torch.equal(r0, r1):
            continue
        references = {"reconstruction": r1, "truth": as_unit_floats(torch.from_numpy(pair.having))}
        edits = torch.cat([edit(z0, vectors.of(pair.attribute, method), 1.0) for method in METHODS])
        edited = decode_all(vae, edits, device).split(len(z0))
        rows += [
            {
                "attribute": pair.attribute,
                "identities": len(pair.identities),
                "pixels": pixels,
                "method": method,
                "reference": reference,
                "explained_change": explained_change(image, r0, after),
            }
            for method, image in zip(METHODS, edited, strict=True)
            for reference, after in references.items()
        ]
    return rows


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
