"""The variational autoencoder and its objective."""

import math
from types import SimpleNamespace

import pytest
import torch
from model_data import VAE, rebuilt, training_step, validation_step
from pydantic import ValidationError
from torch import nn

from facevae.models.classifier import Classifier
from facevae.models.vae import Vae, from_metadata, metadata_of, reparameterize
from facevae.nn.layers import as_bytes
from facevae.nn.losses import absolute_error, binary_cross_entropy, gaussian_nll, kl_divergence, squared_error
from facevae.training.feature_losses import ClassifierLoss
from facevae.training.loop.step import StepContext
from facevae.training.vae import VaeSettings, pixel_loss, vae_terms, vae_terms_of


def settings(**changes):
    return VaeSettings.model_validate(VAE | changes)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return Vae(settings(), 16)


@pytest.fixture
def images():
    return torch.rand(3, 3, 16, 16, generator=seeded())


@pytest.mark.parametrize(
    ("changes", "kept", "left"),
    [
        ({}, ("deep", "classifier"), ("report", "vgg19")),
        ({"architecture": "report"}, ("report", "classifier"), ("deep", "vgg19")),
        ({"feature_network": "vgg19"}, ("deep", "vgg19"), ("report", "classifier")),
        ({"architecture": "report", "feature_network": "vgg19"}, ("report", "vgg19"), ("deep", "classifier")),
    ],
)
def test_of_two_groups_each_the_chosen_one_is_read(changes, kept, left):
    # What is not chosen may be anything.
    found = settings(**changes, **dict.fromkeys(left, "nonsense"))
    assert all(getattr(found, name) is not None for name in kept)
    assert all(getattr(found, name) is None for name in left)
    raw = {name: value for name, value in (VAE | changes).items() if name not in left}
    assert VaeSettings.model_validate(raw) == found
    for name in kept:
        with pytest.raises(ValidationError, match=f"a group {name}, since"):
            VaeSettings.model_validate({key: value for key, value in raw.items() if key != name})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reconstruction": "none", "feature_weight": 0.0}, "a feature_weight above 0 where reconstruction is none"),
        ({"reconstruction": "charbonnier"}, "'gaussian', 'bce', 'mse', 'l1' or 'none'"),
        ({"free_bits": -0.1}, "greater than or equal to 0"),
    ],
)
def test_objectives_that_are_none(changes, words):
    with pytest.raises(ValidationError, match=words):
        settings(**changes)
    assert settings(reconstruction="none", feature_weight=0.1).feature_weight == 0.1


def test_pixel_losses_by_hand():
    # Every value is off by 0.3 in the first image and by 0.1 in the second, of 12 values each.
    target = torch.full((2, 3, 2, 2), 0.5)
    prediction = target - torch.tensor([0.3, -0.1]).view(2, 1, 1, 1)
    variance = torch.tensor(0.04)
    ends = [-(math.log(p) + math.log(1 - p)) / 2 for p in (0.2, 0.6)]
    constant = math.log(2 * math.pi * 0.04)
    expected = {
        "mse": [12 * 0.09, 12 * 0.01],
        "l1": [12 * 0.3, 12 * 0.1],
        "none": [0, 0],
        "bce": [12 * end for end in ends],
        "gaussian": [6 * (constant + 0.09 / 0.04), 6 * (constant + 0.01 / 0.04)],
    }
    for kind, values in expected.items():
        assert pixel_loss(prediction, target, kind, variance).tolist() == pytest.approx(values, rel=1e-5), kind


def test_a_draw_from_the_posterior():
    mu, logvar = torch.tensor([[1.0, -2.0]]).expand(20_000, 2), torch.tensor([[0.0, -2.0]]).expand(20_000, 2)
    z = reparameterize(mu, logvar, torch.randn(20_000, 2, generator=seeded()))
    assert torch.allclose(z.mean(0), torch.tensor([1.0, -2.0]), atol=0.03)
    assert torch.allclose(z.var(0), torch.tensor([0.0, -2.0]).exp(), rtol=0.05)
    assert torch.equal(reparameterize(mu, logvar, torch.zeros(20_000, 2)), mu)


def test_gradients_pass_through_the_draw():
    mu, logvar = torch.zeros(1, 4, requires_grad=True), torch.zeros(1, 4, requires_grad=True)
    noise = torch.tensor([[1.0, -2.0, 0.0, 0.5]])
    reparameterize(mu, logvar, noise).sum().backward()
    # dz/dmu = 1, dz/dlogvar = noise * sigma / 2.
    assert torch.equal(mu.grad, torch.ones(1, 4)) and torch.equal(logvar.grad, noise / 2)


