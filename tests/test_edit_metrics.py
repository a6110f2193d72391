"""Verdicts on edits in figures."""

import numpy as np
import pytest

from facevae.evaluation.edit_metrics import compare_methods, edit_metrics, methods_summary
from facevae.evaluation.edits import EditVerdict
from facevae.latents.vectors import METHODS

VERDICTS = [
    EditVerdict("Red", "regression", 1.5, 3, 0.1, 0.6, 0.5, 0.02),
    EditVerdict("Green", "regression", 1.0, 2, 0.0, 1.0, 1.0, 0.04),
]
PERSONS = [
    EditVerdict("Red", "regression", 1.5, 3, 0.1, 0.6, 0.5, 0.02, 0.5, 0.75, 0.75),
    EditVerdict("Green", "regression", 1.0, 2, 0.0, 1.0, 1.0, 0.04, 0.75, 0.75, 1.0),
]
SCORES = [
    {"attribute": "Red", "identities": 2, "pixels": 7.0, "regression_against_truth": 0.5},
    {"attribute": "Green", "identities": 2, "pixels": 0.5, "regression_against_truth": -1.0},
]


def test_metrics_are_means_over_all_and_the_chosen_attributes():
    assert edit_metrics(VERDICTS, SCORES, ["Green", "Young"]) == {
        "edits": {
            "mean_seen": 0.8,
            "mean_flipped": 0.75,
            "mean_leakage": pytest.approx(0.03),
            "Green": {"strength": 1.0, "faces": 2, "seen": 1.0, "flipped": 1.0, "leakage": 0.04},
        },
        "counterfactual": {
            "mean_regression_against_truth": -0.25,
            "lowest_regression_against_truth": -1.0,
            "Green": {"regression_against_truth": -1.0},
        },
    }


def test_persons_are_among_the_metrics_where_they_were_compared():
    found = edit_metrics(PERSONS, [], ["Red"])["edits"]
    assert (found["mean_identity"], found["mean_identity_reconstruction"]) == (0.625, 0.75)
    assert found["mean_identity_kept"] == 0.875
    assert found["Red"]["identity"] == 0.5 and found["Red"]["identity_reconstruction"] == 0.75


def test_photographs_have_no_counterfactual_metrics():
    assert edit_metrics(VERDICTS, [], ["Red"]).keys() == {"edits"}


def curve(attribute, method, strength, flipped, leakage):
    return EditVerdict(attribute, method, strength, 2, 0.0, flipped, flipped, leakage)


def test_methods_compared_by_hand():
    curves = [curve(name, method, strength, flipped, strength / 10) for method in METHODS
              for name, strength, flipped in (("Red", 1.0, 0.5), ("Green", 1.0, 0.75), ("Red", 2.0, 1.0))]  # fmt: skip
    scores = [
        {"attribute": name, **{f"{method}_against_reconstruction": value for method in METHODS}}
        for name, value in (("Red", 0.5), ("Green", -0.25), ("Blue", 0.0))
    ]
    areas = {method: np.array([0.75, np.nan, 1.0]) for method in METHODS} | {"balanced": np.array([np.nan])}
    rows = compare_methods(curves, scores, areas)
    assert [row["method"] for row in rows] == list(METHODS)
    assert rows[0] == {
        "method": "mean_difference",
        "flipped_1": 0.625,
        "leakage_1": pytest.approx(0.1),
        "flipped_2": 1.0,
        "leakage_2": pytest.approx(0.2),
        "explained_change": pytest.approx(0.25 / 3),
        "lowest_explained_change": -0.25,
        "attributes_above_0": 1,
        "roc_auc": 0.875,
    }
    assert rows[1]["roc_auc"] == 0.5
    lines = methods_summary(rows).splitlines()
    assert lines[0].split()[:2] == ["method", "flipped_1"] and lines[1].split()[:2] == ["mean_difference", "0.625"]
    assert len(lines) == 1 + len(METHODS) and len({len(line) for line in lines}) == 1


def test_photographs_are_compared_without_the_truth():
    rows = compare_methods([curve("Red", "balanced", 1.0, 0.5, 0.1)], [], {m: np.array([0.5]) for m in METHODS})
    assert rows[1] == {"method": "balanced", "flipped_1": 0.5, "leakage_1": 0.1, "roc_auc": 0.5}
