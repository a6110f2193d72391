"""A person's own faces in the latent space: reconstructed, turned into one another, and edited there.

`faces`: (N, S, S, 3) uint8, framed for the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from facevae.alignment.composite import composite
from facevae.app.models import Judge
from facevae.app.photographs import Photograph
from facevae.core.errors import FacevaeError
from facevae.latents.arithmetic import lerp, slerp
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.residual import CLEARLY, SEARCHED_TO, kept_change, residual_edit, smallest_strengths
from facevae.latents.vectors import AttributeVectors
from facevae.models.vae import Vae
from facevae.nn.layers import as_bytes, from_bytes

BATCH = 64
"""Faces that are decoded before the first of them is written."""

FARTHEST = 3.0
"""Strengths of more than this are beyond what the autoencoder has seen of any face: a line says so."""

# Of red, green and blue (ITU-R BT.601), as Pillow makes grey of them.
_BRIGHTNESS = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True)
class Change:
    """One attribute of an edit, and how much of it: 1 is a typical face that has it, negative removes."""

    attribute: str
    strength: float


def choose_changes(vectors: AttributeVectors, wanted: Sequence[tuple[str, float | None]]) -> list[Change]:
    """The changes of an edit, None replaced by the recommended strength.

    Raises FacevaeError if there is no vector of that name, or if one is named twice.
    """
    changes: list[Change] = []
    for name, strength in wanted:
        advice = vectors.recommendation(name)
        if any(name == change.attribute for change in changes):
            raise FacevaeError(
                where=f"attribute {name}", expected="each attribute once", found="it twice", fix="leave one out"
            )
        changes.append(Change(name, advice.strength if strength is None else strength))
    return changes


def batches(faces: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """BATCH of the faces after another, (n, S, S, 3), each with the number of its first."""
    for first in range(0, len(faces), BATCH):
        yield first, faces[first : first + BATCH]


@dataclass(frozen=True)
class Searched:
    """`strengths`: (N, C), of each face and change; `found`: (N, C) bool, whether it was searched on that face."""

    changes: Sequence[Change]
    strengths: Tensor
    found: Tensor

    def describe(self, face: int) -> str:
        """What a face gets that differs from what was announced, in words after a comma, or nothing."""
        rows = zip(self.changes, self.strengths[face].tolist(), self.found[face].tolist(), strict=True)
        return "".join(
            f", {change.attribute} {strength:.2g}" + " (more than any face has)" * (strength > FARTHEST)
            for change, strength, found in rows
            if found
        )


class Editor:
    """Makes the changes on faces, (N, S, S, 3) uint8, on the device.

    With a judge the strengths of the attributes `searched` are found for each face: see `strengths`.
    """

    def __init__(
        self, vae: Vae, vectors: AttributeVectors, changes: Sequence[Change], device: torch.device,
        judge: Judge | None = None, searched: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.vae, self.changes, self.device, self.judge = vae, changes, device, judge
        self.vectors = torch.stack([vectors.of(change.attribute) for change in changes])
        self.common = torch.tensor([change.strength for change in changes])
        self.searched = [change.attribute in searched for change in changes]

    def plain(self, faces: np.ndarray, multiples: Sequence[float]) -> list[np.ndarray]:
        """For each multiple of all strengths the decoded edits, (N, S, S, 3); 0 times is the reconstruction."""
        z = posterior_means(self.vae, faces, self.device)
        return [as_bytes(self._decoded(z, multiple * self.common)) for multiple in multiples]

    def residual(self, faces: np.ndarray, multiples: Sequence[float]) -> list[np.ndarray]:
        """For each multiple of all strengths the faces with what changes, (N, S, S, 3); 0 times is the face."""
        z = posterior_means(self.vae, faces, self.device)
        images, before = from_bytes(faces), decode_all(self.vae, z, self.device)
        return [
            as_bytes(residual_edit(images, before, self._decoded(z, multiple * self.common))) for multiple in multiples
        ]

    def additions(self, faces: np.ndarray, strengths: Tensor) -> np.ndarray:
        """What is to be added to the faces' photographs: strengths (N, C) -> (N, 3, S, S) float32."""
        z = posterior_means(self.vae, faces, self.device)
        return kept_change(decode_all(self.vae, z, self.device), self._decoded(z, strengths)).numpy()

    def strengths(self, faces: np.ndarray) -> Searched:
        """The strengths of each face's changes: where they are searched, the smallest with which the judge sees it
        clearly.

        Each attribute's alone, up to twice the recommended one. A face on which the judge sees the attribute
        without any change gets the recommended one, and so do all without a judge that knows it.
        """
        strengths = self.common.repeat(len(faces), 1)
        found = torch.zeros(strengths.shape, dtype=torch.bool)
        wanted = [column for column, searched in enumerate(self.searched) if searched]
        if self.judge is None or not wanted:
            return Searched(self.changes, strengths, found)
        z, images = posterior_means(self.vae, faces, self.device), from_bytes(faces)
        before = decode_all(self.vae, z, self.device)
        shown = self._seen(images, 0.5)
        for column in wanted:
            attribute = self.changes[column].attribute
            if attribute not in self.judge.names:
                continue
            place = self.judge.names.index(attribute)

            def seen(tried: Tensor, column: int = column, place: int = place) -> Tensor:
                after = decode_all(self.vae, z + tried[:, None] * self.vectors[column], self.device)
                return self._seen(residual_edit(images, before, after), CLEARLY)[:, place]

            smallest = smallest_strengths(seen, len(faces), SEARCHED_TO * float(self.common[column]))
            found[:, column] = ~shown[:, place]
            strengths[:, column] = torch.where(found[:, column], smallest, strengths[:, column])
        return Searched(self.changes, strengths, found)

    def _decoded(self, z: Tensor, strengths: Tensor) -> Tensor:
        return decode_all(self.vae, z + strengths @ self.vectors, self.device)

    @torch.no_grad()
    def _seen(self, images: Tensor, probability: float) -> Tensor:
        """What the judge sees on images with more than this probability, (N, A) bool."""
        assert self.judge is not None
        parts = (self.judge.network(part.to(self.device)) for part in images.split(BATCH))
        return torch.cat([logits.float().sigmoid().cpu() > probability for logits in parts])


