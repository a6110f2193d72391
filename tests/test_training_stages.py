"""The stages from the arrays to the results, through their commands."""

import csv
import hashlib
import json
import math
import shutil
import sys
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from metric_names import assert_listed
from model_data import LISTS, NAMES, SIZE, SPLITS, make_dae_arrays, make_pairs, make_params, make_vae_arrays
from PIL import Image
from raw_data import files_below, one_line

from bench.comparison import Row
from bench.tries import autoencoder
from facevae.celeba.pairs import write_pairs
from facevae.core.command import run
from facevae.latents.mixture import load_mixture
from facevae.latents.posteriors import load_posteriors
from facevae.latents.vectors import METHODS, load_vectors
from facevae.models.vgg import Vgg19
from facevae.nn.model_files import load_weights, save_weights
from facevae.training.loop.log import RunLog
from stages import (
    attribute_vectors,
    encode,
    evaluate_dae,
    evaluate_vae,
    explore_latents,
    fit_mixture,
    train_dae,
    train_identity,
    train_judge,
    train_vae,
)

pytestmark = pytest.mark.usefixtures("own_training")

STAGES = (
    train_dae, train_vae, train_judge, train_identity, encode, fit_mixture, explore_latents, attribute_vectors,
    evaluate_dae, evaluate_vae,
)  # fmt: skip


