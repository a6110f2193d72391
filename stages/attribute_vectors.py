"""Stage attribute_vectors: the directions of the attributes in the VAE's latent space."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.arrays import open_vae
from facevae.command import run
from facevae.hardware import measure_on
from facevae.options import Params
from facevae.params import load_section
from facevae.posteriors import load_posteriors
from facevae.tables import write_table
from facevae.vectors import VectorSettings, find_vectors, save_vectors, vector_lengths


def main(
    params: Params = Path("params.yaml"),
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    latents: Annotated[Path, typer.Option(help="Their latents.")] = Path("data/vae/latents.safetensors"),
    output: Annotated[Path, typer.Option(help="The vectors to write.")] = Path("models/attribute_vectors.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the table of lengths.")] = Path(
        "results/attribute_vectors"
    ),
) -> None:
    """Find a vector for every attribute that some train images have and some have not, by each method.

    Inputs: data/vae/arrays, data/vae/latents.safetensors.

    Outputs: models/attribute_vectors.safetensors; results/attribute_vectors/lengths.csv.

    Parameters: attribute_vectors (method: whose vectors edits use; ridge of the regression).
    """
    settings = load_section(params, "attribute_vectors", VectorSettings)
    data = open_vae(arrays)
    posteriors = load_posteriors(latents, data.counts)
    measure_on("cpu", posteriors.threads)
    vectors = find_vectors(posteriors.mu["train"], data.attributes["train"], data.attribute_names, settings)
    save_vectors(output, vectors)
    write_table(results / "lengths.csv", vector_lengths(vectors))
    print(f"{output}: {len(vectors.names)} attributes, edits use {vectors.method}")


if __name__ == "__main__":
    run(main)
