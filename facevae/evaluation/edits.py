"""Whether an edit does what it says: the judge's verdict, and the truth where faces are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.core.errors import FacevaeError
from facevae.data.arrays import VaeArrays
from facevae.evaluation.identity import identity_kept
from facevae.latents.arithmetic import edit
from facevae.latents.vectors import AttributeVectors
from facevae.models.classifier import Classifier
from facevae.models.identity import Embed
from facevae.models.vae import Vae
from facevae.nn.device import pick_precision
from facevae.nn.layers import as_unit_floats


def check_judged(arrays: VaeArrays, vae_facts: dict[str, Any], judge_facts: dict[str, Any], latents: Tensor) -> None:
    """Raise FacevaeError unless VAE, judge and latents (N, D) were made from arrays like these."""
    image_size = arrays.images["test"].shape[1]
    for where, found in (("the VAE", vae_facts["image_size"]), ("the judge", judge_facts["image_size"])):
        if found != image_size:
            raise FacevaeError(
                where=where, expected=f"a model of {image_size}-pixel images", found=f"one of {found}-pixel images",
                fix="train it on the same arrays",
            )  # fmt: skip
    if tuple(judge_facts["attributes"]) != arrays.attribute_names:
        raise FacevaeError(
            where="the judge", expected=f"the arrays' {len(arrays.attribute_names)} attributes",
            found="others", fix="run stages.train_judge on the same arrays",
        )  # fmt: skip
    latent_dim = vae_facts["settings"]["latent_dim"]
    if latents.shape[1] != latent_dim:
        raise FacevaeError(
            where="the latents", expected=f"latents of {latent_dim} dimensions", found=f"of {latents.shape[1]}",
            fix="run stages.encode with the same VAE",
        )  # fmt: skip


@dataclass(frozen=True)
class EditVerdict:
    """What the judge says of one attribute's edits on faces without it; shares and probabilities in [0, 1].

    `seen_before`: share whose unedited reconstruction shows the attribute to the judge; `seen`: share whose edit does;
    `flipped`: share whose edit does, of those whose reconstruction did not; `leakage`: mean absolute change of the
    other attributes' probabilities. `identity`: mean cosine between the embeddings of face and edit;
    `identity_reconstruction`: the same of face and reconstruction; `identity_kept`: 1 plus the difference, 1 where the
    edit is as much the person as the reconstruction is. None where no network for it was given. `seen_on_all`: the
    share `seen` of faces of every kind, also of those that can't have the attribute (see the module `plausibility`),
    which all else leaves out.
    """

    attribute: str
    method: str
    strength: float
    faces: int
    seen_before: float
    seen: float
    flipped: float
    leakage: float
    identity: float | None = None
    identity_reconstruction: float | None = None
    identity_kept: float | None = None
    seen_on_all: float | None = None

    def row(self) -> dict[str, float | str]:
        """What is known, for a table."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Faces:
    """Unseen faces to edit, by their latents (N, D), with labels (N, A) of 0 or 1 of the attributes `names`.

    The judge is asked once what it sees in their reconstructions. `possible`: (N, A), which face can have which
    attribute; others are not edited. With `embed` and the faces' images, (N, S, S, 3) uint8, verdicts say how much of
    the person is kept.
    """

    def __init__(
        self, vae: Vae, judge: Classifier, latents: Tensor, labels: np.ndarray, names: Sequence[str],
        device: torch.device, *, possible: np.ndarray | None = None, images: np.ndarray | None = None,
        embed: Embed | None = None,
    ) -> None:  # fmt: skip
        self.possible = np.ones(labels.shape, bool) if possible is None else possible
        self.vae, self.judge, self.embed, self.device = vae, judge, embed, device
        self.latents, self.labels, self.names = latents, labels, tuple(names)
        self.before, of_reconstructions = self._look(latents)
        # Embeddings of the faces and of their reconstructions, (N, E).
        self.persons, self.likenesses = torch.zeros(len(latents), 0), of_reconstructions
        if embed is not None and images is not None:
            self.persons = embed_all(embed, images, device)

    def without(self, attribute: str, most: int, *, everyone: bool = False) -> np.ndarray:
        """Numbers of the first `most` faces that lack the attribute and can have it; of `everyone` who lacks it."""
        column = self.names.index(attribute)
        candidates = (self.labels[:, column] == 0) & (self.possible[:, column] | everyone)
        return np.flatnonzero(candidates)[:most]

    def share_seen(self, attribute: str, vector: Tensor, strength: float, most: int) -> float:
        """Share of the first `most` faces that lack the attribute, able to have it or not, whose edit shows it."""
        rows = self.without(attribute, most, everyone=True)
        after, _ = self._look(edit(self.latents[rows], vector, strength))
        return float((after[:, self.names.index(attribute)] > 0.5).mean())

    def judge_edit(
        self, attribute: str, vector: Tensor, strength: float, most: int, method: str = ""
    ) -> tuple[EditVerdict, np.ndarray] | None:
        """Edit the first `most` faces that lack the attribute and can have it: the verdict, and the mean absolute
        change of each of the judge's probabilities, (A,).

        None if no face is left, or if the judge sees the attribute in every reconstruction already: nothing to flip.
        """
        column, rows = self.names.index(attribute), self.without(attribute, most)
        seen_before = self.before[rows, column] > 0.5
        if seen_before.all():  # also of no rows
            return None
        after, embeddings = self._look(edit(self.latents[rows], vector, strength))
        seen = after[:, column] > 0.5
        changes = np.abs(after - self.before[rows]).mean(0)
        others = np.arange(len(changes)) != column
        verdict = EditVerdict(
            attribute=attribute,
            method=method,
            strength=strength,
            faces=len(rows),
            seen_before=float(seen_before.mean()),
            seen=float(seen.mean()),
            flipped=float(seen[~seen_before].mean()),
            leakage=float(changes[others].mean()) if others.any() else 0.0,
        )
        if self.persons.shape[1]:
            persons, likenesses = self.persons[rows], self.likenesses[rows]
            verdict = replace(
                verdict,
                identity=float(F.cosine_similarity(persons, embeddings).mean()),
                identity_reconstruction=float(F.cosine_similarity(persons, likenesses).mean()),
                identity_kept=float(identity_kept(persons, likenesses, embeddings).mean()),
            )
        return verdict, changes

    @torch.no_grad()
    def _look(self, latents: Tensor, batch_size: int = 64) -> tuple[np.ndarray, Tensor]:
        """The judge's probabilities for the images of latents, and their embeddings: (N, D) -> (N, A), (N, E).

        In the precision that the VAE was trained in, which where it is bfloat16 takes half of the time and moves a
        probability by less than 0.001 on average.
        """
        dtype = pick_precision(self.vae.settings.precision, self.device)
        probabilities, embeddings = [torch.zeros(0, len(self.names))], [torch.zeros(0, 0)]
        with torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32):
            for part in latents.split(batch_size) if len(latents) else ():
                images = self.vae.decode(part.to(self.device)).float()
                probabilities.append(self.judge(images).float().sigmoid().cpu())
                if self.embed is not None:
                    embeddings.append(self.embed(images).float().cpu())
        return torch.cat(probabilities).numpy(), torch.cat(embeddings[1:] or embeddings)