def add_change(photograph: Photograph, matrix: np.ndarray, change: np.ndarray) -> Photograph:
    """The photograph with the change of its face added: (2, 3) where that is, (3, S, S) in the model's size.

    A black-and-white photograph stays one: of the change its brightness is added.
    """
    if photograph.grey:
        change = np.repeat(np.tensordot(_BRIGHTNESS, change, 1)[None], 3, 0)
    return replace(photograph, pixels=composite(photograph.pixels, matrix, change))


def reconstruct_faces(vae: Vae, faces: np.ndarray, device: torch.device) -> np.ndarray:
    """The faces as the autoencoder sees them, (N, S, S, 3): the ground from which every edit starts."""
    return as_bytes(decode_all(vae, posterior_means(vae, faces, device), device))


def interpolate_faces(
    vae: Vae, first: np.ndarray, last: np.ndarray, steps: int, spherical: bool, device: torch.device
) -> np.ndarray:
    """One face, (S, S, 3), turned into another in `steps` images, (steps, S, S, 3), at least 2.

    The two ends are the faces' reconstructions. `spherical`: along the arc between the two latents, not the chord
    (White 2016, arXiv 1609.04468, section 2.1).
    """
    a, b = posterior_means(vae, np.stack([first, last]), device)
    between = slerp if spherical else lerp
    z = torch.stack([between(a, b, step / (steps - 1)) for step in range(steps)])
    return as_bytes(decode_all(vae, z, device))
