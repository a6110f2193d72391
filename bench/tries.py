"""A row of the comparison that another machine has trained: keep what was measured there, or measure its weights here.

    python -m bench.tries ROW --project DIR
    python -m bench.tries ROW --project DIR --weights FILE [--judge FILE]

bench.comparison trains each row where it measures it. The first command keeps what results/ of a project hold in which
the row's stages have run; its params.yaml must be the row's. The second measures weights on the CPU, as the row's stage
does, but for what takes hours on two cores: no edits. DIR holds the row's data then, which `dvc repro cache_arrays_vae`
(or `cache_arrays_dae`) makes with the parameters that `python -m bench.comparison --show ROW` prints; the weights' own
settings must be the row's.
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import torch
import typer

from bench.comparison import MEASURED, ROWS, Row, choose, measured, read_rows, write_params
from facevae.app.presets import leaves
from facevae.celeba.splits import DaeCache
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import write_json
from facevae.core.params import Section, load_section, read_parameters
from facevae.data.arrays import VaeArrays, open_dae, open_vae
from facevae.evaluation.dae import DaeEvaluation
from facevae.evaluation.judge import judge_images
from facevae.evaluation.noise_sweep import sweep_noise
from facevae.evaluation.probe import linear_probe
from facevae.evaluation.reconstruction import reconstruct
from facevae.evaluation.samples import frechet_distances
from facevae.evaluation.vae import VaeEvaluation, mean_predictions
from facevae.jobs.progress import track
from facevae.latents.encoding import encode_all
from facevae.latents.fit_mixture import MixtureSettings, fit_mixture, fitting
from facevae.latents.posteriors import Posteriors
from facevae.models import classifier, dae, vae
from facevae.models.vae import Vae
from facevae.nn.layers import from_bytes
from facevae.nn.losses import squared_error
from facevae.nn.model_files import load_model
from facevae.preparation.crop_settings import DaeCrop, VaeCrop
from facevae.training.dae import DaeSettings
from facevae.training.vae import VaeSettings

Found = dict[str, Any]

# What depends on the machine that trains, and not on the row.
_OF_THE_MACHINE = ("threads", "precision")

# What makes a model of each kind, in params.yaml.
_SECTIONS: dict[str, dict[str, type[Section]]] = {
    "evaluate_vae": {"crop_pad.vae": VaeCrop, "vae": VaeSettings},
    "evaluate_dae": {
        "crop_pad.dae": DaeCrop,
        "cache_arrays.dae": DaeCache,
        "dae": DaeSettings,
        "evaluate_dae": DaeEvaluation,
    },
}

_BATCH = 64


def main(
    name: Annotated[str, typer.Argument(metavar="ROW", help="A row of bench/comparison.yaml.")],
    project: Annotated[Path, typer.Option(help="A project with the row's results, or with its arrays in data/.")],
    weights: Annotated[
        Path | None, typer.Option(help="The row's VAE or denoiser; without, what results/ hold.")
    ] = None,
    judge: Annotated[Path | None, typer.Option(help="A judge; without, no Frechet distances.")] = None,
) -> None:
    """Write bench/measured/ROW.json: of the project's results, or of weights."""
    (row,) = choose(read_rows(ROWS), [name])
    with TemporaryDirectory(prefix="facevae-tries-") as temporary:
        write_params(Path(), row, Path(temporary))
        params = Path(temporary) / "params.yaml"
        if weights is None:
            found = of_run(row, params, project)
        elif row.target == "evaluate_vae":
            found = autoencoder(row, params, weights, judge, project / "data/vae/arrays")
        else:
            found = denoiser(row, params, weights, project / "data/dae/arrays")
    write_json(MEASURED / f"{row.name}.json", {"changes": list(row.changes), **found})
    print(MEASURED / f"{row.name}.json")


def of_run(row: Row, params: Path, project: Path) -> Found:
    """What the row's stages have left in the project's results/, whose parameters must be the row's."""
    ran = project / "params.yaml"
    found = read_parameters(ran)  # as it stands: an older version's has no value for what is new
    wanted = {
        section: load_section(params, section, model).model_dump() for section, model in _SECTIONS[row.target].items()
    }
    _check_settings(row, ran, wanted, found)
    return measured(project, row, {})


