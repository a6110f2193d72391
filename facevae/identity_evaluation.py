"""How well embeddings tell apart persons that no network was trained on: verification, all pairs of images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import auc, roc_curve
from torch import Tensor

from facevae.arrays import VaeArrays
from facevae.classifier import Classifier
from facevae.identity import Embed, IdentityNetwork, IdentitySettings
from facevae.images import stem
from facevae.layers import as_unit_floats

# All pairs of so many images are compared, 4.5 million. CelebA's persons are mixed: of the 1,000 of its test split the
# first 3,000 images hold nearly all.
_MOST_COMPARED = 3000
_PIXELS = 32


@dataclass(frozen=True)
class Persons:
    """The persons of the train split who have several images there.

    `rows` (n,): the numbers of their images, ascending; `labels` (n,) int64 in [0, P): whose each is; `identities`:
    the P persons' numbers in the identity file, ascending.
    """

    rows: np.ndarray
    labels: np.ndarray
    identities: tuple[int, ...]


@dataclass(frozen=True)
class Verification:
    """How well the cosine of two images' embeddings tells whether they are one person's.

    `auc`: area under the ROC curve, `pairs` pairs of one person against all others, 0.5 by chance;
    `equal_error_rate`: the share of wrong answers at the threshold where both kinds of pairs have the same share.
    `persons`: those with several images.
    """

    auc: float
    equal_error_rate: float
    persons: int
    pairs: int


@dataclass(frozen=True)
class Unseen:
    """Images (n, S, S, 3) uint8 of persons that a network was not trained on, and whose each is, (n,) int64."""

    images: np.ndarray
    identities: np.ndarray

    @torch.no_grad()
    def verify(self, embed: Embed, device: torch.device, batch_size: int = 64) -> Verification | None:
        """Tell the persons apart by `embed`'s embeddings.

        None if there is nothing to tell: no two images are one person's, or all are.
        """
        if len(set(self.identities.tolist())) in (len(self.images), 1):
            return None
        starts = range(0, len(self.images), batch_size)
        parts = (torch.from_numpy(self.images[start : start + batch_size]) for start in starts)
        embeddings = [embed(as_unit_floats(part.to(device))).float().cpu() for part in parts]
        return verify(torch.cat(embeddings), self.identities)


def persons_of(names: Sequence[str], identities: Mapping[str, int], least_images: int) -> Persons:
    """Who has at least `least_images` of the images `names`; `identities` is a number for each image's stem.

    An image whose person is not known is nobody's.
    """
    known = [identities.get(stem(name)) for name in names]
    counts = Counter(person for person in known if person is not None)
    chosen = sorted(person for person, count in counts.items() if count >= least_images)
    label = {person: number for number, person in enumerate(chosen)}
    rows = [row for row, person in enumerate(known) if person in label]
    return Persons(np.array(rows, np.int64), np.array([label[known[row]] for row in rows], np.int64), tuple(chosen))


def unseen_of(arrays: VaeArrays, split: str, identities: Mapping[str, int], trained: Persons) -> Unseen:
    """The first images of a split, 3,000 at most, whose persons are known and not among the trained ones."""
    seen = set(trained.identities)
    known = [(row, identities.get(stem(name))) for row, name in enumerate(arrays.names[split])]
    chosen = [(row, person) for row, person in known if person is not None and person not in seen][:_MOST_COMPARED]
    rows = np.array([row for row, _ in chosen], np.int64)
    return Unseen(arrays.images[split][rows], np.array([person for _, person in chosen], np.int64))


def verify(embeddings: Tensor, identities: np.ndarray) -> Verification:
    """How well cosines tell pairs of one person's images from all others, of which there are both: (n, E), (n,)."""
    embeddings = F.normalize(embeddings, dim=1)
    first, second = np.triu_indices(len(embeddings), 1)
    same = identities[first] == identities[second]
    false_alarms, hits, _ = roc_curve(same, (embeddings @ embeddings.T).numpy()[first, second])
    misses = 1 - hits
    nearest = np.argmin(np.abs(false_alarms - misses))
    return Verification(
        auc=float(auc(false_alarms, hits)),
        equal_error_rate=float((false_alarms[nearest] + misses[nearest]) / 2),
        persons=int((np.unique(identities, return_counts=True)[1] > 1).sum()),
        pairs=int(same.sum()),
    )


def pixels(images: Tensor) -> Tensor:
    """The embedding to be better than: pixels, averaged to 32 x 32 if more, less their mean: (N, 3, S, S) -> (N, E)."""
    small = F.adaptive_avg_pool2d(images, min(images.shape[2], _PIXELS)).flatten(1)
    return small - small.mean(1, keepdim=True)


def identity_metrics(
    network: IdentityNetwork | None, persons: Persons, judge: Classifier, unseen: Unseen, device: torch.device
) -> dict[str, float]:
    """How many persons and images the network was trained on, and how well it tells unseen persons apart.

    Beside it the judge's embedding, which stands in where there is no network, and the pixels. Nothing of that if the
    test split has no two images of one unseen person.
    """
    trained = {"persons": len(persons.identities), "images": len(persons.rows)}
    found: dict[str, float] = dict(trained if network else dict.fromkeys(trained, 0))
    embeddings: dict[str, Embed] = {"_judge": judge.to(device).eval().embedding, "_pixels": pixels}
    if network is not None:
        embeddings = {"": network.to(device).eval()} | embeddings
    for name, embed in embeddings.items():
        verified = unseen.verify(embed, device)
        if verified is not None:
            found |= {f"auc{name}": verified.auc, f"equal_error_rate{name}": verified.equal_error_rate}
            found |= {"unseen_persons": verified.persons, "unseen_pairs": verified.pairs}
    return found


def in_words(metrics: Mapping[str, float], persons: Persons, settings: IdentitySettings) -> str:
    """What came of it, or why nothing was trained, in one line."""
    if not metrics["persons"]:
        return (
            f"no network, the judge's features stand in: {len(persons.identities)} persons have "
            f"{settings.least_images} images or more in the train split, {settings.least_persons} are needed"
        )
    if "auc" not in metrics:
        return f"{metrics['persons']} persons; no two images of another one in the test split to measure it with"
    return (
        f"{metrics['persons']} persons; unseen ones told apart with a ROC AUC of {metrics['auc']:.3f} "
        f"(the judge's features {metrics['auc_judge']:.3f}, pixels {metrics['auc_pixels']:.3f})"
    )
