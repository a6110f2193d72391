"""A person's own faces in the latent space: edited, reconstructed, turned into one another.

`faces`: (N, S, S, 3) uint8, framed for the model.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from facevae.core.errors import FacevaeError
from facevae.latents.arithmetic import edit, lerp, slerp
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.vectors import AttributeVectors
from facevae.models.vae import Vae
from facevae.nn.layers import as_bytes

BATCH = 64
"""Faces that are decoded before the first of them is written."""


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


def edit_faces(
    vae: Vae,
    vectors: AttributeVectors,
    changes: Sequence[Change],
    faces: np.ndarray,
    multiples: Sequence[float],
    device: torch.device,
) -> list[np.ndarray]:
    """For each multiple of all changes' strengths the edited faces, (N, S, S, 3); 0 times is the reconstruction."""
    z = posterior_means(vae, faces, device)
    found = []
    for multiple in multiples:
        moved = z
        for change in changes:
            moved = edit(moved, vectors.of(change.attribute), multiple * change.strength)
        found.append(as_bytes(decode_all(vae, moved, device)))
    return found


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
