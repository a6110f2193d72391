"""Stage encode: the posteriors of all images, for everything that works on latents."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Device


def main(
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    model: Annotated[Path, typer.Option(help="The trained VAE.")] = Path("models/vae.safetensors"),
    output: Annotated[Path, typer.Option(help="The latents to write.")] = Path("data/vae/latents.safetensors"),
) -> None:
    """Encode all images once: mean and log-variance of each one's posterior.

    Inputs: data/vae/arrays, models/vae.safetensors.

    Output: data/vae/latents.safetensors.

    Parameters: none.
    """
    from facevae.data.arrays import open_vae
    from facevae.latents.posteriors import encode_splits, save_posteriors
    from facevae.models.vae import from_metadata
    from facevae.nn.device import measure_on
    from facevae.nn.model_files import load_model

    data = open_vae(arrays)
    vae, _ = load_model(model, "vae", from_metadata)
    chosen = measure_on(device, vae.settings.threads)
    posteriors = encode_splits(vae.to(chosen), data.images, chosen)
    save_posteriors(output, posteriors)
    counts = ", ".join(f"{len(mu)} {split}" for split, mu in posteriors.mu.items())
    print(f"{output}: {counts} images in {vae.settings.latent_dim} dimensions")


if __name__ == "__main__":
    run(main)
