"""Spreading work over processes: same order, same results, same error."""

import os

import pytest
from raw_data import one_line

from facevae.errors import FacevaeError
from facevae.workers import ordered_map


def square(number: int) -> int:
    if number < 0:
        raise FacevaeError(where="here", expected="0 or more", found=str(number), fix="mend it")
    return number * number


def end(number: int) -> int:
    os._exit(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_order_and_first_error(workers):
    assert list(ordered_map(square, range(50), workers, batch_size=4)) == [number**2 for number in range(50)]
    results = ordered_map(square, [1, 2, 3, 4, 5, -6, 7, 8, -9, 10], workers, batch_size=2)
    assert [next(results) for _ in range(5)] == [1, 4, 9, 16, 25]
    with one_line("here: expected 0 or more, found -6; mend it"):
        next(results)


def test_items_are_taken_as_they_are_needed():
    taken = []
    results = ordered_map(square, (taken.append(number) or number for number in range(1000)), 2, batch_size=4)
    assert next(results) == 0 and len(taken) <= 4 * 2 * 2 + 1
    results.close()


def test_a_killed_worker_is_one_line():
    with one_line("a worker process", "fewer --workers"):
        list(ordered_map(end, range(10), 2, batch_size=2))
