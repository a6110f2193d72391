"""Whether an edit does what it says: the judge's verdict, and the truth where faces are drawn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.core.errors import FacevaeError
from facevae.data.arrays import VaeArrays
from facevae.evaluation.identity import identity_kept
from facevae.jobs.progress import track
from facevae.latents.arithmetic import edit
from facevae.latents.vectors import AttributeVectors
from facevae.models.classifier import Classifier
from facevae.models.identity import Embed
from facevae.models.vae import Vae
from facevae.nn.layers import as_unit_floats
from facevae.nn.precision import pick_precision

# Is shown an edit, the numbers of its faces, the edited images (n, 3, S, S), the judge's probabilities for them (n, A)
# and their embeddings (n, E).
Observer = Callable[["Edit", np.ndarray, Tensor, np.ndarray, Tensor], None]

# Edits of several attributes share batches: that many faces, or a few more, are edited and held at a time.
_FACES_AT_ONCE = 512


def check_judged(
    arrays: VaeArrays, vae_metadata: dict[str, Any], judge_metadata: dict[str, Any], latents: Tensor
) -> None:
    """Raise FacevaeError unless VAE, judge and latents (N, D) were made from arrays like these."""
    image_size = arrays.images["test"].shape[1]
    for where, found in (("the VAE", vae_metadata["image_size"]), ("the judge", judge_metadata["image_size"])):
        if found != image_size:
            raise FacevaeError(
                where=where, expected=f"a model of {image_size}-pixel images", found=f"one of {found}-pixel images",
                fix="train it on the same arrays",
            )  # fmt: skip
    # No attributes: there was none to learn.
    if judge_metadata["attributes"] and tuple(judge_metadata["attributes"]) != arrays.attribute_names:
        raise FacevaeError(
            where="the judge", expected=f"the arrays' {len(arrays.attribute_names)} attributes",
            found="others", fix="run stages.train_judge on the same arrays",
        )  # fmt: skip
    latent_dim = vae_metadata["settings"]["latent_dim"]
    if latents.shape[1] != latent_dim:
        raise FacevaeError(
            where="the latents", expected=f"latents of {latent_dim} dimensions", found=f"of {latents.shape[1]}",
            fix="run stages.encode with the same VAE",
        )  # fmt: skip


@dataclass(frozen=True)
class Edit:
    """`strength` times the vector (D,) of an attribute; `method`: whose vector it is, for the verdict."""

    attribute: str
    vector: Tensor
    strength: float
    method: str = ""


@dataclass(frozen=True)
class EditVerdict:
    """What the judge says of one attribute's edits on faces without it; shares and probabilities in [0, 1].

    `detection_rate_before`: share whose unedited reconstruction shows the attribute to the judge; `detection_rate`:
    share whose edit does; `success_rate`: share whose edit does, of those whose reconstruction did not; `leakage`: mean
    absolute change of the other attributes' probabilities. `identity`: mean cosine between the embeddings of face and
    edit; `identity_reconstruction`: the same of face and reconstruction; `identity_kept`: 1 plus the difference, 1
    where the edit is as much the person as the reconstruction is. None where no embeddings were given.
    `detection_rate_all`: the detection rate on faces of every kind, also those that can't have the attribute (see the
    module `plausibility`), which all else leaves out; None where it was not asked for.
    """

    attribute: str
    method: str
    strength: float
    faces: int
    detection_rate_before: float
    detection_rate: float
    success_rate: float
    leakage: float
    identity: float | None = None
    identity_reconstruction: float | None = None
    identity_kept: float | None = None
    detection_rate_all: float | None = None

    def row(self) -> dict[str, float | str]:
        """What is known, for a table."""
        return {name: value for name, value in vars(self).items() if value is not None}


VERDICT_COLUMNS = tuple(EditVerdict.__dataclass_fields__)


class Faces:
    """Unseen faces to edit, by their latents (N, D), with labels (N, A), 0 or 1 or -1 where unknown, of `names`.

    The judge is asked once what it sees in their reconstructions. `possible`: (N, A), which face can have which
    attribute; others are not edited. With `embed` and `persons`, the faces' own embeddings by it, (N, E), verdicts say
    how much of the person is kept.
    """

    def __init__(
        self, vae: Vae, judge: Classifier, latents: Tensor, labels: np.ndarray, names: Sequence[str],
        device: torch.device, *, possible: np.ndarray | None = None, embed: Embed | None = None,
        persons: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.possible = np.ones(labels.shape, bool) if possible is None else possible
        # With channels last the judge looks at images in two thirds of the time on a CPU.
        self.vae, self.judge = vae, judge.to(memory_format=torch.channels_last)
        self.embed, self.device = embed, device
        self.latents, self.labels, self.names = latents, labels, tuple(names)
        self.persons = persons
        # What the judge sees in the reconstructions, (N, A), and their embeddings, (N, E).
        self.before, self.likenesses, _ = self._look(latents, embed if persons is not None else None)

    def without(self, attribute: str, most: int, *, everyone: bool = False) -> np.ndarray:
        """Numbers of the first `most` faces known to lack the attribute that can have it; of `everyone` lacking it."""
        column = self.names.index(attribute)
        candidates = (self.labels[:, column] == 0) & (self.possible[:, column] | everyone)
        return np.flatnonzero(candidates)[:most]

    def judge_edit(self, edit: Edit, most: int) -> EditVerdict | None:
        """The verdict on one edit: see `judge_edits`."""
        (judged,) = self.judge_edits([edit], most, identity=False)
        return None if judged is None else judged[0]

    def judge_edits(
        self, edits: Sequence[Edit], most: int, *, identity: bool = True, everyone: bool = False,
        observe: Observer | None = None,
    ) -> Iterator[tuple[EditVerdict, np.ndarray] | None]:  # fmt: skip
        """Yield, for each edit of the first `most` faces that lack its attribute and can have it, the verdict and the
        mean absolute change of each of the judge's probabilities, (A,).

        None if no face is left, or if the judge sees the attribute in every reconstruction already: nothing to change.
        `identity`: whether persons are compared, where they can be; `everyone`: whether `detection_rate_all` is wanted,
        for which the first `most` faces that lack the attribute are edited, able to have it or not; `observe`: who
        else is shown the edits of faces that can have it.
        """
        pending: list[tuple[Edit, np.ndarray, np.ndarray]] = []
        for asked in edits:
            rows = self.without(asked.attribute, most)
            if (self.before[rows, self.names.index(asked.attribute)] > 0.5).all():  # also of no rows
                rows = rows[:0]
            others = rows[:0]
            if everyone and len(rows):
                others = np.setdiff1d(self.without(asked.attribute, most, everyone=True), rows)
            pending.append((asked, rows, others))
            if sum(len(rows) + len(others) for _, rows, others in pending) >= _FACES_AT_ONCE:
                yield from self._judge(pending, most, identity, everyone, observe)
                pending = []
        yield from self._judge(pending, most, identity, everyone, observe)

    def _judge(
        self, pending: Sequence[tuple[Edit, np.ndarray, np.ndarray]], most: int, identity: bool, everyone: bool,
        observe: Observer | None,
    ) -> Iterator[tuple[EditVerdict, np.ndarray] | None]:  # fmt: skip
        """The verdicts on edits, each of its own faces and of others that only count for `detection_rate_all`."""
        chosen = [np.concatenate([rows, others]) for _, rows, others in pending]
        if not any(map(len, chosen)):
            yield from (None for _ in pending)
            return
        latents = [
            edit(self.latents[rows], asked.vector, asked.strength)
            for (asked, *_), rows in zip(pending, chosen, strict=True)
        ]
        embed = self.embed if identity and self.persons is not None else None
        seen, embeddings, images = self._look(torch.cat(latents), embed, keep=observe is not None)
        ends = torch.from_numpy(np.cumsum([len(rows) for rows in chosen]))[:-1]
        parts = (found.tensor_split(ends) for found in (embeddings, images))
        for (asked, rows, _), after, embedded, edited in zip(pending, np.split(seen, ends), *parts, strict=True):
            if not len(rows):
                yield None
                continue
            verdict, changes = self._verdict(asked, rows, after[: len(rows)])
            if everyone:
                verdict = replace(verdict, detection_rate_all=self._rate_of_everyone(asked, rows, after, most))
            if embed is not None:
                verdict = self._with_identity(verdict, rows, embedded[: len(rows)])
            if observe is not None:
                observe(asked, rows, edited[: len(rows)], after[: len(rows)], embedded[: len(rows)])
            yield verdict, changes

    def _verdict(self, asked: Edit, rows: np.ndarray, after: np.ndarray) -> tuple[EditVerdict, np.ndarray]:
        """By the judge's probabilities for the edits of these faces, (n, A)."""
        column = self.names.index(asked.attribute)
        before, detected = self.before[rows, column] > 0.5, after[:, column] > 0.5
        changes = np.abs(after - self.before[rows]).mean(0)
        others = np.arange(len(changes)) != column
        verdict = EditVerdict(
            attribute=asked.attribute,
            method=asked.method,
            strength=asked.strength,
            faces=len(rows),
            detection_rate_before=float(before.mean()),
            detection_rate=float(detected.mean()),
            success_rate=float(detected[~before].mean()),
            leakage=float(changes[others].mean()) if others.any() else 0.0,
        )
        return verdict, changes

    def _rate_of_everyone(self, asked: Edit, rows: np.ndarray, after: np.ndarray, most: int) -> float:
        """Detection rate on the first `most` faces without the attribute. `after`: of `rows`, then of the others."""
        whole = self.without(asked.attribute, most, everyone=True)
        detected = after[:, self.names.index(asked.attribute)] > 0.5
        able = np.isin(rows, whole, assume_unique=True)
        return float(np.concatenate([detected[: len(rows)][able], detected[len(rows) :]]).mean())

    def _with_identity(self, verdict: EditVerdict, rows: np.ndarray, embeddings: Tensor) -> EditVerdict:
        assert self.persons is not None
        persons, likenesses = self.persons[rows], self.likenesses[rows]
        return replace(
            verdict,
            identity=float(F.cosine_similarity(persons, embeddings).mean()),
            identity_reconstruction=float(F.cosine_similarity(persons, likenesses).mean()),
            identity_kept=float(identity_kept(persons, likenesses, embeddings).mean()),
        )

    def decode(self, latents: Tensor) -> Tensor:
        """Images of latents, on the CPU, as they are judged: (N, D) -> (N, 3, S, S)."""
        return torch.cat([part.cpu() for part in self._decoded(latents)])

    @torch.no_grad()
    def look_at(self, images: Tensor, *, embed: bool = True, batch_size: int = 64) -> tuple[np.ndarray, Tensor]:
        """The judge's probabilities for images, and their embeddings: (N, 3, S, S) -> (N, A), (N, E).

        Without `embed` the embeddings are (N, 0).
        """
        batches = (part.to(self.device) for part in images.split(batch_size))
        return self._seen(batches, self.embed if embed else None)[:2]

    def _look(self, latents: Tensor, embed: Embed | None, *, keep: bool = False) -> tuple[np.ndarray, Tensor, Tensor]:
        """The judge's probabilities for the images of latents, their embeddings, and to `keep` the images themselves:
        (N, D) -> (N, A), (N, E), (N, 3, S, S).

        Without `embed` the embeddings are (N, 0), and so are images that are not kept.
        """
        return self._seen(self._decoded(latents), embed, keep=keep)

    @torch.no_grad()
    def _decoded(self, latents: Tensor, batch_size: int = 64) -> Iterator[Tensor]:
        """In the precision that the VAE was trained in, which where it is bfloat16 takes half of the time and moves a
        probability by less than 0.001 on average.
        """
        for part in latents.split(batch_size) if len(latents) else ():
            with self._autocast():
                yield self.vae.decode(part.to(self.device)).float()

    @torch.no_grad()
    def _seen(
        self, batches: Iterable[Tensor], embed: Embed | None, *, keep: bool = False
    ) -> tuple[np.ndarray, Tensor, Tensor]:
        probabilities, embeddings, kept = [torch.zeros(0, len(self.names))], [], []
        for images in batches:
            with self._autocast():
                if embed is None:
                    probabilities.append(self.judge(images).float().sigmoid().cpu())
                    embeddings.append(torch.zeros(len(images), 0))
                else:
                    answers, embedded = judge_and_embed(self.judge, embed, images)
                    probabilities.append(answers.cpu())
                    embeddings.append(embedded.cpu())
            kept.append(images.cpu() if keep else torch.zeros(len(images), 0))
        nothing = torch.zeros(0, 0)
        return torch.cat(probabilities).numpy(), torch.cat(embeddings or [nothing]), torch.cat(kept or [nothing])

    def _autocast(self) -> torch.autocast:
        dtype = pick_precision(self.vae.settings, self.device)
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)


