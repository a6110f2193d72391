"""Training the variational autoencoder on cached images."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from facevae.core.errors import FacevaeError
from facevae.core.params import select_group
from facevae.data.arrays import VaeArrays
from facevae.data.labels import both_kinds
from facevae.models.vae import Vae, VaeArchitecture, active_dimensions, pixel_loss, reparameterize
from facevae.models.vgg import Vgg19Settings, load_vgg19
from facevae.nn.layers import as_unit_floats, from_bytes
from facevae.nn.losses import free_bits, kl_divergence, squared_error
from facevae.training.classifier import ClassifierSettings, train_classifier
from facevae.training.feature_losses import ClassifierLoss, PerceptualLoss
from facevae.training.loop.augmentation import prepared
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext

# (reconstruction, images), (N, 3, S, S) each -> the feature loss of each image, (N,).
FeatureLoss = Callable[[Tensor, Tensor], Tensor]


class VaeSettings(VaeArchitecture, TrainingSettings):
    """Section `vae`: the autoencoder's network, its objective and its training."""

    beta: float = Field(ge=0)
    kl_warmup_epochs: float = Field(ge=0)
    # Free bits per dimension, in nats.
    free_bits: float = Field(ge=0)
    feature_network: Literal["classifier", "vgg19"]
    classifier: ClassifierSettings | None = None
    vgg19: Vgg19Settings | None = None
    feature_weight: float = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _chosen_feature_network(cls, raw: Any) -> Any:
        return select_group(raw, "feature_network", ("classifier", "vgg19"))

    @model_validator(mode="after")
    def _something_to_reconstruct(self) -> "VaeSettings":
        if self.reconstruction == "none" and self.feature_weight == 0:
            raise ValueError("a feature_weight above 0 where reconstruction is none, else there is nothing to learn")
        return self


def vae_terms(
    vae: Vae, images: Tensor, settings: VaeSettings, features: FeatureLoss | None, beta: float, step: StepContext
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


# Enough images to know the variance of a feature map of thousands of positions, or of a latent dimension.
_SAMPLE = 256

_SHOWN = 8


def train_autoencoder(arrays: VaeArrays, settings: VaeSettings, run: Run) -> tuple[Vae, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the autoencoder and its history.

    With a `feature_weight` above 0 the objective compares features as well: VGG19's, or those of a classifier that is
    first trained on the same train split and not kept. Where there is no attribute to learn, which a line says, nothing
    but the pixels counts: an untrained classifier's features would be noise. Raises FacevaeError if a network does not
    fit the images or VGG19's weights can't be had.
    """
    train, valid = arrays.images["train"], arrays.images["valid"]
    torch.manual_seed(settings.seed)
    try:
        vae = Vae(settings, train.shape[1])
    except ValueError as error:
        raise FacevaeError(
            where=f"vae.{settings.architecture}", expected=str(error), found="other ones",
            fix="change these or crop_pad.vae.size",
        ) from None  # fmt: skip
    features = _feature_loss(arrays, settings, run) if settings.feature_weight > 0 else None

    watched = from_bytes(valid[:_SHOWN])

    @torch.no_grad()
    def pictures(model: nn.Module) -> Tensor:
        assert isinstance(model, Vae)
        output = model.eval().reconstruct(watched.to(run.device)).cpu()
        return torch.stack([watched, output])

    sample = torch.from_numpy(np.array(valid[:_SAMPLE] if len(valid) > 1 else train[:_SAMPLE]))

    @torch.no_grad()
    def observe(model: nn.Module, row: dict[str, float]) -> str | None:
        assert isinstance(model, Vae)
        parts = [model.encode(as_unit_floats(part.to(run.device)))[0] for part in sample.split(settings.batch_size)]
        row["active_dimensions"] = active_dimensions(torch.cat(parts))
        if row["active_dimensions"]:
            return None
        return (
            "no latent dimension is active: all faces have the same code; if this lasts, the VAE has collapsed: lower "
            f"vae.learning_rate (now {settings.learning_rate:g}) or vae.beta (now {settings.beta:g})"
        )

    history = fit(
        vae,
        vae_terms_of(settings, features),
        (train,),
        (valid,),
        settings,
        run,
        run.log("vae ", pictures if len(valid) else None),
        section="vae",
        observe=observe,
        networks=(vae.encoder, vae.decoder),
    )
    return vae, history


def vae_terms_of(settings: VaeSettings, features: FeatureLoss | None) -> Objective:
    """The VAE's objective for a batch of images' bytes."""

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        assert isinstance(model, Vae)
        (images,) = batch
        # Validation weighs the KL as the end of training does, so that its curve is comparable over the epochs.
        warm = min(1.0, (step.epoch + 1e-9) / max(settings.kl_warmup_epochs, 1e-9)) if step.training else 1.0
        images = prepared(step, images, flip=settings.flip)
        return vae_terms(model, images, settings, features, settings.beta * warm, step)

    return terms_of


def _feature_loss(arrays: VaeArrays, settings: VaeSettings, run: Run) -> nn.Module | None:
    """The loss in VGG19's features, or in those of a classifier trained here, with a checkpoint of its own.

    None where the classifier has nothing to learn.
    """
    if settings.vgg19 is not None:
        vgg, size = load_vgg19(settings.vgg19), arrays.images["train"].shape[1]
        if size < vgg.smallest:
            raise FacevaeError(
                where="vae.vgg19.layers", expected=f"images of at least {vgg.smallest} pixels", found=str(size),
                fix="leave out the deepest layer",
            )  # fmt: skip
        loss: nn.Module = PerceptualLoss(vgg)
    elif not both_kinds(arrays.attributes["train"]).any():
        if settings.reconstruction == "none":
            raise FacevaeError(
                where="vae.feature_network", expected="vgg19, since there is no attribute that some train images have "
                "and some have not", found="classifier, and vae.reconstruction none", fix="change one of the two",
            )  # fmt: skip
        run.log("vae ").line(
            "no attribute that some train images have and some have not: no classifier, and vae.feature_weight counts "
            "nothing; vae.feature_network vgg19 needs no attributes"
        )
        return None
    else:
        assert settings.classifier is not None  # select_group left exactly one
        classifier, _ = train_classifier(
            arrays, settings.classifier, run.part("classifier"), section="vae.classifier", prefix="vae classifier "
        )
        sample = from_bytes(arrays.images["train"][:_SAMPLE]).to(run.device)
        loss = ClassifierLoss(classifier, sample)
    return loss.to(device=run.device, memory_format=torch.channels_last)
