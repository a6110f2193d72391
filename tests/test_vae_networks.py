"""Encoders and decoders for every size, and their weights counted by hand."""

import pytest
import torch
from model_data import LISTS
from torch import nn

from facevae.models.classifier import Classifier
from facevae.models.vae import DeepVae, ReportVae, deep_halves, report_halves
from facevae.nn.layers import ResidualBlock

SIZES = (32, 64, 128, 256)
FEW = {"encoder_filters": [4, 3], "decoder_filters": [3, 4]}


def deep(size, latent_dim=3, **changes):
    return deep_halves(DeepVae(**({"width": 8, "levels": 2, "blocks": 0} | changes)), size, latent_dim)


def report(size, latent_dim=3, **changes):
    return report_halves(ReportVae.model_validate(LISTS | FEW | changes), size, latent_dim)


def lists(side, strides, kernel=3):
    """One side of the report's lists, with its strides."""
    count = len(strides)
    return {
        f"{side}_layers": count, f"{side}_filters": [4] * count, f"{side}_kernel_sizes": [kernel] * count,
        f"{side}_strides": strides,
    }  # fmt: skip


def assert_there_and_back(halves, size):
    encoder, decoder = halves
    images = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    mu, logvar = encoder(images)
    decoded = decoder(mu + logvar)
    assert mu.shape == logvar.shape == (1, 3) and decoded.shape == images.shape
    assert decoded.min() > 0 and decoded.max() < 1
    decoded.sum().backward()
    assert all(weight.grad.any() for half in halves for weight in half.parameters())


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", SIZES)
def test_the_deep_network_takes_powers_of_two(size, levels):
    torch.manual_seed(0)
    halves = deep(size, levels=levels)
    assert_there_and_back(halves, size)
    side = size // (4 if size >= 128 else 2) // 2**levels
    assert halves[1].first(torch.zeros(1, 3)).shape == (1, 8 * 2**levels, side, side)


@pytest.mark.parametrize("size", range(32, 513, 16))
def test_the_deep_network_takes_multiples_of_16(size):
    """Of the committed levels; the classifiers beside it take the same."""
    torch.manual_seed(0)
    assert_there_and_back(deep(size), size)
    assert Classifier(size, 8, 2)(torch.rand(1, 3, size, size)).shape == (1, 2)


@pytest.mark.parametrize("size", SIZES)
def test_the_reports_network_takes_powers_of_two(size):
    torch.manual_seed(0)
    assert_there_and_back(report(size), size)


@pytest.mark.parametrize(("size", "blocks"), [(8, 0), (48, 2), (144, 1)])
def test_other_sizes_that_halve(size, blocks):
    encoder, decoder = deep(size, blocks=blocks)
    assert decoder(encoder(torch.rand(2, 3, size, size))[0]).shape == (2, 3, size, size)


@pytest.mark.parametrize(
    ("size", "levels", "multiple"), [(20, 2, 8), (136, 2, 16), (48, 4, 32), (32, 5, 64), (160, 4, 64)]
)
def test_sizes_that_do_not_halve(size, levels, multiple):
    with pytest.raises(
        ValueError, match=f"a multiple of {multiple} pixels, since levels is {levels}; these have {size}"
    ):
        deep(size, levels=levels)


def conv(inputs, outputs, kernel=3):
    return inputs * outputs * kernel**2 + outputs


def dense(inputs, outputs):
    return inputs * outputs + outputs


def norm(channels):
    return 2 * channels


def count(halves):
    return [sum(weight.numel() for weight in half.parameters()) for half in halves]


def test_the_deep_networks_weights_by_hand():
    # 32 pixels fold to 16, which halve to 8 and 4.
    block16, block32 = (2 * (norm(n) + conv(n, n)) for n in (16, 32))
    encoder = (
        conv(12, 8)
        + norm(8) + conv(8, 16) + block16
        + norm(16) + conv(16, 32) + block32
        + norm(32) + 2 * dense(32 * 4 * 4, 3)
    )  # fmt: skip
    decoder = (
        dense(3, 32 * 4 * 4)
        + block32 + norm(32) + conv(32, 4 * 16, 1)
        + block16 + norm(16) + conv(16, 4 * 8, 1)
        + norm(8) + conv(8, 12)
    )  # fmt: skip
    with torch.device("meta"):
        assert count(deep(32, blocks=1)) == [encoder, decoder] == [33_198, 29_020]
        # Two blocks more on each side, or without a block.
        assert count(deep(32, blocks=3)) == [n + 2 * (block16 + block32) for n in (encoder, decoder)]
        assert count(deep(32)) == [n - block16 - block32 for n in (encoder, decoder)]


