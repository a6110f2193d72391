"""Who is train, valid or test."""

from collections import Counter

import numpy as np
import pytest

from facevae.celeba.splits import (
    CELEBA_SHARES,
    evenly_spaced,
    partition_by_name,
    partition_by_order,
    partitions_with_copies,
    persons_with_copies,
    train_with_persons,
)


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
    assert evenly_spaced(range(10), 5) == [0, 2, 4, 6, 8]
    assert list(evenly_spaced("abc", 3)) == ["a", "b", "c"]
    assert evenly_spaced(range(100), 1) == [0]
    # All of the parts of a sorted list are met in proportion, as its first items are not.
    partitions = [0] * 80 + [1] * 10 + [2] * 10
    assert Counter(evenly_spaced(partitions, 20)) == {0: 16, 1: 2, 2: 2}


@pytest.mark.parametrize(("count", "share", "trained"), [(1000, 0.6, 600), (10, 0.6, 6), (3, 0.5, 2), (1, 0.1, 0)])
def test_the_first_images_train_where_all_persons_differ(count, share, trained):
    expected = [True] * trained + [False] * (count - trained)
    for persons in (np.arange(count)[::-1], np.full(count, -1)):
        assert train_with_persons(persons, share).tolist() == expected


def test_nobody_trains_and_tests():
    # Six of ten: 7 with three images and 5 with two leave room for one more, the unknown one; 8's two don't fit.
    persons = np.array([7, 5, 8, 7, 8, -1, 7, 5, 9, -1])
    trains = train_with_persons(persons, 0.6)
    assert trains.tolist() == [True, True, False, True, False, True, True, True, False, False]
    assert train_with_persons(np.array([3, 3, 3, 3]), 0.5).tolist() == [False] * 4
    generator = np.random.default_rng(0)
    persons = generator.integers(0, 150, 1000)
    trains = train_with_persons(persons, 0.6)
    assert not set(persons[trains]) & set(persons[~trains]) and trains.sum() == pytest.approx(600, abs=10)


def test_the_same_image_is_the_same_person():
    """Images 0 and 3 are the same, 1 and 4: so is 2, whom 4 shows as well. Nobody is known on 0, 3 and 5."""
    found = persons_with_copies(np.array([-1, 7, 8, -1, 8, -1]), np.array([4, 2, 9, 4, 2, 5]))
    assert len(found) == 6 and (found >= 0).all()
    groups = {tuple(np.flatnonzero(found == person)) for person in found}
    assert groups == {(0, 3), (1, 2, 4), (5,)}


def test_the_same_image_is_in_one_partition():
    partitions, contents = np.array([2, 0, 1, 2, 1, 0]), np.array([3, 4, 3, 4, 5, 6])
    assert partitions_with_copies(partitions, contents).tolist() == [1, 0, 1, 0, 1, 0]
