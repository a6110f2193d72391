"""Training a classifier of attributes on cached images, balanced against rare attributes."""

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Subset

from facevae.core.errors import FacevaeError
from facevae.data.arrays import UNKNOWN, VaeArrays
from facevae.data.labels import any_unknown
from facevae.models.classifier import Classifier
from facevae.nn.losses import balanced_cross_entropy, known_cross_entropy, known_mean
from facevae.training.loop.augmentation import prepared
from facevae.training.loop.batches import Batch, Rows
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext


class ClassifierSettings(TrainingSettings):
    """A classifier and its training. `width`: channels of the first stage, doubled in each of the next two."""

    width: int = Field(ge=8, le=512, multiple_of=8)
    max_positive_weight: float = Field(ge=1)

    @property
    def network(self) -> str:
        """What the table of precisions calls it."""
        return "classifier"


def positive_weights(labels: Tensor, most: float) -> Tensor:
    """How much a rare attribute's positives count: negatives / positives, within [1 / most, most]: (N, A) -> (A,)."""
    having, lacking = ((labels == kind).float().sum(0) for kind in (1, 0))
    return (lacking / having.clamp_min(1)).clamp(1 / most, most)


def classifier_terms(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    positive_weight: Tensor,
    step: StepContext,
    *,
    partly_unknown: bool = False,
) -> dict[str, Tensor]:
    """Loss and share of right answers of each image, (N,): images (N, 3, S, S) in [0, 1], labels (N, A).

    Labels are 0 or 1; where they are `partly_unknown` some are UNKNOWN, and each image's means are of its known ones.
    """
    with step.autocast():
        logits = classifier(images).float()
    labels = labels.float()
    right = ((logits > 0) == (labels > 0.5)).float()
    if partly_unknown:
        known = labels >= 0
        loss, accuracy = known_cross_entropy(logits, labels, positive_weight, known), known_mean(right, known)
    else:
        loss, accuracy = balanced_cross_entropy(logits, labels, positive_weight), right.mean(1)
    return {"loss": loss, "accuracy": accuracy}


# Of the table that a training writes, also where there is none.
HISTORY_COLUMNS = (
    "epoch", "learning_rate", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy",
)  # fmt: skip


def train_classifier(
    arrays: VaeArrays, settings: ClassifierSettings, run: Run, *, section: str, prefix: str
) -> tuple[Classifier, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the classifier and its history.

    Unknown labels teach nothing, and an image of which no label is known takes no part. `section` of params.yaml is
    named in errors, `prefix` stands before each line of the log. Raises FacevaeError if the network does not fit the
    images.
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

    unknown = any(any_unknown(labels[split]) for split in ("train", "valid"))
    train, valid = (_labelled(images[split], labels[split]) for split in ("train", "valid"))
    return classifier, fit(
        classifier, classifier_terms_of(settings, weight, partly_unknown=unknown), train, valid, settings, run,
        run.log(prefix), section=section,
    )  # fmt: skip


def _labelled(images: np.ndarray, labels: np.ndarray) -> Rows:
    """The images of which a label is known, and their labels."""
    known = (labels != UNKNOWN).any(1)
    return (images, labels) if known.all() else (Subset(images, np.flatnonzero(known)), labels[known])


def classifier_terms_of(
    settings: ClassifierSettings, positive_weight: Tensor, *, partly_unknown: bool = False
) -> Objective:
    """The classifier's objective for a batch of images' bytes and labels; `positive_weight` (A,)."""

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        assert isinstance(model, Classifier)
        images, labels = batch
        images = prepared(step, images, flip=settings.flip)
        return classifier_terms(model, images, labels, positive_weight, step, partly_unknown=partly_unknown)

    return terms_of
