"""Encoders and decoders of the variational autoencoder: the report's lists, and a deeper residual network."""

import itertools
import math

import torch
from pydantic import Field
from torch import Tensor, nn

from facevae.layers import ConvLists, ResidualBlock, conv_decoder, conv_encoder
from facevae.params import Section


class ReportVae(ConvLists):
    """The report's encoder and decoder, one number per layer."""


class DeepVae(Section):
    """The deeper network: `width` channels after the stem, doubled at each of `levels` halvings.

    The stem folds images of 128 pixels and more 4 x 4 into channels, smaller ones 2 x 2; `blocks` residual blocks stand
    after each halving.
    """

    width: int = Field(ge=8, le=512, multiple_of=8)
    levels: int = Field(ge=1, le=5)
    blocks: int = Field(ge=0, le=8)


class Encoder(nn.Module):
    """Posterior of images: (N, 3, S, S) in [0, 1] -> mu, logvar (N, D) each."""

    def __init__(self, body: nn.Module, size: int, latent_dim: int) -> None:
        super().__init__()
        self.body = body
        self.mu = nn.Linear(size, latent_dim)
        self.logvar = nn.Linear(size, latent_dim)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        h = self.body(images).flatten(1)
        # A bound far outside of what training visits keeps exp(logvar) finite when it starts badly.
        return self.mu(h), self.logvar(h).clamp(-20, 20)


class Decoder(nn.Module):
    """Images of latents: (N, D) -> (N, 3, S, S) in [0, 1]."""

    def __init__(self, body: nn.Module, shape: tuple[int, int, int], latent_dim: int, activation: nn.Module) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(latent_dim, math.prod(shape)), nn.Unflatten(1, shape), activation)
        self.body = body

    def forward(self, z: Tensor) -> Tensor:
        return self.body(self.first(z).contiguous(memory_format=torch.channels_last))


def report_halves(lists: ReportVae, image_size: int, latent_dim: int) -> tuple[Encoder, Decoder]:
    """The report's layers around a dense bottleneck; the decoder starts at S / `enlargement` pixels.

    Raises ValueError, saying what would be right, if the strides don't divide S.
    """
    lists.check_divides(image_size, image_size)
    channels = lists.encoder_filters[-1]
    encoded, started = image_size // lists.reduction, image_size // lists.enlargement
    encoder = Encoder(conv_encoder(lists), channels * encoded**2, latent_dim)
    return encoder, Decoder(conv_decoder(lists, channels), (channels, started, started), latent_dim, nn.ReLU())


def deep_halves(deep: DeepVae, image_size: int, latent_dim: int) -> tuple[Encoder, Decoder]:
    """Patchified stem, halvings with residual blocks (GroupNorm, SiLU), and the mirror image of both.

    Raises ValueError, saying what would be right, if S does not halve so often.
    """
    fold = 4 if image_size >= 128 else 2
    shrink = fold * 2**deep.levels
    if image_size % shrink:
        raise ValueError(
            f"images of a multiple of {shrink} pixels, since levels is {deep.levels}; these have {image_size}"
        )
    side = image_size // shrink
    widths = [deep.width * 2**level for level in range(deep.levels + 1)]

    def blocks(channels: int) -> list[nn.Module]:
        return [ResidualBlock(channels) for _ in range(deep.blocks)]

    def act(channels: int) -> list[nn.Module]:
        return [nn.GroupNorm(8, channels), nn.SiLU()]

    encoder: list[nn.Module] = [nn.PixelUnshuffle(fold), nn.Conv2d(3 * fold**2, widths[0], 3, padding=1)]
    decoder: list[nn.Module] = []
    for narrow, wide in itertools.pairwise(widths):
        encoder += [*act(narrow), nn.Conv2d(narrow, wide, 3, stride=2, padding=1), *blocks(wide)]
        decoder = [*blocks(wide), *act(wide), nn.Conv2d(wide, 4 * narrow, 1), nn.PixelShuffle(2), *decoder]
    encoder += act(widths[-1])
    decoder += [
        *act(widths[0]), nn.Conv2d(widths[0], 3 * fold**2, 3, padding=1), nn.PixelShuffle(fold), nn.Sigmoid()
    ]  # fmt: skip
    shape = (widths[-1], side, side)
    return (
        Encoder(nn.Sequential(*encoder), math.prod(shape), latent_dim),
        Decoder(nn.Sequential(*decoder), shape, latent_dim, nn.Identity()),
    )
