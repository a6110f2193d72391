"""Reconstructions measured where the answer is known, for the eye and for the judge."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels, pictures
from model_data import VAE
from torch import nn

from facevae.evaluation import reconstruction as reconstruction_evaluation
from facevae.evaluation.image_metrics import psnr_db, ssim
from facevae.evaluation.reconstruction import attribute_retention, reconstruct
from facevae.models.vae import Vae
from facevae.training.vae import VaeSettings

CPU = torch.device("cpu")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)


def reconstruction_metrics(vae, images, device, lpips=None, batch_size=64, judge=None):
    """Of images whose posteriors are the encoder's."""
    mu, logvar = vae.encode(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)
    found = reconstruct(
        vae, judge or Judge(), images, mu, logvar, device, embedded=2, lpips_network=lpips, batch_size=batch_size
    )
    return found.measures


@pytest.fixture
def vae():
    torch.manual_seed(0)
    return Vae(VaeSettings.model_validate(VAE), 16).eval()


def test_reconstructions_are_measured_image_by_image(vae):
    found = [reconstruction_metrics(vae, IMAGES, CPU, batch_size=size) for size in (2, 64)]
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255
    reconstructions = vae.reconstruct(images)
    assert found[0]["psnr_db"] == pytest.approx(psnr_db(reconstructions, images).mean().item(), rel=1e-4)
    assert found[0]["ssim"] == pytest.approx(ssim(reconstructions, images).mean().item(), rel=1e-4)
    assert found[0]["latent_dimensions"] == 6


def posterior(vae, means):
    """Let the posterior of every image be N(mean, 1), one mean per dimension."""
    for layer in (vae.encoder.mu, vae.encoder.logvar):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        vae.encoder.mu.bias += torch.tensor(means)


def test_a_posterior_that_is_the_prior_says_nothing(vae):
    posterior(vae, [0.0] * 6)
    found = reconstruction_metrics(vae, IMAGES, CPU)
    assert (found["kl_nats"], found["active_dimensions"], found["kl_nats_of_largest_dimension"]) == (0, 0, 0)


