"""Frechet distances of a VAE's images, of which the moments are known."""

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels
from model_data import vae_arrays

from facevae.evaluation.frechet import FrechetDistance
from facevae.evaluation.samples import frechet_distances
from facevae.latents.encoding import prior_draws
from facevae.latents.mixture import Mixture

CPU = torch.device("cpu")


def colours(count, seed, mean=0.5):
    """Pictures of one pixel whose colours scatter about a mean."""
    numbers = np.random.default_rng(seed).normal(255 * mean, 20, (count, 1, 1, 3))
    return numbers.round().clip(0, 255).astype(np.uint8)


def gaussian(mean, deviation):
    return Mixture(torch.ones(1), torch.full((1, 3), mean), deviation * torch.eye(3)[None])


def distances(train, test, most=1000, mixture=None, seed=0):
    arrays = vae_arrays({"train": train, "test": test}, {}, COLOURS)
    return frechet_distances(Pixels(), Judge(), mixture or gaussian(0.5, 0.08), arrays, most, seed, CPU)


def test_draws_from_the_prior():
    z = prior_draws(Pixels(), 20_000, 1)
    assert z.shape == (20_000, 3)
    assert torch.allclose(z.mean(0), torch.zeros(3), atol=0.03) and torch.allclose(
        torch.cov(z.T), torch.eye(3), atol=0.04
    )
    torch.manual_seed(5)
    assert torch.equal(prior_draws(Pixels(), 20_000, 1), z) and not torch.equal(prior_draws(Pixels(), 4, 2), z[:4])


def test_distances_by_hand():
    test = colours(400, 0)
    found = distances(colours(400, 1), test)
    # The decoder loses the blue: its mean squared and its variance. Samples from the prior miss red and green too.
    values = test.reshape(-1, 3) / 255
    blue = values[:, 2].mean() ** 2 + values[:, 2].var(ddof=1)
    protocol = {"images": 400, "pixels": 1, "seed": 0}
    assert found.keys() == {*protocol, "train_images", "reconstructions", "mixture_samples", "prior_samples"}
    assert protocol.items() <= found.items() and found["train_images"] < 1e-3
    assert found["reconstructions"] == pytest.approx(blue, rel=0.02)
    assert found["mixture_samples"] == pytest.approx(blue, rel=0.05)
    prior = 2 * (0.5**2 + (1 - values[:, 0].std()) ** 2) + blue
    assert found["prior_samples"] == pytest.approx(prior, rel=0.1)


def test_the_mixture_is_what_is_sampled():
    far, near = (
        distances(colours(50, 1), colours(50, 0), mixture=gaussian(*moments)) for moments in ((5, 1), (0.5, 0.08))
    )
    assert far["mixture_samples"] > 2 * 4**2 and near["mixture_samples"] < 0.5
    assert far["prior_samples"] == near["prior_samples"]


def test_only_the_first_images_are_compared_and_train_images_evenly_spread():
    first, others = colours(20, 0), colours(30, 2, mean=0.9)
    # Every third train image is one of the first test images: evenly spread, twenty of sixty are these.
    train = np.concatenate([np.stack([image, 0 * image, 255 - 0 * image]) for image in first])
    found = distances(train, np.concatenate([first, others]), most=20)
    assert found["images"] == 20 and found["train_images"] == pytest.approx(0, abs=1e-6)
    blue = first[..., 2] / 255
    assert found["reconstructions"] == pytest.approx(blue.mean() ** 2 + blue.var(ddof=1), rel=0.02)
    assert distances(train[:20], np.concatenate([first, others]), most=20)["train_images"] > 0.01


def test_fewer_train_images_than_asked_for():
    train, test = colours(4, 1), colours(10, 0)
    found = distances(train, test)
    floats = [torch.from_numpy(part).permute(0, 3, 1, 2) / 255 for part in (train, test)]
    expected = FrechetDistance(Judge(), floats[1:], CPU).to(floats[:1])
    assert found["images"] == 10 and found["train_images"] == pytest.approx(expected, rel=1e-4)


def test_samples_come_from_the_seed():
    train, test = colours(20, 1), colours(20, 0)
    first, again, other = (distances(train, test, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert {name for name in first if first[name] != other[name]} == {"seed", "mixture_samples", "prior_samples"}
