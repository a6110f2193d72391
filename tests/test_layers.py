"""Keras's "same" convolutions, the report's lists, and images as floats and bytes."""

import itertools
import math

import numpy as np
import pytest
import torch
from model_data import LISTS
from torch.nn.functional import conv2d

from facevae.nn.layers import (
    ConvLists,
    ResidualBlock,
    SameConv,
    SameConvTranspose,
    as_bytes,
    as_unit_floats,
    conv_decoder,
    conv_encoder,
)


@pytest.mark.parametrize(("kernel", "stride"), list(itertools.product([1, 2, 3, 4, 5], [1, 2, 3])))
def test_sizes(kernel, stride):
    for height, width in ((12, 13), (7, 10)):
        image = torch.zeros(1, 2, height, width)
        shrunk = SameConv(2, 3, kernel, stride)(image)
        assert shrunk.shape == (1, 3, math.ceil(height / stride), math.ceil(width / stride))
        if kernel >= stride:
            assert SameConvTranspose(2, 3, kernel, stride)(image).shape == (1, 3, height * stride, width * stride)


def ones(layer):
    torch.nn.init.ones_(layer.conv.weight)
    torch.nn.init.zeros_(layer.conv.bias)
    return layer


@pytest.mark.parametrize(
    ("kernel", "stride", "sums"),
    [
        (3, 1, [3, 6, 9, 7]),  # one zero on each side
        (3, 2, [6, 7]),  # TensorFlow pads 4 to 5 on the right only
        (2, 1, [3, 5, 7, 4]),  # an even kernel likewise
        (4, 2, [6, 9]),  # one zero on each side
        (2, 2, [3, 7]),
    ],
)
def test_padding_is_tensorflows(kernel, stride, sums):
    row = torch.arange(1.0, 5)
    across = ones(SameConv(1, 1, kernel, stride))(row.expand(1, 1, 4, 4)).detach()
    # Every row of the image is the same, so the sums along it tell how many rows were covered.
    covered = [round(float(value)) for value in across[0, 0, :, 0] / sums[0]]
    assert [round(float(value)) for value in across[0, 0, 0] / covered[0]] == sums
    down = ones(SameConv(1, 1, kernel, stride))(row[:, None].expand(1, 1, 4, 4)).detach()
    assert torch.equal(down, across.transpose(2, 3))


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (4, 1), (2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (5, 3)])
def test_the_transposed_convolution_is_the_others_gradient(kernel, stride):
    generator = torch.Generator().manual_seed(0)
    forward, back = SameConv(2, 3, kernel, stride).double(), SameConvTranspose(3, 2, kernel, stride).double()
    back.conv.weight = forward.conv.weight
    torch.nn.init.zeros_(forward.conv.bias)
    torch.nn.init.zeros_(back.conv.bias)
    x = torch.randn(1, 2, 6 * stride, 5 * stride, generator=generator, dtype=torch.double)
    y = torch.randn(1, 3, 6, 5, generator=generator, dtype=torch.double)
    assert torch.allclose((forward(x) * y).sum(), (x * back(y)).sum())


def test_the_reports_bottleneck_and_weights():
    lists = ConvLists.model_validate(LISTS)
    encoder, decoder = conv_encoder(lists), conv_decoder(lists, 16)
    images = torch.rand(1, 3, 220, 180)
    assert encoder(images).shape == (1, 16, 55, 45)
    output = decoder(encoder(images))
    assert output.shape == images.shape and output.min() >= 0 and output.max() <= 1
    count = sum(weight.numel() for weight in encoder.parameters())
    assert count == (3 * 32 * 9 + 32) + (32 * 16 * 9 + 16)
    count = sum(weight.numel() for weight in decoder.parameters())
    assert count == (16 * 16 * 9 + 16) + (16 * 32 * 9 + 32) + (32 * 3 * 9 + 3)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"encoder_layers": 3}, "3 numbers in encoder_filters since encoder_layers is 3"),
        ({"decoder_kernel_sizes": [3]}, "2 numbers in decoder_kernel_sizes since decoder_layers is 2"),
        ({"encoder_strides": [2, 4], "decoder_strides": [2, 4]}, "encoder_kernel_sizes no smaller than"),
        ({"decoder_kernel_sizes": [1, 3]}, "decoder_kernel_sizes no smaller than"),
        ({"encoder_filters": [32, 0]}, "at least 1 in encoder_filters"),
        ({"encoder_filters": [32, 16.0]}, "valid integer"),
        ({"activation": "swish"}, "'relu'"),
    ],
)
def test_lists_that_do_not_fit(changes, part):
    with pytest.raises(ValueError, match=part):
        ConvLists.model_validate(LISTS | changes)


