"""Stage evaluate_vae: the VAE's reconstructions, latents and samples, and whether its edits do what they say."""

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
    pairs: Annotated[Path, typer.Option(help="The counterfactual pairs.")] = Path("data/raw/pairs.zip"),
    models: Annotated[Path, typer.Option(help="The folder of the models.")] = Path("models"),
    results: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("results/evaluate_vae"),
) -> None:
    """Measure the VAE on the test split, edit unseen faces, and let the judge and, where faces are drawn, truth decide.

    Inputs: data/vae/arrays, data/vae/latents.safetensors, data/raw/pairs.zip, models/vae.safetensors,
    judge.safetensors, identity.safetensors, attribute_vectors.safetensors, mixture.safetensors.

    Outputs, in results/evaluate_vae: metrics.json; summary.csv (what is measured besides and how); attributes.csv (the
    judge's accuracies on images and reconstructions); edits.csv (every attribute at its recommended strength: detection
    and success rates, leakage, identity); strengths.csv (by attribute, method and strength); methods.csv and
    method_strengths.csv (means over the attributes); predictions.csv (attributes read from the latents, and by the
    vectors' dot products); ways.csv (plain and residual edits against the photographs); counterfactual.csv and
    counterfactual_ways.csv (how much of the true change an edit makes; for photographs the header alone); pictures/:
    reconstructions, samples, edits by attribute and strength, ways of editing.

    Parameters: evaluate_vae (attributes and strengths of the pictures; strength that is judged; how many faces,
    samples, edited and compared faces; of how many images the Frechet distances are; the network of LPIPS; seed).
    """
    from facevae.celeba.pairs import read_pairs
    from facevae.core.files import atomic_folder, write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_vae
    from facevae.evaluation.vae import Models, VaeEvaluation, check_evaluable, evaluate_autoencoder
    from facevae.figures.vae import draw_pictures
    from facevae.imaging.frames import frame_from_facts
    from facevae.latents.mixture import load_mixture
    from facevae.latents.posteriors import load_posteriors
    from facevae.latents.vectors import load_vectors
    from facevae.models import classifier, identity
    from facevae.models.vae import from_metadata
    from facevae.nn.device import measure_on
    from facevae.nn.model_files import load_model

    settings = load_section(params, "evaluate_vae", VaeEvaluation)
    data, directions = open_vae(arrays), load_vectors(models / "attribute_vectors.safetensors")
    vae, vae_metadata = load_model(models / "vae.safetensors", "vae", from_metadata)
    critic, judge_metadata = load_model(models / "judge.safetensors", "judge", classifier.from_metadata)
    network, metadata = load_model(models / "identity.safetensors", "identity", identity.from_metadata)
    chosen = measure_on(device, vae.settings.threads)
    critic = None if critic is None else critic.to(chosen)
    network = None if network is None else network.to(chosen)
    embed = identity.embedder(network, metadata, critic, data.images["test"].shape[1])
    mixture, posteriors = load_mixture(models / "mixture.safetensors"), load_posteriors(latents, data.counts)
    parts = Models(vae.to(chosen), critic, embed, directions, mixture, posteriors)
    check_evaluable(data, parts, vae_metadata, judge_metadata, settings)
    truth = read_pairs(pairs, frame_from_facts(vae_metadata["framing"]), directions.names)
    found = evaluate_autoencoder(parts, data, truth, settings, chosen)
    with atomic_folder(results / "pictures") as pictures:
        draw_pictures(pictures, parts, data, found, settings, chosen)
    for name, (columns, rows) in found.tables.items():
        write_table(results / f"{name}.csv", rows, columns)
    write_json(results / "metrics.json", found.metrics)
    print(found.summary(settings))
    print(f"{results}: metrics.json, {', '.join(f'{name}.csv' for name in found.tables)}, pictures/")


if __name__ == "__main__":
    run(main)
