"""The evaluation as a whole: what must fit together, and its figures in a few lines."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels, directions, pictures
from model_data import PARAMS, vae_arrays
from raw_data import one_line

from facevae.core.errors import FacevaeError
from facevae.evaluation.edit_metrics import METHOD_STRENGTH_COLUMNS, compare_methods, compare_strengths
from facevae.evaluation.edits import EditVerdict
from facevae.evaluation.vae import (
    Models,
    VaeEvaluation,
    VaeReport,
    check_evaluable,
    evaluate_autoencoder,
    predictions,
    retention_metrics,
)
from facevae.latents.mixture import Mixture
from facevae.latents.posteriors import Posteriors
from facevae.latents.vectors import METHODS

CPU = torch.device("cpu")
IMAGES = pictures([0, 2, 2], [2, 2, 2], [4, 2, 2], [5, 0, 0])
LABELS = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 1], [1, 1, 1]], np.int8)


def settings(**changes):
    return VaeEvaluation.model_validate(PARAMS["evaluate_vae"] | {"attributes": ["Red"]} | changes)


def mixture(dimensions):
    return Mixture(
        np.ones(1, np.float32), np.zeros((1, dimensions), np.float32), np.eye(dimensions, dtype=np.float32)[None]
    )


def latents(dimensions):
    return Posteriors({"test": torch.zeros(4, dimensions)}, {}, torch.zeros(0, dimensions), 1)


MODELS = Models(Pixels(), Judge(), ("judge", Judge().embedding), directions(Red=[1, 0, 0]), mixture(3), latents(3))


def check(facts=None, judge_metadata=None, models=None, **changes):
    size = IMAGES.shape[1]
    judge = {"image_size": size, "attributes": list(COLOURS)} | (judge_metadata or {})
    arrays = vae_arrays({"test": IMAGES}, {"test": LABELS}, COLOURS)
    vae = {"image_size": size, "settings": {"latent_dim": 3}} | (facts or {})
    check_evaluable(arrays, replace(MODELS, **(models or {})), vae, judge, settings(**changes))


def refused(**arguments):
    """What is said of models and settings, None if they fit."""
    try:
        check(**arguments)
    except FacevaeError as error:
        return str(error)
    return None


def test_models_and_settings_that_fit():
    """As many dimensions, pixels and attributes as the others have; one more or less is too many."""
    assert refused() is None
    every = {"vectors": directions(Red=[1, 0, 0], Green=[0, 1, 0], Blue=[0, 0, 1])}
    assert refused(models=every, attributes=list(COLOURS)) is None
    four = {"vectors": directions(Red=[1, 0, 0, 0]), "posteriors": latents(4), "mixture": mixture(4)}
    assert refused(models=four, facts={"settings": {"latent_dim": 4}}) is None
    for name in four:
        others = {key: value for key, value in four.items() if key != name}
        assert "of 3" in (refused(models=others, facts={"settings": {"latent_dim": 4}}) or "").replace("3 n", "of 3 n")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"attributes": ["Red", "red"]}, ["evaluate_vae.attributes", "one of Red", "found red;"]),
        ({"attributes": ["Green"]}, ["evaluate_vae.attributes", "one of Red", "found Green;", "gets no vector"]),
        ({"facts": {"image_size": 64}}, ["the VAE", "1-pixel images", "64-pixel"]),
        ({"facts": {"settings": {"latent_dim": 2}}}, ["the latents", "of 2 dimensions", "of 3", "stages.encode"]),
        ({"models": {"vectors": directions(Red=[1, 0])}}, ["the attribute vectors", "3 numbers", "2 numbers for Red"]),
        (
            {"models": {"vectors": directions(Red=[1, 0, 0], Grey=[1, 1, 1])}},
            ["attributes of these arrays", "Red, Grey"],
        ),
        ({"models": {"posteriors": latents(4)}}, ["the latents", "of 3 dimensions", "of 4", "stages.encode"]),
        ({"lpips": "alex"}, ["evaluate_vae.lpips", "at least 32 pixels", "found 1"]),
        ({"models": {"mixture": mixture(4)}}, ["the mixture", "3 latent dimensions", "one of 4", "stages.fit_mixture"]),
        ({"judge_metadata": {"image_size": 64}}, ["the judge", "1-pixel images", "64-pixel"]),
        ({"judge_metadata": {"attributes": ["Red", "Blue", "Green"]}}, ["the judge", "3 attributes", "train_judge"]),
    ],
)
def test_models_and_settings_that_do_not_fit(arguments, parts):
    with one_line(*parts):
        check(**arguments)


VERDICTS = [
    EditVerdict("Red", "regression", 1.5, 3, 0.1, 0.6, 0.5, 0.02, 0.5, 0.75, 0.75),
    EditVerdict("Green", "regression", 1.0, 2, 0.0, 1.0, 1.0, 0.04, 0.75, 0.75, 1.0),
]
METRICS = {
    "vae": {"psnr_db": 20.0, "ssim": 0.5, "kl_nats": 7.0, "active_dimensions": 3, "judge_balanced_accuracy": 0.75},
    "frechet": {"reconstructions": 1.0, "mixture_samples": 2.0, "prior_samples": 3.0, "train_images": 0.25},
    "probe": {"accuracy": 0.75, "balanced_accuracy": 0.7},
    "edits": {"detection_rate": 0.8, "leakage": 0.03, "identity_kept": 0.875},
}
SUMMARY = {
    "judge_accuracy": 0.875, "judge_accuracy_on_images": 0.99, "frechet_images": 8, "majority_accuracy": 0.625,
    "edits_identity": 0.625, "edits_identity_reconstruction": 0.75, "identity_network": 0,
}  # fmt: skip
WAY = {
    "detection_rate": 0.9, "identity": 0.875, "leakage": 0.07, "changed_pixels": 0.21, "psnr_outside_db": 33.25,
}  # fmt: skip


def report():
    curves = [replace(VERDICTS[0], method=method) for method in METHODS]
    tables = {
        "summary": ((), [{"measure": name, "value": value} for name, value in SUMMARY.items()]),
        "methods": ((), compare_methods([], {method: np.array([0.75]) for method in METHODS})),
        "method_strengths": ((), compare_strengths(curves)),
        "ways": ((), [{"way": way, **WAY} for way in ("plain", "residual")]),
        "counterfactual_ways": ((), [{"way": "residual", "explained_change": 0.25}]),
    }
    return VaeReport(METRICS, tables, VERDICTS, np.zeros((2, 3)), curves)


def test_the_summary():
    text = report().summary(settings())
    assert len(text.splitlines()) == 5 + 2 + 1 + len(METHODS)
    for part in (
        "PSNR 20.00 dB, SSIM 0.500, KL 7.0 nats in 3 active dimensions",
        "right on 87.5% of the attributes of reconstructions (99.0% on the images)",
        "distance of 8", "reconstructions 1.00, mixture samples 2.00, prior samples 3.00 (train images 0.25)",
        "accuracy 75.0%, balanced 70.0% (always the majority: 62.5%)",
        "edits at the recommended strengths: detection rate 80% on average, leakage 0.030, identity kept 0.875",
        "kept 0.875 (cosine to the face 0.625, its reconstruction's 0.750, by the judge)",
        "plain edits against the photograph: seen 90%, cosine 0.875, leakage 0.070, 21% of the pixels changed, 33.2 dB",
        "outside of the region, 0.250 of the drawn change",
    ):  # fmt: skip
        assert part in text
    assert "edits at 1.5: detection rate" in report().summary(settings(strength=1.5))


class Sixteen(Pixels):
    """Pictures of 16 x 16 equal pixels whose latent is their colour."""

    variance = torch.tensor(0.5)
    settings = SimpleNamespace(latent_dim=3, precision="float32", reconstruction="mse")

    def decode(self, z):
        return super().decode(z).expand(-1, -1, 16, 16)


def evaluated(pixels, compared_faces):
    """The evaluation of pictures of these colours, of which those with 4 or more are labelled red."""
    images = pictures(*pixels).repeat(16, 1).repeat(16, 2)
    labels = (images[:, 0, 0] >= 4 * 51).astype(np.int8)
    splits = ("train", "valid", "test")
    mu = torch.from_numpy(images[:, 0, 0]) / 255
    arrays = vae_arrays(dict.fromkeys(splits, images), dict.fromkeys(splits, labels), COLOURS)
    posteriors = Posteriors(dict.fromkeys(splits, mu), dict.fromkeys(splits, torch.zeros_like(mu)), mu, 1)
    judge = Judge()
    models = Models(Sixteen(), judge, ("judge", judge.embedding), directions(Red=[5, 0, 0]), mixture(3), posteriors)
    chosen = settings(compared_faces=compared_faces, strengths=[0.5, 1.0], strength=1.0)
    return evaluate_autoencoder(models, arrays, [], chosen, CPU)


COLOURS_OF_SIX = [[0, 2, 2], [2, 5, 2], [4, 2, 5], [5, 0, 0], [1, 4, 4], [0, 0, 1]]


def test_everything_is_measured():
    found = evaluated(COLOURS_OF_SIX, 9)
    assert found.metrics["edits"]["success_rate"] == 1
    assert "judge_accuracy" not in found.metrics["vae"], "the balanced one says the same better"
    assert dict(row.values() for row in found.tables["summary"][1])["judge_accuracy"] < 1
    assert "explained_change" not in found.metrics["edits"], "there are no pairs"
    for name, (columns, rows) in found.tables.items():
        assert all(set(row) <= set(columns) for row in rows), name
        assert all(value not in ("", None) and value == value for row in rows for value in row.values()), name


def test_edits_that_no_face_can_be_judged_on_at_some_strength():
    """The first face without red looks red to the judge already: on one face alone there is nothing to compare."""
    pixels = [[3, 2, 2], *COLOURS_OF_SIX]
    found = evaluated(pixels, 1)
    assert found.curves == [] and len(found.verdicts) == 1
    assert found.tables["strengths"][1] == [] and "success_rate" in found.tables["strengths"][0]
    assert found.tables["method_strengths"] == (METHOD_STRENGTH_COLUMNS, [])
    assert "regression" in found.summary(settings())


def test_predictions_have_a_row_for_each_known_value():
    probe = {"accuracy": np.array([0.5, np.nan, 1.0]), "majority_accuracy": np.array([0.75, np.nan, 0.5])}
    by_vectors = {"roc_auc": np.array([0.75])}
    assert [tuple(row.values()) for row in predictions(COLOURS, probe, by_vectors, ["Blue"])] == [
        ("Red", "majority", "accuracy", 0.75),
        ("Red", "probe", "accuracy", 0.5),
        ("Blue", "majority", "accuracy", 0.5),
        ("Blue", "probe", "accuracy", 1.0),
        ("Blue", "dot_product", "roc_auc", 0.75),
    ]


def retained(attribute, lost, accuracy=0.9):
    return {
        "attribute": attribute, "accuracy": accuracy, "accuracy_reconstruction": accuracy - lost,
        "balanced_accuracy": 0.8, "balanced_accuracy_reconstruction": 0.8 - lost / 2, "accuracy_loss": lost,
    }  # fmt: skip


RETAINED = [retained("Red", 0.3), retained("Green", 0.1, accuracy=1.0), retained("Blue", 0.2, accuracy=0.8)]


def scores(**pixels):
    return [{"attribute": name, "pixels": number} for name, number in pixels.items()]


def test_what_is_retained_on_average():
    found = retention_metrics(RETAINED, [])
    assert found == pytest.approx(
        {
            "judge_accuracy_on_images": 0.9,
            "judge_accuracy": 0.7,
            "judge_balanced_accuracy_on_images": 0.8,
            "judge_balanced_accuracy": 0.7,
            "largest_attribute_loss": 0.3,
        }
    )


@pytest.mark.parametrize(
    ("drawn", "largest"),
    [
        ({"Red": 100.0, "Green": 100.5, "Blue": 1000.0}, 0.2),  # Red is small, though it loses the most
        ({"Green": 500.0}, 0.1),  # of the others nobody knows how large they are
        ({"Red": 3.0}, None),
        ({"Young": 500.0}, None),
    ],
)
def test_only_large_attributes_can_lose_the_most(drawn, largest):
    found = retention_metrics(RETAINED, scores(**drawn))
    assert found.get("largest_attribute_loss") == largest and found["judge_accuracy"] == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"lpips": "inception"}, "lpips"),
        ({"frechet_images": 1}, "frechet_images"),
        ({"strengths": [-1.0]}, "above 0"),
        ({"strengths": [1.0, 2.0, 1.0]}, "each strength once"),
    ],
)
def test_settings_that_are_refused(changes, word):
    with pytest.raises(ValueError, match=word):
        settings(**changes)
