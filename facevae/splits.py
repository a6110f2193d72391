"""Who is train, valid or test."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from pydantic import Field

from facevae.params import Section

ItemT = TypeVar("ItemT")
PARTITIONS = ("train", "valid", "test")
"""CelebA's partitions; its files write a partition as the index in this tuple."""
CELEBA_SHARES = (0.8034, 0.0981, 0.0985)
"""Share of each partition in CelebA's 202,599 images."""


class DaeCache(Section):
    """Section cache_arrays.dae: the first so many images (null: all), and the share of them that trains."""

    images: int | None = Field(gt=0)
    train_share: float = Field(gt=0, lt=1)


class VaeCache(Section):
    """Section cache_arrays.vae: so many images (null: all), evenly spread over the archive."""

    images: int | None = Field(gt=0)


def partition_by_order(index: int, count: int) -> int:
    """Partition of item `index` of `count`: train, valid and test one after the other, in CelebA's proportions."""
    return _partition_at((index + 0.5) / count)


def partition_by_name(name: str) -> int:
    """Partition of the image called `name`, in CelebA's proportions whatever other images there are."""
    return _partition_at(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64)


def train_count(count: int, train_share: float) -> int:
    """How many of `count` images train; the others test."""
    return round(count * train_share)


def spread(items: Sequence[ItemT], count: int) -> list[ItemT]:
    """`count` of the items, evenly spaced and in their order.

    CelebA's partitions follow each other in number, so its first images are all of train; evenly
    spaced ones keep the proportions.
    """
    return [items[index * len(items) // count] for index in range(count)]


def _partition_at(position: float) -> int:
    """The partition in which `position`, in [0, 1), falls when the three are laid end to end."""
    train, valid, _ = CELEBA_SHARES
    return 0 if position < train else 1 if position < train + valid else 2
