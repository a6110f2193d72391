"""The denoisers and their objective."""

import numpy as np
import pytest
import torch
from model_data import DAE, LISTS, training_step, validation_step
from torch import nn

from facevae.dae import (
    DaeSettings,
    UnetNetwork,
    augment,
    denoise,
    denoising_terms,
    facts_of,
    make_network,
    mean_colour,
    rebuild,
)
from facevae.dae_training import dae_terms_of
from facevae.steps import Step


def settings(**changes):
    return DaeSettings.model_validate(DAE | changes)


def report(latent_dim=None, **changes):
    return settings(architecture="report", report={**LISTS, "latent_dim": latent_dim}, **changes)


def count(module):
    return sum(weight.numel() for weight in module.parameters())


@pytest.mark.parametrize(("height", "width", "levels"), [(37, 53, 2), (24, 20, 1), (17, 17, 4), (16, 33, 3), (9, 9, 0)])
def test_the_unet_starts_as_the_identity_at_any_size(height, width, levels):
    network = make_network(settings(unet={"width": 4, "levels": levels, "blocks": 2}, crop=None), height, width)
    noisy = torch.rand(2, 3, height, width)
    assert torch.equal(network(noisy), noisy)


def test_the_unet_at_an_odd_size_uses_every_weight():
    network = make_network(settings(unet={"width": 4, "levels": 2, "blocks": 2}), 37, 53)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)
    output = network(torch.rand(1, 3, 37, 53))
    assert output.shape == (1, 3, 37, 53)
    output.square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())


def test_the_unets_skips():
    network = make_network(settings(unet={"width": 4, "levels": 1, "blocks": 1}), 16, 16)
    nn.init.normal_(network.head.weight)
    noisy = torch.rand(2, 3, 16, 16)
    nn.init.zeros_(network.grow[0].weight)  # nothing comes up from below
    changed = network(noisy) - noisy
    assert not torch.allclose(changed[0], changed[1])


def test_the_unets_weights_by_hand():
    def conv(a, b, k):
        return a * b * k * k + b

    network = make_network(settings(unet={"width": 8, "levels": 1, "blocks": 2}), 24, 20)
    block8, block16 = 2 * conv(8, 8, 3), 2 * conv(16, 16, 3)
    ends = conv(12, 8, 3) + conv(8, 12, 3)
    assert count(network) == ends + conv(8, 16, 2) + conv(16, 8, 2) + 2 * block8 + 2 * block16 + 2 * block8


def test_the_reports_network():
    network = make_network(report(), 220, 180)
    images = torch.rand(1, 3, 220, 180)
    assert network.encoder(images).shape == (1, 16, 55, 45)
    output = network(images)
    assert output.shape == images.shape and output.min() >= 0 and output.max() <= 1
    assert count(network) == 896 + 4624 + 2320 + 4640 + 867


def test_the_dense_bottleneck():
    network, plain = make_network(report(7, crop=None), 24, 20), make_network(report(), 24, 20)
    size = 16 * 6 * 5
    assert count(network) - count(plain) == (size * 7 + 7) + (7 * size + size)
    images = torch.rand(2, 3, 24, 20)
    assert network(images).shape == images.shape
    between = network.bottleneck[1](network.bottleneck[0](network.encoder(images)))
    assert between.shape == (2, 7)


@pytest.mark.parametrize(("height", "width"), [(24, 22), (18, 20)])
def test_strides_must_divide_the_image(height, width):
    with pytest.raises(ValueError, match=f"divide {width} x {height} images: they shrink by 4"):
        make_network(report(), height, width)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: report(7), "crop null, since report.latent_dim is a number"),
        (lambda: report(crop=18), "a crop that the report's strides divide: they shrink by 4"),
        (lambda: settings(unet={"width": 4, "levels": 4, "blocks": 1}, crop=16), "a crop above 16"),
        (lambda: settings(crop=15), "greater than or equal to 16"),
        (lambda: settings(loss="l2"), "'bce', 'mse', 'l1' or 'charbonnier'"),
        (lambda: settings(valid_share=0.6), "less than or equal to 0.5"),
    ],
)
def test_settings_that_do_not_fit(make, part):
    with pytest.raises(ValueError, match=part):
        make()


def test_the_smallest_crop_of_the_deepest_unet():
    network = UnetNetwork(settings(unet={"width": 4, "levels": 4, "blocks": 1}, crop=17).unet)
    assert network(torch.rand(1, 3, 17, 17)).shape == (1, 3, 17, 17)


def some_bytes(count=4, height=24, width=20):
    return torch.randint(256, (count, height, width, 3), dtype=torch.uint8)


@pytest.mark.parametrize("crop", [None, 16, 64])
def test_clean_and_noisy_are_cut_and_flipped_alike(crop):
    images = some_bytes(6)
    for seed in range(5):
        clean, noisy = augment(images, images.clone(), settings(crop=crop), training_step(6, seed))
        assert torch.equal(clean, noisy)
        assert clean.shape == (6, *((16, 16) if crop == 16 else (24, 20)), 3)


def test_no_flip_where_none_is_asked_for():
    images = some_bytes()
    for seed in range(5):
        clean, noisy = augment(images, images, settings(flip=False, crop=None), training_step(4, seed))
        assert torch.equal(clean, images) and torch.equal(noisy, images)


def test_evaluation_takes_whole_images():
    clean = some_bytes() // 2
    found = dae_terms_of(settings())(nn.Identity(), (clean, clean + 51), validation_step(4))
    assert found["loss"].tolist() == pytest.approx([0.2] * 4)


def test_the_same_seed_the_same_loss():
    batch, terms_of = (some_bytes(), some_bytes()), dae_terms_of(settings())
    first, again, other = (terms_of(nn.Identity(), batch, training_step(4, seed))["loss"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_bfloat16_is_close_to_float32():
    network, clean = make_network(settings(), 24, 20), torch.rand(4, 3, 24, 20)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)
    found = [
        denoising_terms(network, clean, clean, settings(), Step(0, None, 4, precision=precision))["loss"]
        for precision in (torch.float32, torch.bfloat16)
    ]
    assert torch.allclose(*found, rtol=0.05) and not torch.equal(*found) and found[1].dtype == torch.float32


def test_mean_colour_by_hand():
    images = np.zeros((130, 2, 1, 3), np.uint8)  # more than are summed at once
    images[:65, 0], images[..., 2] = 255, 51
    assert mean_colour(images).tolist() == pytest.approx([0.25, 0.25, 0.2])


@pytest.mark.parametrize("chosen", [settings(), report(), report(7, crop=None)])
def test_rebuilt_from_facts_and_weights(chosen):
    network, images = make_network(chosen, 24, 20), torch.rand(1, 3, 24, 20)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.1)
    again = rebuild(facts_of(chosen, 24, 20), network.state_dict())
    assert torch.equal(again(images), network(images)) and not again.training


def test_denoised_images_are_images():
    noisy = torch.tensor([-0.5, 0.25, 1.5]).view(1, 3, 1, 1)
    assert denoise(nn.Identity(), noisy).flatten().tolist() == [0, 0.25, 1]