class Project:
    """A folder with arrays and parameters in which the stages run in this process, each file where it belongs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, stage, arrays=None, start=None, checkpoint_seconds=60.0, **sections):
        name = stage.__name__.split(".")[-1]
        kind = "dae" if "dae" in name else "vae"
        models, latents = self.folder / "models", self.folder / "data/vae/latents.safetensors"
        options = {
            "params": make_params(self.folder, **sections),
            "device": "cpu",
            "arrays": arrays or self.folder / "data" / kind / "arrays",
            "start": start,
            "latents": latents,
            "pairs": self.folder / "data/raw/pairs.zip",
            "identities": self.folder / "data/raw/identity_CelebA.txt",
            "models": models,
            "model": models / f"{ {train_judge: 'judge', train_identity: 'identity'}.get(stage, kind) }.safetensors",
            "judge": models / "judge.safetensors",
            "mixture": models / "mixture.safetensors",
            "vectors": models / "attribute_vectors.safetensors",
            "output": {
                encode: latents,
                fit_mixture: models / "mixture.safetensors",
                attribute_vectors: models / "attribute_vectors.safetensors",
            }.get(stage),
            "results": self.folder / "results" / name,
            "logs": self.folder / "logs",
            "checkpoint_seconds": checkpoint_seconds,
        }
        torch.seed()  # what was drawn before is of no account
        stage.main(**{option: options[option] for option in signature(stage.main).parameters if option in options})

    def outputs(self):
        found = {name: data for kind in ("models", "results") for name, data in files_below(self.folder / kind).items()}
        return found | {name: data for name, data in files_below(self.folder / "data/vae").items() if "/" not in name}

    def written(self):
        """When each of these was written."""
        folders = [("models", "**/*"), ("results", "**/*"), ("data/vae", "*")]
        return {
            path.relative_to(self.folder / folder).as_posix(): path.stat().st_mtime_ns
            for folder, pattern in folders
            for path in (self.folder / folder).glob(pattern)
            if path.is_file()
        }

    def metrics(self, stage):
        return json.loads((self.folder / "results" / stage / "metrics.json").read_text())


def arrays_in(folder):
    make_dae_arrays(folder / "data/dae/arrays")
    make_vae_arrays(folder / "data/vae/arrays")
    make_pairs(folder / "data/raw/pairs.zip")
    # Everybody is there twice, images in a row.
    persons = [f"{number}.jpg {number // 2 + 1}\n" for number in range(sum(SPLITS.values()))]
    (folder / "data/raw/identity_CelebA.txt").write_text("".join(persons))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder in which every stage has run."""
    folder = arrays_in(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DVC_ROOT", str(folder))
        for stage in STAGES:
            Project(folder)(stage)
    return folder


@pytest.fixture
def project(tmp_path):
    """A folder with the arrays and nothing else."""
    return Project(arrays_in(tmp_path / "project"))


@pytest.fixture
def trained(finished, tmp_path):
    """A copy of the folder in which every stage has run, without the results."""
    shutil.copytree(finished, tmp_path / "project")
    shutil.rmtree(tmp_path / "project/results")
    return Project(tmp_path / "project")


def test_everything_is_there(finished):
    assert sorted(Project(finished).outputs()) == [
        "attribute_vectors.safetensors",
        "attribute_vectors/cosines.csv",
        "attribute_vectors/cosines.png",
        "attribute_vectors/maps.png",
        "attribute_vectors/vectors.csv",
        "dae.safetensors",
        "evaluate_dae/baselines.csv",
        "evaluate_dae/denoised.png",
        "evaluate_dae/metrics.json",
        "evaluate_dae/per_image.csv",
        "evaluate_dae/sweep.csv",
        "evaluate_dae/sweep.png",
        "evaluate_vae/attributes.csv",
        "evaluate_vae/counterfactual.csv",
        "evaluate_vae/counterfactual_ways.csv",
        "evaluate_vae/edits.csv",
        "evaluate_vae/method_strengths.csv",
        "evaluate_vae/methods.csv",
        "evaluate_vae/metrics.json",
        "evaluate_vae/pictures/Bright.png",
        "evaluate_vae/pictures/Striped.png",
        "evaluate_vae/pictures/attributes_lost.png",
        "evaluate_vae/pictures/edits.png",
        "evaluate_vae/pictures/leakage.png",
        "evaluate_vae/pictures/reconstructions.png",
        "evaluate_vae/pictures/samples.png",
        "evaluate_vae/pictures/strengths.png",
        "evaluate_vae/pictures/ways.png",
        "evaluate_vae/predictions.csv",
        "evaluate_vae/strengths.csv",
        "evaluate_vae/summary.csv",
        "evaluate_vae/ways.csv",
        "explore_latents/pictures/interpolations.png",
        "explore_latents/pictures/j_diagrams.png",
        "explore_latents/pictures/mine_grid.png",
        "explore_latents/pictures/pca.png",
        "explore_latents/pictures/tsne.png",
        "identity.safetensors",
        "judge.safetensors",
        "latents.safetensors",
        "mixture.safetensors",
        "train_dae/history.csv",
        "train_identity/history.csv",
        "train_identity/metrics.json",
        "train_identity/verification.csv",
        "train_judge/attributes.csv",
        "train_judge/history.csv",
        "train_judge/metrics.json",
        "train_vae/history.csv",
        "vae.safetensors",
    ]
    assert not files_below(finished / ".checkpoints")
    assert {name.split("/")[0] for name in files_below(finished / "logs")} == {
        "train_dae", "train_vae", "train_judge", "train_identity",
    }  # fmt: skip


def test_the_same_bytes_again(finished, project):
    for stage in STAGES:
        project(stage)
    assert project.outputs() == Project(finished).outputs()


@pytest.mark.parametrize("stage", [encode, attribute_vectors, evaluate_dae, evaluate_vae])
def test_what_is_measured_does_not_depend_on_the_machines_threads(finished, trained, stage):
    """They are those of the model's training, whose bits depend on them anyway: the same bytes on one machine."""
    expected, written = Project(finished).outputs(), trained.written()
    torch.set_num_threads(2)
    trained(stage)
    assert torch.get_num_threads() == 1
    made = {name for name, time in trained.written().items() if written.get(name) != time}
    assert made and {name: trained.outputs()[name] for name in made} == {name: expected[name] for name in made}


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_models_know(finished):
    _, facts = load_weights(finished / "models/vae.safetensors", "vae")
    assert facts["image_size"] == 16 and facts["framing"]["crop"] == 16
    assert facts["settings"]["report"] is None and facts["settings"]["vgg19"] is None
    _, facts = load_weights(finished / "models/judge.safetensors", "judge")
    assert facts["attributes"] == list(NAMES)
    assert load_vectors(finished / "models/attribute_vectors.safetensors").names == ("Bright", "Striped")
    posteriors = load_posteriors(finished / "data/vae/latents.safetensors", SPLITS)
    assert posteriors.threads == 1 and posteriors.mu["valid"].shape == posteriors.logvar["valid"].shape == (5, 6)
    assert load_mixture(finished / "models/mixture.safetensors").means.shape == (2, 6)


def test_the_tables(finished):
    assert [row["epoch"] for row in table(finished / "results/train_vae/history.csv")] == ["1", "2"]
    per_image = table(finished / "results/evaluate_dae/per_image.csv")
    assert [row["image"] for row in per_image] == ["10.png", "11.png", "12.png", "13.png"]
    edits = table(finished / "results/evaluate_vae/edits.csv")
    # After two epochs the judge may see an attribute in every reconstruction, so that there is none left to flip.
    assert edits and {row["attribute"] for row in edits} <= {"Bright", "Striped"}
    assert {row["faces"] for row in edits} == {"3"}
    # The drawings of Bright are equal, so there is no change to explain.
    rows = table(finished / "results/evaluate_vae/counterfactual.csv")
    assert {(row["attribute"], row["identities"]) for row in rows} == {("Striped", "2")}
    assert len(rows) == 2 * len(METHODS)


def test_no_cell_of_a_table_is_empty(finished):
    """DVC draws a column with an empty cell, or with NaN, as words."""
    measuring = ("train_judge", "train_identity", "evaluate_dae", "evaluate_vae")
    tables = [path for stage in measuring for path in (finished / "results" / stage).glob("*.csv")]
    assert len(tables) == 2 + 2 + 3 + 10
    for path in tables:
        for row in table(path):
            assert None not in row and not {"", "nan", None} & set(row.values()), path


@pytest.mark.parametrize("stage", ["train_judge", "train_identity", "evaluate_dae", "evaluate_vae"])
def test_metrics_are_those_on_the_list(finished, stage):
    assert_listed(finished / "results" / stage / "metrics.json", stage)


def test_the_metrics(finished):
    done = Project(finished)
    assert done.metrics("train_judge") == {"judge": {"balanced_accuracy": 1}}
    judged = table(finished / "results/train_judge/attributes.csv")
    assert [row["attribute"] for row in judged] == ["Bright", "Striped"]
    denoised = done.metrics("evaluate_dae")["dae"]
    assert denoised["psnr_db"] > denoised["psnr_db_noisy"] + 1
    found = done.metrics("evaluate_vae")
    more = {row["measure"]: float(row["value"]) for row in table(finished / "results/evaluate_vae/summary.csv")}
    frechet = found["frechet"]
    assert (more["frechet_images"], more["frechet_pixels"], more["frechet_seed"]) == (8, 16, 0)
    assert frechet["train_images"] < frechet["prior_samples"]
    # Half of the test images are bright and half striped; the judge knows both, and the third has one kind alone.
    assert more["majority_accuracy"] == 0.5 <= found["probe"]["accuracy"]
    attributes = table(finished / "results/evaluate_vae/attributes.csv")
    assert [(row["attribute"], float(row["accuracy"])) for row in attributes] == [("Bright", 1), ("Striped", 1)]
    lost = [1 - float(row["accuracy_reconstruction"]) for row in attributes]
    assert more["judge_accuracy"] == pytest.approx(1 - sum(lost) / 2)
    # Of the 256 pixels the stripes change 64; Bright is drawn alike: neither is large.
    assert "largest_attribute_loss" not in found["vae"]
    assert {float(row["pixels"]) for row in table(finished / "results/evaluate_vae/counterfactual.csv")} == {64}


def test_the_pictures_have_their_rows(finished):
    pictures = finished / "results/evaluate_vae/pictures"
    sizes = {path.stem: Image.open(path).size for path in pictures.iterdir()}
    # Nine samples of each kind, eight in a row; two faces with two strengths and the recommended one.
    assert sizes["samples"][0] > sizes["Bright"][0] > sizes["reconstructions"][0]
    # Below their titles, four rows of samples and two of faces.
    assert sizes["samples"][1] - 36 == 2 * (sizes["Bright"][1] - 58) > 0


def sweep_of(folder):
    """PSNR by sigma and denoiser."""
    rows = table(folder / "results/evaluate_dae/sweep.csv")
    return {(float(row["sigma"]), row["denoiser"]): float(row["psnr_db"]) for row in rows}


def test_the_sweep_is_in_metrics_table_and_picture(finished):
    swept = sweep_of(finished)
    denoisers = ["noisy", "non_local_means", "total_variation", "wavelet", "model"]
    assert list(swept) == [(25, denoiser) for denoiser in denoisers]
    assert {row["images"] for row in table(finished / "results/evaluate_dae/sweep.csv")} == {"2"}
    assert Project(finished).metrics("evaluate_dae")["dae"]["sweep_psnr_db"] == swept[25, "model"]
    assert swept[25, "model"] > swept[25, "noisy"] + 0.5
    # One face in six columns against two faces in three rows.
    sizes = [Image.open(finished / f"results/evaluate_dae/{name}.png").size for name in ("sweep", "denoised")]
    assert sizes[0][0] > sizes[1][0] and sizes[0][1] < sizes[1][1]


def test_the_self_ensemble_is_asked_for(finished, trained):
    trained(evaluate_dae, evaluate_dae={"self_ensemble": True, "sweep_sigmas": [10.0, 25.0]})
    alone, both = (done.metrics("evaluate_dae")["dae"] for done in (Project(finished), trained))
    assert both["psnr_db"] != alone["psnr_db"] and both["psnr_db_noisy"] == alone["psnr_db_noisy"]
    once, twice = sweep_of(finished), sweep_of(trained.folder)
    assert twice[25, "model"] != once[25, "model"] and twice[25, "wavelet"] == once[25, "wavelet"]
    assert (10, "model") in twice
    pictures = [folder / "results/evaluate_dae/denoised.png" for folder in (finished, trained.folder)]
    assert pictures[0].read_bytes() != pictures[1].read_bytes()


@pytest.mark.parametrize("stage", [train_dae, train_vae, train_judge])
def test_an_interrupted_stage_goes_on_in_the_same_bits(finished, project, monkeypatch, capsys, stage):
    whole = RunLog.epoch

    def goes_down(self, row, *arguments):
        if row["epoch"] == 2 and "classifier" not in self.prefix:
            raise KeyboardInterrupt
        whole(self, row, *arguments)

    monkeypatch.setattr(RunLog, "epoch", goes_down)
    with pytest.raises(KeyboardInterrupt):
        project(stage, checkpoint_seconds=0.0)
    assert not project.outputs()
    monkeypatch.setattr(RunLog, "epoch", whole)
    capsys.readouterr()
    project(stage)
    assert "resuming after epoch 1 of" in capsys.readouterr().out
    made = project.outputs()
    assert made and made == {name: Project(finished).outputs()[name] for name in made}


def test_other_lists_for_the_report(project):
    """All eleven of the report's hyperparameters, none of them as it stands in params.yaml."""
    lists = {
        "encoder_layers": 3,
        "encoder_filters": [4, 6, 8],
        "encoder_kernel_sizes": [5, 4, 1],
        "encoder_strides": [2, 2, 1],
        "decoder_layers": 1,
        "decoder_filters": [4],
        "decoder_kernel_sizes": [5],
        "decoder_strides": [2],  # half of the encoder's: the dense layers start the decoder at half the size
        "activation": "elu",
    }
    report = {"architecture": "report", "learning_rate": 1e-3, "batch_size": 3, "epochs": 1}
    project(train_dae, dae={**report, "report": {**LISTS, **lists, "latent_dim": 5}, "crop": None, "loss": "bce"})
    project(evaluate_dae)
    project(train_vae, vae={**report, "report": {**LISTS, **lists}, "latent_dim": 5, "feature_weight": 0.0})
    project(encode)
    project(train_judge, train_judge={"epochs": 1})
    project(attribute_vectors)
    assert len(table(project.folder / "results/attribute_vectors/vectors.csv")) == 2


@pytest.mark.parametrize(("warmup", "weights"), [(4.0, [0, 0.5]), (1.0, [0, 2]), (0.0, [2, 2])])
def test_the_kl_warms_up_in_training_and_weighs_in_full_in_validation(project, warmup, weights):
    changes = {"beta": 2.0, "kl_warmup_epochs": warmup, "batch_size": 24, "feature_weight": 0.0, "learning_rate": 1e-6}
    project(train_vae, vae=changes)
    rows = table(project.folder / "results/train_vae/history.csv")
    for row, weight in zip(rows, weights, strict=True):
        for split, expected in (("train", weight), ("valid", 2)):
            loss, reconstruction, kl = (
                float(row[f"{split}_{term}"]) for term in ("loss", "reconstruction_loss", "kl_divergence")
            )
            assert loss - reconstruction == pytest.approx(expected * kl, abs=0.01 * kl)


def test_free_bits_of_all_dimensions_by_hand(project):
    """A floor that no dimension reaches: the KL counts 2 * 6 * 50 nats, however large it is."""
    changes = {"reconstruction": "l1", "beta": 2.0, "free_bits": 50.0, "kl_warmup_epochs": 0.0, "feature_weight": 0.0}
    project(train_vae, vae={**changes, "ema": 0.5, "deep": {"width": 8, "levels": 1, "blocks": 0}})
    for row in table(project.folder / "results/train_vae/history.csv"):
        for split in ("train", "valid"):
            loss, pixels, kl = (
                float(row[f"{split}_{term}"]) for term in ("loss", "reconstruction_loss", "kl_divergence")
            )
            assert loss - pixels == pytest.approx(600, abs=0.1) and 0 < kl < 300


def test_vgg19_in_place_of_pixels_and_classifier(project, tmp_path, capsys):
    path, layers = tmp_path / "vgg.pth", ["relu1_1", "relu2_1"]
    torch.save(Vgg19(layers).body.state_dict(prefix="features."), path)
    changes = {"reconstruction": "none", "feature_network": "vgg19", "beta": 0.5, "feature_weight": 0.25}
    project(train_vae, vae={**changes, "vgg19": {"layers": layers, "weights": str(path)}, "kl_warmup_epochs": 0.0})
    assert "classifier" not in capsys.readouterr().out
    for row in table(project.folder / "results/train_vae/history.csv"):
        loss, pixels, kl, features = (
            float(row[f"valid_{term}"]) for term in ("loss", "reconstruction_loss", "kl_divergence", "feature_loss")
        )
        assert pixels == 0 < features and loss == pytest.approx(0.5 * kl + features, rel=1e-4)
    path.unlink()
    project(encode)  # what is trained needs VGG19 no more


def test_the_last_of_the_denoisers_train_split_validates(project):
    # Almost not trained, the U-Net is the identity: its losses are the noise of the images that they are taken over.
    still = {"learning_rate": 1e-9, "epochs": 1, "crop": None}
    folder = project.folder / "data/dae/arrays"
    clean, noisy = (np.load(folder / name).astype(float) / 255 for name in ("clean.npy", "noisy.npy"))
    noise = np.abs(noisy - clean).mean((1, 2, 3))
    project(train_dae, dae=still)
    (row,) = table(project.folder / "results/train_dae/history.csv")
    assert float(row["train_loss"]) == pytest.approx(noise[:8].mean(), rel=1e-4)
    assert float(row["valid_loss"]) == pytest.approx(noise[8:10].mean(), rel=1e-4)
    project(train_dae, dae={**still, "valid_share": 0.0})
    (row,) = table(project.folder / "results/train_dae/history.csv")
    assert float(row["train_loss"]) == pytest.approx(noise[:10].mean(), rel=1e-4) and "valid_loss" not in row


def test_fresh_noise_trains_and_the_stored_validates(project):
    still = {"learning_rate": 1e-9, "epochs": 1, "crop": None, "fresh_noise": 10.0}
    folder = project.folder / "data/dae/arrays"
    clean = np.load(folder / "clean.npy")
    clean[8:10] = 0  # on the black images that validate half of the noise would be cut off
    np.save(folder / "clean.npy", clean)
    clean, noisy = (np.load(folder / name).astype(float) / 255 for name in ("clean.npy", "noisy.npy"))
    project(train_dae, dae=still)
    (row,) = table(project.folder / "results/train_dae/history.csv")
    # The mean of |noise| over 8 images of 1,440 numbers, far from black and white.
    assert float(row["train_loss"]) == pytest.approx(10 * math.sqrt(2 / math.pi) / 255, rel=0.03)
    assert float(row["valid_loss"]) == pytest.approx(np.abs(noisy - clean)[8:10].mean(), rel=1e-4)
    # The same is what the arrays say that theirs is.
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"noise": {"sigma": 10.0, "seed": 0}}))
    project(train_dae, dae={**still, "fresh_noise": "same"})
    assert table(project.folder / "results/train_dae/history.csv") == [row]
    project(train_dae, dae={**still, "fresh_noise": [20, 20], "valid_share": 0.0})
    (row,) = table(project.folder / "results/train_dae/history.csv")
    # All ten train now, and on the two black ones half of the noise is cut off.
    assert float(row["train_loss"]) == pytest.approx((8 + 2 / 2) / 10 * 20 * math.sqrt(2 / math.pi) / 255, rel=0.03)


