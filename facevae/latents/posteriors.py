"""The posteriors of a VAE's images: computed, kept in a file, drawn from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facevae.core.errors import FacevaeError
from facevae.latents.encoding import encode_all
from facevae.models.vae import Vae, reparameterize
from facevae.nn.model_files import load_weights, readable, save_weights


@dataclass(frozen=True)
class Posteriors:
    """`mu`, `logvar`: (N, D) of each split's images, in the arrays' order; `threads` that they were computed with.

    `mirrored`: mu of the train images' mirror images, (N, D).
    """

    mu: dict[str, Tensor]
    logvar: dict[str, Tensor]
    mirrored: Tensor
    threads: int

    @property
    def upright(self) -> Tensor:
        """Means of the train images' mu and their mirror images': (N, D), without what is left or right in a face.

        No attribute is: what the two differ in is noise to its vector.
        """
        return (self.mu["train"] + self.mirrored) / 2

    def draws(self, split: str, seed: int) -> Tensor:
        """A draw from each posterior of a split: (N, D)."""
        mu = self.mu[split]
        return reparameterize(mu, self.logvar[split], torch.randn(mu.shape, generator=_generator(seed)))


def encode_splits(vae: Vae, images: dict[str, np.ndarray], device: torch.device) -> Posteriors:
    """Posteriors of all images and of the train split's mirror images, on the CPU: uint8 (N, S, S, 3) of each split."""
    found = {split: encode_all(vae, part, device, split) for split, part in images.items()}
    mu, logvar = ({split: pair[number] for split, pair in found.items()} for number in (0, 1))
    mirrored, _ = encode_all(vae, images["train"][:, :, ::-1], device, "train mirrored")
    return Posteriors(mu, logvar, mirrored, vae.settings.threads)


def save_posteriors(path: Path, posteriors: Posteriors) -> None:
    """Write them, whole or not at all."""
    tensors = {f"mu.{split}": value for split, value in posteriors.mu.items()}
    tensors |= {f"logvar.{split}": value for split, value in posteriors.logvar.items()}
    tensors["mirrored.train"] = posteriors.mirrored
    save_weights(path, tensors, {"kind": "latents", "threads": posteriors.threads})


def load_posteriors(path: Path, counts: dict[str, int]) -> Posteriors:
    """Read what `save_posteriors` wrote. `counts`: images of each split, as the arrays have them.

    Raises FacevaeError if the file is missing, broken, another's, or of other images.
    """
    tensors, metadata = load_weights(path, "latents")
    parts: dict[str, dict[str, Tensor]] = {"mu": {}, "logvar": {}, "mirrored": {}}
    with readable(path):
        threads = int(metadata["threads"])
        for name, value in tensors.items():
            part, _, split = name.partition(".")
            parts[part][split] = value
    found = {split: len(value) for split, value in parts["mu"].items()}
    found = {split: found[split] for split in (*counts, *found) if split in found}  # in the arrays' order
    if "train" not in parts["mirrored"]:
        raise FacevaeError(
            where=path, expected="latents of the mirror images as well", found="none, an older version's file",
            fix="run stages.encode on the same arrays",
        )  # fmt: skip
    if found != counts:
        raise FacevaeError(
            where=path, expected=f"latents of {_counts_in_words(counts)} images", found=_counts_in_words(found),
            fix="run stages.encode on the same arrays",
        )  # fmt: skip
    return Posteriors(parts["mu"], parts["logvar"], parts["mirrored"]["train"], threads)


def _counts_in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items())


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
