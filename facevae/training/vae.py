"""Training the variational autoencoder on cached images."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
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
from facevae.nn.model_files import load_weights
from facevae.training.classifier import ClassifierSettings, train_classifier
from facevae.training.feature_losses import ClassifierLoss, PerceptualLoss
from facevae.training.latent_reader import ReadVae, vae_in
from facevae.training.loop.augmentation import prepared
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext

# (reconstruction, images), (N, 3, S, S) each -> the feature loss of each image, (N,).
FeatureLoss = Callable[[Tensor, Tensor], Tensor]

# Latents (N, D) -> what they leave unknown of each image's attributes, in nats, (N,).
AttributeLoss = Callable[[Tensor], Tensor]


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
    attribute_weight: float = Field(ge=0)

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
    vae: Vae,
    images: Tensor,
    settings: VaeSettings,
    features: FeatureLoss | None,
    beta: float,
    step: StepContext,
    attributes: AttributeLoss | None = None,
) -> dict[str, Tensor]:
    """Terms of the objective of each image, (N,), in nats: images (N, 3, S, S) in [0, 1].

    `loss` = reconstruction_loss + beta * kl_divergence + feature_loss + attribute_loss, the KL above the free bits
    where there are any, and the last two where there are `features` and `attributes`, times their weights.
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
    if attributes is not None:
        terms["attribute_loss"] = settings.attribute_weight * attributes(z)
        loss = loss + terms["attribute_loss"]
    return {"loss": loss, **terms}


# Enough images to know the variance of a feature map of thousands of positions, or of a latent dimension.
_SAMPLE = 256

_SHOWN = 8


def train_autoencoder(
    arrays: VaeArrays, settings: VaeSettings, run: Run, start: Path | None = None
) -> tuple[Vae, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the autoencoder and its history.

    `start`: a trained autoencoder, whose weights are those of the first step; it may have fewer latent dimensions.

    With a `feature_weight` above 0 the objective compares features as well: VGG19's, or those of a classifier that is
    first trained on the same train split and not kept. Where there is no attribute to learn, which a line says, nothing
    but the pixels counts: an untrained classifier's features would be noise. With an `attribute_weight` above 0 it also
    counts how well the latents tell the attributes. Raises FacevaeError if a network does not fit the images, the
    autoencoder to start from does not fit the network, or VGG19's weights can't be had.
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
    if start is not None:
        _start_from(start, vae)
    features = _feature_loss(arrays, settings, run) if settings.feature_weight > 0 else None

    model, rows = _with_reader(vae, arrays, settings, run)
    watched = from_bytes(valid[:_SHOWN])

    @torch.no_grad()
    def pictures(model: nn.Module) -> Tensor:
        output = vae_in(model.eval()).reconstruct(watched.to(run.device)).cpu()
        return torch.stack([watched, output])

    sample = torch.from_numpy(np.array(valid[:_SAMPLE] if len(valid) > 1 else train[:_SAMPLE]))

    @torch.no_grad()
    def observe(model: nn.Module, row: dict[str, float]) -> str | None:
        encode = vae_in(model).encode
        parts = [encode(as_unit_floats(part.to(run.device)))[0] for part in sample.split(settings.batch_size)]
        row["active_dimensions"] = active_dimensions(torch.cat(parts))
        if row["active_dimensions"]:
            return None
        return (
            "no latent dimension is active: all faces have the same code; if this lasts, the VAE has collapsed: lower "
            f"vae.learning_rate (now {settings.learning_rate:g}) or vae.beta (now {settings.beta:g})"
        )

    history = fit(
        model,
        vae_terms_of(settings, features),
        rows["train"],
        rows["valid"],
        settings,
        run,
        run.log("vae ", pictures if len(valid) else None),
        section="vae",
        observe=observe,
        networks=(vae.encoder, vae.decoder),
    )
    return vae, history


# Weights whose rows or columns are latent dimensions.
_OF_DIMENSIONS = {
    "encoder.mu.weight": 0, "encoder.mu.bias": 0, "encoder.logvar.weight": 0, "encoder.logvar.bias": 0,
    "decoder.first.0.weight": 1,
}  # fmt: skip

# What the log-variances of added dimensions begin around: below 0, where the layer begins, so that the decoder hears
# more of them than the posterior's noise.
_ADDED_LOGVAR = -1.5


@torch.no_grad()
def _start_from(path: Path, vae: Vae) -> None:
    """Copy the weights of a trained autoencoder of as many latent dimensions, or fewer; the others are added to them.

    Raises FacevaeError if the file is no autoencoder's, or of one with another network or more dimensions.
    """
    tensors, metadata = load_weights(path, "vae")
    weights = vae.state_dict()
    wanted = {name: _but_dimensions(name, weight.shape) for name, weight in weights.items()}
    found = {name: _but_dimensions(name, tensor.shape) for name, tensor in tensors.items()}
    dimensions = len(tensors["encoder.mu.bias"]) if "encoder.mu.bias" in tensors else 0
    most = vae.settings.latent_dim
    if found != wanted or dimensions > most:
        settings = metadata.get("settings", {})
        group = settings.get("architecture")
        raise FacevaeError(
            where=path, expected=f"an autoencoder with the network of section vae, for the same size of images, and at "
            f"most {most} latent dimensions, to start from",
            found=f"{dimensions} dimensions; {group}: {settings.get(group)}; {metadata.get('image_size')} pixels",
            fix="set vae and crop_pad.vae.size as they are in the file; vae.latent_dim may be larger",
        )  # fmt: skip
    for name, weight in weights.items():
        kept = weight.narrow(_OF_DIMENSIONS[name], 0, dimensions) if name in _OF_DIMENSIONS else weight
        kept.copy_(tensors[name])
    vae.encoder.logvar.bias[dimensions:] = _ADDED_LOGVAR


def _but_dimensions(name: str, shape: torch.Size) -> tuple[int, ...]:
    """A weight's shape without that axis whose length is the number of latent dimensions."""
    left_out = _OF_DIMENSIONS.get(name)
    return tuple(length for axis, length in enumerate(shape) if axis != left_out)


def _with_reader(
    vae: Vae, arrays: VaeArrays, settings: VaeSettings, run: Run
) -> tuple[nn.Module, dict[str, tuple[np.ndarray, ...]]]:
    """What is trained, and the rows of the splits: images, and their labels where attributes count."""
    images, labels = arrays.images, arrays.attributes
    if settings.attribute_weight > 0:
        if both_kinds(labels["train"]).any():
            reader = ReadVae(vae, labels["train"].shape[1])
            return reader, {split: (images[split], labels[split]) for split in ("train", "valid")}
        run.log("vae ").line(
            "no attribute that some train images have and some have not: vae.attribute_weight counts nothing"
        )
    return vae, {split: (images[split],) for split in ("train", "valid")}


def vae_terms_of(settings: VaeSettings, features: FeatureLoss | None) -> Objective:
    """The VAE's objective for a batch of images' bytes, and of their labels where the model is a ReadVae."""

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        images, *labels = batch
        attributes = partial(model.unread, *labels) if isinstance(model, ReadVae) else None
        # Validation weighs the KL as the end of training does, so that its curve is comparable over the epochs.
        warm = min(1.0, (step.epoch + 1e-9) / max(settings.kl_warmup_epochs, 1e-9)) if step.training else 1.0
        images = prepared(step, images, flip=settings.flip)
        return vae_terms(vae_in(model), images, settings, features, settings.beta * warm, step, attributes)

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