def test_a_denoiser_starts_from_another(project):
    still = {"learning_rate": 1e-9, "epochs": 1, "crop": None}
    model, first = project.folder / "models/dae.safetensors", project.folder / "first.safetensors"
    project(train_dae, dae={"epochs": 2, "learning_rate": 0.01})
    model.rename(first)
    project(train_dae, start=first, dae=still)
    (before, facts), (after, begun) = load_weights(first, "dae"), load_weights(model, "dae")
    assert "start" not in facts and begun["start"] == hashlib.sha256(first.read_bytes()).hexdigest()
    assert all(torch.allclose(before[name], after[name], rtol=0, atol=1e-6) for name in before)
    with one_line("first.safetensors", "a denoiser of the architecture unet", "set these as they are in the file"):
        project(train_dae, start=first, dae={**still, "unet": {"width": 12, "levels": 1, "blocks": 1}})


def test_an_autoencoder_starts_from_one_of_fewer_dimensions(project):
    model, first = project.folder / "models/vae.safetensors", project.folder / "first.safetensors"
    alone = {"feature_weight": 0.0, "epochs": 1}
    project(train_vae, vae={**alone, "latent_dim": 4})
    model.rename(first)
    still = {**alone, "learning_rate": 1e-9}
    project(train_vae, start=first, vae={**still, "latent_dim": 6})
    (before, facts), (after, begun) = load_weights(first, "vae"), load_weights(model, "vae")
    assert "start" not in facts and begun["start"] == hashlib.sha256(first.read_bytes()).hexdigest()
    added = {"encoder.mu.bias": after["encoder.mu.bias"][4:], "decoder": after["decoder.first.0.weight"][:, 4:]}
    assert all(part.any() for part in added.values())  # as untrained ones are
    assert torch.allclose(after["encoder.logvar.bias"][4:], torch.tensor(-1.5))
    for name, old in before.items():
        new = after[name]
        if old.shape != new.shape:
            new = new[:, :4] if name.startswith("decoder") else new[:4]
        assert name == "variance" or torch.allclose(old, new, rtol=0, atol=1e-6), name
    changes = ({"latent_dim": 3}, {"deep": {"width": 16, "levels": 2, "blocks": 1}}, {"architecture": "report"})
    for change in changes:
        with one_line("first.safetensors", "at most", "vae.latent_dim may be larger"):
            project(train_vae, start=first, vae={**still, **change})