def test_width_and_levels_by_hand():
    with torch.device("meta"):
        # Twice as wide and no block.
        wide = conv(12, 16) + norm(16) + conv(16, 32) + norm(32) + conv(32, 64) + norm(64) + 2 * dense(64 * 16, 3)
        assert count(deep(32, width=16))[0] == wide
        # 128 pixels fold to 32: one level ends at 16, three at 4.
        one = conv(48, 8) + norm(8) + conv(8, 16) + norm(16) + 2 * dense(16 * 16 * 16, 3)
        three = (
            conv(48, 8) + norm(8) + conv(8, 16) + norm(16) + conv(16, 32) + norm(32) + conv(32, 64) + norm(64)
            + 2 * dense(64 * 4 * 4, 3)
        )  # fmt: skip
        assert [count(deep(128, levels=levels))[0] for levels in (1, 3)] == [one, three]


@pytest.mark.parametrize(("levels", "blocks"), [(1, 0), (1, 2), (3, 1)])
def test_blocks_stand_after_each_halving(levels, blocks):
    with torch.device("meta"):
        encoder, decoder = deep(64, levels=levels, blocks=blocks)
    found = [[h.conv1.in_channels for h in half.body if isinstance(h, ResidualBlock)] for half in (encoder, decoder)]
    expected = [8 * 2**level for level in range(1, levels + 1) for _ in range(blocks)]
    assert found == [expected, expected[::-1]]


def test_the_reports_weights_by_hand():
    filters = {"encoder_filters": [32, 64], "decoder_filters": [64, 32]}
    side = 64 * 32 * 32
    encoder = conv(3, 32) + conv(32, 64) + 2 * dense(side, 100)
    decoder = dense(100, side) + conv(64, 64) + conv(64, 32) + conv(32, 3)
    with torch.device("meta"):
        assert count(report(128, 100, **filters)) == [encoder, decoder] and encoder + decoder == 19_802_187


def test_depth_and_kernels_change_the_reports_weights_by_hand():
    changes = {**lists("encoder", [2, 2, 2], kernel=5), **lists("decoder", [4], kernel=4), "output_kernel_size": 1}
    encoder = conv(3, 4, 5) + 2 * conv(4, 4, 5) + 2 * dense(4 * 4 * 4, 3)
    decoder = dense(3, 4 * 8 * 8) + conv(4, 4, 4) + conv(4, 3, 1)
    with torch.device("meta"):
        assert count(report(32, **changes)) == [encoder, decoder]


def test_a_decoder_that_enlarges_by_more_starts_smaller():
    """As the report lists them: 128 pixels are encoded to 32 x 32 and decoded from 8 x 8."""
    encoder, decoder = report(128, **lists("decoder", [4, 4], kernel=4))
    assert encoder.body(torch.rand(1, 3, 128, 128)).shape == (1, 3, 32, 32)
    z = torch.rand(2, 3)
    assert decoder.first(z).shape == (2, 3, 8, 8) and decoder(z).shape == (2, 3, 128, 128)


@pytest.mark.parametrize(
    ("size", "changes", "words"),
    [
        (18, {}, "encoder_strides that divide 18 x 18 images: the encoder shrinks by 4"),
        (32, lists("encoder", [3, 2]), "encoder_strides that divide 32 x 32 images: the encoder shrinks by 6"),
        (32, lists("decoder", [3]), "decoder_strides that divide 32 x 32 images: the decoder enlarges by 3"),
        (40, lists("decoder", [4, 4], 4), "decoder_strides that divide 40 x 40 images: the decoder enlarges by 16"),
    ],
)
def test_strides_that_do_not_divide(size, changes, words):
    with pytest.raises(ValueError, match=words):
        report(size, **changes)


def test_a_wild_logvar_is_bounded():
    encoder, _ = deep(32)
    for bias, bound in ((1000.0, 20), (-1000.0, -20)):
        nn.init.constant_(encoder.logvar.bias, bias)
        assert encoder(torch.rand(1, 3, 32, 32))[1].tolist() == [[bound] * 3]
