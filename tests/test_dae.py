"""The denoisers and their objective."""

import io
import math

import numpy as np
import pytest
import torch
from model_data import DAE, LISTS, rebuilt, training_step, validation_step
from PIL import Image
from torch import nn

from facevae.data.arrays import DaeArrays
from facevae.models.dae import UnetNetwork, denoise, from_metadata, make_network, metadata_of
from facevae.training import dae as training
from facevae.training.dae import (
    DaeSettings,
    augment,
    dae_terms_of,
    denoising_terms,
    mean_colour,
    with_sigma,
)
from facevae.training.fresh_noise import QUALITIES, add_fresh_noise, as_jpeg, subsampled
from facevae.training.loop.batches import HostRows, in_order
from facevae.training.loop.run import Run
from facevae.training.loop.step import StepContext


def settings(**changes):
    return DaeSettings.model_validate(DAE | changes)


def report(latent_dim=None, lists=LISTS, **changes):
    return settings(architecture="report", report={**lists, "latent_dim": latent_dim}, **changes)


def strides(encoder, decoder):
    """The report's lists with other strides."""
    sides = {"encoder_strides": encoder, "decoder_strides": decoder}
    return {**LISTS, **sides, "encoder_kernel_sizes": [5, 5], "decoder_kernel_sizes": [5, 5]}


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


def test_a_dense_bottleneck_starts_the_decoder_at_a_size_of_its_own():
    # Encoded from 32 x 48 to 8 x 12 pixels of 16 channels, decoded from 2 x 3.
    network = make_network(report(7, strides([2, 2], [4, 4]), crop=None), 32, 48)
    images = torch.rand(2, 3, 32, 48)
    assert network.encoder(images).shape == (2, 16, 8, 12)
    assert network.bottleneck(network.encoder(images)).shape == (2, 16, 2, 3)
    assert network(images).shape == images.shape
    assert count(network.bottleneck) == (16 * 8 * 12 * 7 + 7) + (7 * 16 * 2 * 3 + 16 * 2 * 3)
    # And the other way round.
    assert make_network(report(7, strides([4, 4], [2, 2]), crop=None), 32, 48)(images).shape == images.shape


@pytest.mark.parametrize("others", [([2, 2], [4, 4]), ([4, 4], [2, 2])])
def test_without_one_the_strides_return_to_the_size(others):
    product = others[0][0] ** 2
    with pytest.raises(ValueError, match=f"product is that of encoder_strides, {product}, so that .* for latent_dim"):
        report(None, strides(*others))
    assert report(None, strides([2, 2], [1, 4])).report.enlargement == 4


@pytest.mark.parametrize(
    ("height", "width", "decoder", "message"),
    [
        (24, 22, [2, 2], "encoder_strides that divide 22 x 24 images: the encoder shrinks by 4"),
        (18, 20, [2, 2], "encoder_strides that divide 20 x 18 images: the encoder shrinks by 4"),
        (32, 20, [4, 4], "decoder_strides that divide 20 x 32 images: the decoder enlarges by 16"),
    ],
)
def test_strides_must_divide_the_image(height, width, decoder, message):
    with pytest.raises(ValueError, match=message):
        make_network(report(7, strides([2, 2], decoder), crop=None), height, width)


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: report(7), "crop null, since report.latent_dim is a number"),
        (lambda: report(crop=18), "a crop that the report's strides divide: they shrink by 4"),
        (lambda: settings(unet={"width": 4, "levels": 4, "blocks": 1}, crop=16), "a crop above 16"),
        (lambda: settings(crop=15), "greater than or equal to 16"),
        (lambda: settings(fresh_noise=300.0), "a number from 0 to 255, or a list of two"),
        (lambda: settings(fresh_noise=True), "a number from 0 to 255, or a list of two"),
        (lambda: settings(fresh_noise="as add_noise"), "same, or a number from 0 to 255, or a list of two"),
        (lambda: settings(fresh_noise=[50, 5]), "the smaller of the two numbers first"),
        (lambda: settings(loss="l2"), "'bce', 'mse', 'l1', 'charbonnier' or 'psnr'"),
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


