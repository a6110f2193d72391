"""Losses with known answers, each per image."""

import math

import pytest
import torch

from facevae.nn.losses import (
    PIXEL_LOSSES,
    absolute_error,
    balanced_cross_entropy,
    binary_cross_entropy,
    binary_entropy,
    charbonnier,
    free_bits,
    gaussian_nll,
    kl_divergence,
    log_squared_error,
    squared_error,
)


def images(*values):
    """An image of 3 x 2 x 2 equal numbers for each value."""
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)


def close(found, *expected):
    return torch.allclose(found, torch.tensor(expected, dtype=found.dtype), rtol=1e-5, atol=1e-7)


def test_kl_of_the_prior_is_zero_and_flat():
    mu, logvar = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    kl = kl_divergence(mu, logvar)
    assert torch.equal(kl, torch.zeros(2, 3))
    kl.sum().backward()
    assert torch.equal(mu.grad, torch.zeros(2, 3)) and torch.equal(logvar.grad, torch.zeros(2, 3))


def test_kl_by_hand():
    mu = torch.tensor([[1.0, 0.0, -2.0]])
    logvar = torch.tensor([[math.log(4), math.log(0.25), 0.0]])
    # (mu^2 + sigma^2 - 1 - log sigma^2) / 2
    assert close(kl_divergence(mu, logvar)[0], (1 + 4 - 1 - math.log(4)) / 2, (0.25 - 1 + math.log(4)) / 2, 2.0)


def test_kl_agrees_with_pytorch_and_is_never_negative():
    mu, logvar = torch.randn(50, 4) / 1000, torch.randn(50, 4) / 1000
    kl = kl_divergence(mu, logvar)
    assert kl.min() >= 0
    normal, prior = (
        torch.distributions.Normal(mu.double(), (logvar.double() / 2).exp()),
        torch.distributions.Normal(0, 1),
    )
    assert torch.allclose(kl.double(), torch.distributions.kl_divergence(normal, prior), atol=1e-6)


def test_gaussian_nll_at_the_optimal_variance():
    mse, values = torch.tensor([0.01, 0.04]), 12
    optimal = mse.mean()
    found = gaussian_nll(mse, optimal, values).mean()
    assert close(found, values / 2 * (math.log(2 * math.pi * 0.025) + 1))
    assert all(gaussian_nll(mse, optimal * factor, values).mean() > found for factor in (0.5, 0.9, 1.1, 2))


def test_gaussian_nll_is_pytorchs_density():
    x, prediction, variance = torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), torch.tensor(0.3)
    density = torch.distributions.Normal(prediction, variance.sqrt()).log_prob(x).flatten(1).sum(1)
    assert torch.allclose(gaussian_nll(squared_error(prediction, x), variance, 48), -density, rtol=1e-4)


def test_bce_of_one_half_is_ln_2():
    assert close(binary_cross_entropy(images(0.5, 0.5), images(0.0, 0.3)), math.log(2), math.log(2))


def test_bce_by_hand():
    assert close(binary_cross_entropy(images(0.8), images(0.25)), -(0.25 * math.log(0.8) + 0.75 * math.log(0.2)))


def test_the_floor_of_bce_is_the_targets_entropy():
    target = torch.rand(4, 3, 5, 5)
    floor = binary_entropy(target)
    assert torch.allclose(binary_cross_entropy(target, target), floor, atol=1e-6)
    nudged = (target + 0.05).clamp(0, 1)
    assert (binary_cross_entropy(nudged, target) > floor).all()
    assert close(binary_entropy(images(0.0, 1.0, 0.5)), 0.0, 0.0, math.log(2))


def test_bce_stays_finite_at_the_ends():
    assert binary_cross_entropy(images(1.0, 0.0), images(1.0, 0.0)).max() < 1e-6
    wrong = binary_cross_entropy(images(0.0), images(1.0))
    assert close(wrong, -math.log(1e-7))


def test_errors_by_hand():
    prediction, target = images(0.5, 0.2, 0.3), images(0.2, 0.4, 0.3)
    assert close(squared_error(prediction, target), 0.09, 0.04, 0.0)
    assert close(absolute_error(prediction, target), 0.3, 0.2, 0.0)
    assert close(charbonnier(prediction, target, 0.4), 0.5, math.sqrt(0.2), 0.4)
    assert close(charbonnier(prediction, prediction), 1e-3, 1e-3, 1e-3)


def test_the_negated_psnr_by_hand():
    # Errors of 0.1 and 0.01 of the range are 20 and 40 dB; no error is as far as 8-bit images never get.
    found = log_squared_error(images(0.5, 0.3, 0.3), images(0.4, 0.31, 0.3))
    assert torch.allclose(found, torch.tensor([-20.0, -40.0, -80.0]), atol=2e-3)


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_a_loss_is_each_images_own(name):
    prediction, target = torch.rand(3, 3, 4, 5), torch.rand(3, 3, 4, 5)
    together = PIXEL_LOSSES[name](prediction, target)
    alone = [PIXEL_LOSSES[name](prediction[n : n + 1], target[n : n + 1]) for n in range(3)]
    assert together.shape == (3,) and torch.allclose(together, torch.cat(alone))


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_a_step_downhill_comes_closer(name):
    target = torch.rand(1, 3, 4, 4) / 2 + 0.25
    prediction = torch.full_like(target, 0.5).requires_grad_()
    PIXEL_LOSSES[name](prediction, target).sum().backward()
    assert (prediction.grad * (prediction - target) >= 0).all() and prediction.grad.abs().sum() > 0


def test_balanced_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    found = balanced_cross_entropy(logits, labels, torch.tensor([5.0, 7.0]))
    half, three_quarters = math.log(2), -math.log(0.75)
    assert close(found, (5 * half + half) / 2, (5 * three_quarters + half) / 2)


def test_free_bits_by_hand():
    # The first dimension's mean is 0.4, below the floor though the second image is above it; the second's is 0.5.
    kl = torch.tensor([[0.2, 1.0, 3.0], [0.6, 0.0, 1.0]], requires_grad=True)
    counted = free_bits(kl, kl.detach().mean(0), 0.45)
    assert close(counted, 0.45 + 1 + 3, 0.45 + 0 + 1)
    assert close(counted.mean(), 0.45 + 0.5 + 2)  # the sum of max(floor, mean), equation 15
    counted.sum().backward()
    assert kl.grad.tolist() == [[0, 1, 1], [0, 1, 1]]


def test_free_bits_look_at_the_mean_that_they_are_given():
    kl = torch.tensor([[0.2, 1.0]])
    assert close(free_bits(kl, torch.tensor([0.5, 0.1]), 0.3), 0.2 + 0.3)
    assert close(free_bits(kl, kl.mean(0), 0.0), 1.2)
