"""Verdicts on edits in figures."""

import numpy as np
import pytest

from facevae.evaluation.edit_metrics import (
    compare_methods,
    compare_strengths,
    explained_changes,
    mean_verdict,
    methods_summary,
)
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


def test_means_over_all_attributes():
    assert mean_verdict(VERDICTS) == {
        "detection_rate": 0.8, "success_rate": 0.75, "leakage": pytest.approx(0.03),
    }  # fmt: skip


def test_persons_are_among_the_means_where_they_were_compared():
    found = mean_verdict(PERSONS)
    assert (found["identity"], found["identity_reconstruction"], found["identity_kept"]) == (0.625, 0.75, 0.875)
    assert "identity" not in mean_verdict([VERDICTS[0], PERSONS[1]])


def scores(**values):
    return [
        {"attribute": name, "method": method, "reference": reference, "explained_change": value}
        for name, against_reconstruction in values.items()
        for method in METHODS
        for reference, value in (("reconstruction", against_reconstruction), ("truth", -9.0))
    ]


def test_explained_changes_are_those_against_the_reconstruction():
    found = explained_changes(scores(Red=0.5, Green=-0.25), "balanced")
    assert found == {"explained_change": 0.125, "lowest_explained_change": -0.25}
    assert explained_changes([], "balanced") == {}


def curve(attribute, method, strength, success_rate, leakage):
    return EditVerdict(attribute, method, strength, 2, 0.0, success_rate, success_rate, leakage)


def test_methods_compared_by_hand():
    areas = {method: np.array([0.75, np.nan, 1.0]) for method in METHODS}
    rows = compare_methods(scores(Red=0.5, Green=-0.25, Blue=0.0), areas)
    assert [row["method"] for row in rows] == list(METHODS)
    assert rows[0] == {
        "method": "mean_difference",
        "roc_auc": 0.875,
        "explained_change": pytest.approx(0.25 / 3),
        "lowest_explained_change": -0.25,
        "attributes_above_0": 1,
    }


def test_a_method_of_which_nothing_is_known_has_no_row():
    areas = {method: np.array([0.5]) for method in METHODS} | {"balanced": np.array([np.nan])}
    assert "balanced" not in [row["method"] for row in compare_methods([], areas)]


def test_photographs_are_compared_without_the_truth():
    rows = compare_methods([], {method: np.array([0.5]) for method in METHODS})
    assert rows[1] == {"method": "balanced", "roc_auc": 0.5}


CURVES = [
    curve(name, method, strength, success_rate, strength / 10)
    for method in METHODS
    for name, strength, success_rate in (("Red", 1.0, 0.5), ("Green", 1.0, 0.75), ("Red", 2.0, 1.0))
]


def test_strengths_compared_by_hand():
    rows = compare_strengths(CURVES)
    assert [(row["method"], row["strength"]) for row in rows] == [(m, s) for m in METHODS for s in (1.0, 2.0)]
    assert rows[0] == {
        "method": "mean_difference",
        "strength": 1.0,
        "attributes": 2,
        "success_rate": 0.625,
        "leakage": pytest.approx(0.1),
    }
    assert rows[1]["attributes"] == 1 and compare_strengths([]) == []


def test_the_summary_has_a_line_per_method():
    methods = compare_methods([], {method: np.array([0.5]) for method in METHODS})
    lines = methods_summary(methods, compare_strengths(CURVES)).splitlines()
    assert lines[0].split() == ["method", "roc_auc", "success_rate_1", "leakage_1", "success_rate_2", "leakage_2"]
    assert lines[1].split() == ["mean_difference", "0.5", "0.625", "0.1", "1", "0.2"]
    assert len(lines) == 1 + len(METHODS) and len({len(line) for line in lines}) == 1
    assert len(methods_summary(methods, []).splitlines()) == 1 + len(METHODS) and methods_summary([], []) == ""
