"""Stage attribute_vectors: the directions of the attributes in the VAE's latent space, and how far to go."""

from dataclasses import replace
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
    judge: Annotated[Path, typer.Option(help="The trained judge.")] = Path("models/judge.safetensors"),
    output: Annotated[Path, typer.Option(help="The vectors to write.")] = Path("models/attribute_vectors.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the tables.")] = Path("results/attribute_vectors"),
) -> None:
    """Find a vector for every attribute that some train images have and some have not, by each method.

    How strongly to edit the judge says, on validation faces. Without such an attribute the outputs are empty.

    Inputs: data/vae/arrays, data/vae/latents.safetensors, models/vae.safetensors, models/judge.safetensors.

    Outputs: models/attribute_vectors.safetensors, with a map of where each attribute shows; results/attribute_vectors:
    vectors.csv (images on each side, lengths, stability, recommended strength; the kind that one_kind chose),
    cosines.csv and cosines.png (of any two vectors), maps.png.

    Parameters: attribute_vectors (method: whose vectors edits use; ridge; conditional: attributes that no edit shall
    move; bootstrap: replicates of the stability; strengths, success, faces, context: how the strength is chosen; seed).
    """
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_vae
    from facevae.evaluation.edits import Faces, check_judged
    from facevae.evaluation.plausibility import possible
    from facevae.evaluation.strengths import choose_kinds, recommend
    from facevae.figures.base import heat_map, heat_maps
    from facevae.latents import attribute_vectors
    from facevae.latents.attribute_vectors import VectorSettings
    from facevae.latents.effect_maps import maps_of
    from facevae.latents.posteriors import load_posteriors
    from facevae.latents.vectors import save_vectors
    from facevae.models import classifier
    from facevae.models.vae import from_metadata
    from facevae.nn.device import measure_on
    from facevae.nn.model_files import load_model

    settings, data = load_section(params, "attribute_vectors", VectorSettings), open_vae(arrays)
    posteriors = load_posteriors(latents, data.counts)
    vae, metadata = load_model(model, "vae", from_metadata)
    critic, judge_metadata = load_model(judge, "judge", classifier.from_metadata)
    check_judged(data, metadata, judge_metadata, posteriors.mu["train"])
    chosen = measure_on(device, posteriors.threads)
    names, labels = data.attribute_names, data.attributes
    vectors = attribute_vectors.find_vectors(posteriors.upright, labels["train"], names, settings)
    if critic is not None:
        able, mu = possible(labels["valid"], labels["train"], names, vectors.context), posteriors.mu["valid"]
        faces = Faces(vae.to(chosen), critic.to(chosen), mu, labels["valid"], names, chosen, possible=able)
        kinds = attribute_vectors.find_kinds(posteriors.upright, labels["train"], names, vectors, settings)
        vectors = recommend(faces, choose_kinds(faces, vectors, kinds, settings), settings)
    maps = maps_of(vectors.names, data)
    save_vectors(output, replace(vectors, maps=maps))
    stable = attribute_vectors.stability(posteriors.upright, labels["train"], names, settings)
    rows = attribute_vectors.vector_table(vectors, labels["train"], names, stable)
    write_table(results / "vectors.csv", rows, attribute_vectors.VECTOR_COLUMNS, unknown=attribute_vectors.UNKNOWN)
    write_table(results / "cosines.csv", attribute_vectors.cosine_table(vectors), ("attribute", *vectors.names))
    title = f"cosines of the vectors by {vectors.method.replace('_', ' ')}"
    cosines, shown = attribute_vectors.cosines_of(vectors), vectors.names
    heat_map(results / "cosines.png", cosines, shown, shown, title, symmetric=True)
    heat_maps(results / "maps.png", maps, shown, "where attributes show in the train images")
    print(f"{output}: {vectors.summary()}; {results}: how good they are")


if __name__ == "__main__":
    run(main)