@pytest.mark.parametrize(("crop", "size"), [(None, (24, 20)), (16, (16, 16)), (22, (22, 20)), (64, (24, 20))])
def test_clean_and_noisy_are_cut_and_flipped_alike(crop, size):
    images, chosen = some_bytes(6), settings(crop=crop)
    found = set()
    for seed in range(5):
        clean, noisy = augment((images, images.clone()), chosen, training_step(6, seed))
        assert torch.equal(clean, noisy) and clean.shape == (6, *size, 3)
        # Clean ones alone, where the noise is fresh, likewise.
        (alone,) = augment((images,), chosen, training_step(6, seed))
        assert torch.equal(alone, clean)
        found.add(alone.numpy().tobytes())
    assert len(found) > 1


def test_no_flip_where_none_is_asked_for():
    images = some_bytes()
    for seed in range(5):
        clean, noisy = augment((images, images), settings(flip=False, crop=None), training_step(4, seed))
        assert torch.equal(clean, images) and torch.equal(noisy, images)


# Two images of one grey, of 7,500 numbers each: a standard deviation is known to 0.8%, a mean to 0.3 grey levels.
GREY = torch.full((2, 3, 50, 50), 128 / 255)


def fresh(sigma, seed=0, clean=GREY):
    """The noise in grey levels."""
    return (add_fresh_noise(clean, sigma, training_step(len(clean), seed)) - clean) * 255


def test_fresh_noise_is_as_strong_as_asked_and_in_whole_grey_levels():
    noise = fresh(25.0)
    assert noise.std((1, 2, 3)).tolist() == pytest.approx([25, 25], rel=0.03)
    assert noise.mean((1, 2, 3)).tolist() == pytest.approx([0, 0], abs=1.2)
    assert torch.allclose(noise, noise.round(), rtol=0, atol=1e-4) and noise.shape == GREY.shape
    assert abs(np.corrcoef(noise.flatten(1).numpy())[0, 1]) < 0.05  # each image its own
    colours = noise[0].flatten(1).numpy()
    assert abs(np.corrcoef(colours) - np.eye(3)).max() < 0.1  # and each colour


def test_fresh_noise_is_clipped_and_none_changes_nothing():
    dark, light = (add_fresh_noise(torch.full_like(GREY, level), 25.0, training_step(2)) for level in (0.0, 1.0))
    assert dark.min() == 0 and dark.max() < 0.6 and 0.45 < (dark == 0).float().mean() < 0.55
    assert light.max() == 1 and light.min() > 0.4 and 0.45 < (light == 1).float().mean() < 0.55
    assert torch.equal(add_fresh_noise(GREY, 0.0, training_step(2)), GREY)


def test_of_a_range_each_image_gets_a_sigma_of_its_own():
    found = fresh([5.0, 30.0], clean=GREY[:1].expand(40, -1, -1, -1)).std((1, 2, 3))
    assert 4.8 < found.min() < 8 and 27 < found.max() < 30.9 and 15 < found.mean() < 20
    assert not torch.allclose(found, fresh([5.0, 30.0], 1, GREY[:1].expand(40, -1, -1, -1)).std((1, 2, 3)), rtol=0.1)
    assert torch.equal(fresh([25.0, 25.0]), fresh(25.0))


def test_fresh_noise_is_the_steps_own():
    assert torch.equal(fresh(25.0, 1), fresh(25.0, 1)) and not torch.equal(fresh(25.0, 1), fresh(25.0, 2))
    # Of several processes each draws the noise of its rows.
    parts = [
        add_fresh_noise(GREY[:1], [5.0, 30.0], StepContext(0.0, (0, 0, 0), 2, rows=slice(row, row + 1)))
        for row in (0, 1)
    ]
    assert torch.equal(torch.cat(parts), add_fresh_noise(GREY, [5.0, 30.0], training_step(2)))


def correlations(noise):
    """Of each image's three channels with one another: (N, 3)."""
    return np.array([np.corrcoef(image)[np.triu_indices(3, 1)] for image in noise.flatten(2).numpy()])


