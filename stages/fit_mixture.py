"""Stage fit_mixture: a Gaussian mixture of the VAE's latents, to sample faces from."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Params


def main(
    params: Params = Path("params.yaml"),
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    latents: Annotated[Path, typer.Option(help="Their latents.")] = Path("data/vae/latents.safetensors"),
    output: Annotated[Path, typer.Option(help="The mixture to write.")] = Path("models/mixture.safetensors"),
) -> None:
    """Fit a Gaussian mixture to the latents of the train split, a draw from each image's posterior.

    Few latents get fewer Gaussians than asked for, very few diagonal ones; a line says so.

    Inputs: data/vae/arrays, data/vae/latents.safetensors.

    Output: models/mixture.safetensors.

    Parameters: fit_mixture (components: how many Gaussians; covariance: full or diag; seed).
    """
    from facevae.core.params import load_section
    from facevae.data.arrays import open_vae
    from facevae.latents.fit_mixture import MixtureSettings, fit_mixture, fitting
    from facevae.latents.mixture import save_mixture
    from facevae.latents.posteriors import load_posteriors

    asked = load_section(params, "fit_mixture", MixtureSettings)
    draws = load_posteriors(latents, open_vae(arrays).counts).draws("train", asked.seed).numpy()
    settings = fitting(asked, *draws.shape)
    save_mixture(output, fit_mixture(draws, settings))
    less = "" if settings == asked else f", not {asked.components} ({asked.covariance}), for so few can't bear more"
    print(f"{output}: {settings.components} Gaussians ({settings.covariance}) fitted to {len(draws)} latents{less}")


if __name__ == "__main__":
    run(main)