def judge_and_embed(judge: Classifier, embed: Embed, images: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities by the judge and embeddings by `embed`: (N, 3, S, S) in [0, 1] -> (N, A), (N, E), both float32.

    Where the judge itself is what embeds, its convolutions are computed once.
    """
    if embed == judge.embedding:
        logits, embeddings = judge.logits_and_embedding(images)
    else:
        logits, embeddings = judge(images), embed(images)
    return logits.float().sigmoid(), embeddings.float()


@torch.no_grad()
def embed_all(embed: Embed, images: np.ndarray, device: torch.device, batch_size: int = 64) -> Tensor:
    """Embeddings of images, on the CPU: uint8 (N, S, S, 3) -> (N, E)."""
    parts = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    return torch.cat([embed(as_unit_floats(torch.from_numpy(part.copy())).to(device)).float().cpu() for part in parts])


def judge_vectors(
    faces: Faces, vectors: AttributeVectors, strength: float | None, most: int, observe: Observer | None = None
) -> tuple[list[EditVerdict], np.ndarray]:
    """Verdicts on the vectors that edits use, and the changes of all of the judge's probabilities, a row for each.

    `strength` None means each attribute's recommended one; `observe` is shown each edit. Attributes that are judged on
    no face are left out.
    """
    edits = [
        Edit(
            attribute,
            torch.from_numpy(vectors.of(attribute)),
            vectors.recommendation(attribute).strength if strength is None else strength,
            vectors.method,
        )
        for attribute in vectors.names
    ]
    found = track(faces.judge_edits(edits, most, everyone=True, observe=observe), len(edits), "edits", "attributes")
    judged = [pair for pair in found if pair is not None]
    return [verdict for verdict, _ in judged], np.array([changes for _, changes in judged])


def judge_strengths(
    faces: Faces, vectors: AttributeVectors, attributes: Sequence[str], strengths: Sequence[float], most: int
) -> list[EditVerdict]:
    """Verdicts by attribute, method and strength, on all methods' vectors; none of what is judged on no face."""
    edits = [
        Edit(attribute, torch.from_numpy(vectors.of(attribute, method)), strength, method)
        for attribute in attributes
        for method in vectors.vectors
        for strength in strengths
    ]
    found = track(faces.judge_edits(edits, most, identity=False), len(edits), "methods and strengths", "edits")
    return [pair[0] for pair in found if pair is not None]
