"""Training a network that knows persons, on those of the train split."""

import hashlib
import math

import numpy as np
import torch
from torch import Tensor, nn

from facevae.arrays import VaeArrays
from facevae.augmentation import random_flip
from facevae.batches import Batch, HostRows, in_order
from facevae.classifier import Classifier
from facevae.errors import FacevaeError
from facevae.identity import IdentityNetwork, IdentitySettings, PersonClassifier, identity_terms, start_from
from facevae.identity_evaluation import Persons, Unseen
from facevae.layers import as_unit_floats
from facevae.runs import Run
from facevae.steps import Step
from facevae.training import Terms, fit

# Of the table that a training writes, also where there is none.
HISTORY_COLUMNS = ("epoch", "learning_rate", "train_loss", "train_accuracy", "valid_auc")


def train_identity(
    arrays: VaeArrays, persons: Persons, judge: Classifier, unseen: Unseen, settings: IdentitySettings, run: Run
) -> tuple[IdentityNetwork | None, list[dict[str, float]]]:
    """Train on the persons' images, from the judge's convolutions on; return the network and its history.

    None and no history if the persons are too few. After each epoch the persons of `unseen` are told apart, if there
    are two images of one: the history's valid_auc. Raises FacevaeError if the judge does not fit the images.
    """
    images, count = arrays.images["train"], len(persons.identities)
    if count < settings.least_persons:
        return None, []
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)  # also for the directions, which are made before `fit` sets them
    try:
        network = start_from(judge, images.shape[1], settings.embedding).to(run.device)
    except ValueError as error:
        raise FacevaeError(
            where="the judge", expected=str(error), found="another one", fix="run stages.train_judge on the same arrays"
        ) from None
    chosen = _Selection(images, persons.rows)
    model = PersonClassifier(network, mean_embeddings(network, chosen, persons.labels, count, run.device))

    def observe(model: nn.Module, row: dict[str, float]) -> None:
        assert isinstance(model, PersonClassifier)
        verified = unseen.verify(model.network, run.device)
        if verified is not None:
            row["valid_auc"] = verified.auc

    history = fit(
        model, identity_terms_of(settings), (chosen, persons.labels), (images[:0], persons.labels[:0]), settings, run,
        run.log("identity "), section="train_identity", observe=observe, networks=[network],
    )  # fmt: skip
    return network, history


def identity_terms_of(settings: IdentitySettings) -> Terms:
    """The objective for a batch of images' bytes and labels (n,)."""

    def terms_of(model: nn.Module, batch: Batch, step: Step) -> dict[str, Tensor]:
        assert isinstance(model, PersonClassifier)
        images, labels = batch
        if step.training and settings.flip:
            (images,) = random_flip(step, images)
        return identity_terms(model, as_unit_floats(images), labels, settings, step)

    return terms_of


@torch.no_grad()
def mean_embeddings(
    network: IdentityNetwork, images: np.ndarray, labels: np.ndarray, persons: int, device: torch.device
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


def digest(persons: Persons, unseen: Unseen, judge: Classifier) -> str:
    """Of all that the training depends on beside settings and arrays: who is who, and the judge it starts from."""
    found = hashlib.sha256()
    for part in (persons.rows, persons.labels, unseen.identities):
        found.update(part.tobytes())
    for name, weight in judge.state_dict().items():
        found.update(name.encode() + weight.cpu().numpy().tobytes())
    return found.hexdigest()


class _Selection:
    """Some rows of an array, for `batches`, which takes it for an array: read when asked for, not copied as a whole.

    Nearly all of CelebA's images are among the selected, and an index into a memory map would copy them.
    """

    base = None

    def __init__(self, array: np.ndarray, numbers: np.ndarray) -> None:
        self.numbers, self.rows = numbers, HostRows((array,), torch.device("cpu"))
        self.dtype, self.shape = array.dtype, (len(numbers), *array.shape[1:])
        self.nbytes = math.prod(self.shape) * array.dtype.itemsize

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.take(np.array([index]))[0]

    def take(self, index: np.ndarray, axis: int = 0, out: np.ndarray | None = None, mode: str = "raise") -> np.ndarray:
        """What np.take asks for."""
        ((rows,),) = self.rows.batches([self.numbers[index]])
        if out is None:
            return rows.numpy()
        out[:] = rows.numpy()
        return out