def test_a_wild_logvar_stays_finite(vae, images):
    nn.init.constant_(vae.encoder.logvar.bias, 1000.0)
    assert vae_terms(vae, images, settings(), None, 1.0, training_step(3))["loss"].isfinite().all()


@pytest.mark.parametrize("reconstruction", ["gaussian", "bce", "mse", "l1", "none"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
def test_the_loss_is_the_sum_of_its_terms(vae, images, reconstruction, beta):
    chosen = settings(reconstruction=reconstruction, feature_weight=0.25)
    features = ClassifierLoss(Classifier(16, 8, 2), images)
    terms = vae_terms(vae, images, chosen, features, beta, validation_step(3))
    mu, logvar = vae.encode(images)
    decoded = vae.decode(mu)
    values = 3 * 16 * 16
    expected = {
        "gaussian": gaussian_nll(squared_error(decoded, images), vae.variance, values),
        "bce": binary_cross_entropy(decoded, images) * values,
        "mse": squared_error(decoded, images) * values,
        "l1": absolute_error(decoded, images) * values,
        "none": torch.zeros(3),
    }[reconstruction]
    assert torch.allclose(terms["reconstruction_loss"], expected)
    assert torch.allclose(terms["kl_divergence"], kl_divergence(mu, logvar).sum(1))
    assert torch.allclose(terms["feature_loss"], 0.25 * features(decoded, images))
    total = terms["reconstruction_loss"] + beta * terms["kl_divergence"] + terms["feature_loss"]
    assert terms["loss"].shape == (3,) and torch.allclose(terms["loss"], total)


def test_without_pixels_the_decoder_learns_from_the_features_alone(vae, images):
    chosen = settings(reconstruction="none", feature_weight=0.5)
    features = ClassifierLoss(Classifier(16, 8, 2), images)
    weight = vae.decoder.first[0].weight
    found, expected = (
        torch.autograd.grad(loss, weight)[0]
        for loss in (
            vae_terms(vae, images, chosen, features, 2.0, validation_step(3))["loss"].sum(),
            0.5 * features(vae.reconstruct(images), images).sum(),
        )
    )
    assert found.any() and torch.allclose(found, expected, rtol=1e-3, atol=1e-5)


def known_posterior(vae):
    """Let every image's posterior be N(mean, 1): 2 nats in the first dimension, 0.02 in the second, 0 in the others."""
    for layer in (vae.encoder.mu, vae.encoder.logvar):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        vae.encoder.mu.bias[:2] = torch.tensor([2.0, 0.2])


@pytest.mark.parametrize(
    ("floor", "counted"), [(0.0, 2.02), (0.01, 2 + 0.02 + 4 * 0.01), (0.5, 2 + 5 * 0.5), (3.0, 6 * 3.0)]
)
def test_free_bits_in_the_loss_by_hand(vae, images, floor, counted):
    known_posterior(vae)
    terms = vae_terms(vae, images, settings(free_bits=floor), None, 0.5, validation_step(3))
    assert (terms["loss"] - terms["reconstruction_loss"]).tolist() == pytest.approx([0.5 * counted] * 3, abs=1e-3)
    assert terms["kl_divergence"].tolist() == pytest.approx([2.02] * 3)  # what it is, not what counts


def test_a_dimension_below_the_free_bits_gets_no_gradient(vae, images):
    known_posterior(vae)
    gradients = {}
    for beta in (0.0, 1.0):
        terms = vae_terms(vae, images, settings(reconstruction="mse", free_bits=0.5), None, beta, validation_step(3))
        (gradients[beta],) = torch.autograd.grad(terms["loss"].mean(), vae.encoder.mu.bias)
    # d KL / d mu = mu in the dimension above, and nothing but the pixels' in the others.
    assert torch.allclose(gradients[1.0] - gradients[0.0], torch.tensor([2.0, 0, 0, 0, 0, 0]), atol=1e-4)
    assert gradients[0.0].abs().min() > 0


def test_free_bits_are_of_the_whole_batch_whoever_has_its_rows(vae, images):
    chosen, both = settings(reconstruction="mse", free_bits=0.05), torch.cat([images, images / 3])
    with torch.no_grad():
        whole = vae_terms(vae, both, chosen, None, 1.0, validation_step(6))["loss"]
        own, other = (kl_divergence(*vae.encode(part)).sum(0) for part in (both[:2], both[2:]))
        processes = SimpleNamespace(sum=lambda found: found + other)
        step = StepContext(0, None, 6, rows=slice(0, 2), processes=processes)
        found = vae_terms(vae, both[:2], chosen, None, 1.0, step)["loss"]
    assert not torch.equal(own / 2 > 0.05, (own + other) / 6 > 0.05)
    assert torch.allclose(found, whole[:2], rtol=1e-5)


def test_validation_is_deterministic_and_each_images_own(vae, images):
    together = vae_terms(vae.eval(), images, settings(), None, 1.0, validation_step(3))
    alone = vae_terms(vae, images[2:], settings(), None, 1.0, validation_step(1))
    assert all(torch.allclose(together[name][2:], alone[name], rtol=1e-4) for name in together)


def test_training_draws_by_its_seed(vae, images):
    chosen = settings(reconstruction="bce")
    first, again, other = (
        vae_terms(vae, images, chosen, None, 1.0, training_step(3, seed))["loss"] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_flips_are_for_training_and_can_be_left_out(vae, images):
    nn.init.constant_(vae.encoder.logvar.bias, -1000.0)  # nearly no noise: what is left is the flip
    nn.init.zeros_(vae.encoder.logvar.weight)
    data = (as_bytes_of(images),)
    terms_of = {flip: vae_terms_of(settings(reconstruction="bce", flip=flip), None) for flip in (True, False)}
    still = terms_of[True](vae, data, validation_step(3))["mse"]
    losses = [terms_of[False](vae, data, training_step(3, seed))["mse"] for seed in range(4)]
    assert all(torch.allclose(loss, still, rtol=1e-3) for loss in losses)
    losses = [terms_of[True](vae, data, training_step(3, seed))["mse"] for seed in range(4)]
    assert not all(torch.allclose(loss, still, rtol=1e-3) for loss in losses)


def as_bytes_of(images):
    return torch.from_numpy(as_bytes(images))


def test_bfloat16_is_close_to_float32_and_its_losses_are_float32(vae, images):
    features = ClassifierLoss(Classifier(16, 8, 2), images)
    found = {
        precision: vae_terms(vae, images, settings(), features, 1.0, StepContext(0, None, 3, precision=precision))
        for precision in (torch.float32, torch.bfloat16)
    }
    for name, values in found[torch.bfloat16].items():
        assert values.dtype == torch.float32
        assert torch.allclose(values, found[torch.float32][name], rtol=0.03, atol=0.01)
    assert not torch.equal(found[torch.bfloat16]["mse"], found[torch.float32]["mse"])


def test_the_variance_moves_in_training_only(vae, images):
    vae_terms(vae, images, settings(), None, 1.0, validation_step(3))
    assert vae.variance == torch.tensor(0.1)
    mse = vae_terms(vae, images, settings(), None, 1.0, training_step(3))["mse"].mean()
    assert torch.allclose(vae.variance, 0.1 + 0.05 * (mse - 0.1)) and not vae.variance.requires_grad
    moved = vae.variance.clone()
    vae_terms(vae, images, settings(reconstruction="bce"), None, 1.0, training_step(3))
    assert torch.equal(vae.variance, moved)


def test_training_uses_the_batchs_own_variance(vae, images):
    terms = vae_terms(vae, images, settings(), None, 1.0, training_step(3))
    assert torch.allclose(terms["reconstruction_loss"], gaussian_nll(terms["mse"], terms["mse"].mean(), 768))


def test_the_shared_variance_is_no_way_to_lower_the_loss(vae, images):
    # The gradient of the calibrated loss is that of mse / (2 variance), the variance held (Rybkin et al., equation 5).
    terms = vae_terms(vae, images, settings(), None, 0.0, training_step(3))
    weight = vae.decoder.first[0].bias
    (found,) = torch.autograd.grad(terms["loss"].mean(), weight, retain_graph=True)
    (expected,) = torch.autograd.grad(terms["mse"].mean() * 768 / 2 / terms["mse"].mean().detach(), weight)
    assert found.abs().sum() > 0 and torch.allclose(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("architecture", ["deep", "report"])
def test_rebuilt_from_facts_and_weights(architecture, images):
    chosen = settings(architecture=architecture)
    vae = Vae(chosen, 16)
    vae.variance.fill_(0.02)
    facts = metadata_of(chosen, 16, {"crop": 16})
    again = rebuilt(from_metadata, facts, vae.state_dict())
    assert torch.equal(again.reconstruct(images), vae.reconstruct(images))
    assert again.variance == vae.variance and not again.training and facts["framing"] == {"crop": 16}
