"""Variational autoencoders (Kingma & Welling 2014, arXiv 1312.6114): the report's network and a deeper one."""

import math
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from facevae.classifier import Classifier, ClassifierSettings
from facevae.layers import ConvLists, ResidualBlock, conv_decoder, conv_encoder
from facevae.losses import binary_cross_entropy, gaussian_nll, kl_divergence, squared_error
from facevae.optimization import TrainingSettings
from facevae.params import Section, select_group
from facevae.steps import Step


class ReportVae(ConvLists):
    """The report's encoder and decoder, one number per layer."""


class DeepVae(Section):
    """The deeper network: `width` channels at a quarter of the image's size, doubled at each of two halvings."""

    width: int = Field(ge=8, le=512, multiple_of=8)
    blocks: int = Field(ge=0, le=8)


class VaeSettings(TrainingSettings):
    """Section `vae`: the autoencoder's network, its objective and its training."""

    architecture: Literal["deep", "report"]
    deep: DeepVae | None = None
    report: ReportVae | None = None
    latent_dim: int = Field(ge=1, le=4096)
    reconstruction: Literal["gaussian", "bce"]
    beta: float = Field(ge=0)
    kl_warmup_epochs: float = Field(ge=0)
    feature_weight: float = Field(ge=0)
    features: ClassifierSettings

    @model_validator(mode="before")
    @classmethod
    def _chosen(cls, raw: Any) -> Any:
        return select_group(raw, "architecture", ("deep", "report"))


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


class Vae(nn.Module):
    """Encoder, decoder and the decoder's shared variance. `image_size`: S, in pixels.

    Raises ValueError, saying what would be right, if the network's strides don't divide S.
    """

    def __init__(self, settings: VaeSettings, image_size: int) -> None:
        super().__init__()
        self.settings = settings
        make = _report_halves if settings.report is not None else _deep_halves
        self.encoder, self.decoder = make(settings, image_size)
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


def facts_of(settings: VaeSettings, image_size: int, framing: dict[str, Any]) -> dict[str, Any]:
    """What `rebuild` needs beside the weights, and how images are framed for the model: JSON-able."""
    return {"kind": "vae", "image_size": image_size, "framing": framing, "settings": settings.model_dump()}


def rebuild(facts: dict[str, Any], weights: dict[str, Tensor]) -> Vae:
    """The trained autoencoder, from its facts and weights."""
    vae = Vae(VaeSettings.model_validate(facts["settings"]), facts["image_size"])
    vae.load_state_dict(weights)
    return vae.eval()


