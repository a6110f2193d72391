"""Data as people have them, through the stages: no attribute, one of one's own, unknown labels, all of one class."""

import csv
import json

import numpy as np
import pytest
import torch
from model_data import NAMES, SPLITS, labels, make_vae_arrays
from PIL import Image
from raw_data import one_line
from test_training_stages import Project, arrays_in

from facevae.celeba.pairs import write_pairs
from facevae.data.arrays import UNKNOWN, open_vae
from facevae.inference.models import ModelFolder
from facevae.nn.model_files import load_weights
from stages import (
    attribute_vectors,
    encode,
    evaluate_vae,
    explore_latents,
    fit_mixture,
    train_identity,
    train_judge,
    train_vae,
)

STAGES = (
    train_vae, train_judge, train_identity, encode, fit_mixture, explore_latents, attribute_vectors, evaluate_vae
)  # fmt: skip
# As params.yaml has it: nothing is named.
AS_COMMITTED = {
    "vae": {"epochs": 1},
    "train_judge": {"epochs": 1},
    "train_identity": {"epochs": 1},
    "attribute_vectors": {"context": None},
    "explore_latents": {"attribute": None},
    "evaluate_vae": {"attributes": None},
}
COUNT = sum(SPLITS.values())


def run_all(folder, values, names, stages=STAGES, **changes):
    """Every stage of the VAE on images with these labels, (N, A), as the parameters are committed."""
    arrays_in(folder)
    write_pairs(folder / "data/raw/pairs.zip", ())
    project = Project(folder)
    made = make_vae_arrays(folder / "own", values, names)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DVC_ROOT", str(folder))
        threads = torch.get_num_threads()
        for stage in stages:
            project(stage, arrays=made, **(AS_COMMITTED | changes))
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)
    return project


