"""Frechet distances of a VAE's images, of which the moments are known."""

import numpy as np
import pytest
import torch
from colour_models import Judge, Pixels

from facevae.evaluation.frechet import FrechetDistance
from facevae.evaluation.samples import frechet_distances
from facevae.latents.mixture import Mixture

CPU = torch.device("cpu")


def colours(count, seed, mean=0.5):
    """Pictures of one pixel whose colours scatter about a mean."""
    numbers = np.random.default_rng(seed).normal(255 * mean, 20, (count, 1, 1, 3))
    return numbers.round().clip(0, 255).astype(np.uint8)


def gaussian(mean, deviation):
    return Mixture(
        *(part.astype(np.float32) for part in (np.ones(1), np.full((1, 3), mean), deviation * np.eye(3)[None]))
    )


def embeddings(images, *, blue=True):
    """The judge's: mean colours; of reconstructions, from which the decoder has lost the `blue`, without it."""
    found = torch.from_numpy(images).float().mean((1, 2)) / 255
    return found if blue else found * torch.tensor([1.0, 1.0, 0.0])


def distances(train, test, mixture=None, seed=0):
    real, reconstructed = embeddings(test), embeddings(test, blue=False)
    return frechet_distances(Pixels(), Judge(), mixture or gaussian(0.5, 0.08), real, reconstructed, train, seed, CPU)


def test_distances_by_hand():
    test = colours(400, 0)
    found = distances(colours(400, 1), test)
    # The decoder loses the blue: its mean squared and its variance. Samples from the prior miss red and green too.
    values = test.reshape(-1, 3) / 255
    blue = values[:, 2].mean() ** 2 + values[:, 2].var(ddof=1)
    assert found.keys() == {"train_images", "reconstructions", "mixture_samples", "prior_samples"}
    assert found["train_images"] < 1e-3
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


def test_train_images_are_evenly_spread():
    first = colours(20, 0)
    # Every third train image is one of the test images: evenly spread, twenty of sixty are these.
    train = np.concatenate([np.stack([image, 0 * image, 255 - 0 * image]) for image in first])
    assert distances(train, first)["train_images"] == pytest.approx(0, abs=1e-6)
    assert distances(train[:20], first)["train_images"] > 0.01


def test_fewer_train_images_than_asked_for():
    train, test = colours(4, 1), colours(10, 0)
    found = distances(train, test)
    expected = FrechetDistance(embeddings(test)).to(embeddings(train))
    assert found["train_images"] == pytest.approx(expected, rel=1e-4)


def test_samples_come_from_the_seed():
    train, test = colours(20, 1), colours(20, 0)
    first, again, other = (distances(train, test, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert {name for name in first if first[name] != other[name]} == {"mixture_samples", "prior_samples"}
