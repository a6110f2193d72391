"""The variational autoencoder and its objective."""

import pytest
import torch
from model_data import LISTS, VAE, training_step, validation_step
from torch import nn

from facevae.classifier import Classifier
from facevae.layers import as_bytes
from facevae.losses import binary_cross_entropy, gaussian_nll, kl_divergence, squared_error
from facevae.steps import Step
from facevae.vae import FeatureDistance, Vae, VaeSettings, facts_of, rebuild, reparameterize, vae_terms
from facevae.vae_training import vae_terms_of


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


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128, 144])
@pytest.mark.parametrize("blocks", [0, 2])
def test_shapes_of_the_deep_network(size, blocks):
    vae, images = Vae(settings(deep={"width": 8, "blocks": blocks}), size), torch.rand(2, 3, size, size)
    mu, logvar = vae.encode(images)
    assert mu.shape == logvar.shape == (2, 6)
    decoded = vae.decode(mu)
    assert decoded.shape == images.shape and decoded.min() >= 0 and decoded.max() <= 1


def test_the_reports_network_at_128():
    lists = LISTS | {"encoder_filters": [32, 64], "decoder_filters": [64, 32]}
    vae = Vae(settings(architecture="report", report=lists), 128)
    images = torch.rand(1, 3, 128, 128)
    assert vae.encoder.body(images).shape == (1, 64, 32, 32)
    assert vae.reconstruct(images).shape == images.shape


def test_the_reports_weights_by_hand():
    lists = LISTS | {"encoder_filters": [32, 64], "decoder_filters": [64, 32]}
    with torch.device("meta"):
        vae = Vae(settings(architecture="report", report=lists, latent_dim=100), 128)
    convolutions = [(3, 32), (32, 64), (64, 64), (64, 32), (32, 3)]
    side = 64 * 32 * 32
    expected = sum(a * b * 9 + b for a, b in convolutions) + 2 * (side * 100 + 100) + 100 * side + side
    assert sum(weight.numel() for weight in vae.parameters()) == expected == 19_802_187


@pytest.mark.parametrize(
    ("changes", "size", "part"),
    [
        ({}, 20, "a multiple of 8 pixels, these have 20"),
        ({}, 136, "a multiple of 16 pixels, these have 136"),
        ({"architecture": "report"}, 18, "divide 18-pixel images: they shrink by 4"),
    ],
)
def test_a_size_that_does_not_divide(changes, size, part):
    with pytest.raises(ValueError, match=part):
        Vae(settings(**changes), size)


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


@pytest.mark.parametrize("reconstruction", ["gaussian", "bce"])
@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
def test_the_loss_is_the_sum_of_its_terms(vae, images, reconstruction, beta):
    chosen = settings(reconstruction=reconstruction, feature_weight=0.25)
    features = FeatureDistance(Classifier(16, 8, 2), images)
    terms = vae_terms(vae, images, chosen, features, beta, validation_step(3))
    mu, logvar = vae.encode(images)
    decoded = vae.decode(mu)
    values = 3 * 16 * 16
    expected = {
        "gaussian": gaussian_nll(squared_error(decoded, images), vae.variance, values),
        "bce": binary_cross_entropy(decoded, images) * values,
    }[reconstruction]
    assert torch.allclose(terms["reconstruction_loss"], expected)
    assert torch.allclose(terms["kl_divergence"], kl_divergence(mu, logvar).sum(1))
    assert torch.allclose(terms["feature_loss"], 0.25 * values * features(decoded, images))
    total = terms["reconstruction_loss"] + beta * terms["kl_divergence"] + terms["feature_loss"]
    assert terms["loss"].shape == (3,) and torch.allclose(terms["loss"], total)


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
    features = FeatureDistance(Classifier(16, 8, 2), images)
    found = {
        precision: vae_terms(vae, images, settings(), features, 1.0, Step(0, None, 3, precision=precision))
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
    facts = facts_of(chosen, 16, {"crop": 16})
    again = rebuild(facts, vae.state_dict())
    assert torch.equal(again.reconstruct(images), vae.reconstruct(images))
    assert again.variance == vae.variance and not again.training and facts["framing"] == {"crop": 16}


def test_features_of_equal_images_are_equal(images):
    features = FeatureDistance(Classifier(16, 8, 2), images)
    assert torch.equal(features(images, images), torch.zeros(3))
    assert (features(images.flip(0), images)[[0, 2]] > 0.1).all()


def test_feature_distance_by_hand():
    images = torch.rand(4, 3, 16, 16, generator=seeded())
    classifier = Classifier(16, 8, 2)
    features = FeatureDistance(classifier, images)
    a, b = (classifier.features(part) for part in (images[:2], images[2:]))
    variances = [stage.var() for stage in classifier.features(images)]
    stages = [(x - y).square().mean((1, 2, 3)) / variance for x, y, variance in zip(a, b, variances, strict=True)]
    assert torch.allclose(features(images[:2], images[2:]), sum(stages) / 3)


def test_the_classifier_learns_nothing_from_the_vae(vae, images):
    classifier = Classifier(16, 8, 2)
    features = FeatureDistance(classifier, images)
    images.requires_grad_()
    reconstruction = vae.reconstruct(images.detach())
    reconstruction.retain_grad()
    features(reconstruction, images).sum().backward()
    assert reconstruction.grad.abs().sum() > 0
    assert images.grad is None and all(weight.grad is None for weight in classifier.parameters())
    assert not classifier.training