@pytest.mark.parametrize(
    ("stage", "kind", "words"),
    [
        (train_dae, "dae", "a denoiser of the architecture unet"),
        (train_vae, "vae", "an autoencoder with the network of section vae"),
    ],
)
def test_files_that_no_training_starts_from(project, stage, kind, words, monkeypatch, capsys):
    bare = project.folder / "bare.safetensors"
    save_weights(bare, {"weight": torch.zeros(1)}, {"kind": kind})
    with one_line("bare.safetensors", words):
        project(stage, start=bare)
    with one_line("gone.safetensors", "no such file"):
        project(stage, start=project.folder / "gone.safetensors")
    monkeypatch.setattr(sys, "argv", ["train", "--start", str(project.folder)])
    with pytest.raises(SystemExit) as ended:
        run(stage.main)
    assert ended.value.code == 2 and "is a directory" in " ".join(capsys.readouterr().err.split())


def test_attributes_teach_the_autoencoder_and_leave_nothing_but_better_latents(project, capsys):
    """A reader that knew nothing would be off by log 2 for each attribute; the file has no weight of it."""
    taught = {"feature_weight": 0.0, "epochs": 12, "learning_rate": 0.003, "flip": False}
    shapes, read = [], []
    for weight in (0.0, 2000.0):
        project(train_vae, vae={**taught, "attribute_weight": weight})
        tensors, _ = load_weights(project.folder / "models/vae.safetensors", "vae")
        shapes.append({name: weights.shape for name, weights in tensors.items()})
        (*_, row) = table(project.folder / "results/train_vae/history.csv")
        read.append(float(row.get("train_attribute_loss", "nan")) / 2000)
    assert shapes[0] == shapes[1]
    chance = len(NAMES) * math.log(2)
    assert math.isnan(read[0]) and read[1] < chance / 2
    assert "vae.attribute_weight counts nothing" not in capsys.readouterr().out


