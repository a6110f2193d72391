"""Who is train, valid or test."""

import hashlib
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from facevae.core.params import Section
from facevae.imaging.names import Names

ItemT = TypeVar("ItemT")

PARTITIONS = ("train", "valid", "test")

"""CelebA's partitions; its files write a partition as the index in this tuple."""

CELEBA_SHARES = (0.8034, 0.0981, 0.0985)

"""Share of each partition in CelebA's 202,599 images."""


# Whether images with the same pixels may stand in two splits, or all of them stand in one.
SameImages = Literal["apart", "together"]


class DaeCache(Section):
    """Section cache_arrays.dae: the first so many images or fewer (null: all), and the share of them that trains."""

    images: int | None = Field(gt=0)
    train_share: float = Field(gt=0, lt=1)
    same_images: SameImages


class VaeCache(Section):
    """Section cache_arrays.vae: so many images (null: all), evenly spread over the archive."""

    images: int | None = Field(gt=0)
    same_images: SameImages


def partition_by_order(index: int, count: int) -> int:
    """Partition of item `index` of `count`: train, valid and test one after the other, in CelebA's proportions."""
    return _partition_at((index + 0.5) / count)


def partition_by_name(name: str) -> int:
    """Partition of the image called `name`, in CelebA's proportions whatever other images there are."""
    return _partition_at(_position(name))


def split_by_keys(keys: Sequence[str]) -> list[int]:
    """The partition of each image by the name of whom it shows, or its own: `partition_by_name`.

    Where that leaves a partition empty, among a few names, they are dealt out in the order of their hashes, so that
    with three names or more none is.
    """
    found = {key: partition_by_name(key) for key in dict.fromkeys(keys)}
    if len(set(found.values())) < len(PARTITIONS) <= len(found):
        ordered = sorted(found, key=_position)
        valid, test = (max(1, round(share * len(ordered))) for share in CELEBA_SHARES[1:])
        for index, key in enumerate(ordered):
            left = len(ordered) - index
            found[key] = 2 if left <= test else 1 if left <= test + valid else 0
    return [found[key] for key in keys]


def complete_split(partitions: Sequence[int], keys: Sequence[str]) -> tuple[list[int], str]:
    """Partitions that somebody else gave, none of them empty, and in words what was done to them, or "".

    Images of one partition alone are split by their `keys`, whom they show. Where only valid is missing, it takes from
    train a hash's share, so that what was held out for the test stays held out; where only test is, valid becomes it.
    """
    given = sorted(set(partitions))
    if len(given) == 1:
        return split_by_keys(keys), f"all are {PARTITIONS[given[0]]}: split by a hash of each person or image instead"
    if given == [0, 1]:
        partitions, note = [2 * number for number in partitions], "no test images: the valid ones are these, and "
    elif given == [0, 2]:
        note = ""
    else:
        return list(partitions), ""
    train, valid, _ = CELEBA_SHARES
    ordered = sorted({key for key, number in zip(keys, partitions, strict=True) if number == 0}, key=_position)
    taken = set(ordered[: max(1, round(len(ordered) * valid / (train + valid)))] if len(ordered) > 1 else ())
    found = [1 if not number and key in taken else number for key, number in zip(keys, partitions, strict=True)]
    return found, f"{note}{found.count(1):,} of the train images are valid, by a hash of each person or image"


def train_with_persons(persons: np.ndarray, train_share: float) -> np.ndarray:
    """Which of some images train, (n,) bool: the first ones, as near to `train_share` of all as persons allow.

    `persons` (n,): whom each image shows, -1 for nobody known, who counts as a person with one image. Persons train in
    the order of their first images, each with all of his, as long as that leaves the rest its share; where all
    persons differ these are just the first images.
    """
    asked = round(len(persons) * train_share)
    alone = persons < 0
    keys = np.where(alone, persons.max(initial=0) + 1 + np.arange(len(persons)), persons)
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    trains = np.zeros(len(counts), bool)
    taken = 0
    for person in np.argsort(first, kind="stable"):
        if taken + counts[person] <= asked:
            trains[person] = True
            taken += counts[person]
    return trains[inverse]


def persons_with_copies(persons: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """Persons of whom two who share an image are one: (n,), -1 for nobody known, and what each image shows, (n,).

    An image that stands there several times is at least somebody, so that a split by persons keeps it in one.
    """
    # Imported where it is used, for whom it takes a while to load.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, contents = np.unique(contents, return_inverse=True)
    # Persons and contents as the two sides of a graph: what is connected is one.
    known = np.flatnonzero(persons >= 0)
    people, numbers = np.unique(persons[known], return_inverse=True)
    size, first = len(people), len(persons)
    pairs = np.concatenate([np.arange(first), known]), np.concatenate([contents + first, numbers + 2 * first])
    graph = coo_array((np.ones(len(pairs[0])), pairs), shape=(2 * first + size, 2 * first + size))
    return connected_components(graph, directed=False)[1][:first]


def partitions_with_copies(partitions: np.ndarray, contents: np.ndarray) -> np.ndarray:
    """The partitions, (n,), but of images that show the same, (n,), all in the first that one is in: train is first."""
    _, numbers = np.unique(contents, return_inverse=True)
    first = np.full(len(contents), len(PARTITIONS))
    np.minimum.at(first, numbers, partitions)
    return first[numbers]


def evenly_spaced(items: Sequence[ItemT], count: int) -> Sequence[ItemT]:
    """`count` of the items, evenly spaced and in their order; all of them as they are.

    CelebA's partitions follow each other in number, so its first images are all of train; evenly
    spaced ones keep the proportions.
    """
    if count == len(items):
        return items
    rows = np.arange(count) * len(items) // count
    return items.take(rows) if isinstance(items, Names) else [items[row] for row in rows]


def _position(name: str) -> float:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def _partition_at(position: float) -> int:
    """The partition in which `position`, in [0, 1), falls when the three are laid end to end."""
    train, valid, _ = CELEBA_SHARES
    return 0 if position < train else 1 if position < train + valid else 2
