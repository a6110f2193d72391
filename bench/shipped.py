"""What docs/models.md says of the autoencoder that comes with facevae, measured again on a run's unseen images.

    python -m bench.shipped --arrays DIR/data/vae/arrays [--models NAME|DIR]

The arrays are those of cache_arrays_vae with the settings `photographs`, on CelebA or a part of it.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from facevae.app.model_sets import DEFAULT, set_folder
from facevae.app.models import load_vae
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.options import Device
from facevae.data.arrays import open_vae
from facevae.evaluation.image_metrics import psnr_db
from facevae.latents.encoding import decode_all, posterior_means
from facevae.models.vae import Vae
from facevae.nn.layers import from_bytes

_AT_ONCE = 256


def main(
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    models: Annotated[Path, typer.Option(help="A set that comes with facevae, or a folder.")] = Path(DEFAULT),
    device: Device = "auto",
) -> None:
    """Print the PSNR of the reconstructions of the test split's images, and of the worst hundredth of them."""
    chosen, vae, frame = load_vae(set_folder(str(models)) or models, device)
    images = open_vae(arrays).images["test"]
    side = frame.square.size
    if images.shape[1] != side:
        raise FacevaeError(
            where=arrays, expected=f"images of {side} pixels, as the model has", found=f"{images.shape[1]} pixels",
            fix="prepare them with the settings photographs",
        )  # fmt: skip
    found = reconstruction_psnr(vae, images, chosen)
    print(
        f"{len(found):,} test images of {side} pixels: reconstructions {found.mean():.2f} dB in the mean, "
        f"{np.percentile(found, 1):.1f} dB at the 1st percentile"
    )


def reconstruction_psnr(vae: Vae, images: np.ndarray, device: torch.device) -> np.ndarray:
    """PSNR in dB of each image's decoded posterior mean: (N, S, S, 3) uint8 -> (N,)."""
    found = []
    for first in range(0, len(images), _AT_ONCE):
        part = np.asarray(images[first : first + _AT_ONCE])
        decoded = decode_all(vae, posterior_means(vae, part, device), device)
        found.append(psnr_db(decoded, from_bytes(part)))
    return torch.cat(found).numpy()


if __name__ == "__main__":
    run(main)