def spoil(folder, file):
    """Save the array of a file again, as numbers in [0, 255] that are no bytes."""
    np.save(folder / file, np.load(folder / file).astype(np.float32))


@pytest.mark.parametrize(
    ("stage", "file"), [(train_dae, "clean.npy"), (train_dae, "noisy.npy"), (train_vae, "images.npy")]
)
def test_targets_that_are_no_bytes_are_refused(project, stage, file):
    folder = project.folder / ("data/dae/arrays" if stage is train_dae else "data/vae/arrays")
    spoil(folder, file)
    with one_line(file, "uint8", "float32"):
        project(stage)
    assert not project.outputs() and not (project.folder / "logs").exists()


@pytest.mark.parametrize(
    ("stage", "sections", "parts"),
    [
        (train_dae, {"dae": {"learning_rate": 0.0}}, ["dae.learning_rate", "greater than 0"]),
        (train_dae, {"dae": {"architecture": "report", "report": LISTS}}, ["dae.report.latent_dim", "a value"]),
        (
            train_dae,
            {"dae": {"architecture": "report", "report": {**LISTS, "latent_dim": 5}}},
            ["dae: expected crop null", "latent_dim"],
        ),
        (
            train_dae,
            {"dae": {"architecture": "report", "report": {**LISTS, "latent_dim": None, "encoder_filters": [8]}}},
            ["dae.report", "2 numbers in encoder_filters since encoder_layers is 2"],
        ),
        (
            train_dae,
            {
                "dae": {
                    "architecture": "report",
                    "crop": None,
                    "report": {**LISTS, "latent_dim": None, "encoder_strides": [3, 3], "decoder_strides": [3, 3]},
                }
            },
            ["dae.report", "strides that divide 20 x 24 images"],
        ),
        (
            train_dae,
            {"dae": {"architecture": "report", "report": {**LISTS, "latent_dim": None, "decoder_strides": [2, 1]}}},
            ["dae.report", "product is that of encoder_strides, 4"],
        ),
        (train_dae, {"dae": {"fresh_noise": [50, 5]}}, ["dae.fresh_noise", "the smaller of the two", "[50, 5]"]),
        (train_dae, {"dae": {"ema": 1.0}}, ["dae.ema", "less than 1"]),
        (train_vae, {"vae": {"classifier": {}}}, ["vae.classifier", "a value"]),
        (train_vae, {"vae": {"reconstruction": "none", "feature_weight": 0.0}}, ["vae: expected", "a feature_weight"]),
        (
            train_vae,
            {"vae": {"deep": {"width": 8, "levels": 4, "blocks": 0}}},
            ["vae.deep", "a multiple of 32 pixels, since levels is 4; these have 16"],
        ),
        (
            train_vae,
            {"vae": {"feature_network": "vgg19", "vgg19": {"layers": ["relu1_1"], "weights": "nowhere"}}},
            ["nowhere", "no such file", "vae.vgg19.weights"],
        ),
        (train_judge, {"train_judge": {"width": 12}}, ["train_judge.width", "multiple of 8", "12"]),
    ],
)
def test_wrong_parameters_end_before_the_training(project, stage, sections, parts):
    with one_line(*parts):
        project(stage, **sections)
    assert not project.outputs()


