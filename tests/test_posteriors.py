"""Posteriors of many images: what the VAE says of each, and draws from them."""

import numpy as np
import pytest
import torch
from model_data import VAE
from raw_data import one_line

from facevae.latents.encoding import decode_all, encode_all, posterior_means
from facevae.latents.posteriors import Posteriors, encode_splits, load_posteriors, save_posteriors
from facevae.models.vae import Vae
from facevae.nn.model_files import save_weights
from facevae.training.vae import VaeSettings

CPU = torch.device("cpu")
COUNTS = {"train": 7, "valid": 1, "test": 3}


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return Vae(VaeSettings.model_validate(VAE | {"threads": 3}), 16).eval()


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def encoded(vae, images):
    """What the VAE itself says of all at once."""
    with torch.no_grad():
        return vae.encode(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)


@pytest.mark.parametrize("size", [1, 3, 7, 64])
def test_the_batch_makes_no_difference(vae, size):
    images = pictures(7)
    for found, expected in zip(encode_all(vae, images, CPU, batch_size=size), encoded(vae, images), strict=True):
        assert found.shape == (7, 6) and torch.allclose(found, expected, atol=1e-5)
    z = torch.randn(7, 6)
    with torch.no_grad():
        assert torch.allclose(decode_all(vae, z, CPU, batch_size=size), vae.decode(z), atol=1e-5)


def test_every_split_is_encoded_in_order(vae):
    images = {split: pictures(count, seed) for seed, (split, count) in enumerate(COUNTS.items())}
    found = encode_splits(vae, images, CPU)
    assert found.threads == 3 and list(found.mu) == list(found.logvar) == list(COUNTS)
    for split, part in images.items():
        mu, logvar = encoded(vae, part)
        assert torch.allclose(found.mu[split], mu, atol=1e-5)
        assert torch.allclose(found.logvar[split], logvar, atol=1e-5)
        assert torch.equal(posterior_means(vae, part, CPU), found.mu[split])
    assert not found.mu["train"].requires_grad
    mirrored = encoded(vae, images["train"][:, :, ::-1].copy())[0]
    assert torch.allclose(found.mirrored, mirrored, atol=1e-5)
    assert torch.allclose(found.upright, (found.mu["train"] + mirrored) / 2, atol=1e-5)


def posteriors():
    mu = {split: torch.randn(count, 2) for split, count in COUNTS.items()}
    logvar = {split: torch.randn(count, 2) for split, count in COUNTS.items()}
    return Posteriors(mu, logvar, torch.randn(7, 2), 5)


def test_draws_have_the_posteriors_moments():
    means, logvars = torch.tensor([1.0, -2.0]), torch.tensor([0.0, -2.0])
    found = Posteriors({"train": means.expand(20_000, 2)}, {"train": logvars.expand(20_000, 2)}, means, 1).draws(
        "train", 0
    )
    assert torch.allclose(found.mean(0), means, atol=0.03) and torch.allclose(found.var(0), logvars.exp(), rtol=0.05)
    assert torch.cov(found.T)[0, 1].abs() < 0.01


def test_draws_are_the_splits_and_the_seeds():
    found = posteriors()
    found.logvar["test"].fill_(-80)
    assert torch.allclose(found.draws("test", 0), found.mu["test"])
    first = found.draws("train", 1)
    torch.manual_seed(3)
    assert torch.equal(found.draws("train", 1), first) and not torch.equal(found.draws("train", 2), first)


def test_posteriors_as_a_file(tmp_path):
    path, found = tmp_path / "latents.safetensors", posteriors()
    save_posteriors(path, found)
    again = load_posteriors(path, COUNTS)
    assert again.threads == 5 and again.mu.keys() == again.logvar.keys() == COUNTS.keys()
    for split in COUNTS:
        assert torch.equal(again.mu[split], found.mu[split]) and torch.equal(again.logvar[split], found.logvar[split])


@pytest.mark.parametrize("counts", [COUNTS | {"test": 4}, {"train": 7, "valid": 1}])
def test_posteriors_of_other_images(tmp_path, counts):
    path = tmp_path / "latents.safetensors"
    save_posteriors(path, posteriors())
    expected = ", ".join(f"{count} {split}" for split, count in counts.items())
    with one_line(path, f"latents of {expected} images", "7 train", "1 valid", "3 test", "run stages.encode"):
        load_posteriors(path, counts)


def test_a_file_of_before_the_mirror_images(tmp_path):
    path, found = tmp_path / "latents.safetensors", posteriors()
    tensors = {f"{kind}.{split}": part for kind in ("mu", "logvar") for split, part in getattr(found, kind).items()}
    save_weights(path, tensors, {"kind": "latents", "threads": 1})
    with one_line(path, "mirror images", "older version", "stages.encode"):
        load_posteriors(path, COUNTS)


def test_another_kind_of_file(tmp_path):
    path = tmp_path / "latents.safetensors"
    with one_line(path, "no such file", "stages.encode"):
        load_posteriors(path, COUNTS)
    save_weights(path, {}, {"kind": "vae"})
    with one_line(path, "'vae'", "stages.encode"):
        load_posteriors(path, COUNTS)