@torch.no_grad()
def embed_all(embed: Embed, images: np.ndarray, device: torch.device, batch_size: int = 64) -> Tensor:
    """Embeddings of images, on the CPU: uint8 (N, S, S, 3) -> (N, E)."""
    parts = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    return torch.cat([embed(as_unit_floats(torch.from_numpy(part.copy())).to(device)).float().cpu() for part in parts])


def judge_vectors(
    faces: Faces, vectors: AttributeVectors, strength: float | None, most: int
) -> tuple[list[EditVerdict], np.ndarray]:
    """Verdicts on the vectors that edits use, and the changes of all of the judge's probabilities, a row for each.

    `strength` None means each attribute's recommended one. Attributes of which nothing is left to flip are left out.
    Raises FacevaeError if all are.
    """
    judged = []
    for attribute in vectors.names:
        chosen = vectors.recommendation(attribute).strength if strength is None else strength
        vector = vectors.of(attribute)
        judged_edit = faces.judge_edit(attribute, vector, chosen, most, vectors.method)
        if judged_edit is None:
            continue
        verdict, changes = judged_edit
        everyone = verdict.seen
        if not faces.possible[:, faces.names.index(attribute)].all():
            everyone = faces.share_seen(attribute, vector, chosen, most)
        judged.append((replace(verdict, seen_on_all=everyone), changes))
    if not judged:
        raise FacevaeError(
            where="the test split", expected="a face without one of the attributes that have a vector",
            found="none", fix="provide or annotate more images",
        )  # fmt: skip
    return [verdict for verdict, _ in judged], np.stack([changes for _, changes in judged])


def judge_strengths(
    faces: Faces, vectors: AttributeVectors, attributes: Sequence[str], strengths: Sequence[float], most: int
) -> list[EditVerdict]:
    """Verdicts by attribute, method and strength, on all methods' vectors."""
    found = [
        faces.judge_edit(attribute, vectors.of(attribute, method), strength, most, method)
        for attribute in attributes
        for method in vectors.vectors
        for strength in strengths
    ]
    return [pair[0] for pair in found if pair is not None]
