"""Which person each image shows: those a network is trained on, those that validate it, those it has never seen."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from facevae.data.arrays import VaeArrays
from facevae.imaging.names import stem

# All pairs of so many images are compared, 4.5 million. CelebA's persons are mixed: of the 1,000 of its test split the
# first 3,000 images hold nearly all.
_MOST_COMPARED = 3000


@dataclass(frozen=True)
class Persons:
    """The persons of the train split who have several images there.

    `rows` (n,): the numbers of their images, ascending; `labels` (n,) int64 in [0, P): whose each is; `identities`:
    the P persons' numbers in the identity file, ascending.
    """

    rows: np.ndarray
    labels: np.ndarray
    identities: tuple[int, ...]


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


def hold_back(names: Sequence[str], identities: Mapping[str, int], count: int) -> np.ndarray:
    """Which images stay out of a training to validate it, (n,) bool: `count` of them or, as persons allow, a few less.

    The last ones, but each person's all or none: a network validated on those it learned from does best when it knows
    them by heart. An image whose person is not known counts as a person of its own; where all differ, these are just
    the last images.
    """
    rows: dict[int | str, list[int]] = {}
    for row in reversed(range(len(names))):
        rows.setdefault(identities.get(stem(names[row]), names[row]), []).append(row)
    held, taken = np.zeros(len(names), bool), 0
    for person in rows.values():
        if taken + len(person) <= count:
            held[person] = True
            taken += len(person)
    return held


@dataclass(frozen=True)
class Unseen:
    """Images (n, S, S, 3) uint8 of persons that a network was not trained on, and whose each is, (n,) int64."""

    images: np.ndarray
    identities: np.ndarray


def unseen_of(arrays: VaeArrays, split: str, identities: Mapping[str, int], trained: Persons) -> Unseen:
    """The first images of a split, 3,000 at most, whose persons are known and not among the trained ones."""
    seen = set(trained.identities)
    known = [(row, identities.get(stem(name))) for row, name in enumerate(arrays.names[split])]
    chosen = [(row, person) for row, person in known if person is not None and person not in seen][:_MOST_COMPARED]
    rows = np.array([row for row, _ in chosen], np.int64)
    return Unseen(arrays.images[split][rows], np.array([person for _, person in chosen], np.int64))