def cropped(project, size):
    """Arrays of another image size."""
    folder = project.folder / f"data/{size}"
    shutil.copytree(project.folder / "data/vae/arrays", folder)
    images = np.load(folder / "images.npy").repeat(2, 1).repeat(2, 2)[:, :size, :size]
    np.save(folder / "images.npy", images)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"shape": list(images.shape)}))
    return folder


def test_sizes_that_no_network_takes(project, capsys):
    with one_line("vae.deep", "a multiple of 8 pixels, since levels is 2; these have 20"):
        project(train_vae, arrays=cropped(project, 20))
    assert "classifier" not in capsys.readouterr().out  # it ends before anything is trained
    with one_line("a multiple of 2 pixels, these have 21", "crop_pad.vae.size"):
        project(train_judge, arrays=cropped(project, 21))
    assert not project.outputs()


def test_a_loss_that_runs_away_leaves_no_model(project):
    with one_line("epoch 1, step 1", "loss not finite", "lower vae.learning_rate"):
        project(train_vae, vae={"beta": 1e308, "feature_weight": 0.0, "kl_warmup_epochs": 0.0})
    assert not project.outputs()


def test_the_reports_own_learning_rate_is_said_to_collapse(project, capsys):
    """0.1, as the report had it, with its network, its loss and Adam."""
    report = {"architecture": "report", "reconstruction": "bce", "feature_weight": 0.0, "learning_rate": 0.1}
    project(train_vae, vae={**report, "epochs": 5})
    last = capsys.readouterr().out.splitlines()[-2]
    assert last.startswith("vae warning: no latent dimension is active") and "vae.learning_rate (now 0.1)" in last
    assert table(project.folder / "results/train_vae/history.csv")[-1]["active_dimensions"] == "0"
    project(train_vae, vae={"learning_rate": 0.001, "epochs": 8})
    assert "warning" not in capsys.readouterr().out.splitlines()[-2]


