"""The denoisers and their objective."""

import itertools

import pytest
import torch
from model_data import DAE, LISTS
from torch import nn

from facevae.dae import DaeSettings, UnetNetwork, denoise, denoising_terms, facts_of, make_network, rebuild


def settings(**changes):
    return DaeSettings.model_validate(DAE | changes)


def report(latent_dim=None, **changes):
    return settings(architecture="report", report={**LISTS, "latent_dim": latent_dim}, **changes)


def count(module):
    return sum(weight.numel() for weight in module.parameters())


def generators(count):
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


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


@pytest.mark.parametrize("crop", [None, 16, 64])
def test_clean_and_noisy_are_cut_and_flipped_alike(crop):
    images = torch.rand(6, 3, 24, 20)
    for generator in generators(5):
        assert denoising_terms(nn.Identity(), images, images.clone(), settings(crop=crop), generator)["loss"].max() == 0


class Keep(nn.Module):
    """Answers its input and remembers it."""

    def forward(self, x):
        self.seen = x
        return x


def windows(image, size):
    """Every square of the image, as rows of numbers."""
    return {
        tuple(image[:, top : top + size, left : left + size].flatten().tolist())
        for top, left in itertools.product(range(image.shape[1] - size + 1), range(image.shape[2] - size + 1))
    }


def test_crops_are_squares_of_their_own_image():
    images, keep = torch.rand(4, 3, 18, 20), Keep()
    places = [windows(image, 16) for image in images]
    mirrored = [windows(image.flip(2), 16) for image in images]
    found = set()
    for generator in generators(20):
        denoising_terms(keep, images, images, settings(), generator)
        assert keep.seen.shape == (4, 3, 16, 16)
        for number, crop in enumerate(tuple(crop.flatten().tolist()) for crop in keep.seen):
            assert crop in places[number] or crop in mirrored[number]
            found.add((number, crop in mirrored[number], crop))
    assert len(found) > 45 and {turned for _, turned, _ in found} == {False, True}


def test_no_flip_where_none_is_asked_for():
    images, keep = torch.rand(4, 3, 20, 20), Keep()
    for generator in generators(5):
        denoising_terms(keep, images, images, settings(flip=False, crop=None), generator)
        assert torch.equal(keep.seen, images)


def test_evaluation_takes_whole_images():
    images, keep = torch.rand(2, 3, 24, 20), Keep()
    assert denoising_terms(keep, images, images + 0.5, settings(), None)["loss"].tolist() == pytest.approx([0.5, 0.5])
    assert torch.equal(keep.seen, images + 0.5)


def test_the_same_generator_the_same_loss():
    images, noisy = torch.rand(4, 3, 24, 20), torch.rand(4, 3, 24, 20)
    first, again, other = (
        denoising_terms(nn.Identity(), images, noisy, settings(), torch.Generator().manual_seed(seed))["loss"]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


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