def reparameterize(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mu, exp(logvar)) that gradients pass through: (N, D) three times -> (N, D).

    `noise`: standard normal numbers. Kingma & Welling 2014, section 2.4.
    """
    return mu + (0.5 * logvar).exp() * noise


def vae_terms(
    vae: Vae, images: Tensor, settings: VaeSettings, features: "FeatureDistance | None", beta: float, step: Step
) -> dict[str, Tensor]:
    """Terms of the objective of each image, (N,), in nats: images (N, 3, S, S) in [0, 1].

    `loss` = reconstruction_loss + beta * kl_divergence + feature_loss. In training z is drawn from the posterior; in
    validation it is the posterior's mean.
    """
    with step.autocast():
        mu, logvar = (output.float() for output in vae.encode(images))
    z = reparameterize(mu, logvar, step.randn(mu.shape[1])) if step.training else mu
    with step.autocast():
        reconstruction = vae.decode(z).float()
    values = images[0].numel()
    mse = squared_error(reconstruction, images)
    if settings.reconstruction == "gaussian":
        variance = vae.variance
        if step.training:
            variance = step.mean(mse)
            vae.variance.lerp_(variance, 0.05)
        reconstruction_loss = gaussian_nll(mse, variance, values)
    else:
        reconstruction_loss = binary_cross_entropy(reconstruction, images) * values
    kl = kl_divergence(mu, logvar).sum(1)
    loss = reconstruction_loss + beta * kl
    terms = {"reconstruction_loss": reconstruction_loss, "kl_divergence": kl, "mse": mse}
    if features is not None:
        with step.autocast():
            distance = features(reconstruction, images)
        terms["feature_loss"] = settings.feature_weight * values * distance
        loss = loss + terms["feature_loss"]
    return {"loss": loss, **terms}


class FeatureDistance(nn.Module):
    """Distance of two images in a classifier's features: (N, 3, S, S) twice -> (N,), 1 for unrelated images or so.

    Squared error of each of the classifier's three stages, divided by the stage's variance over the training images,
    averaged (discriminative regularisation, Lamb et al. 2016, arXiv 1602.03220, with Hou et al.'s 2017 squared
    error). The classifier is frozen.
    """

    def __init__(self, classifier: Classifier, sample: Tensor) -> None:
        super().__init__()
        self.classifier = classifier.requires_grad_(False).eval()
        with torch.no_grad():
            variances = [stage.var() for stage in classifier.features(sample)]
        self.register_buffer("variances", torch.stack(variances))

    def forward(self, reconstruction: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.classifier.features(images)
        found = self.classifier.features(reconstruction)
        distances = [
            squared_error(a.float(), b.float()) / variance
            for a, b, variance in zip(found, targets, self.variances, strict=True)
        ]
        return torch.stack(distances).mean(0)


# Burda et al. 2016 (arXiv 1509.00519, section 5.2): a latent dimension is active if its posterior mean varies by more.
ACTIVE_VARIANCE = 0.01


def active_dimensions(mu: Tensor) -> int:
    """Number of dimensions whose posterior mean varies over the images by more than 0.01: (N, D) -> 0 to D."""
    return int((mu.var(0, unbiased=False) > ACTIVE_VARIANCE).sum())


def _report_halves(settings: VaeSettings, image_size: int) -> tuple[Encoder, Decoder]:
    lists = settings.report
    assert lists is not None
    if image_size % lists.reduction:
        raise ValueError(f"strides that divide {image_size}-pixel images: they shrink by {lists.reduction}")
    side = image_size // lists.reduction
    channels = lists.encoder_filters[-1]
    encoder = Encoder(conv_encoder(lists), channels * side * side, settings.latent_dim)
    return encoder, Decoder(conv_decoder(lists, channels), (channels, side, side), settings.latent_dim, nn.ReLU())


def _deep_halves(settings: VaeSettings, image_size: int) -> tuple[Encoder, Decoder]:
    """Patchified stem, two halvings with residual blocks, and the mirror image of both."""
    deep = settings.deep
    assert deep is not None
    fold = 4 if image_size >= 128 else 2
    if image_size % (4 * fold):
        raise ValueError(f"images of a multiple of {4 * fold} pixels, these have {image_size}")
    side = image_size // (4 * fold)
    w1, w2, w4 = deep.width, 2 * deep.width, 4 * deep.width

    def blocks(channels: int) -> list[nn.Module]:
        return [ResidualBlock(channels) for _ in range(deep.blocks)]

    def act(channels: int) -> list[nn.Module]:
        return [nn.GroupNorm(8, channels), nn.SiLU()]

    encoder = nn.Sequential(
        nn.PixelUnshuffle(fold),
        nn.Conv2d(3 * fold**2, w1, 3, padding=1),
        *act(w1), nn.Conv2d(w1, w2, 3, stride=2, padding=1), *blocks(w2),
        *act(w2), nn.Conv2d(w2, w4, 3, stride=2, padding=1), *blocks(w4),
        *act(w4),
    )  # fmt: skip
    decoder = nn.Sequential(
        *blocks(w4), *act(w4), nn.Conv2d(w4, 4 * w2, 1), nn.PixelShuffle(2),
        *blocks(w2), *act(w2), nn.Conv2d(w2, 4 * w1, 1), nn.PixelShuffle(2),
        *act(w1), nn.Conv2d(w1, 3 * fold**2, 3, padding=1), nn.PixelShuffle(fold),
        nn.Sigmoid(),
    )  # fmt: skip
    shape = (w4, side, side)
    return (
        Encoder(encoder, math.prod(shape), settings.latent_dim),
        Decoder(decoder, shape, settings.latent_dim, nn.Identity()),
    )
