"""Losses in features, against features that are compared by hand."""

from types import SimpleNamespace

import pytest
import torch

from facevae.models.classifier import Classifier
from facevae.models.vgg import Vgg19
from facevae.training.feature_losses import ClassifierLoss, PerceptualLoss

LAYERS = ("relu1_1", "relu2_1")
# Grey levels per unit of a normalised image, squared: 255 times ImageNet's mean deviation.
GREY = (255 * 0.226) ** 2


@pytest.fixture
def images():
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    return Classifier(16, 8, 2)


@pytest.fixture
def vgg():
    torch.manual_seed(0)
    return Vgg19(LAYERS)


def summed(a, b):
    """Summed squared error of each image."""
    return (a - b).square().sum((1, 2, 3))


def test_the_classifiers_loss_by_hand(classifier, images):
    loss = ClassifierLoss(classifier, images)
    a, b = (classifier.features(part) for part in (images[:2], images[2:]))
    expected = torch.zeros(2)
    for x, y, stage in zip(a, b, classifier.features(images), strict=True):
        expected += summed(x, y) / x[0].numel() / stage.var() / 3
    assert torch.allclose(loss(images[:2], images[2:]), 3 * 16 * 16 * expected)


def test_the_classifiers_loss_of_unrelated_images_is_about_their_values(classifier):
    images = torch.rand(20, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    found = ClassifierLoss(classifier, images)(images, images.roll(1, 0))
    # The mean square of a difference of two independent numbers is twice their variance.
    assert 0.5 * 2 * 768 < found.mean() < 1.5 * 2 * 768


def test_the_perceptual_loss_of_one_layer_by_hand(images):
    torch.manual_seed(0)
    vgg = Vgg19(["relu1_1"])
    (a,), (b,) = vgg.features(images[:2]), vgg.features(images[2:])
    expected = summed(a, b) / (2 * 64 * 16 * 16) * GREY
    assert a.shape == (2, 64, 16, 16) and torch.allclose(PerceptualLoss(vgg)(images[:2], images[2:]), expected)


def test_the_perceptual_loss_sums_over_layers(vgg, images):
    a, b = vgg.features(images[:2]), vgg.features(images[2:])
    first, second = summed(a[0], b[0]) / (2 * 64 * 16 * 16) * GREY, summed(a[1], b[1]) / (2 * 128 * 8 * 8) * GREY
    assert first.min() > 0 and second.min() > 0
    assert torch.allclose(PerceptualLoss(vgg)(images[:2], images[2:]), first + second)


def test_a_perceptual_loss_that_is_known(images):
    # Features that are the image and its double: (0.1^2 + 0.2^2) / 2 of 57.63 grey levels squared.
    twice = PerceptualLoss(SimpleNamespace(features=lambda images: [images, 2 * images]))
    assert torch.allclose(twice(images + 0.1, images), torch.full((4,), 0.025 * 57.63**2), rtol=1e-4)


@pytest.mark.parametrize("kind", ["classifier", "vgg"])
def test_equal_images_cost_nothing_and_the_others_nothing_of_theirs(classifier, vgg, images, kind):
    loss = ClassifierLoss(classifier, images) if kind == "classifier" else PerceptualLoss(vgg)
    mixed = torch.cat([images[:2], images[:2]])
    found = loss(mixed, images)
    assert found[:2].tolist() == [0, 0] and (found[2:] > 0).all()
    assert torch.allclose(loss(mixed[3:], images[3:]), found[3:], rtol=1e-4)


@pytest.mark.parametrize("kind", ["classifier", "vgg"])
def test_only_the_reconstruction_gets_a_gradient(classifier, vgg, images, kind):
    network = classifier if kind == "classifier" else vgg
    loss = ClassifierLoss(network.train(), images) if kind == "classifier" else PerceptualLoss(network)
    reconstruction = images.flip(0).requires_grad_()
    images.requires_grad_()
    loss(reconstruction, images).sum().backward()
    assert reconstruction.grad.flatten(1).any(1).all()
    assert images.grad is None and not network.training
    assert not any(weight.requires_grad for weight in loss.parameters())


def test_the_gradient_leads_closer(vgg, images):
    loss, start = PerceptualLoss(vgg), images.flip(0)
    for part in (loss, ClassifierLoss(Classifier(16, 8, 2), images)):
        reconstruction = start.clone().requires_grad_()
        before = part(reconstruction, images).sum()
        (gradient,) = torch.autograd.grad(before, reconstruction)
        assert part(start - 1e-3 * gradient / gradient.norm(), images).sum() < before