def test_subsampled_noise_is_what_a_jpeg_keeps_of_noise():
    """At half of the resolution in colour, as Pillow's JPEGs: by one that is stored and read again."""
    noise = 25 * torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    one = torch.ones(1, 1, 1, 1)
    found = subsampled(noise, one, one)
    noisy = (128 + noise).round().clamp(0, 255)[0].permute(1, 2, 0).byte().numpy()
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=98, subsampling="4:2:0")
    stored = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)[None].float() - 128
    assert found.std((2, 3))[0].tolist() == pytest.approx(stored.std((2, 3))[0].tolist(), rel=0.05)
    assert correlations(found)[0] == pytest.approx(correlations(stored)[0], abs=0.04)
    # What is left is that JPEG's own noise, but for its rounding.
    assert (found - stored).std() < 0.35 * stored.std()


def test_without_colour_it_is_as_strong_as_each_channel_was():
    noise = 25 * torch.randn(1, 3, 101, 67, generator=torch.Generator().manual_seed(0))  # odd sides, too
    grey = subsampled(noise, torch.full((1, 1, 1, 1), 1.4958), torch.zeros(1, 1, 1, 1))
    assert grey.std((2, 3))[0].tolist() == pytest.approx([25] * 3, rel=0.03)
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 1], grey[:, 2])


def test_a_share_of_the_images_gets_subsampled_noise():
    clean = torch.full((200, 3, 24, 24), 128 / 255)
    found = (add_fresh_noise(clean, 25.0, training_step(200), 0.3) - clean) * 255
    alike = correlations(found).mean(1) > 0.3
    assert 0.2 < alike.mean() < 0.4
    # The others have the noise that they would have had.
    assert torch.equal(found[~alike], ((add_fresh_noise(clean, 25.0, training_step(200)) - clean) * 255)[~alike])
    strengths = found[alike].std((1, 2, 3))
    assert 15 < strengths.min() < 19 and 23 < strengths.max() < 28
    assert correlations(found[alike]).max() > 0.97, "some have hardly any colour"
    every = (add_fresh_noise(clean, 25.0, training_step(200), 1.0) - clean) * 255
    assert correlations(every).mean(1).min() > 0.3