def test_kl_by_hand(vae):
    posterior(vae, [2.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    found = reconstruction_metrics(vae, IMAGES, CPU)
    assert found["kl_nats"] == pytest.approx(2.5) and found["kl_nats_of_largest_dimension"] == pytest.approx(2)
    assert found["active_dimensions"] == 0  # the mean is the same for every image


def grey(reconstruction):
    """An autoencoder of four dimensions that knows how bright an image is and answers with grey."""

    def encode(images):
        mean = images.mean((1, 2, 3)).view(-1, 1)
        return mean * torch.tensor([1.0, 0.1, 0.0, 10.0]), torch.zeros(len(images), 4)

    return SimpleNamespace(
        encode=encode,
        decode=lambda z: torch.full((len(z), 3, 16, 16), 0.5),
        settings=SimpleNamespace(reconstruction=reconstruction),
        variance=torch.tensor(0.5),
    )


class Coloured(Pixels):
    """Pictures of a single pixel, of which SSIM has nothing to say, repeated to 16 x 16."""

    variance = torch.tensor(0.5)
    settings = SimpleNamespace(latent_dim=3, precision="float32", reconstruction="mse")

    def decode(self, z):
        return super().decode(z).expand(-1, -1, 16, 16)


# Three black and three white.
BLACK_AND_WHITE = np.repeat(np.array([0, 255], np.uint8), 3)[:, None, None, None] + np.zeros((6, 16, 16, 3), np.uint8)


def test_active_dimensions_vary_by_more_than_a_hundredth():
    found = reconstruction_metrics(grey("bce"), BLACK_AND_WHITE, CPU)
    # A variance of 1/4, 1/400, 0 and 25.
    assert (found["active_dimensions"], found["latent_dimensions"]) == (2, 4)
    assert found["psnr_db"] == pytest.approx(6.0206, abs=1e-3)


@pytest.mark.parametrize(
    ("reconstruction", "loss"),
    [
        ("bce", 768 * np.log(2)),
        ("mse", 768 / 4),
        ("l1", 768 / 2),
        ("gaussian", 768 / 2 * (np.log(2 * np.pi * 0.5) + 0.25 / 0.5)),
        ("none", 0),
    ],
)
def test_the_reconstruction_loss_is_the_trainings_by_hand(reconstruction, loss):
    found = reconstruction_metrics(grey(reconstruction), BLACK_AND_WHITE, CPU)
    assert found["reconstruction_loss"] == pytest.approx(loss, rel=1e-5)


def test_lpips_is_measured_where_it_can_be_had(monkeypatch):
    asked = []

    def load_lpips(network, device):
        asked.append((network, device))
        return None if network == "vgg" else lambda prediction, target: (prediction - target)[:, 0, 0, 0]

    monkeypatch.setattr(reconstruction_evaluation, "load_lpips", load_lpips)
    # Of six images four are black, in batches of four: half a white one more than each black one's.
    found = reconstruction_metrics(grey("bce"), BLACK_AND_WHITE[[0, 1, 2, 0, 3, 4]], CPU, "alex", batch_size=4)
    assert found["lpips"] == pytest.approx((4 * 0.5 - 2 * 0.5) / 6)
    assert "lpips" not in reconstruction_metrics(grey("bce"), BLACK_AND_WHITE, CPU, "vgg")
    assert "lpips" not in reconstruction_metrics(grey("bce"), BLACK_AND_WHITE, CPU)
    assert asked == [("alex", CPU), ("vgg", CPU)]


def test_an_attribute_that_is_erased_is_lost_by_hand():
    # Of the blue nothing is left: the judge is still right on the two of five that never had any.
    before = np.array([[0.8, 0, 0.8], [0, 1, 0.8], [1, 1, 1], [0, 0, 0], [0.8, 0.8, 0.2]])
    # On the first image the judge finds no green though the label says so.
    labels = np.array([[1, 1, 1], [0, 1, 1], [1, 1, 1], [0, 0, 0], [1, 1, 0]], np.int8)
    rows = attribute_retention(before, before * [1, 1, 0], labels, COLOURS)
    assert [row.pop("attribute") for row in rows] == list(COLOURS)
    kept = {"accuracy": 1, "accuracy_reconstruction": 1, "accuracy_loss": 0}
    assert rows[0] == kept | {"balanced_accuracy": 1, "balanced_accuracy_reconstruction": 1}
    assert rows[1] == pytest.approx(
        {
            "accuracy": 0.8,
            "accuracy_reconstruction": 0.8,
            "balanced_accuracy": (3 / 4 + 1) / 2,
            "balanced_accuracy_reconstruction": (3 / 4 + 1) / 2,
            "accuracy_loss": 0,
        }
    )
    assert rows[2] == pytest.approx(
        {
            "accuracy": 1,
            "accuracy_reconstruction": 0.4,
            "balanced_accuracy": 1,
            "balanced_accuracy_reconstruction": 0.5,
            "accuracy_loss": 0.6,
        }
    )


def test_attributes_of_one_kind_cannot_be_lost():
    answers, labels = np.array([[0.8, 0, 0.8], [0, 1, 0.8]]), np.array([[1, 0, 1], [0, 0, 1]], np.int8)
    assert [row["attribute"] for row in attribute_retention(answers, answers, labels, COLOURS)] == ["Red"]


@pytest.mark.parametrize("batch_size", [7, 64])
def test_each_reconstruction_is_judged_in_its_place(batch_size):
    # More than a batch, of which only every seventh is red and all are blue, which the decoder loses.
    images = pictures(*([5 * (number % 7 == 0), 0, 5] for number in range(150)))
    mu = torch.from_numpy(images).flatten(1) / 255
    images = images.repeat(16, 1).repeat(16, 2)
    found = reconstruct(Coloured(), Judge(), images, mu, torch.zeros_like(mu), CPU, embedded=100, batch_size=batch_size)
    red = np.arange(150) % 7 == 0
    assert np.array_equal(found.probabilities > 0.5, np.stack([red, 0 * red, 0 * red], 1))
    # The embeddings are the first hundred reconstructions' mean colours.
    assert np.array_equal(found.embeddings.numpy(), np.stack([red, 0 * red, 0 * red], 1)[:100])
