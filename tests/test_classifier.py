"""The classifier of attributes, its balance and its accuracy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from model_data import CLASSIFIER, rebuilt, training_step, vae_arrays, validation_step
from torch import nn

from facevae.evaluation.classification import balanced_accuracies
from facevae.evaluation.judge import judge_accuracies
from facevae.models.classifier import Classifier, from_metadata, metadata_of
from facevae.training.classifier import ClassifierSettings, classifier_terms, classifier_terms_of, positive_weights

CPU = torch.device("cpu")


@pytest.mark.parametrize(("size", "first"), [(16, 8), (34, 17), (64, 32), (128, 32)])
def test_shapes(size, first):
    classifier = Classifier(size, 8, 5)
    features = classifier.features(torch.rand(2, 3, size, size))
    assert features[0].shape == (2, 8, first, first)
    assert [stage.shape[1] for stage in features] == [8, 16, 32]
    assert classifier(torch.rand(2, 3, size, size)).shape == (2, 5)


@pytest.mark.parametrize(("size", "multiple"), [(45, 2), (130, 4)])
def test_a_size_that_does_not_fold(size, multiple):
    with pytest.raises(ValueError, match=f"a multiple of {multiple} pixels, these have {size}"):
        Classifier(size, 8, 2)


@pytest.mark.parametrize("size", [16, 34])
def test_an_embedding_is_the_mean_over_places(size):
    classifier, images = Classifier(size, 8, 5), torch.rand(3, 3, size, size)
    last = classifier.features(images)[-1]
    places = [torch.nn.functional.silu(last[:, :, y, x]) for y in range(last.shape[2]) for x in range(last.shape[3])]
    found = classifier.embedding(images)
    assert found.shape == (3, 32) and torch.allclose(found, sum(places) / len(places), atol=1e-6)
    assert torch.allclose(classifier.embedding(images[1:2]), found[1:2], atol=1e-6)


def test_positive_weights_by_hand():
    labels = torch.tensor([[1, 1, 0, 1], [0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]])
    # Three negatives to one positive; one to three; no positive at all; no negative at all.
    assert torch.allclose(positive_weights(labels, 10), torch.tensor([3, 1 / 3, 4, 0.1]))
    assert torch.allclose(positive_weights(labels, 2), torch.tensor([2, 0.5, 2, 0.5]))


class Colours(nn.Module):
    """Sees an attribute in each colour that is above one half, in the left half of the picture."""

    def forward(self, images):
        return 10 * (images[..., : images.shape[3] // 2].mean((2, 3)) - 0.5)

    def logits_and_embedding(self, images):
        return self(images), images.mean((2, 3))


def test_terms_by_hand():
    images = torch.tensor([[0.5, 0.6, 0.4], [0.6, 0.6, 0.6]]).view(2, 3, 1, 1).expand(2, 3, 2, 2)
    labels = torch.tensor([[0, 1, 1], [1, 1, 0]])
    terms = classifier_terms(Colours(), images, labels, torch.ones(3), validation_step(2))
    softplus = torch.nn.functional.softplus
    right, wrong = softplus(torch.tensor(-1.0)), softplus(torch.tensor(1.0))
    expected = torch.stack([(np.log(2) + right + wrong) / 3, (right + right + wrong) / 3])
    assert torch.allclose(terms["loss"], expected.float())
    # A logit of 0 says no.
    assert terms["accuracy"].tolist() == pytest.approx([2 / 3, 2 / 3])


@pytest.mark.parametrize(("flip", "training", "losses"), [(True, True, 2), (False, True, 1), (True, False, 1)])
def test_images_flip_in_training_only(flip, training, losses):
    images = torch.zeros(40, 2, 2, 3, dtype=torch.uint8)
    images[:, :, 0] = 255
    labels = torch.ones(40, 3, dtype=torch.int8)
    terms_of = classifier_terms_of(ClassifierSettings.model_validate(CLASSIFIER | {"flip": flip}), torch.ones(3))

    class Seen(Classifier):
        forward = Colours.forward

    step = training_step(40) if training else validation_step(40)
    assert len(set(terms_of(Seen(16, 8, 3), (images, labels), step)["loss"].tolist())) == losses


def test_rebuilt_from_facts_and_weights():
    classifier, images = Classifier(16, 8, 2), torch.rand(1, 3, 16, 16)
    again = rebuilt(from_metadata, metadata_of(16, 8, ("A", "B")), classifier.state_dict())
    assert torch.equal(again(images), classifier(images)) and not again.training


def test_balanced_accuracy_by_hand():
    labels = np.array([[1, 0, 1], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    answers = np.array([[0.9, 0.9, 0.9], [0.1, 0.1, 0.9], [0.1, 0.1, 0.9], [0.1, 0.1, 0.9]])
    # Half of the positives and all negatives; no positive; all positives and no negative, though 3 of 4 are right.
    assert balanced_accuracies(answers, labels) == pytest.approx([0.75, np.nan, 0.5], nan_ok=True)


def test_the_judges_metrics():
    images = np.zeros((4, 2, 2, 3), np.uint8)
    images[0], images[1, ..., 0] = 200, 200
    labels = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0], [0, 1, 0]], np.int8)
    found = judge_accuracies(Colours(), vae_arrays({"test": images}, {"test": labels}, ("A", "B", "C")), CPU)
    assert found == {"A": 1.0, "B": pytest.approx(2 / 3)}


def test_test_images_that_are_all_alike():
    arrays = vae_arrays({"test": np.zeros((1, 2, 2, 3), np.uint8)}, {"test": np.ones((1, 3), np.int8)})
    assert judge_accuracies(Colours(), arrays, CPU) == {}


@pytest.mark.parametrize("size", [64, 96, 128])
def test_the_head_sees_sixteenths_of_the_face(size):
    """By adaptive pooling, as PyTorch defines it, whichever of its two operators computes it."""
    model = Classifier(size, 8, 3)
    images = torch.rand(2, 3, size, size)
    pooled = F.adaptive_avg_pool2d(F.silu(model.features(images)[-1]), 4).flatten(1)
    assert torch.allclose(model(images), model.head(pooled), atol=1e-5)