def test_a_denoiser_that_answers_one_colour_is_said_to_have_collapsed(project, capsys):
    report = {"architecture": "report", "report": {**LISTS, "latent_dim": None}, "loss": "bce", "epochs": 2}
    project(train_dae, dae={**report, "learning_rate": 10.0})
    lines = capsys.readouterr().out.splitlines()
    assert "dae warning: the denoiser is no better than one constant colour" in lines[-2]
    assert "dae.learning_rate (now 10)" in lines[-2]
    row = table(project.folder / "results/train_dae/history.csv")[-1]
    assert float(row["valid_loss"]) >= float(row["constant_colour_loss"])


def test_the_constant_colours_loss_by_hand(project):
    project(train_dae, dae={"epochs": 1})
    clean = np.load(project.folder / "data/dae/arrays/clean.npy")[:10] / 255
    (row,) = table(project.folder / "results/train_dae/history.csv")
    expected = np.abs(clean - clean.mean((0, 1, 2))).mean()
    assert float(row["constant_colour_loss"]) == pytest.approx(expected, rel=1e-5)


def test_more_gaussians_than_train_images_can_bear(trained, capsys):
    """24 latents of 6 dimensions: two of full covariance, or two of ten latents each."""
    for covariance in ("full", "diag"):
        trained(fit_mixture, fit_mixture={"components": 25, "covariance": covariance})
        assert len(load_mixture(trained.folder / "models/mixture.safetensors").weights) == 2
        line = f"2 Gaussians ({covariance}) fitted to 24 latents, not 25 ({covariance})"
        assert line in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Smilling", "Nobody"])
