"""Training the variational autoencoder on cached images."""

import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

from facevae.arrays import VaeArrays
from facevae.errors import FacevaeError
from facevae.judge_training import train_classifier
from facevae.layers import as_unit_floats
from facevae.logs import RunLog
from facevae.runs import Run
from facevae.training import fit
from facevae.vae import FeatureDistance, Vae, VaeSettings, vae_terms

# Enough images to know the variance of a feature map of thousands of positions.
_FEATURE_SAMPLE = 256


def train_autoencoder(arrays: VaeArrays, settings: VaeSettings, run: Run) -> tuple[Vae, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the autoencoder and its history.

    With a `feature_weight` above 0 a classifier is first trained on the same train split, whose features the
    objective then compares; it is not kept. Raises FacevaeError if the network does not fit the images.
    """
    torch.manual_seed(settings.seed)
    image_size = arrays.images["train"].shape[1]
    try:
        vae = Vae(settings, image_size)
    except ValueError as error:
        raise FacevaeError(
            where=f"vae.{settings.architecture}", expected=str(error), found="other ones", fix="change them"
        ) from None
    features = _feature_distance(arrays, settings, run) if settings.feature_weight > 0 else None

    def terms_of(model: nn.Module, batch: tuple[Tensor, ...], epoch: float, generator: torch.Generator | None):
        assert isinstance(model, Vae)
        # Validation weighs the KL as the end of training does, so that its curve is comparable over the epochs.
        warm = 1.0 if generator is None else min(1.0, (epoch + 1e-9) / max(settings.kl_warmup_epochs, 1e-9))
        return vae_terms(model, as_unit_floats(batch[0]), settings, features, settings.beta * warm, generator)

    watched = as_unit_floats(torch.from_numpy(arrays.images["valid"][:8].copy()))

    def pictures(model: nn.Module) -> Tensor:
        assert isinstance(model, Vae)
        with torch.no_grad():
            output = model.eval().reconstruct(watched.to(run.device)).cpu()
        return make_grid(torch.cat([watched, output]), nrow=8)

    history = fit(
        vae,
        terms_of,
        (arrays.images["train"],),
        (arrays.images["valid"],),
        settings,
        device=run.device,
        log=RunLog(run.logs, "vae ", pictures),
        checkpoint=run.checkpoint,
    )
    return vae, history


def _feature_distance(arrays: VaeArrays, settings: VaeSettings, run: Run) -> FeatureDistance:
    classifier, _ = train_classifier(arrays, settings.features, device=run.device, log=RunLog(None, "vae features "))
    sample = as_unit_floats(torch.from_numpy(arrays.images["train"][:_FEATURE_SAMPLE].copy())).to(run.device)
    return FeatureDistance(classifier, sample).to(run.device)
