"""Judging reconstructions and edits of which the answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from model_data import PARAMS, VAE, vae_arrays
from raw_data import one_line
from torch import nn

from facevae.metrics import psnr_db, ssim
from facevae.pairs import Pairs
from facevae.vae import Vae, VaeSettings
from facevae.vae_evaluation import (
    EditVerdict,
    VaeEvaluation,
    VaeReport,
    check_fit,
    counterfactual_scores,
    edit_metrics,
    judge_edits,
    reconstruction_metrics,
)
from facevae.vectors import AttributeVectors

CPU = torch.device("cpu")
COLOURS = ("Red", "Green", "Blue")


class Pixels(nn.Module):
    """An autoencoder whose latent is the picture itself and whose decoder loses the blue."""

    def encode(self, images):
        mu = images.flatten(1)
        return mu, torch.zeros_like(mu)

    def decode(self, z):
        return z.view(-1, 3, 1, 1) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1)


class Judge(nn.Module):
    """Holds each colour for the probability of an attribute."""

    def forward(self, images):
        return images.flatten(1).clamp(1e-6, 1 - 1e-6).logit()


def pictures(*colours):
    """Pictures of a single pixel, red, green and blue in fifths of the whole."""
    return np.array(colours, np.uint8).reshape(-1, 1, 1, 3) * np.uint8(51)


def directions(**vectors):
    """Vectors by the regression; the mean difference takes half of each."""
    found = torch.tensor(list(vectors.values()), dtype=torch.float32) / 5
    return AttributeVectors(tuple(vectors), {"regression": found, "mean_difference": found / 2}, "regression")


IMAGES = pictures([0, 2, 2], [2, 2, 2], [4, 2, 2], [5, 0, 0])
LABELS = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 1], [1, 1, 1]], np.int8)


def judged(vectors, strength=0.5, most=9, images=IMAGES, labels=LABELS):
    return judge_edits(Pixels(), Judge(), images, labels, COLOURS, vectors, strength, most, CPU)


def test_a_verdict_by_hand():
    # Red 0, 0.4 and 0.8 become 0.25, 0.65 and 1.05: the last was red before, one of the others becomes it.
    # Green moves by 0.05 in each and blue, which the decoder loses, not at all.
    (verdict,) = judged(directions(Red=[2.5, 0.5, 1]))
    assert (verdict.attribute, verdict.faces) == ("Red", 3)
    assert verdict.seen_before == pytest.approx(1 / 3) and verdict.flipped == pytest.approx(1 / 2)
    assert verdict.leakage == pytest.approx((0.05 + 0) / 2, abs=1e-5)


def test_only_the_first_faces_are_edited():
    (verdict,) = judged(directions(Red=[2.5, 0.5, 1]), most=1)
    assert (verdict.faces, verdict.flipped, verdict.seen_before) == (1, 0, 0)


def test_strength_counts():
    assert [judged(directions(Red=[2.5, 0, 0]), strength)[0].flipped for strength in (-1, 0.1, 0.5, 1.1)] == [
        0, 0, 0.5, 1,
    ]  # fmt: skip


def test_an_attribute_that_every_face_has_is_left_out():
    assert [verdict.attribute for verdict in judged(directions(Green=[0, 1, 0], Blue=[0, 0, 1]))] == ["Blue"]
    with one_line("the test split", "a face without"):
        judged(directions(Green=[0, 1, 0]))


def test_an_attribute_that_the_judge_sees_everywhere_is_left_out():
    images, labels = pictures((4, 0, 0), (5, 0, 0)), np.zeros((2, 3), np.int8)
    found = judged(directions(Red=[1, 0, 0], Green=[0, 1, 0]), images=images, labels=labels)
    assert [verdict.attribute for verdict in found] == ["Green"]


def scores(*pairs, strength=1.0, **vectors):
    found = (Pairs(name, list(range(len(without))), without, having) for name, without, having in pairs)
    return counterfactual_scores(Pixels(), found, directions(**vectors), strength, CPU)


WITHOUT = pictures([0, 1, 0], [2, 3, 0])


def test_the_true_vector_scores_one_and_half_of_it_three_quarters():
    (row,) = scores(("Red", WITHOUT, WITHOUT + pictures([1, 1, 0])), Red=[1, 1, 0])
    assert row == {
        "attribute": "Red",
        "identities": 2,
        "mean_difference_against_reconstruction": pytest.approx(0.75, abs=1e-5),
        "mean_difference_against_truth": pytest.approx(0.75, abs=1e-5),
        "regression_against_reconstruction": pytest.approx(1, abs=1e-5),
        "regression_against_truth": pytest.approx(1, abs=1e-5),
    }


def test_what_the_decoder_loses_only_the_truth_knows():
    # The true change is 0.2 red and 0.4 blue, of which only the red can be decoded.
    (row,) = scores(("Red", WITHOUT, WITHOUT + pictures([1, 0, 2])), Red=[1, 0, 2])
    assert row["regression_against_reconstruction"] == pytest.approx(1, abs=1e-5)
    assert row["regression_against_truth"] == pytest.approx(1 - 0.16 / 0.2, abs=1e-5)


def test_the_wrong_way_is_negative_and_no_way_is_zero():
    pair = ("Red", WITHOUT, WITHOUT + pictures([1, 0, 0]))
    (row,) = scores(pair, Red=[1, 0, 0], strength=-1.0)
    assert row["regression_against_truth"] == pytest.approx(-3, abs=1e-5)
    (row,) = scores(pair, Red=[1, 0, 0], strength=0.0)
    assert row["regression_against_truth"] == pytest.approx(0, abs=1e-5)


def test_pairs_that_cannot_be_scored_are_left_out():
    same, unseen = ("Red", WITHOUT, WITHOUT), ("Blue", WITHOUT, WITHOUT + pictures([0, 0, 1]))
    good = ("Green", WITHOUT, WITHOUT + pictures([0, 1, 0]))
    rows = scores(("Young", *good[1:]), same, unseen, good, Red=[1, 0, 0], Green=[0, 1, 0], Blue=[0, 0, 1])
    assert [row["attribute"] for row in rows] == ["Green"]


def settings(**changes):
    return VaeEvaluation.model_validate(PARAMS["evaluate_vae"] | {"attributes": ["Red"]} | changes)


def fits(facts=None, judge_facts=None, **changes):
    size = IMAGES.shape[1]
    judge = {"image_size": size, "attributes": list(COLOURS)} | (judge_facts or {})
    arrays = vae_arrays({"test": IMAGES}, {"test": LABELS}, COLOURS)
    vae = {"image_size": size, "settings": {"latent_dim": 3}} | (facts or {})
    check_fit(arrays, directions(Red=[1, 0, 0]), vae, judge, settings(**changes))


def test_models_and_settings_that_fit():
    fits()


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"attributes": ["Red", "Rde"]}, ["attribute Rde", "one of Red"]),
        ({"attributes": ["Green"]}, ["attribute Green", "one of Red", "gets no vector"]),
        ({"facts": {"image_size": 64}}, ["the VAE", "1-pixel images", "64-pixel"]),
        ({"facts": {"settings": {"latent_dim": 2}}}, ["the attribute vectors", "2 numbers", "3 numbers for Red"]),
        ({"judge_facts": {"image_size": 64}}, ["the judge", "1-pixel images", "64-pixel"]),
        ({"judge_facts": {"attributes": ["Red", "Blue", "Green"]}}, ["the judge", "3 attributes", "train_judge"]),
    ],
)
def test_models_and_settings_that_do_not_fit(arguments, parts):
    with one_line(*parts):
        fits(**arguments)


VERDICTS = [EditVerdict("Red", 3, 0.1, 0.5, 0.02), EditVerdict("Green", 2, 0.0, 1.0, 0.04)]
SCORES = [
    {"attribute": "Red", "identities": 2, "regression_against_truth": 0.5},
    {"attribute": "Green", "identities": 2, "regression_against_truth": -1.0},
]


def test_metrics_are_means_over_all_and_the_chosen_attributes():
    assert edit_metrics(VERDICTS, SCORES, ["Green", "Young"]) == {
        "edits": {
            "mean_flipped": 0.75,
            "mean_leakage": pytest.approx(0.03),
            "Green": {"flipped": 1.0, "leakage": 0.04, "faces": 2},
        },
        "counterfactual": {
            "mean_regression_against_truth": -0.25,
            "Green": {"regression_against_truth": -1.0},
        },
    }


def test_photographs_have_no_counterfactual_metrics():
    found = edit_metrics(VERDICTS, [], ["Red"])
    assert found.keys() == {"edits"}
    reconstruction = {"psnr_db": 20.0, "ssim": 0.5, "kl_nats": 7.0, "active_dimensions": 3}
    text = VaeReport({"reconstruction": reconstruction, **found}, VERDICTS, []).summary(settings())
    assert len(text.splitlines()) == 2 and "judge sees 75% on average, leakage 0.030" in text


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return Vae(VaeSettings.model_validate(VAE), 16).eval()


TEST_IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def test_reconstructions_are_measured_image_by_image(vae):
    found = [reconstruction_metrics(vae, TEST_IMAGES, CPU, size) for size in (2, 64)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    images = torch.from_numpy(TEST_IMAGES).permute(0, 3, 1, 2) / 255
    reconstructions = vae.reconstruct(images)
    assert found[0]["psnr_db"] == pytest.approx(psnr_db(reconstructions, images).mean().item(), rel=1e-4)
    assert found[0]["ssim"] == pytest.approx(ssim(reconstructions, images).mean().item(), rel=1e-4)
    assert found[0]["latent_dimensions"] == 6


def posterior(vae, means):
    """Let the posterior of every image be N(mean, 1), one mean per dimension."""
    for layer in (vae.encoder.mu, vae.encoder.logvar):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        vae.encoder.mu.bias += torch.tensor(means)


def test_a_posterior_that_is_the_prior_says_nothing(vae):
    posterior(vae, [0.0] * 6)
    found = reconstruction_metrics(vae, TEST_IMAGES, CPU)
    assert (found["kl_nats"], found["active_dimensions"], found["kl_nats_of_largest_dimension"]) == (0, 0, 0)


def test_kl_by_hand(vae):
    posterior(vae, [2.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    found = reconstruction_metrics(vae, TEST_IMAGES, CPU)
    assert found["kl_nats"] == pytest.approx(2.5) and found["kl_nats_of_largest_dimension"] == pytest.approx(2)
    assert found["active_dimensions"] == 0  # the mean is the same for every image


def test_active_dimensions_vary_by_more_than_a_hundredth():
    def encode(images):
        mean = images.mean((1, 2, 3)).view(-1, 1)
        return mean * torch.tensor([1.0, 0.1, 0.0, 10.0]), torch.zeros(len(images), 4)

    # Half of the pictures black and half white: a variance of 1/4, 1/400, 0 and 25.
    terms = SimpleNamespace(reconstruction="bce", beta=1.0)
    images = np.repeat(np.array([0, 255], np.uint8), 3)[:, None, None, None] + np.zeros((6, 16, 16, 3), np.uint8)
    stub = SimpleNamespace(encode=encode, decode=lambda z: torch.full((len(z), 3, 16, 16), 0.5), settings=terms)
    found = reconstruction_metrics(stub, images, CPU)
    assert (found["active_dimensions"], found["latent_dimensions"]) == (2, 4)
    assert found["psnr_db"] == pytest.approx(6.0206, abs=1e-3)
    assert found["reconstruction_loss"] == pytest.approx(np.log(2) * 768, rel=1e-5)
