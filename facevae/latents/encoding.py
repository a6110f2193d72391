"""Images through the encoder and latents through the decoder, batch by batch."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from facevae.jobs.progress import track
from facevae.models.vae import Vae
from facevae.nn.layers import from_bytes


@torch.no_grad()
def encode_all(
    vae: Vae, images: np.ndarray, device: torch.device, what: str = "", batch_size: int = 64
) -> tuple[Tensor, Tensor]:
    """mu and logvar of every image, on the CPU: uint8 (N, S, S, 3) -> (N, D) each. With `what`, progress is shown."""
    starts: Sequence[int] | Iterator[int] = range(0, len(images), batch_size)
    if what:
        starts = track(starts, len(starts), f"encode {what}", "batches")
    found = [vae.encode(from_bytes(images[start : start + batch_size]).to(device)) for start in starts]
    mu, logvar = zip(*found, strict=True)
    return torch.cat(mu).cpu(), torch.cat(logvar).cpu()


def posterior_means(vae: Vae, images: np.ndarray, device: torch.device) -> Tensor:
    """mu of every image, on the CPU: uint8 (N, S, S, 3) -> (N, D)."""
    return encode_all(vae, images, device)[0]


@torch.no_grad()
def decode_all(vae: Vae, z: Tensor | np.ndarray, device: torch.device, batch_size: int = 64) -> Tensor:
    """Images of latents, on the CPU: (N, D) -> (N, 3, S, S)."""
    z = torch.as_tensor(z)
    parts = (z[start : start + batch_size] for start in range(0, len(z), batch_size))
    return torch.cat([vae.decode(part.to(device)).cpu() for part in parts])
