"""Attribute vectors: of whom there are any, by which method, with what strength, as a file and as tables."""

import numpy as np
import pytest
import torch
from raw_data import one_line
from test_directions import CORRELATED, TRUTH, latents

from facevae.core.tensor_files import save_arrays
from facevae.latents import attribute_vectors as module
from facevae.latents.attribute_vectors import VectorSettings, cosine_table, find_vectors, stability, vector_table
from facevae.latents.vectors import METHODS, AttributeVectors, Recommendation, load_vectors, save_vectors

NAMES = ("Smiling", "Everyone", "Young", "Nobody")


def four_labels():
    ones = np.ones((20, 1), np.int8)
    young, smiling = CORRELATED.numpy().astype(np.int8).T
    return np.concatenate([smiling[:, None], ones, young[:, None], 0 * ones], 1)


SETTINGS = {
    "method": "regression",
    "ridge": 0.0,
    "conditional": [],
    "bootstrap": 5,
    "strengths": [0.5, 1.0],
    "success": 0.9,
    "faces": 10,
    "context": [],
    "seed": 0,
}


def settings(**changes):
    return VectorSettings.model_validate(SETTINGS | changes)


def found(labels=None, **changes):
    return find_vectors(latents(), four_labels() if labels is None else labels, NAMES, settings(**changes))


def test_attributes_that_all_or_none_have_get_no_vector():
    vectors = found()
    assert vectors.names == ("Smiling", "Young") and set(vectors.vectors) == set(METHODS)
    assert np.allclose(vectors.of("Young"), TRUTH[0], atol=1e-4)
    assert np.allclose(vectors.of("Smiling", "mean_difference"), TRUTH[1] + 0.8 * TRUTH[0], atol=1e-4)
    with one_line("attribute Nobody", "one of `facevae attributes`", "all or none of the train images have"):
        vectors.of("Nobody")


def test_an_attribute_is_called_in_any_case_or_by_a_common_word():
    names = ("Eyeglasses", "Big_Nose", "Smile", "Smiling")
    vectors = AttributeVectors(names, {"regression": np.eye(4, dtype=np.float32)}, "regression")
    for word, name in {
        "eyeglasses": "Eyeglasses", "glasses": "Eyeglasses", "Sun-Glasses": None, "SUNGLASSES": "Eyeglasses",
        "big nose": "Big_Nose", "big-nose": "Big_Nose", "  Big  Nose": "Big_Nose", "smile": "Smile",
        "Smiling": "Smiling", "hat": None, "-Smiling": None, "- smile": None, "5-o": None,
    }.items():  # fmt: skip
        if name is not None:
            assert vectors.named(word) == name and np.array_equal(vectors.of(word), vectors.of(name)), word
            assert vectors.recommendation(word) == Recommendation(1.0)
        else:
            with one_line(f"attribute {word}", "no such vector"):
                vectors.named(word)
    with one_line("attribute Smilling", "found no such vector", "nearest are Smiling, Smile"):
        vectors.named("Smilling")


@pytest.mark.parametrize("method", METHODS)
def test_the_method_chosen_is_the_one_used(method):
    vectors = found(method=method, ridge=1e-6)
    assert np.array_equal(vectors.of("Young"), vectors.of("Young", method))
    # Until the judge has chosen a kind, one_kind is empirical Bayes.
    same = {"one_kind", "empirical_bayes"} if method in ("one_kind", "empirical_bayes") else {method}
    assert {other for other in METHODS if np.array_equal(vectors.of("Young"), vectors.of("Young", other))} == same


def test_no_attribute_with_both_kinds():
    for labels in (np.ones((20, 4), np.int8), np.full((20, 4), -1, np.int8), np.empty((20, 0), np.int8)):
        vectors = find_vectors(latents(), labels, NAMES[: labels.shape[1]], settings())
        assert vectors.names == () and all(found.shape == (0, 3) for found in vectors.vectors.values())
        assert stability(latents(), labels, NAMES[: labels.shape[1]], settings()).shape == (0,)


def test_a_ridge_too_small_is_one_line():
    labels = four_labels()
    labels[:, 1] = 1 - labels[:, 0]
    with one_line("attribute_vectors.ridge", "a larger ridge", "found 0;"):
        found(labels)


