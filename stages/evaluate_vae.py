"""Stage evaluate_vae: the VAE's reconstructions, latents and samples, and whether its edits do what they say."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from facevae import classifier
from facevae.arrays import open_vae
from facevae.command import run
from facevae.edit_evaluation import SCORE_COLUMNS
from facevae.files import whole_folder, write_json
from facevae.hardware import measure_on
from facevae.images import frame_from_facts
from facevae.mixture import load_mixture
from facevae.options import Device, Params
from facevae.pairs import read_pairs
from facevae.params import load_section
from facevae.posteriors import load_posteriors
from facevae.tables import write_table
from facevae.vae import rebuild
from facevae.vae_evaluation import Models, VaeEvaluation, check_fit, evaluate_autoencoder
from facevae.vae_pictures import draw_pictures
from facevae.vectors import load_vectors
from facevae.weights import load_weights


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/vae/arrays"),
    latents: Annotated[Path, typer.Option(help="Their latents.")] = Path("data/vae/latents.safetensors"),
    pairs: Annotated[Path, typer.Option(help="The counterfactual pairs.")] = Path("data/raw/pairs.zip"),
    model: Annotated[Path, typer.Option(help="The trained VAE.")] = Path("models/vae.safetensors"),
    judge: Annotated[Path, typer.Option(help="The trained judge.")] = Path("models/judge.safetensors"),
    vectors: Annotated[Path, typer.Option(help="The vectors.")] = Path("models/attribute_vectors.safetensors"),
    mixture: Annotated[Path, typer.Option(help="The mixture.")] = Path("models/mixture.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("results/evaluate_vae"),
) -> None:
    """Measure the VAE on the test split, edit unseen faces, and let the judge and, where faces are drawn, truth decide.

    Inputs: data/vae/arrays, data/vae/latents.safetensors, data/raw/pairs.zip, models/vae.safetensors,
    judge.safetensors, attribute_vectors.safetensors, mixture.safetensors.

    Outputs, in results/evaluate_vae: metrics.json; attributes.csv (what the judge sees in reconstructions); edits.csv
    (share flipped and leakage of every attribute); counterfactual.csv (how much of the true change an edit makes; for
    photographs the header alone); pictures/: reconstructions.png, prior_samples.png, mixture_samples.png, edits.png,
    and a sheet of strengths per chosen attribute.

    Parameters: evaluate_vae (attributes and strengths of the pictures; strength that is judged; how many faces,
    samples and edited faces; of how many images the Frechet distances are; the network of LPIPS; seed of the samples).
    """
    settings = load_section(params, "evaluate_vae", VaeEvaluation)
    data, directions = open_vae(arrays), load_vectors(vectors)
    vae_weights, vae_facts = load_weights(model, "vae")
    chosen = measure_on(device, vae_facts["settings"]["threads"])
    judge_weights, judge_facts = load_weights(judge, "judge")
    vae = rebuild(vae_facts, vae_weights).to(chosen)
    critic = classifier.rebuild(judge_facts, judge_weights).to(chosen)
    models = Models(vae, critic, directions, load_mixture(mixture), load_posteriors(latents, data.counts))
    check_fit(data, models, vae_facts, judge_facts, settings)

    truth = read_pairs(pairs, frame_from_facts(vae_facts["framing"]), directions.names)
    found = evaluate_autoencoder(models, data, truth, settings, chosen)
    with whole_folder(results / "pictures") as pictures:
        draw_pictures(pictures, models, data, found.verdicts, settings, chosen)
    write_table(results / "attributes.csv", found.attributes)
    write_table(results / "edits.csv", [asdict(verdict) for verdict in found.verdicts])
    write_table(results / "counterfactual.csv", found.scores, SCORE_COLUMNS)
    write_json(results / "metrics.json", found.metrics)
    print(found.summary(settings))
    print(f"{results}: metrics.json, attributes.csv, edits.csv, counterfactual.csv, pictures/")


if __name__ == "__main__":
    run(main)
