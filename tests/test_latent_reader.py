"""Attributes that the autoencoder's objective reads from its latents."""

import math

import pytest
import torch
from model_data import VAE, training_step, validation_step
from torch import nn

from facevae.data.arrays import UNKNOWN
from facevae.models.vae import Vae
from facevae.training.latent_reader import ReadVae, vae_in
from facevae.training.vae import VaeSettings, vae_terms, vae_terms_of

SETTINGS = VaeSettings.model_validate(VAE | {"latent_dim": 2, "attribute_weight": 3.0})


@pytest.fixture
def model():
    torch.manual_seed(0)
    found = ReadVae(Vae(SETTINGS, 16), 3)
    with torch.no_grad():
        # The first attribute's logit is the first latent, the second's twice the second; of the third nothing is known.
        found.reader.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
        nn.init.zeros_(found.reader.bias)
    return found


def test_what_latents_leave_unknown_by_hand(model):
    z = torch.tensor([[1.0, -1.0], [math.log(3), 0.0], [5.0, 5.0]])
    labels = torch.tensor([[1, 0, 1], [0, UNKNOWN, UNKNOWN], [UNKNOWN] * 3], dtype=torch.int8)
    # log(1 + exp(-1)) + log(1 + exp(-2)) + log 2; -log(1 - 3/4); nothing.
    expected = [0.313262 + 0.126928 + math.log(2), math.log(4), 0]
    assert model.unread(labels, z).tolist() == pytest.approx(expected, abs=1e-5)


def test_the_latents_learn_from_it_and_from_nothing_unknown(model):
    z = torch.tensor([[1.0, -1.0]], requires_grad=True)
    model.unread(torch.tensor([[1, UNKNOWN, 0]], dtype=torch.int8), z).sum().backward()
    # d/dz of log(1 + exp(-z)) at 1; the second latent is read for the second attribute alone.
    assert z.grad.tolist()[0] == pytest.approx([-0.268941, 0], abs=1e-5)
    assert model.reader.weight.grad[0].any() and not model.reader.weight.grad[1].any()


def test_the_objective_counts_it_with_its_weight(model):
    images = torch.randint(256, (4, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[0, 1, 1], [1, 0, 1], [1, 1, UNKNOWN], [UNKNOWN] * 3], dtype=torch.int8)
    terms_of, step = vae_terms_of(SETTINGS, None), validation_step(4)
    with torch.no_grad():
        terms, without = terms_of(model, (images, labels), step), terms_of(model.vae, (images,), step)
        z = model.vae.encode(images.permute(0, 3, 1, 2) / 255)[0]
    assert torch.allclose(terms["attribute_loss"], 3 * model.unread(labels, z), rtol=1e-4)
    assert terms["attribute_loss"][3] == 0 and "attribute_loss" not in without
    assert torch.allclose(terms["loss"], without["loss"] + terms["attribute_loss"])


def test_in_training_it_reads_what_the_decoder_is_given(model):
    images, read = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)), []
    found = vae_terms(
        model.vae, images, SETTINGS, None, 1.0, training_step(3), lambda z: read.append(z.detach()) or z.sum(1)
    )
    mu = model.vae.encode(images)[0]
    assert read[0].shape == mu.shape and not torch.allclose(read[0], mu)  # a draw, not the mean
    found["attribute_loss"].sum().backward()
    assert model.vae.encoder.mu.weight.grad.any()


def test_the_autoencoder_of_a_model(model):
    assert vae_in(model) is vae_in(model.vae) is model.vae
    with pytest.raises(AssertionError):
        vae_in(nn.Linear(1, 1))
