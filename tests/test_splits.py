"""Who is train, valid or test."""

from collections import Counter

import pytest

from facevae.splits import CELEBA_SHARES, partition_by_name, partition_by_order, spread, train_count


def test_by_order_follows_celebas_proportions():
    partitions = [partition_by_order(index, 1000) for index in range(1000)]
    assert partitions == sorted(partitions)
    assert Counter(partitions) == {0: 803, 1: 98, 2: 99}  # cut at 803.4 and 901.5, by the items' middles
    assert sum(CELEBA_SHARES) == pytest.approx(1)


def test_by_name_is_stable_and_proportionate():
    assert [partition_by_name(f"{number}.jpg") for number in range(12)] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    counts = Counter(partition_by_name(f"face {number}") for number in range(10_000))
    assert [counts[partition] / 10_000 for partition in range(3)] == pytest.approx(CELEBA_SHARES, abs=0.015)


def test_spread_is_even_and_in_order():
    assert spread(range(10), 5) == [0, 2, 4, 6, 8]
    assert spread("abc", 3) == ["a", "b", "c"]
    assert spread(range(100), 1) == [0]
    # All of the parts of a sorted list are met in proportion, as its first items are not.
    partitions = [0] * 80 + [1] * 10 + [2] * 10
    assert Counter(spread(partitions, 20)) == {0: 16, 1: 2, 2: 2}


@pytest.mark.parametrize(("count", "share", "trained"), [(1000, 0.6, 600), (10, 0.6, 6), (3, 0.5, 2), (1, 0.1, 0)])
def test_train_count(count, share, trained):
    assert train_count(count, share) == trained
