"""Variational autoencoders (Kingma & Welling 2014, arXiv 1312.6114): their settings, their model, their objective."""

import itertools
import math
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from facevae.core.params import Section, only_fields, select_group
from facevae.nn.layers import ConvLists, ResidualBlock, conv_decoder, conv_encoder
from facevae.nn.losses import PIXEL_LOSSES, gaussian_nll, squared_error
from facevae.nn.precision import Computation


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


class VaeArchitecture(Computation):
    """The part of section `vae` that a trained autoencoder needs: its network, its likelihood, and how it computes."""

    architecture: Literal["deep", "report"]
    deep: DeepVae | None = None
    report: ReportVae | None = None
    latent_dim: int = Field(ge=1, le=4096)
    # What the pixels count; `none`: nothing, the features alone make the image.
    reconstruction: Literal["gaussian", "bce", "mse", "l1", "none"]

    @model_validator(mode="before")
    @classmethod
    def _chosen_architecture(cls, raw: Any) -> Any:
        return select_group(raw, "architecture", ("deep", "report"))

    @property
    def network(self) -> str:
        """What the table of precisions calls it."""
        return f"vae-{self.architecture}"


class Vae(nn.Module):
    """Encoder, decoder and the decoder's shared variance. `image_size`: S, in pixels.

    Raises ValueError, saying what would be right, if the network does not fit S.
    """

    def __init__(self, settings: VaeArchitecture, image_size: int) -> None:
        super().__init__()
        self.settings = settings
        if settings.report is not None:
            self.encoder, self.decoder = report_halves(settings.report, image_size, settings.latent_dim)
        else:
            assert settings.deep is not None  # select_group left exactly one
            self.encoder, self.decoder = deep_halves(settings.deep, image_size, settings.latent_dim)
        # Mean squared error of the training's reconstructions, followed step by step: the calibrated decoder's
        # optimal sigma^2 (Rybkin et al. 2021, equation 5), kept so that validation uses training's loss.
        self.register_buffer("variance", torch.tensor(0.1))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S) in [0, 1] -> mu, logvar, (N, D) each."""
        return self.encoder(images)

    def decode(self, z: Tensor) -> Tensor:
        """(N, D) -> (N, 3, S, S) in [0, 1]."""
        return self.decoder(z)

    def reconstruct(self, images: Tensor) -> Tensor:
        """The decoded posterior mean: (N, 3, S, S) -> (N, 3, S, S)."""
        return self.decode(self.encode(images)[0])


def metadata_of(settings: VaeArchitecture, image_size: int, framing: dict[str, Any]) -> dict[str, Any]:
    """What `from_metadata` needs, and how images are framed for the model: JSON-able."""
    return {"kind": "vae", "image_size": image_size, "framing": framing, "settings": settings.model_dump()}


def from_metadata(metadata: dict[str, Any]) -> Vae:
    """The autoencoder, untrained, that `metadata_of` describes."""
    return Vae(only_fields(VaeArchitecture, metadata["settings"]), metadata["image_size"])


def reparameterize(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mu, exp(logvar)) that gradients pass through: (N, D) three times -> (N, D).

    `noise`: standard normal numbers. Kingma & Welling 2014, section 2.4.
    """
    return mu + (0.5 * logvar).exp() * noise


def pixel_loss(reconstruction: Tensor, images: Tensor, kind: str, variance: Tensor) -> Tensor:
    """The reconstruction term of each image, summed over its values: (N, 3, S, S) in [0, 1] twice -> (N,).

    `variance`: the Gaussian decoder's; the other kinds don't look at it.
    """
    values = images[0].numel()
    if kind == "gaussian":
        return gaussian_nll(squared_error(reconstruction, images), variance, values)
    if kind == "none":
        return torch.zeros(len(images), device=images.device)
    return PIXEL_LOSSES[kind](reconstruction, images) * values


# Burda et al. 2016 (arXiv 1509.00519, section 5.2): a latent dimension is active if its posterior mean varies by more.
ACTIVE_VARIANCE = 0.01


def active_dimensions(mu: Tensor) -> int:
    """Number of dimensions whose posterior mean varies over the images by more than 0.01: (N, D) -> 0 to D."""
    return int((mu.var(0, unbiased=False) > ACTIVE_VARIANCE).sum())