def test_strides_may_stand_in_another_order():
    lists = ConvLists.model_validate(LISTS | {"encoder_strides": [1, 6], "decoder_strides": [3, 2]} | KERNELS)
    assert lists.reduction == lists.enlargement == 6
    assert conv_decoder(lists, 16)(conv_encoder(lists)(torch.rand(1, 3, 12, 18))).shape == (1, 3, 12, 18)


KERNELS = {"encoder_kernel_sizes": [1, 7], "decoder_kernel_sizes": [4, 3]}


def lists_of_strides(encoder, decoder):
    """The lists with layers of these strides, as many as there are."""
    changes = {}
    for side, strides in (("encoder", encoder), ("decoder", decoder)):
        changes |= {
            f"{side}_layers": len(strides),
            f"{side}_filters": [8] * len(strides),
            f"{side}_kernel_sizes": [5] * len(strides),
            f"{side}_strides": strides,
        }
    return ConvLists.model_validate(LISTS | changes)


@pytest.mark.parametrize(
    ("encoder", "decoder", "reduction", "enlargement"),
    [([2, 2], [4, 4], 4, 16), ([4, 4], [2, 2], 16, 4), ([2, 2, 2, 2], [4, 4], 16, 16), ([1], [1, 1], 1, 1)],
)
def test_encoder_and_decoder_have_strides_of_their_own(encoder, decoder, reduction, enlargement):
    lists = lists_of_strides(encoder, decoder)
    assert (lists.reduction, lists.enlargement) == (reduction, enlargement)
    assert conv_encoder(lists)(torch.rand(1, 3, 32, 48)).shape == (1, 8, 32 // reduction, 48 // reduction)
    assert conv_decoder(lists, 5)(torch.rand(1, 5, 2, 3)).shape == (1, 3, 2 * enlargement, 3 * enlargement)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (48, 32, None),
        (48, 40, "decoder_strides that divide 40 x 48 images: the decoder enlarges by 16"),
        (24, 32, "decoder_strides that divide 32 x 24 images: the decoder enlarges by 16"),
        (32, 30, "encoder_strides that divide 30 x 32 images: the encoder shrinks by 4"),
        (30, 32, "encoder_strides that divide 32 x 30 images: the encoder shrinks by 4"),
    ],
)
def test_both_sides_strides_divide_the_image(height, width, expected):
    lists = lists_of_strides([2, 2], [4, 4])
    if expected is None:
        lists.check_divides(height, width)
    else:
        with pytest.raises(ValueError, match=f"^{expected}$"):
            lists.check_divides(height, width)


def test_every_activation_is_used():
    x = torch.full((1, 3, 4, 4), -1.0)
    outputs = {}
    for name in ("relu", "leaky_relu", "elu", "silu", "gelu", "tanh"):
        torch.manual_seed(0)
        encoder = conv_encoder(ConvLists.model_validate(LISTS | {"activation": name}))
        outputs[name] = encoder(x).detach()
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(outputs.values(), 2))
    assert outputs["relu"].min() >= 0 > outputs["tanh"].min()


def test_a_residual_block_starts_as_the_identity():
    x = torch.randn(1, 8, 4, 4)
    block = ResidualBlock(8)
    torch.nn.init.zeros_(block.conv2.bias)
    assert torch.equal(block(x), x)


def test_bytes_to_floats_and_back():
    images = torch.arange(256 * 3, dtype=torch.int32).remainder(256).to(torch.uint8).reshape(2, 8, 16, 3)
    floats = as_unit_floats(images)
    assert floats.shape == (2, 3, 8, 16) and floats.dtype == torch.float32
    assert (floats.min(), floats.max()) == (0, 1) and floats[0, 2, 0, 1] == images[0, 0, 1, 2].item() / 255
    assert floats.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(as_bytes(floats), images.numpy())


def test_bytes_are_rounded_and_kept_in_range():
    values = torch.tensor([-0.2, 0.4 / 255, 0.6 / 255, 1.7]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert as_bytes(values)[0, 0, :, 0].tolist() == [0, 0, 1, 255]


def test_the_convolution_itself_is_pytorchs():
    layer, x = SameConv(2, 3, 3), torch.randn(1, 2, 5, 6)
    assert torch.equal(layer(x), conv2d(x, layer.conv.weight, layer.conv.bias, padding=1))
