"""Training a classifier of attributes on cached images, balanced against rare attributes."""

import torch
from pydantic import Field
from torch import Tensor, nn

from facevae.core.errors import FacevaeError
from facevae.data.arrays import VaeArrays
from facevae.models.classifier import Classifier
from facevae.nn.losses import balanced_cross_entropy
from facevae.training.loop.augmentation import prepared
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext


class ClassifierSettings(TrainingSettings):
    """A classifier and its training. `width`: channels of the first stage, doubled in each of the next two."""

    width: int = Field(ge=8, le=512, multiple_of=8)
    max_positive_weight: float = Field(ge=1)


def positive_weights(labels: Tensor, most: float) -> Tensor:
    """How much a rare attribute's positives count: negatives / positives, within [1 / most, most]: (N, A) -> (A,)."""
    positives = labels.float().sum(0)
    return ((len(labels) - positives) / positives.clamp_min(1)).clamp(1 / most, most)


def classifier_terms(
    classifier: Classifier, images: Tensor, labels: Tensor, positive_weight: Tensor, step: StepContext
) -> dict[str, Tensor]:
    """Loss and share of right answers of each image, (N,): images (N, 3, S, S) in [0, 1], labels (N, A) of 0 or 1."""
    with step.autocast():
        logits = classifier(images).float()
    labels = labels.float()
    return {
        "loss": balanced_cross_entropy(logits, labels, positive_weight),
        "accuracy": ((logits > 0) == (labels > 0.5)).float().mean(1),
    }


def train_classifier(
    arrays: VaeArrays, settings: ClassifierSettings, run: Run, *, section: str, prefix: str
) -> tuple[Classifier, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the classifier and its history.

    `section` of params.yaml is named in errors, `prefix` stands before each line of the log. Raises FacevaeError if
    the network does not fit the images.
    """
    images, labels = arrays.images, arrays.attributes
    torch.manual_seed(settings.seed)
    try:
        classifier = Classifier(images["train"].shape[1], settings.width, len(arrays.attribute_names))
    except ValueError as error:
        raise FacevaeError(
            where="the classifier", expected=str(error), found="other ones", fix="change crop_pad.vae.size"
        ) from None
    weight = positive_weights(torch.from_numpy(labels["train"].copy()), settings.max_positive_weight).to(run.device)

    train, valid = ((images[split], labels[split]) for split in ("train", "valid"))
    return classifier, fit(
        classifier, classifier_terms_of(settings, weight), train, valid, settings, run, run.log(prefix), section=section
    )


def classifier_terms_of(settings: ClassifierSettings, positive_weight: Tensor) -> Objective:
    """The classifier's objective for a batch of images' bytes and labels; `positive_weight` (A,)."""

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        assert isinstance(model, Classifier)
        images, labels = batch
        return classifier_terms(model, prepared(step, images, flip=settings.flip), labels, positive_weight, step)

    return terms_of