def test_a_condition_keeps_its_classifier_still():
    """By each method: along the conditional vector the held attribute's classifier answers as before."""
    from facevae.latents.directions import classifier_normals

    normals = classifier_normals(latents(), torch.from_numpy(four_labels()[:, [0, 2]]))
    free, held = found(ridge=1e-6), found(ridge=1e-6, conditional=["Young"])
    for method in METHODS:
        smile = held.of("Smiling", method)
        assert abs(smile @ normals[1].numpy()) < 1e-5 < abs(free.of("Smiling", method) @ normals[1].numpy())
        assert np.array_equal(held.of("Young", method), free.of("Young", method))


def test_replicates_that_need_a_larger_ridge(monkeypatch):
    def without_solution(*_):
        raise ValueError("a larger ridge")

    monkeypatch.setattr(module, "estimate", without_solution)
    with one_line("attribute_vectors.ridge", "a larger ridge", "found 0.5; raise it"):
        stability(latents(), four_labels(), NAMES, settings(ridge=0.5))


def test_conditions_that_leave_nothing():
    with one_line("attribute_vectors.conditional", "found nothing left of Smiling", "name fewer"):
        find_vectors(latents()[:, :1], four_labels(), NAMES, settings(ridge=1e-3, conditional=["Young"]))


def test_conditions_that_cannot_be_held():
    with one_line("attribute_vectors.conditional", "some of Smiling, Young", "found Nobody"):
        found(conditional=["Nobody"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strengths": [1.0, 0.5]}, "ascending"),
        ({"strengths": [0.0, 0.5]}, "above 0"),
        ({"strengths": [1.0, 1.0]}, "ascending"),
        ({"conditional": ["Young", "Young"]}, "each attribute once"),
        ({"method": "pca"}, "empirical_bayes"),
    ],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        settings(**changes)


def test_no_bootstrap_no_stability():
    assert stability(latents(), four_labels(), NAMES, settings(bootstrap=0)).isnan().all()
    found = stability(latents(), four_labels(), NAMES, settings(bootstrap=3, ridge=1e-4))
    assert tuple(found.shape) == (2,) and (found > 0.7).all()


RECOMMENDED = (Recommendation(0.5, 1.0, 0.25), Recommendation(1.0))


def with_strengths(**changes):
    vectors = found(**changes)
    return AttributeVectors(vectors.names, vectors.vectors, vectors.method, RECOMMENDED, ("Young",))


def test_vectors_as_a_file(tmp_path):
    vectors = with_strengths()
    save_vectors(tmp_path / "v.safetensors", vectors)
    again = load_vectors(tmp_path / "v.safetensors")
    assert again.names == vectors.names and again.method == "regression"
    assert again.context == ("Young",)
    assert again.recommended == RECOMMENDED and again.recommendation("Smiling").strength == 0.5
    assert all(np.array_equal(again.vectors[method], found) for method, found in vectors.vectors.items())
    save_arrays(tmp_path / "v.safetensors", {}, {"kind": "vae"})
    with one_line("v.safetensors", "expected an attribute_vectors file", "'vae'", "stages.attribute_vectors"):
        load_vectors(tmp_path / "v.safetensors")


def test_a_strength_of_one_where_none_was_chosen():
    assert found().recommendation("Young") == Recommendation(1.0, None, None)


def test_the_table():
    vectors = AttributeVectors(
        ("Young", "Smiling"),
        {"regression": np.array([[3.0, 4.0], [0.0, 2.0]]), "balanced": np.array([[6.0, 8.0], [0.0, 1.0]])},
        "regression", RECOMMENDED, kinds={"Smiling": Recommendation(1.25, 1.0, 0.5)},
    )  # fmt: skip
    rows = vector_table(vectors, four_labels(), NAMES, torch.tensor([0.75, float("nan")]))
    assert rows == [
        {
            "attribute": "Young", "images_with": 10, "images_without": 10, "stability": 0.75, "strength": 0.5,
            "success_rate": 1.0, "leakage": 0.25, "length_regression": 5.0, "length_balanced": 10.0,
            "kind_strength": "", "kind_success_rate": "", "kind_leakage": "",
        },
        {
            "attribute": "Smiling", "images_with": 10, "images_without": 10, "stability": "", "strength": 1.0,
            "success_rate": "", "leakage": "", "length_regression": 2.0, "length_balanced": 1.0,
            "kind_strength": 1.25, "kind_success_rate": 1.0, "kind_leakage": 0.5,
        },
    ]  # fmt: skip
    assert cosine_table(vectors)[1] == {"attribute": "Smiling", "Young": pytest.approx(0.8), "Smiling": 1.0}
