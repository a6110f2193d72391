"""Denoising autoencoders (Vincent et al. 2008): the report's two-layer network, and a residual U-Net."""

import itertools
import math
from typing import Any, Literal

import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from facevae.core.params import Section, only_fields, select_group
from facevae.nn.layers import ConvLists, conv_decoder, conv_encoder
from facevae.nn.precision import Computation


class ReportDae(ConvLists):
    """The report's autoencoder; `latent_dim` null keeps the convolutional bottleneck, a number makes it dense."""

    latent_dim: int | None = Field(ge=1)

    @model_validator(mode="after")
    def _strides_return_to_the_size(self) -> "ReportDae":
        if self.latent_dim is None and self.enlargement != self.reduction:
            raise ValueError(
                f"decoder_strides whose product is that of encoder_strides, {self.reduction}, so that the image "
                "returns to its size; with a number for latent_dim the dense layer makes up for any other"
            )
        return self


class Unet(Section):
    """The residual U-Net: `width` channels at half size, doubled at each of `levels` halvings."""

    width: int = Field(ge=4, le=512)
    levels: int = Field(ge=0, le=4)
    blocks: int = Field(ge=1, le=8)


class DaeArchitecture(Computation):
    """The part of section `dae` that a trained denoiser needs: its network, and how that computes."""

    architecture: Literal["unet", "report"]
    unet: Unet | None = None
    report: ReportDae | None = None

    @model_validator(mode="before")
    @classmethod
    def _chosen_architecture(cls, raw: Any) -> Any:
        return select_group(raw, "architecture", ("unet", "report"))

    @property
    def network(self) -> str:
        """What the table of precisions calls it."""
        return f"dae-{self.architecture}"


class ReportNetwork(nn.Module):
    """Encoder, optional dense bottleneck, decoder: (N, 3, H, W) -> (N, 3, H, W) in [0, 1].

    For 220 x 180 images and two strides of 2 the bottleneck is 55 x 45 x the last encoder filter.
    """

    def __init__(self, lists: ReportDae, height: int, width: int) -> None:
        super().__init__()
        lists.check_divides(height, width)
        channels = lists.encoder_filters[-1]
        self.encoder = conv_encoder(lists)
        self.bottleneck: nn.Module = nn.Identity()
        if lists.latent_dim is not None:
            size = channels * (height // lists.reduction) * (width // lists.reduction)
            shape = (channels, height // lists.enlargement, width // lists.enlargement)
            self.bottleneck = nn.Sequential(
                nn.Flatten(),
                nn.Linear(size, lists.latent_dim),
                nn.Linear(lists.latent_dim, math.prod(shape)),
                nn.Unflatten(1, shape),
            )
        self.decoder = conv_decoder(lists, channels)

    def forward(self, noisy: Tensor) -> Tensor:
        return self.decoder(self.bottleneck(self.encoder(noisy)))


class _Block(nn.Module):
    """x + conv(relu(conv(x))). No normalisation: it would hide the noise level from the network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x), inplace=True))


class UnetNetwork(nn.Module):
    """noisy + U-Net(noisy) (Ronneberger et al. 2015; predicting the residual, Zhang et al. 2017, DnCNN).

    (N, 3, H, W) -> (N, 3, H, W) of any size: reflected to a multiple of 2^(levels + 1) and cut back. Works at half
    the size (pixel-unshuffle in, pixel-shuffle out), which costs a quarter.
    """

    def __init__(self, settings: Unet) -> None:
        super().__init__()
        widths = [settings.width * 2**level for level in range(settings.levels + 1)]

        def blocks(channels: int) -> nn.Sequential:
            return nn.Sequential(*(_Block(channels) for _ in range(settings.blocks)))

        self.multiple = 2 ** (settings.levels + 1)
        self.stem = nn.Conv2d(12, widths[0], 3, padding=1)
        self.down = nn.ModuleList(blocks(width) for width in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in itertools.pairwise(widths))
        self.middle = blocks(widths[-1])
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(blocks(width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], 12, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, noisy: Tensor) -> Tensor:
        height, width = noisy.shape[2:]
        x = F.pad(noisy, (0, -width % self.multiple, 0, -height % self.multiple), mode="reflect")
        h = self.stem(F.pixel_unshuffle(x, 2))
        skips = []
        for blocks, shrink in zip(self.down, self.shrink, strict=True):
            h = blocks(h)
            skips.append(h)
            h = shrink(h)
        h = self.middle(h)
        for blocks, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            h = blocks(grow(h) + skip)
        return noisy + F.pixel_shuffle(self.head(h), 2)[:, :, :height, :width]


def make_network(settings: DaeArchitecture, height: int, width: int) -> nn.Module:
    """The network that `settings.architecture` names, for images of `height` x `width` pixels.

    Raises ValueError, saying what would be right, if the report's strides don't divide the image.
    """
    if settings.report is not None:
        return ReportNetwork(settings.report, height, width)
    assert settings.unet is not None  # select_group left exactly one
    return UnetNetwork(settings.unet)


def metadata_of(settings: DaeArchitecture, height: int, width: int) -> dict[str, Any]:
    """What `from_metadata` needs: JSON-able."""
    return {"kind": "dae", "height": height, "width": width, "settings": settings.model_dump()}


def from_metadata(metadata: dict[str, Any]) -> nn.Module:
    """The network, untrained, that `metadata_of` describes."""
    return make_network(only_fields(DaeArchitecture, metadata["settings"]), metadata["height"], metadata["width"])


def denoise(network: nn.Module, noisy: Tensor, *, self_ensemble: bool = False) -> Tensor:
    """Denoised images in [0, 1]: (N, 3, H, W) -> (N, 3, H, W).

    `self_ensemble`: the mean of the answers to the image and to its mirror image (Timofte et al. 2016, "Seven ways to
    improve example-based single image super resolution"), left and right alone: faces don't stand on their heads.
    """
    output = network(noisy)
    if self_ensemble:
        output = (output + network(noisy.flip(3)).flip(3)) / 2
    return output.clamp(0, 1)
