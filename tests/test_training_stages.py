"""The stages from the arrays to the results, through their commands."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from model_data import LISTS, NAMES, make_dae_arrays, make_pairs, make_params, make_vae_arrays
from PIL import Image
from raw_data import files_below, one_line

from facevae.command import run
from facevae.logs import RunLog
from facevae.pairs import write_pairs
from facevae.vectors import load_vectors
from facevae.weights import load_weights
from stages import attribute_vectors, evaluate_dae, evaluate_vae, train_dae, train_judge, train_vae

STAGES = (train_dae, train_vae, train_judge, attribute_vectors, evaluate_dae, evaluate_vae)


class Project:
    """A folder with arrays and parameters in which the stages run in this process, each file where it belongs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, stage, arrays=None, checkpoint_seconds=60.0, **sections):
        name = stage.__name__.split(".")[-1]
        kind = "dae" if "dae" in name else "vae"
        models = self.folder / "models"
        options = {
            "arrays": arrays or self.folder / "data" / kind / "arrays",
            "model": models / ("judge.safetensors" if stage is train_judge else f"{kind}.safetensors"),
            "results": self.folder / "results" / name,
        }
        if name.startswith("train"):
            options |= {"logs": self.folder / "logs", "checkpoint_seconds": checkpoint_seconds}
        if stage is attribute_vectors:
            options["output"] = models / "attribute_vectors.safetensors"
        if stage is evaluate_vae:
            options["judge"] = models / "judge.safetensors"
            options["vectors"] = models / "attribute_vectors.safetensors"
            options["pairs"] = self.folder / "data/raw/pairs.zip"
        torch.seed()  # what was drawn before is of no account
        stage.main(params=make_params(self.folder, **sections), device="cpu", **options)

    def outputs(self):
        return {name: data for kind in ("models", "results") for name, data in files_below(self.folder / kind).items()}

    def metrics(self, stage):
        return json.loads((self.folder / "results" / stage / "metrics.json").read_text())


@pytest.fixture(autouse=True)
def _surroundings(tmp_path, monkeypatch):
    """Checkpoints in the test's own folder; what a training sets for its process is undone."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


def arrays_in(folder):
    make_dae_arrays(folder / "data/dae/arrays")
    make_vae_arrays(folder / "data/vae/arrays")
    make_pairs(folder / "data/raw/pairs.zip")
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
        "attribute_vectors/lengths.csv",
        "dae.safetensors",
        "evaluate_dae/denoised.png",
        "evaluate_dae/metrics.json",
        "evaluate_dae/per_image.csv",
        "evaluate_vae/counterfactual.csv",
        "evaluate_vae/edits.csv",
        "evaluate_vae/metrics.json",
        "evaluate_vae/pictures/Bright.png",
        "evaluate_vae/pictures/Striped.png",
        "evaluate_vae/pictures/edits.png",
        "evaluate_vae/pictures/reconstructions.png",
        "evaluate_vae/pictures/samples.png",
        "judge.safetensors",
        "train_dae/history.csv",
        "train_judge/attributes.csv",
        "train_judge/history.csv",
        "train_judge/metrics.json",
        "train_vae/history.csv",
        "vae.safetensors",
    ]
    assert not files_below(finished / ".checkpoints")
    assert {name.split("/")[0] for name in files_below(finished / "logs")} == {"train_dae", "train_vae", "train_judge"}


def test_the_same_bytes_again(finished, project):
    for stage in STAGES:
        project(stage)
    assert project.outputs() == Project(finished).outputs()


@pytest.mark.parametrize("stage", [attribute_vectors, evaluate_dae, evaluate_vae])
def test_what_is_measured_does_not_depend_on_the_machines_threads(trained, stage):
    """They are those of the model's training, whose bits depend on them anyway."""
    torch.set_num_threads(2)
    trained(stage)
    assert torch.get_num_threads() == 1


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_models_know(finished):
    _, facts = load_weights(finished / "models/vae.safetensors", "vae")
    assert facts["image_size"] == 16 and facts["framing"]["crop"] == 16 and facts["settings"]["report"] is None
    _, facts = load_weights(finished / "models/judge.safetensors", "judge")
    assert facts["attributes"] == list(NAMES)
    assert load_vectors(finished / "models/attribute_vectors.safetensors").names == ("Bright", "Striped")


