"""Variational autoencoders (Kingma & Welling 2014, arXiv 1312.6114): their settings, their model, their objective."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from facevae.classifier import ClassifierSettings
from facevae.losses import PIXEL_LOSSES, free_bits, gaussian_nll, kl_divergence, squared_error
from facevae.optimization import TrainingSettings
from facevae.params import select_group
from facevae.steps import Step
from facevae.vae_networks import DeepVae, ReportVae, deep_halves, report_halves
from facevae.vgg import Vgg19Settings

# (reconstruction, images), (N, 3, S, S) each -> the feature loss of each image, (N,).
FeatureLoss = Callable[[Tensor, Tensor], Tensor]


class VaeSettings(TrainingSettings):
    """Section `vae`: the autoencoder's network, its objective and its training."""

    architecture: Literal["deep", "report"]
    deep: DeepVae | None = None
    report: ReportVae | None = None
    latent_dim: int = Field(ge=1, le=4096)
    # What the pixels count; `none`: nothing, the features alone make the image.
    reconstruction: Literal["gaussian", "bce", "mse", "l1", "none"]
    beta: float = Field(ge=0)
    kl_warmup_epochs: float = Field(ge=0)
    # Nats that each latent dimension has for nothing.
    free_bits: float = Field(ge=0)
    feature_network: Literal["classifier", "vgg19"]
    classifier: ClassifierSettings | None = None
    vgg19: Vgg19Settings | None = None
    feature_weight: float = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _chosen(cls, raw: Any) -> Any:
        raw = select_group(raw, "architecture", ("deep", "report"))
        return select_group(raw, "feature_network", ("classifier", "vgg19"))

    @model_validator(mode="after")
    def _something_to_reconstruct(self) -> "VaeSettings":
        if self.reconstruction == "none" and self.feature_weight == 0:
            raise ValueError("a feature_weight above 0 where reconstruction is none, else there is nothing to learn")
        return self


class Vae(nn.Module):
    """Encoder, decoder and the decoder's shared variance. `image_size`: S, in pixels.

    Raises ValueError, saying what would be right, if the network does not fit S.
    """

    def __init__(self, settings: VaeSettings, image_size: int) -> None:
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
    vae: Vae, images: Tensor, settings: VaeSettings, features: FeatureLoss | None, beta: float, step: Step
) -> dict[str, Tensor]:
    """Terms of the objective of each image, (N,), in nats: images (N, 3, S, S) in [0, 1].

    `loss` = reconstruction_loss + beta * kl_divergence + feature_loss, the KL above the free bits where there are any.
    The pixels' errors are summed, not averaged: `mse` is a Gaussian decoder's with the variance 1/2 and `l1` a
    Laplacian one's with the scale 1, but for constants. In training z is drawn from the posterior; in validation it is
    the posterior's mean.
    """
    with step.autocast():
        mu, logvar = (output.float() for output in vae.encode(images))
    z = reparameterize(mu, logvar, step.randn(mu.shape[1])) if step.training else mu
    with step.autocast():
        reconstruction = vae.decode(z).float()
    mse = squared_error(reconstruction, images)
    variance = vae.variance
    if step.training and settings.reconstruction == "gaussian":
        variance = step.mean(mse)
        vae.variance.lerp_(variance, 0.05)
    reconstruction_loss = pixel_loss(reconstruction, images, settings.reconstruction, variance)
    kl = kl_divergence(mu, logvar)
    counted = free_bits(kl, step.mean(kl), settings.free_bits) if settings.free_bits > 0 else kl.sum(1)
    loss = reconstruction_loss + beta * counted
    terms = {"reconstruction_loss": reconstruction_loss, "kl_divergence": kl.sum(1), "mse": mse}
    if features is not None:
        with step.autocast():
            distance = features(reconstruction, images)
        terms["feature_loss"] = settings.feature_weight * distance
        loss = loss + terms["feature_loss"]
    return {"loss": loss, **terms}


# Burda et al. 2016 (arXiv 1509.00519, section 5.2): a latent dimension is active if its posterior mean varies by more.
ACTIVE_VARIANCE = 0.01


def active_dimensions(mu: Tensor) -> int:
    """Number of dimensions whose posterior mean varies over the images by more than 0.01: (N, D) -> 0 to D."""
    return int((mu.var(0, unbiased=False) > ACTIVE_VARIANCE).sum())
