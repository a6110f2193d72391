"""Attribute vectors where the truth is known."""

import numpy as np
import pytest
import torch
from raw_data import one_line

from facevae.latents import edit, explained_change, has_both_kinds, mean_differences, regression
from facevae.vectors import (
    AttributeVectors,
    VectorSettings,
    find_vectors,
    load_vectors,
    save_vectors,
    vector_lengths,
)
from facevae.weights import save_weights

# Of twenty faces nine have both attributes, nine none, and one each only one.
CORRELATED = torch.tensor([[1, 1]] * 9 + [[1, 0], [0, 1]] + [[0, 0]] * 9)
TRUTH = torch.tensor([[3.0, 0.0, 1.0], [0.0, 1.0, 0.5]])


def latents(labels=CORRELATED, truth=TRUTH):
    return torch.tensor([0.3, -0.2, 5.0]) + labels.float() @ truth


def test_mean_differences_take_the_correlated_attribute_along():
    found = mean_differences(latents(), CORRELATED)
    # Nine tenths of the faces with one attribute have the other, and one tenth of those without.
    assert torch.allclose(found, TRUTH + 0.8 * TRUTH.flip(0), atol=1e-5)


def test_regression_finds_the_truth_where_the_mean_difference_fails():
    z0 = torch.randn(10, 3)
    z1 = z0 + TRUTH[1]
    mean, regressed = mean_differences(latents(), CORRELATED)[1], regression(latents(), CORRELATED, 0.0)[1]
    assert torch.allclose(regressed, TRUTH[1], atol=1e-4)
    assert explained_change(edit(z0, mean, 1.0), z0, z1) < -3
    assert explained_change(edit(z0, regressed, 1.0), z0, z1) > 0.999


def test_regression_with_many_attributes_and_noise_that_depends_on_none():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(400, 6, generator=generator) < 0.4).long()
    labels[:, 1] = torch.where(torch.rand(400, generator=generator) < 0.85, labels[:, 0], labels[:, 1])
    truth = torch.randn(6, 12, generator=generator)
    noise = torch.randn(400, 12, generator=generator).double()
    design = torch.cat([torch.ones(400, 1), labels.float()], 1).double()
    noise -= design @ torch.linalg.lstsq(design, noise).solution
    found = regression((labels.float() @ truth + noise).float(), labels, 0.0)
    assert torch.allclose(found, truth, atol=1e-4)
    assert (mean_differences(labels.float() @ truth, labels)[1] - truth[1]).norm() > 0.5


def test_ridge_shrinks_by_hand():
    # One attribute, standardised: the coefficient is divided by 1 + ridge.
    labels = torch.tensor([[1], [0], [0], [1], [0]])
    found = regression(latents(labels, TRUTH[:1]), labels, 0.25)
    assert torch.allclose(found, TRUTH[:1] / 1.25, atol=1e-5)


def test_attributes_that_determine_each_other_need_a_ridge():
    labels = torch.cat([CORRELATED, 1 - CORRELATED[:, :1]], 1)
    with pytest.raises(ValueError, match="a larger ridge"):
        regression(latents(), labels, 0.0)
    with pytest.raises(ValueError, match="a larger ridge"):
        regression(torch.randn(3, 2), torch.tensor([[0, 1, 0], [1, 0, 0], [0, 1, 1]]), 0.0)
    found = regression(latents(), labels, 1e-6)
    # The opposite attribute takes half of the change, with the other sign.
    assert torch.allclose(found[0], TRUTH[0] / 2, atol=1e-3) and torch.allclose(found[2], -TRUTH[0] / 2, atol=1e-3)


def test_both_kinds():
    labels = torch.tensor([[1, 0, 1], [1, 0, 0]], dtype=torch.int8)
    assert has_both_kinds(labels).tolist() == [False, False, True]


def test_editing():
    z, vector = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([10.0, -1.0])
    assert edit(z, vector, 0.5).tolist() == [[6.0, 1.5], [8.0, 3.5]]
    assert torch.equal(edit(edit(z, vector, 2.0), vector, -2.0), z)


def test_explained_change():
    before, after = torch.zeros(2, 3, 2, 2), torch.rand(2, 3, 2, 2)
    assert explained_change(after, before, after) == 1
    assert explained_change(before, before, after) == 0
    assert explained_change(after / 2, before, after) == pytest.approx(0.75)
    assert explained_change(-after, before, after) == pytest.approx(-3)


def test_explained_change_weighs_images_by_their_change():
    before, after = torch.zeros(2, 1), torch.tensor([[3.0], [1.0]])
    edited = torch.tensor([[3.0], [0.0]])
    assert explained_change(edited, before, after) == pytest.approx(1 - 1 / 10)


NAMES = ("Smiling", "Everyone", "Young", "Nobody")


def four_labels():
    ones = np.ones((20, 1), np.int8)
    young, smiling = CORRELATED.numpy().astype(np.int8).T
    return np.concatenate([smiling[:, None], ones, young[:, None], 0 * ones], 1)


@pytest.fixture
def vectors():
    return find_vectors(latents(), four_labels(), NAMES, VectorSettings(method="regression", ridge=0.0))


def test_attributes_that_all_or_none_have_get_no_vector(vectors):
    assert vectors.names == ("Smiling", "Young")
    assert torch.allclose(vectors.of("Young"), TRUTH[0], atol=1e-4)
    assert torch.allclose(vectors.of("Smiling", "mean_difference"), TRUTH[1] + 0.8 * TRUTH[0], atol=1e-4)
    for name in ("Nobody", "Smilling"):
        with one_line(f"attribute {name}", "one of Smiling, Young"):
            vectors.of(name)


def test_the_method_chosen_is_the_one_used():
    found = find_vectors(latents(), four_labels(), NAMES, VectorSettings(method="mean_difference", ridge=0.0))
    assert torch.equal(found.of("Young"), found.of("Young", "mean_difference"))
    assert not torch.allclose(found.of("Young"), found.of("Young", "regression"))


def test_no_attribute_with_both_kinds():
    with one_line("some train images have and some have not", "annotate more"):
        find_vectors(latents(), np.ones((20, 4), np.int8), NAMES, VectorSettings(method="regression", ridge=0.0))


def test_a_ridge_too_small_is_one_line():
    labels = four_labels()
    labels[:, 1] = 1 - labels[:, 0]
    with one_line("attribute_vectors.ridge", "a larger ridge", "found 0;"):
        find_vectors(latents(), labels, NAMES, VectorSettings(method="regression", ridge=0.0))


def test_vectors_as_a_file(vectors, tmp_path):
    save_vectors(tmp_path / "v.safetensors", vectors)
    again = load_vectors(tmp_path / "v.safetensors")
    assert again.names == vectors.names and again.method == "regression"
    assert all(torch.equal(again.vectors[method], found) for method, found in vectors.vectors.items())
    save_weights(tmp_path / "v.safetensors", {}, {"kind": "vae"})
    with one_line("v.safetensors", "attribute_vectors model", "'vae'", "stages.attribute_vectors"):
        load_vectors(tmp_path / "v.safetensors")


def test_lengths():
    found = AttributeVectors(("A", "B"), {"regression": torch.tensor([[3.0, 4.0], [0.0, 2.0]])}, "regression")
    assert vector_lengths(found) == [
        {"attribute": "A", "regression": 5.0},
        {"attribute": "B", "regression": 2.0},
    ]
