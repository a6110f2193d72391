"""Stage explore_latents: pictures of the VAE's latent space."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Device, Params


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    latents: Annotated[Path, typer.Option(help="Their latents.")] = Path("data/vae/latents.safetensors"),
    model: Annotated[Path, typer.Option(help="The trained VAE.")] = Path("models/vae.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("results/explore_latents"),
) -> None:
    """Show the latent space: maps of it, ways between unseen faces, analogies, and the neighbourhood of a face.

    Inputs: data/vae/arrays, data/vae/latents.safetensors, models/vae.safetensors.

    Outputs, in results/explore_latents: pictures/ with pca.png and tsne.png (latents in two dimensions, coloured by an
    attribute), interpolations.png (one unseen face turned into another, on the line and on the arc between their
    latents), j_diagrams.png (the attribute carried from one pair of faces to another face), mine_grid.png (an unseen
    face's nearest neighbours and what lies between them). Without attributes the maps have one colour, and there are no
    J-diagrams.

    Parameters: explore_latents (attribute; points and perplexity of the maps; pairs and steps of the interpolations;
    diagrams and diagram_cells of the analogies; grid_rows, grid_columns and grid_spacing of the neighbourhood; seed,
    which chooses the faces).
    """
    from facevae.core.files import atomic_folder
    from facevae.core.params import load_section
    from facevae.data.arrays import open_vae
    from facevae.figures.latents import LatentExploration, check_explorable, draw_explorations
    from facevae.latents.posteriors import load_posteriors
    from facevae.models.vae import from_metadata
    from facevae.nn.device import measure_on
    from facevae.nn.model_files import load_model

    settings = load_section(params, "explore_latents", LatentExploration)
    data = open_vae(arrays)
    vae, metadata = load_model(model, "vae", from_metadata)
    chosen = measure_on(device, vae.settings.threads)
    posteriors = load_posteriors(latents, data.counts)
    attribute = check_explorable(data, posteriors, metadata, settings)
    settings = settings.model_copy(update={"attribute": attribute})
    with atomic_folder(results / "pictures") as pictures:
        draw_explorations(pictures, vae.to(chosen), data, posteriors, settings, chosen)
    without = "" if attribute else ": no test images with and without an attribute, so no colours and no analogies"
    print(f"{results}: pictures/{without}")


if __name__ == "__main__":
    run(main)