def rows(project, name):
    with (project.folder / "results" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def header(project, name):
    return (project.folder / "results" / name).read_text().splitlines()[0].split(",")


def pictures(project, stage):
    return {path.stem for path in (project.folder / "results" / stage / "pictures").iterdir()}


# --- no attribute


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Every stage on images without attributes."""
    return run_all(tmp_path_factory.mktemp("bare"), np.empty((COUNT, 0), int), ())


def test_without_attributes_all_that_needs_none_runs(bare):
    assert load_weights(bare.folder / "models/judge.safetensors", "judge")[1]["attributes"] == []
    assert bare.metrics("train_judge") == {"judge": {}}
    assert pictures(bare, "explore_latents") == {"pca", "tsne", "interpolations", "mine_grid"}
    assert pictures(bare, "evaluate_vae") == {"reconstructions", "samples"}
    metrics = bare.metrics("evaluate_vae")
    assert metrics.keys() == {"vae"}
    assert metrics["vae"].keys() == {"psnr_db", "ssim", "kl_nats", "active_dimensions"}
    assert "train_feature_loss" not in header(bare, "train_vae/history.csv")


def test_without_attributes_persons_are_still_told_apart(bare):
    """By a network that starts from random convolutions; the judge's features are in no row."""
    assert bare.metrics("train_identity")["identity"]["persons"] == 12
    assert [row["embedding"] for row in rows(bare, "train_identity/verification.csv")] == ["identity", "pixels"]


def test_without_attributes_tables_are_empty_and_have_their_columns(bare):
    for name, column in {
        "train_judge/history.csv": "valid_accuracy",
        "train_judge/attributes.csv": "balanced_accuracy",
        "attribute_vectors/vectors.csv": "length_regression",
        "attribute_vectors/cosines.csv": "attribute",
        "evaluate_vae/attributes.csv": "accuracy_loss",
        "evaluate_vae/edits.csv": "success_rate",
        "evaluate_vae/strengths.csv": "leakage",
        "evaluate_vae/methods.csv": "roc_auc",
        "evaluate_vae/predictions.csv": "predictor",
        "evaluate_vae/counterfactual.csv": "explained_change",
    }.items():
        assert rows(bare, name) == [] and column in header(bare, name), name
    with Image.open(bare.folder / "results/attribute_vectors/cosines.png") as picture:
        picture.load()


def test_without_attributes_nothing_can_be_edited(bare):
    with one_line("attribute_vectors.safetensors", "expected attribute vectors", "found none"):
        _ = ModelFolder(bare.folder / "models").vectors


def test_without_attributes_each_stage_says_so(tmp_path, capsys):
    project = run_all(tmp_path / "bare", np.empty((COUNT, 0), int), (), STAGES[:2])
    out = capsys.readouterr().out
    assert "no classifier, and vae.feature_weight counts nothing" in out
    assert "judge.safetensors: no attribute that some train images have and some have not" in out
    with one_line("vae.feature_network", "expected vgg19", "reconstruction none"):
        project(train_vae, arrays=project.folder / "own", vae={"reconstruction": "none"})
    project(train_vae, arrays=project.folder / "own", vae={"feature_weight": 0.0, "attribute_weight": 1.0})
    out = capsys.readouterr().out
    assert "vae.attribute_weight counts nothing" in out and "attribute_loss" not in out


# --- one of one's own


def test_one_attribute_of_ones_own(tmp_path, capsys):
    """Nothing is named in the parameters: the one there is colours the maps, and has vectors, sheets and verdicts."""
    project = run_all(tmp_path / "own", labels()[:, :1], ("Happy",))
    assert pictures(project, "explore_latents") >= {"j_diagrams", "tsne"}
    assert "Happy" in pictures(project, "evaluate_vae")
    assert [row["attribute"] for row in rows(project, "attribute_vectors/vectors.csv")] == ["Happy"]
    metrics = project.metrics("evaluate_vae")
    assert {"vae", "frechet", "probe", "vectors"} <= metrics.keys() and "judge_balanced_accuracy" in metrics["vae"]
    # No attribute is beside it, so that none can change with it.
    assert all(float(row["leakage"]) == 0 for row in rows(project, "evaluate_vae/strengths.csv"))


def test_images_that_are_all_of_one_class(tmp_path, capsys):
    """As without attributes, and persons are too few: nothing compares them. What is asked for by name is refused."""
    few = {"train_identity": {"least_persons": 100}}
    project = run_all(tmp_path / "one", np.ones((COUNT, 1), int), ("Happy",), **few)
    assert project.metrics("evaluate_vae").keys() == {"vae"}
    assert project.metrics("train_identity") == {"identity": {"persons": 0}}
    assert "no network, and no judge to stand in for it: 12 persons have" in capsys.readouterr().out
    with one_line("explore_latents.attribute", "found 8 with Happy and 0 without"):
        project(explore_latents, arrays=project.folder / "own", explore_latents={"attribute": "Happy"})


# --- unknown labels


@pytest.fixture(scope="module")
def partly(tmp_path_factory):
    """Every stage, of a third of each attribute's labels nothing known, of the third attribute anything."""
    values = labels()
    values[::3, 0], values[1::3, 1], values[:, 2] = UNKNOWN, UNKNOWN, UNKNOWN
    return run_all(tmp_path_factory.mktemp("partly"), values, NAMES), values


def test_unknown_labels_are_stored_as_such(partly):
    project, values = partly
    found = open_vae(project.folder / "own").attributes
    assert np.array_equal(np.concatenate(list(found.values())), values)


def test_unknown_labels_count_nowhere(partly):
    project, values = partly
    train = values[: SPLITS["train"]]
    table = rows(project, "attribute_vectors/vectors.csv")
    assert [row["attribute"] for row in table] == ["Bright", "Striped"], "nothing is known of Nobody"
    for column, row in enumerate(table):
        counts = int(row["images_with"]), int(row["images_without"])
        assert counts == ((train[:, column] == 1).sum(), (train[:, column] == 0).sum())
    test = values[-SPLITS["test"] :]
    for row in rows(project, "evaluate_vae/predictions.csv"):
        if row["measure"] == "accuracy":
            known = (test[:, NAMES.index(row["attribute"])] != UNKNOWN).sum()
            assert float(row["value"]) * known == pytest.approx(round(float(row["value"]) * known)), "of the known ones"
    assert json.dumps(project.metrics("evaluate_vae"), allow_nan=False)