def autoencoder(row: Row, params: Path, weights: Path, judge: Path | None, arrays: Path) -> Found:
    """Reconstructions, what the latents tell and, with a judge, samples: as stage evaluate_vae measures them.

    `last_epoch`: the validation error, which a training's history has as well, of these weights on this machine.
    """
    settings, wanted = load_section(params, "evaluate_vae", VaeEvaluation), load_section(params, "vae", VaeSettings)
    model, facts = load_model(weights, "vae", vae.from_metadata)
    critic, _ = load_model(judge, "judge", classifier.from_metadata) if judge else (None, {})
    data, device = open_vae(arrays), torch.device("cpu")
    _check_settings(row, weights, {"vae": wanted.model_dump()}, {"vae": facts["settings"]})
    _check_framing(row, arrays, data.manifest["framing"], load_section(params, "crop_pad.vae", VaeCrop).model_dump())
    encoded = {split: encode_all(model, images, device, split) for split, images in data.images.items()}
    mu, logvar = ({split: pair[part] for split, pair in encoded.items()} for part in (0, 1))
    test, labels = data.images["test"], data.attributes["test"]
    probe = mean_predictions(linear_probe(mu["train"], data.attributes["train"], mu["test"], labels))
    compared = min(len(test), settings.frechet_images)
    whole = reconstruct(model, critic, test, mu["test"], logvar["test"], device, embedded=compared)
    metrics: Found = {
        "vae": {key: whole.measures[key] for key in ("psnr_db", "ssim", "kl_nats", "active_dimensions")},
        "probe": {key: probe[key] for key in ("accuracy", "balanced_accuracy", "roc_auc")},
    }
    summary = {"majority_accuracy": probe["majority_accuracy"]}
    if critic is not None:
        asked = load_section(params, "fit_mixture", MixtureSettings)
        draws = Posteriors(mu, logvar, mu["train"], wanted.threads).draws("train", asked.seed).numpy()
        mixture = fit_mixture(draws, fitting(asked, *draws.shape))
        of_images = judge_images(critic, test[:compared], device).embeddings
        metrics["frechet"] = frechet_distances(
            model, critic, mixture, of_images, whole.embeddings, data.images["train"], settings.seed, device
        )
        summary |= {"frechet_images": compared, "frechet_pixels": test.shape[1], "frechet_seed": settings.seed}
    return {
        "metrics": metrics,
        "tables": {"summary": [{"measure": measure, "value": value} for measure, value in summary.items()]},
        "last_epoch": {"epoch": facts["settings"]["epochs"], "valid_mse": validation_error(model, data, mu["valid"])},
    }


@torch.no_grad()
def validation_error(model: Vae, data: VaeArrays, mu: torch.Tensor) -> float:
    """Mean squared error per value of the validation images' reconstructions, from their means mu, (N, D)."""
    images, errors = data.images["valid"], []
    for start in track(range(0, len(images), _BATCH), -(-len(images) // _BATCH), "validate", "batches"):
        rows = slice(start, start + _BATCH)
        errors.append(squared_error(model.decode(mu[rows]), from_bytes(images[rows])))
    return float(torch.cat(errors).double().mean())


def denoiser(row: Row, params: Path, weights: Path, arrays: Path) -> Found:
    """Whole test images at each noise level, the classical denoisers beside it: stage evaluate_dae's sweep."""
    settings, wanted = load_section(params, "evaluate_dae", DaeEvaluation), load_section(params, "dae", DaeSettings)
    network, facts = load_model(weights, "dae", dae.from_metadata)
    data = open_dae(arrays)
    _check_settings(row, weights, {"dae": wanted.model_dump()}, {"dae": facts["settings"]})
    _check_framing(row, arrays, data.manifest["framing"], load_section(params, "crop_pad.dae", DaeCrop).model_dump())
    swept = sweep_noise(network, data, settings, torch.device("cpu"))
    return {
        "metrics": {"dae": {"sweep_psnr_db": swept.psnr_db}},
        "tables": {"sweep": swept.rows},
        "last_epoch": {"epoch": facts["settings"]["epochs"]},
    }


def _check_settings(row: Row, where: Path, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise FacevaeError unless the settings found there, which a training had, are the row's."""
    known = dict(leaves(found))
    for key, value in leaves(wanted):
        other = known.get(key, value)  # what newer settings have besides is not there
        if other != value and key.rpartition(".")[2] not in _OF_THE_MACHINE:
            raise FacevaeError(
                where=where, expected=f"{key}={value}, as the row {row.name} has it", found=str(other),
                fix="name the row that was trained",
            )  # fmt: skip


def _check_framing(row: Row, arrays: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise FacevaeError unless the images were cropped as the row says; how many of them there are may differ."""
    for key, value in wanted.items():
        if key != "images" and found.get(key, value) != value:
            raise FacevaeError(
                where=arrays, expected=f"images of the row {row.name}, {key} {value}", found=f"{key} {found[key]}",
                fix="give the project that was prepared with this row's parameters",
            )  # fmt: skip


if __name__ == "__main__":
    run(main)