def test_an_attribute_without_a_vector(trained, name):
    with one_line("evaluate_vae.attributes", "one of Bright, Striped", f"found {name};"):
        trained(evaluate_vae, evaluate_vae={"attributes": ["Bright", name]})
    assert not (trained.folder / "results").exists()


@pytest.mark.parametrize(
    ("stage", "missing", "by"),
    [
        (evaluate_dae, "models/dae.safetensors", "stages.train_dae"),
        (encode, "models/vae.safetensors", "stages.train_vae"),
        (fit_mixture, "data/vae/latents.safetensors", "stages.encode"),
        (attribute_vectors, "data/vae/latents.safetensors", "stages.encode"),
        (evaluate_vae, "data/vae/latents.safetensors", "stages.encode"),
        (evaluate_vae, "models/mixture.safetensors", "stages.fit_mixture"),
        (evaluate_vae, "models/judge.safetensors", "stages.train_judge"),
        (evaluate_vae, "models/identity.safetensors", "stages.train_identity"),
        (attribute_vectors, "models/judge.safetensors", "stages.train_judge"),
        (evaluate_vae, "models/attribute_vectors.safetensors", "stages.attribute_vectors"),
        (evaluate_vae, "data/vae/arrays/images.npy", "stages.cache_arrays"),
        (evaluate_vae, "data/raw/pairs.zip", "pairs.zip"),
    ],
)
def test_an_input_that_is_missing(trained, stage, missing, by):
    (trained.folder / missing).unlink()
    with one_line(Path(missing).name, by):
        trained(stage)
    assert not (trained.folder / "results").exists()


def test_models_of_other_images(trained):
    other = cropped(trained, 32)
    with one_line("the identity network", "32-pixel images", "16-pixel"):
        trained(evaluate_vae, arrays=other)
    with one_line("the VAE", "32-pixel images", "16-pixel"):
        trained(attribute_vectors, arrays=other)


def test_photographs_without_pairs(trained):
    write_pairs(trained.folder / "data/raw/pairs.zip", ())
    trained(evaluate_vae)
    header = (trained.folder / "results/evaluate_vae/counterfactual.csv").read_text()
    assert header == "attribute,identities,pixels,method,reference,explained_change\n"
    assert "explained_change" not in trained.metrics("evaluate_vae")["edits"]


def test_noise_of_zero(project):
    folder = project.folder / "data/dae/arrays"
    shutil.copy(folder / "clean.npy", folder / "noisy.npy")
    project(train_dae, dae={"epochs": 1})
    project(evaluate_dae)
    assert project.metrics("evaluate_dae")["dae"]["psnr_db_noisy"] == 100


def test_the_command_line(project, monkeypatch, capsys):
    """Options instead of arguments, and a mistake as an exit code and one line."""
    monkeypatch.chdir(project.folder)
    make_params(project.folder, dae={"epochs": 1})
    monkeypatch.setattr(sys, "argv", ["train_dae", "--device", "cpu", "--results", "here"])
    with pytest.raises(SystemExit) as ended:
        run(train_dae.main)
    assert ended.value.code == 0 and (project.folder / "here/history.csv").exists()
    assert "models/dae.safetensors: trained for 1 epochs, history in here" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["train_dae", "--arrays", "nowhere"])
    with pytest.raises(SystemExit) as ended:
        run(train_dae.main)
    out, err = capsys.readouterr()
    assert ended.value.code == 1 and out == "" and err.startswith("error: nowhere/manifest.json: expected cached")
    assert err.count("\n") == 1


def test_given_weights_are_measured_as_the_stage_measures_them(finished, tmp_path):
    """bench.tries leaves out the edits; all else is what stage evaluate_vae finds, and train_vae's history."""
    params = make_params(tmp_path)
    crop = {"crop_pad": {"vae": {"images": None, "crop": SIZE, "size": SIZE, "resample": "box"}}}
    params.write_text(f"{params.read_text()}{yaml.safe_dump(crop)}")
    row, models = Row("a", "table", "what", (), "evaluate_vae"), finished / "models"
    weights, judge = models / "vae.safetensors", models / "judge.safetensors"
    found = autoencoder(row, params, weights, judge, finished / "data/vae/arrays")
    expected = Project(finished).metrics("evaluate_vae")
    assert set(found["metrics"]) == {"vae", "frechet", "probe"}
    for group, values in found["metrics"].items():
        assert values == {name: pytest.approx(expected[group][name], abs=1e-6) for name in values}
    with (finished / "results/train_vae/history.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    assert found["last_epoch"]["valid_mse"] == pytest.approx(float(last["valid_mse"]), rel=1e-4)
