"""The posteriors of a VAE's images: computed, kept in a file, drawn from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facevae.errors import FacevaeError
from facevae.layers import as_unit_floats
from facevae.progress import track
from facevae.vae import Vae, reparameterize
from facevae.weights import load_weights, save_weights


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


@torch.no_grad()
def encode_all(
    vae: Vae, images: np.ndarray, device: torch.device, what: str = "", batch_size: int = 64
) -> tuple[Tensor, Tensor]:
    """mu and logvar of every image, on the CPU: uint8 (N, S, S, 3) -> (N, D) each. With `what`, progress is shown."""
    starts: Sequence[int] | Iterator[int] = range(0, len(images), batch_size)
    if what:
        starts = track(starts, len(starts), f"encode {what}", "batches")
    found = [
        vae.encode(as_unit_floats(torch.from_numpy(images[start : start + batch_size].copy())).to(device))
        for start in starts
    ]
    mu, logvar = zip(*found, strict=True)
    return torch.cat(mu).cpu(), torch.cat(logvar).cpu()


def posterior_means(vae: Vae, images: np.ndarray, device: torch.device) -> Tensor:
    """mu of every image, on the CPU: uint8 (N, S, S, 3) -> (N, D)."""
    return encode_all(vae, images, device)[0]


@torch.no_grad()
def decode_all(vae: Vae, z: Tensor, device: torch.device, batch_size: int = 64) -> Tensor:
    """Images of latents, on the CPU: (N, D) -> (N, 3, S, S)."""
    parts = (z[start : start + batch_size] for start in range(0, len(z), batch_size))
    return torch.cat([vae.decode(part.to(device)).cpu() for part in parts])


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
    tensors, facts = load_weights(path, "latents")
    parts: dict[str, dict[str, Tensor]] = {"mu": {}, "logvar": {}, "mirrored": {}}
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
            where=path, expected=f"latents of {_in_words(counts)} images", found=_in_words(found),
            fix="run stages.encode on the same arrays",
        )  # fmt: skip
    return Posteriors(parts["mu"], parts["logvar"], parts["mirrored"]["train"], facts["threads"])


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {split}" for split, count in counts.items())


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