def test_the_tables(finished):
    assert [row["epoch"] for row in table(finished / "results/train_vae/history.csv")] == ["1", "2"]
    per_image = table(finished / "results/evaluate_dae/per_image.csv")
    assert [row["image"] for row in per_image] == ["10.png", "11.png", "12.png", "13.png"]
    edits = table(finished / "results/evaluate_vae/edits.csv")
    # After two epochs the judge sees stripes in every reconstruction, so that there is none left to flip.
    assert ("Bright", "3") in [(row["attribute"], row["faces"]) for row in edits]
    # The drawings of Bright are equal, so there is no change to explain.
    (row,) = table(finished / "results/evaluate_vae/counterfactual.csv")
    assert (row["attribute"], row["identities"]) == ("Striped", "2")


def test_the_metrics(finished):
    done = Project(finished)
    assert done.metrics("train_judge") == {"mean_balanced_accuracy": 1}
    judged = table(finished / "results/train_judge/attributes.csv")
    assert [row["attribute"] for row in judged] == ["Bright", "Striped"]
    denoised = done.metrics("evaluate_dae")
    assert denoised["psnr_db"] > denoised["psnr_db_noisy"] + 1
    assert denoised["ssim"] > denoised["ssim_noisy"]
    found = done.metrics("evaluate_vae")
    assert found.keys() == {"reconstruction", "edits", "counterfactual"}
    assert found["edits"].keys() >= {"mean_flipped", "mean_leakage", "Bright"}


def test_the_pictures_have_their_rows(finished):
    pictures = finished / "results/evaluate_vae/pictures"
    sizes = {path.stem: Image.open(path).size for path in pictures.iterdir()}
    # Nine samples, eight in a row; two faces with two strengths.
    assert sizes["samples"][0] > sizes["Bright"][0] > sizes["reconstructions"][0]


@pytest.mark.parametrize("stage", [train_dae, train_vae, train_judge])
def test_an_interrupted_stage_goes_on_in_the_same_bits(finished, project, monkeypatch, capsys, stage):
    whole = RunLog.epoch

    def goes_down(self, row, *arguments):
        if row["epoch"] == 2 and "features" not in self.prefix:
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
        "decoder_strides": [4],
        "activation": "elu",
    }
    report = {"architecture": "report", "learning_rate": 1e-3, "batch_size": 3, "epochs": 1}
    project(train_dae, dae={**report, "report": {**LISTS, **lists, "latent_dim": 5}, "crop": None, "loss": "bce"})
    project(evaluate_dae)
    project(train_vae, vae={**report, "report": {**LISTS, **lists}, "latent_dim": 5, "feature_weight": 0.0})
    project(attribute_vectors)
    assert len(table(project.folder / "results/attribute_vectors/lengths.csv")) == 2


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
        (train_vae, {"vae": {"features": {}}}, ["vae.features", "a value"]),
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
    with one_line("vae.deep", "a multiple of 8 pixels, these have 20"):
        project(train_vae, arrays=cropped(project, 20))
    assert "features" not in capsys.readouterr().out  # it ends before anything is trained
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
    project(train_vae, vae={"learning_rate": 0.01, "epochs": 8})
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


@pytest.mark.parametrize("name", ["Smilling", "Nobody"])
def test_an_attribute_without_a_vector(trained, name):
    with one_line(f"attribute {name}", "one of Bright, Striped"):
        trained(evaluate_vae, evaluate_vae={"attributes": ["Bright", name]})
    assert not (trained.folder / "results").exists()


@pytest.mark.parametrize(
    ("stage", "missing", "by"),
    [
        (evaluate_dae, "models/dae.safetensors", "stages.train_dae"),
        (attribute_vectors, "models/vae.safetensors", "stages.train_vae"),
        (evaluate_vae, "models/judge.safetensors", "stages.train_judge"),
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
    with one_line("the VAE", "32-pixel images", "16-pixel"):
        trained(evaluate_vae, arrays=cropped(trained, 32))


def test_photographs_without_pairs(trained):
    write_pairs(trained.folder / "data/raw/pairs.zip", ())
    trained(evaluate_vae)
    header = (trained.folder / "results/evaluate_vae/counterfactual.csv").read_text()
    assert header.startswith("attribute,identities,mean_difference_against_reconstruction") and header.count("\n") == 1
    assert "counterfactual" not in trained.metrics("evaluate_vae")


def test_noise_of_zero(project):
    folder = project.folder / "data/dae/arrays"
    shutil.copy(folder / "clean.npy", folder / "noisy.npy")
    project(train_dae, dae={"epochs": 1})
    project(evaluate_dae)
    assert project.metrics("evaluate_dae")["psnr_db_noisy"] == 100


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