def in_a_file(image, quality):
    """A grey-level image (H, W, 3) as a JPEG has it, written and read by Pillow."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))


def test_images_as_jpegs():
    images = np.random.default_rng(0).integers(0, 256, (3, 30, 22, 3), dtype=np.uint8)
    found = as_jpeg(torch.from_numpy(images).permute(0, 3, 1, 2) / 255, torch.tensor([95, 40, 40]))
    expected = [in_a_file(image, quality) for image, quality in zip(images, (95, 40, 40), strict=True)]
    assert (255 * found).round().byte().permute(0, 2, 3, 1).numpy().tolist() == np.stack(expected).tolist()
    assert as_jpeg(torch.zeros(0, 3, 8, 8), torch.zeros(0)).shape == (0, 3, 8, 8)


def test_a_share_of_the_noisy_images_is_stored_as_jpegs():
    clean = torch.full((200, 3, 24, 24), 128 / 255)
    plain, found = (add_fresh_noise(clean, 25.0, training_step(200), 0.5, share) for share in (0.0, 0.3))
    stored = (found != plain).flatten(1).any(1)
    assert 0.2 < stored.float().mean() < 0.4, "the others are as they would have been"
    image = (255 * plain[stored][0]).round().byte().permute(1, 2, 0).numpy()
    expected = (255 * found[stored][0]).round().byte().permute(1, 2, 0).numpy()
    qualities = range(QUALITIES[0], QUALITIES[1] + 1)
    assert any(np.array_equal(in_a_file(image, quality), expected) for quality in qualities)
    # The lower the quality, the less is left of noise: they differ.
    left = (found - clean)[stored].std((1, 2, 3)) * 255
    assert left.min() < 14 and left.max() > 20
    every = add_fresh_noise(clean, 25.0, training_step(200), 0.5, 1.0)
    assert (every != plain).flatten(1).any(1).all()


@pytest.mark.parametrize("share", ["subsampled_share", "jpeg_share"])
def test_stored_noise_stays_as_it_is(share):
    with pytest.raises(ValueError, match=f"{share} 0, since fresh_noise is null"):
        settings(fresh_noise=None, **{share: 0.5})


@pytest.mark.parametrize("stored", [25.0, [5.0, 55.0]])
def test_the_same_noise_means_the_stored_ones_sigma(stored):
    same = with_sigma(settings(fresh_noise="same"), stored)
    assert same.fresh_noise == stored and same == settings(fresh_noise=stored)
    for other in (None, 0.0, 10.0, [10.0, 30.0]):
        assert with_sigma(settings(fresh_noise=other), stored).fresh_noise == other


def test_training_makes_its_own_noise_and_validation_takes_the_stored():
    terms_of = dae_terms_of(settings(fresh_noise=10.0, crop=None))
    clean = torch.full((4, 40, 40, 3), 128, dtype=torch.uint8)
    # The mean of |noise|; the identity network leaves all of it.
    expected = 10 * math.sqrt(2 / math.pi) / 255
    first, again, other = (terms_of(nn.Identity(), (clean,), training_step(4, seed))["loss"] for seed in (1, 1, 2))
    assert first.tolist() == pytest.approx([expected] * 4, rel=0.05)
    assert torch.equal(first, again) and not torch.equal(first, other)
    stored = terms_of(nn.Identity(), (clean, clean + 51), validation_step(4))["loss"]
    assert stored.tolist() == pytest.approx([0.2] * 4)


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
        denoising_terms(network, clean, clean, settings(), StepContext(0, None, 4, precision=precision))["loss"]
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
    again = rebuilt(from_metadata, metadata_of(chosen, 24, 20), network.state_dict())
    assert torch.equal(again(images), network(images)) and not again.training


def test_denoised_images_are_images():
    noisy = torch.tensor([-0.5, 0.25, 1.5]).view(1, 3, 1, 1)
    assert denoise(nn.Identity(), noisy).flatten().tolist() == [0, 0.25, 1]


def test_the_self_ensemble_of_what_treats_left_like_right_changes_nothing():
    noisy = torch.rand(2, 3, 4, 6)
    for network in (nn.Identity(), torch.square, lambda x: x.roll(1, 2), lambda x: x.flip(3)):
        assert torch.equal(denoise(network, noisy, self_ensemble=True), denoise(network, noisy))


def test_the_self_ensemble_by_hand():
    noisy = torch.tensor([0.0, 0.2, 1.0, 0.4]).expand(1, 3, 2, 4)

    def shift(x):
        return x.roll(1, 3)  # to the right; the mirrored image's comes back as one to the left

    assert denoise(shift, noisy)[0, 0, 0].tolist() == pytest.approx([0.4, 0.0, 0.2, 1.0])
    assert denoise(shift, noisy, self_ensemble=True)[0, 0, 0].tolist() == pytest.approx([0.3, 0.5, 0.3, 0.5])

    def lighter_left(x):
        return x + torch.tensor([1.0, 0.0])

    # 0.5 + (1 + 0) / 2 everywhere: the mean is clipped, not what it is made of.
    noisy = torch.full((1, 3, 2, 2), 0.5)
    assert denoise(lighter_left, noisy, self_ensemble=True).unique().tolist() == [1.0]


def test_nobody_validates_whom_the_training_knows(monkeypatch):
    """Images 0 and 9 are one person's, 7 and 8 another's, for whom there is no room beside them."""
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 16, 16, 3), np.uint8)
    names = [f"{number}.png" for number in range(10)]
    arrays = DaeArrays({"train": images}, {"train": 100 + images}, {"train": names}, {"noise": {"sigma": 25.0}})
    seen = {}

    def fit(network, terms_of, train, valid, *_, **__):
        for split, rows in (("train", train), ("valid", valid)):
            found = [HostRows((part,), torch.device("cpu")).batches(in_order(len(part), 99)) for part in rows]
            seen[split] = [next(batches)[0][:, 0, 0, 0].tolist() for batches in found]
        return []

    monkeypatch.setattr(training, "fit", fit)
    run, persons = Run(torch.device("cpu")), {"0": 1, "9": 1, "7": 2, "8": 2}
    training.train_denoiser(arrays, persons, settings(valid_share=0.3), run)
    assert seen["valid"] == [[0, 6, 9], [100, 106, 109]]
    assert seen["train"] == [[1, 2, 3, 4, 5, 7, 8], [101, 102, 103, 104, 105, 107, 108]]
    training.train_denoiser(arrays, {}, settings(valid_share=0.3, fresh_noise=25.0), run)
    assert seen == {"valid": [[7, 8, 9], [107, 108, 109]], "train": [[*range(7)]]}
