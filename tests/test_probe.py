"""What a linear probe reads from latents that say all, or nothing."""

import numpy as np
import pytest
import torch

from facevae.evaluation.probe import classify_by_vectors, linear_probe

NAMES = {"accuracy", "balanced_accuracy", "roc_auc", "majority_accuracy"}


def noise(count, seed, dimensions=2):
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed))


def test_separable_latents():
    labels = (np.arange(60) % 3 == 0).astype(np.int8)[:, None]
    # Ten deviations apart, whatever the scale and the place.
    train, test = (1000 + 1e-2 * (noise(60, seed) + 10 * torch.from_numpy(labels)) for seed in (0, 1))
    found = linear_probe(train, labels, test, labels)
    assert found.keys() == NAMES and found["accuracy"] == found["balanced_accuracy"] == found["roc_auc"] == [1]
    assert found["majority_accuracy"] == pytest.approx([2 / 3])


def test_latents_that_say_nothing_score_the_majority():
    labels = (np.arange(400) % 5 == 0).astype(np.int8)[:, None]
    found = linear_probe(noise(400, 0), labels, noise(400, 1), labels)
    assert found["accuracy"] == found["majority_accuracy"] == pytest.approx([0.8])
    assert found["balanced_accuracy"] == pytest.approx([0.5]) and found["roc_auc"] == pytest.approx([0.5], abs=0.06)


def test_the_majority_is_the_train_images_by_hand():
    # Three quarters of the train images have the first attribute and a quarter the second; the test images differ.
    labels = np.array([[1, 0], [1, 0], [1, 0], [0, 1]])
    test_labels = np.array([[1, 1], [0, 1], [0, 1], [0, 0], [0, 1]])
    found = linear_probe(torch.zeros(4, 2), labels, torch.zeros(5, 2), test_labels)
    assert found["majority_accuracy"] == pytest.approx([1 / 5, 1 / 5])
    assert found["accuracy"] == pytest.approx([1 / 5, 1 / 5]) and found["balanced_accuracy"] == pytest.approx([0.5] * 2)


def test_each_attribute_is_its_own():
    z, test = noise(60, 0), noise(30, 1)
    labels, test_labels = ((part > 0).numpy().astype(np.int8) for part in (z, test))
    both = linear_probe(3 * z, labels, 3 * test, test_labels)
    for column in (0, 1):
        alone = linear_probe(3 * z, labels[:, [column]], 3 * test, test_labels[:, [column]])
        assert all(both[name][column] == alone[name][0] for name in NAMES)


@pytest.mark.filterwarnings("error")
def test_attributes_of_one_kind_in_either_split():
    labels = np.array([[1, 0, 1, 0], [0, 0, 1, 1], [1, 0, 1, 0]], np.int8)
    test_labels = np.array([[1, 1, 0, 1], [0, 0, 1, 1]], np.int8)
    found = linear_probe(noise(3, 0), labels, noise(2, 1), test_labels)
    for name in NAMES:
        assert np.isnan(found[name]).tolist() == [False, True, True, True]


def test_dot_products_by_hand():
    # Along (2, 0) the validation images score -2, 0 | 4, 6: the threshold is 4, the lowest of those with it.
    vectors = torch.tensor([[2.0, 0.0]])
    valid = torch.tensor([[-1.0, 9.0], [0.0, -9.0], [2.0, 9.0], [3.0, 0.0]])
    labels = np.array([[0], [0], [1], [1]])
    test = torch.tensor([[1.0, 0.0], [2.5, 0.0], [5.0, 0.0], [0.0, 0.0]])
    test_labels = np.array([[1], [0], [1], [0]])
    found = classify_by_vectors(vectors, valid, labels, test, test_labels)
    # Seen: no, yes, yes, no. Of the four pairs of one with and one without three are in order.
    assert found == {"accuracy": [0.5], "balanced_accuracy": [0.5], "roc_auc": [0.75]}


def test_the_threshold_is_the_validation_images():
    vectors, labels = torch.ones(1, 1), np.array([[0], [1]])
    found = classify_by_vectors(vectors, torch.tensor([[10.0], [11.0]]), labels, torch.tensor([[0.0], [1.0]]), labels)
    assert found == {"accuracy": [0.5], "balanced_accuracy": [0.5], "roc_auc": [1.0]}


@pytest.mark.filterwarnings("error")
def test_dot_products_of_attributes_of_one_kind():
    labels, test_labels = np.array([[0, 0, 1], [0, 1, 0]]), np.array([[0, 1, 1], [1, 1, 0]])
    found = classify_by_vectors(torch.ones(3, 2), noise(2, 0), labels, noise(2, 1), test_labels)
    for values in found.values():
        assert np.isnan(values).tolist() == [True, True, False]
