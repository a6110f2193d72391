"""Training a classifier of attributes on cached images, balanced against rare attributes."""

import torch
from torch import Tensor, nn

from facevae.arrays import VaeArrays
from facevae.augmentation import random_flip
from facevae.batches import Batch
from facevae.classifier import Classifier, ClassifierSettings, classifier_terms, positive_weights
from facevae.errors import FacevaeError
from facevae.layers import as_unit_floats
from facevae.runs import Run
from facevae.steps import Step
from facevae.training import Terms, fit


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


def classifier_terms_of(settings: ClassifierSettings, positive_weight: Tensor) -> Terms:
    """The classifier's objective for a batch of images' bytes and labels; `positive_weight` (A,)."""

    def terms_of(model: nn.Module, batch: Batch, step: Step) -> dict[str, Tensor]:
        assert isinstance(model, Classifier)
        images, labels = batch
        if step.training and settings.flip:
            (images,) = random_flip(step, images)
        return classifier_terms(model, as_unit_floats(images), labels, positive_weight, step)

    return terms_of
