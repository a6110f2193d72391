"""Judging edits of which the answer is known."""

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels, directions, pictures
from raw_data import one_line

from facevae.edit_evaluation import SCORE_COLUMNS, EditVerdict, counterfactual_scores, edit_metrics, judge_edits
from facevae.pairs import Pairs

CPU = torch.device("cpu")
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
        "pixels": 1,
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


def test_pixels_that_an_attribute_draws_by_hand():
    # Of the first identity two of four pixels change by 17 grey levels or more, one of them in two colours; the others
    # by 16 in one and by 10 in all. Of the second one does, downwards, and another one by 16.
    without = np.full((2, 2, 2, 3), 100, np.uint8)
    having = without.copy()
    having[0, 0, 0], having[0, 0, 1, 1], having[0, 1, 0, 0], having[0, 1, 1] = (117, 117, 100), 200, 116, 110
    having[1, 1, 1, 2], having[1, 0, 1, 0] = 0, 84
    vectors = directions(Red=[1] * 12)
    (row,) = counterfactual_scores(Pixels(), [Pairs("Red", [3, 8], without, having)], vectors, 1.0, CPU)
    assert (row["pixels"], row["identities"]) == ((2 + 1) / 2, 2) and tuple(row) == SCORE_COLUMNS


VERDICTS = [EditVerdict("Red", 3, 0.1, 0.5, 0.02), EditVerdict("Green", 2, 0.0, 1.0, 0.04)]
SCORES = [
    {"attribute": "Red", "identities": 2, "pixels": 7.0, "regression_against_truth": 0.5},
    {"attribute": "Green", "identities": 2, "pixels": 0.5, "regression_against_truth": -1.0},
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
    assert edit_metrics(VERDICTS, [], ["Red"]).keys() == {"edits"}
