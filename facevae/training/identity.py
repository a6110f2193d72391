"""Training the face verification network, on the persons of the train split."""

import hashlib
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import Subset

from facevae.core.errors import FacevaeError
from facevae.data.arrays import VaeArrays
from facevae.data.persons import Persons, Unseen
from facevae.models.classifier import Classifier
from facevae.models.identity import IdentityNetwork, start_from
from facevae.nn.layers import as_unit_floats
from facevae.nn.losses import margin_cross_entropy
from facevae.training.loop.augmentation import prepared
from facevae.training.loop.batches import Batch, HostRows, in_order
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext

# Area under the ROC curve of a network that tells unseen persons apart, on a device; None: there is nothing to tell.
VerificationAuc = Callable[[IdentityNetwork, torch.device], float | None]


class IdentitySettings(TrainingSettings):
    """The network and its training.

    `embedding`: how many numbers an embedding has. `scale` and `margin`: s and m of `margin_cross_entropy`. A person
    takes part with at least `least_images` images in the train split; where fewer than `least_persons` do, no network
    is trained.
    """

    embedding: int = Field(ge=2, le=1024)
    scale: float = Field(gt=0, le=1000)
    margin: float = Field(ge=0, lt=1)
    least_images: int = Field(ge=2)
    least_persons: int = Field(ge=2)
    # CelebA's valid split has other persons than its train split: there is no validation loss to go by.
    patience: None
    keep: Literal["last"]

    @property
    def network(self) -> str:
        """What the table of precisions calls it."""
        return "identity"


class PersonClassifier(nn.Module):
    """The network and a direction (E,) for each of P persons, which are only there to train it: `directions` (P, E)."""

    def __init__(self, network: IdentityNetwork, directions: Tensor) -> None:
        super().__init__()
        self.network = network
        self.directions = nn.Parameter(directions)

    def cosines(self, embeddings: Tensor) -> Tensor:
        """With each person's direction: (N, E) of length 1 -> (N, P) in [-1, 1]."""
        return F.linear(embeddings, F.normalize(self.directions, dim=1))


def identity_terms(
    model: PersonClassifier, images: Tensor, persons: Tensor, settings: IdentitySettings, step: StepContext
) -> dict[str, Tensor]:
    """Loss of each image and whether the nearest direction is the right person's, (N,).

    `images` (N, 3, S, S) in [0, 1], `persons` (N,) int64 in [0, P).
    """
    with step.autocast():
        embeddings = model.network(images)
    cosines = model.cosines(embeddings)
    return {
        "loss": margin_cross_entropy(cosines, persons, settings.scale, settings.margin),
        "accuracy": (cosines.argmax(1) == persons).float(),
    }


# Of the table that a training writes, also where there is none.
HISTORY_COLUMNS = ("epoch", "learning_rate", "train_loss", "train_accuracy", "valid_auc")


def train_identity(
    arrays: VaeArrays,
    persons: Persons,
    judge: Classifier | None,
    auc_of: VerificationAuc,
    settings: IdentitySettings,
    run: Run,
    width: int = 32,
) -> tuple[IdentityNetwork | None, list[dict[str, float]]]:
    """Train on the persons' images, from the judge's convolutions on; return the network and its history.

    Without a judge, where there are no attributes, from random ones of `width` channels.
    None and no history if the persons are too few. After each epoch `auc_of` tells persons of the valid split apart,
    if there are two images of one: the history's valid_auc. Raises FacevaeError if the judge does not fit the images.
    """
    images, count = arrays.images["train"], len(persons.identities)
    if count < settings.least_persons:
        return None, []
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)  # also for the directions, which are made before `fit` sets them
    try:
        network = start_from(judge, images.shape[1], settings.embedding, width).to(run.device)
    except ValueError as error:
        raise FacevaeError(
            where="the judge", expected=str(error), found="another one", fix="run stages.train_judge on the same arrays"
        ) from None
    chosen = Subset(images, persons.rows)
    model = PersonClassifier(network, mean_embeddings(network, chosen, persons.labels, count, run.device))

    def observe(model: nn.Module, row: dict[str, float]) -> None:
        assert isinstance(model, PersonClassifier)
        auc = auc_of(model.network, run.device)
        if auc is not None:
            row["valid_auc"] = auc

    history = fit(
        model, identity_terms_of(settings), (chosen, persons.labels), (images[:0], persons.labels[:0]), settings, run,
        run.log("identity "), section="train_identity", observe=observe, networks=[network],
    )  # fmt: skip
    return network, history


def identity_terms_of(settings: IdentitySettings) -> Objective:
    """The objective for a batch of images' bytes and labels (n,)."""

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        assert isinstance(model, PersonClassifier)
        images, labels = batch
        return identity_terms(model, prepared(step, images, flip=settings.flip), labels, settings, step)

    return terms_of


@torch.no_grad()
def mean_embeddings(
    network: IdentityNetwork, images: np.ndarray | Subset, labels: np.ndarray, persons: int, device: torch.device
) -> Tensor:
    """Where the persons' directions start: the sum of each one's embeddings, less all images' mean: (P, E).

    Imprinted weights (Qi et al. 2018, arXiv 1712.07136, section 3.2). With a few images of each person, random
    directions cost more epochs than there are before the network knows the images by heart.
    """
    network.eval()
    batches = HostRows((images, labels), device).batches(in_order(len(images), 64))
    found = [(network(as_unit_floats(batch)), of) for batch, of in batches]
    embeddings = torch.cat([part for part, _ in found])
    sums = embeddings.new_zeros(persons, embeddings.shape[1])
    return sums.index_add_(0, torch.cat([of for _, of in found]), embeddings - embeddings.mean(0))


def digest(persons: Persons, unseen: Unseen, judge: Classifier | None) -> str:
    """Of all that the training depends on beside settings and arrays: who is who, and the judge it starts from."""
    found = hashlib.sha256()
    for part in (persons.rows, persons.labels, unseen.identities):
        found.update(part.tobytes())
    for name, weight in (judge.state_dict() if judge else {}).items():
        found.update(name.encode() + weight.cpu().numpy().tobytes())
    return found.hexdigest()
