"""Stage evaluate_dae: how well the denoiser denoises unseen images."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Device, Params


def main(
    params: Params = Path("params.yaml"),
    device: Device = "auto",
    arrays: Annotated[Path, typer.Option(help="The cached arrays.")] = Path("data/dae/arrays"),
    model: Annotated[Path, typer.Option(help="The trained denoiser.")] = Path("models/dae.safetensors"),
    results: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("results/evaluate_dae"),
) -> None:
    """Measure the denoiser on the test split, beside the noisy input, the BCE's floor and one constant colour.

    Some of the test images are denoised at several noise levels besides, by the model and by classical denoisers that
    are told the level.

    Inputs: data/dae/arrays, models/dae.safetensors.

    Outputs, in results/evaluate_dae: metrics.json, baselines.csv (the denoised images beside the noisy ones, one
    constant colour and the clean ones), per_image.csv, denoised.png (clean, noisy, denoised); sweep.csv and sweep.png
    (one face, all levels and denoisers).

    Parameters: evaluate_dae (faces: how many the picture shows; self_ensemble: average the answers to an image and its
    mirror image; sweep_sigmas: the noise levels; sweep_images: how many images).
    """
    from facevae.core.files import write_json
    from facevae.core.params import load_section
    from facevae.core.tables import write_table
    from facevae.data.arrays import open_dae
    from facevae.evaluation.dae import DaeEvaluation, denoised_examples, evaluate_denoiser, summary
    from facevae.evaluation.noise_sweep import SWEEP_COLUMNS, sweep_noise
    from facevae.figures.sheets import image_sheet
    from facevae.models.dae import from_metadata
    from facevae.nn.device import measure_on
    from facevae.nn.model_files import load_model

    settings = load_section(params, "evaluate_dae", DaeEvaluation)
    data = open_dae(arrays)
    network, metadata = load_model(model, "dae", from_metadata)
    chosen = measure_on(device, metadata["settings"]["threads"])
    report = evaluate_denoiser(network, data, chosen, self_ensemble=settings.self_ensemble)
    swept = sweep_noise(network, data, settings, chosen)
    write_json(results / "metrics.json", {"dae": report.metrics | {"sweep_psnr_db": swept.psnr_db}})
    write_table(results / "baselines.csv", report.baselines)
    write_table(results / "sweep.csv", swept.rows, SWEEP_COLUMNS)
    titles = [column.replace("_", " ") for column in swept.columns]
    labels = [f"sigma {sigma:g}" for sigma in settings.sweep_sigmas]
    image_sheet(results / "sweep.png", swept.shown, labels, titles)
    write_table(results / "per_image.csv", report.per_image)
    clean, noisy = (split["test"][: settings.faces] for split in (data.clean, data.noisy))
    denoised = denoised_examples(network, noisy, chosen, self_ensemble=settings.self_ensemble)
    image_sheet(results / "denoised.png", [clean, noisy, denoised], ["clean", "noisy", "denoised"])
    print(summary(report.means))
    print(swept.summary())
    print(f"{results}: metrics.json, baselines.csv, per_image.csv, denoised.png, sweep.csv, sweep.png")


if __name__ == "__main__":
    run(main)
