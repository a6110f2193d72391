"""Training a classifier of attributes on cached images, balanced against rare attributes."""

import torch
from torch import Tensor, nn

from facevae.arrays import VaeArrays
from facevae.checkpoints import Checkpoint
from facevae.classifier import Classifier, ClassifierSettings, classifier_terms, positive_weights
from facevae.errors import FacevaeError
from facevae.layers import as_unit_floats
from facevae.logs import RunLog
from facevae.training import fit


def train_classifier(
    arrays: VaeArrays,
    settings: ClassifierSettings,
    *,
    device: torch.device,
    log: RunLog,
    checkpoint: Checkpoint | None = None,
) -> tuple[Classifier, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the classifier and its history.

    Raises FacevaeError if the network does not fit the images.
    """
    images, labels = arrays.images, arrays.attributes
    torch.manual_seed(settings.seed)
    try:
        classifier = Classifier(images["train"].shape[1], settings.width, len(arrays.attribute_names))
    except ValueError as error:
        raise FacevaeError(
            where="the classifier", expected=str(error), found="other ones", fix="change crop_pad.vae.size"
        ) from None
    weight = positive_weights(torch.from_numpy(labels["train"].copy()), settings.max_positive_weight).to(device)

    def terms_of(model: nn.Module, batch: tuple[Tensor, ...], epoch: float, generator: torch.Generator | None):
        assert isinstance(model, Classifier)
        return classifier_terms(model, as_unit_floats(batch[0]), batch[1], weight, settings.flip, generator)

    train, valid = ((images[split], labels[split]) for split in ("train", "valid"))
    return classifier, fit(classifier, terms_of, train, valid, settings, device=device, log=log, checkpoint=checkpoint)
