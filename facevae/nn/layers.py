"""Building blocks of the networks: Keras-style "same" convolutions from lists, and residual blocks."""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from facevae.core.params import Section

Activation = Literal["relu", "leaky_relu", "elu", "silu", "gelu", "tanh"]

_ACTIVATIONS = {
    "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "silu": nn.SiLU, "gelu": nn.GELU, "tanh": nn.Tanh,
}  # fmt: skip


class ConvLists(Section):
    """An encoder and a decoder as the report writes them: one entry per layer in each list.

    The number of layers need not be equal: decoder strides of 4, 4 fit encoder strides of 2, 2, 2, 2.
    """

    encoder_layers: int = Field(ge=1, le=8)
    encoder_filters: list[int]
    encoder_kernel_sizes: list[int]
    encoder_strides: list[int]
    decoder_layers: int = Field(ge=1, le=8)
    decoder_filters: list[int]
    decoder_kernel_sizes: list[int]
    decoder_strides: list[int]
    output_kernel_size: int = Field(ge=1, le=15)
    activation: Activation

    @model_validator(mode="after")
    def _lists_fit_together(self) -> "ConvLists":
        for side in ("encoder", "decoder"):
            layers = getattr(self, f"{side}_layers")
            for what in ("filters", "kernel_sizes", "strides"):
                values = getattr(self, f"{side}_{what}")
                if len(values) != layers:
                    raise ValueError(f"{layers} numbers in {side}_{what} since {side}_layers is {layers}")
                if min(values) < 1:
                    raise ValueError(f"numbers of at least 1 in {side}_{what}")
            for kernel, stride in zip(
                getattr(self, f"{side}_kernel_sizes"), getattr(self, f"{side}_strides"), strict=True
            ):
                if kernel < stride:
                    raise ValueError(f"{side}_kernel_sizes no smaller than {side}_strides, else pixels are skipped")
        return self

    @property
    def reduction(self) -> int:
        """Factor by which the encoder shrinks width and height."""
        return math.prod(self.encoder_strides)

    @property
    def enlargement(self) -> int:
        """Factor by which the decoder enlarges width and height.

        Without a dense layer between them it must be the encoder's `reduction`. A dense layer can start the decoder at
        any size: decoder strides of 4, 4 after encoder strides of 2, 2, which the report lists, then mean that a
        128-pixel image is encoded to 32 x 32 and decoded from 8 x 8. Started at the encoder's 32 x 32, as the usual
        code does, they would end at 512.
        """
        return math.prod(self.decoder_strides)

    def check_divides(self, height: int, width: int) -> None:
        """Raise ValueError, saying what would be right, if the strides of either side don't divide the image."""
        for side, factor, does in (("encoder", self.reduction, "shrinks"), ("decoder", self.enlargement, "enlarges")):
            if height % factor or width % factor:
                raise ValueError(f"{side}_strides that divide {width} x {height} images: the {side} {does} by {factor}")


class SameConv(nn.Module):
    """Strided convolution with Keras's "same" padding: (N, C, H, W) -> (N, C', ceil(H / s), ceil(W / s))."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        # An even border is left to the convolution: padding apart copies the whole image once more.
        self.even = stride == 1 and kernel_size % 2 == 1
        self.conv = nn.Conv2d(inputs, outputs, kernel_size, stride, padding=kernel_size // 2 if self.even else 0)

    def forward(self, x: Tensor) -> Tensor:
        if self.even:
            return self.conv(x)
        pad_h, pad_w = (
            max((math.ceil(size / self.stride) - 1) * self.stride + self.kernel_size - size, 0) for size in x.shape[2:]
        )
        # Like TensorFlow, the odd pixel goes below and to the right.
        return self.conv(F.pad(x, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2)))


class SameConvTranspose(nn.Module):
    """Transposed convolution with Keras's "same" padding: (N, C, H, W) -> (N, C', H * s, W * s)."""

    def __init__(self, inputs: int, outputs: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.crop = stride, (kernel_size - stride) // 2
        self.conv = nn.ConvTranspose2d(inputs, outputs, kernel_size, stride)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] * self.stride, x.shape[3] * self.stride
        return self.conv(x)[:, :, self.crop : self.crop + height, self.crop : self.crop + width]


def conv_encoder(lists: ConvLists, channels: int = 3) -> nn.Sequential:
    """The report's encoder: a strided convolution and an activation per layer."""
    layers: list[nn.Module] = []
    for filters, kernel, stride in zip(
        lists.encoder_filters, lists.encoder_kernel_sizes, lists.encoder_strides, strict=True
    ):
        layers += [SameConv(channels, filters, kernel, stride), _ACTIVATIONS[lists.activation]()]
        channels = filters
    return nn.Sequential(*layers)


def conv_decoder(lists: ConvLists, channels: int) -> nn.Sequential:
    """The report's decoder: a transposed convolution and an activation per layer, then 3 channels and a sigmoid."""
    layers: list[nn.Module] = []
    for filters, kernel, stride in zip(
        lists.decoder_filters, lists.decoder_kernel_sizes, lists.decoder_strides, strict=True
    ):
        layers += [SameConvTranspose(channels, filters, kernel, stride), _ACTIVATIONS[lists.activation]()]
        channels = filters
    return nn.Sequential(*layers, SameConv(channels, 3, lists.output_kernel_size), nn.Sigmoid())


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), 3x3 each (He et al. 2016, pre-activation; GroupNorm, SiLU)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, channels), nn.Conv2d(channels, channels, 3, padding=1)
        # Starts as the identity, so that depth never hurts the first steps (Zhang et al. 2019, Fixup).
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


def as_unit_floats(images: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) in [0, 255] -> float32 (N, 3, H, W) in [0, 1], channels last in memory."""
    # The permuted view of NHWC bytes is channels-last already: the layout in which convolutions
    # are fastest, on GPUs and, as tried here, on CPUs.
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def from_bytes(images: np.ndarray) -> Tensor:
    """A copy in memory of uint8 (N, H, W, 3), such as some rows of a memory map, as `as_unit_floats`."""
    return as_unit_floats(torch.from_numpy(np.array(images)))


def as_bytes(images: Tensor) -> np.ndarray:
    """(N, 3, H, W) in [0, 1] -> uint8 (N, H, W, 3), rounded."""
    return images.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
