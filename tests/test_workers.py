"""Spreading work over processes: same order, same results, same error."""

import multiprocessing
import os
import time

import pytest
from raw_data import one_line

from facevae.core.errors import FacevaeError
from facevae.jobs.workers import ordered_map


def square(number: int) -> int:
    if number < 0:
        raise FacevaeError(where="here", expected="0 or more", found=str(number), fix="mend it")
    return number * number


def end(number: int) -> int:
    """Ends any process but the first one."""
    if multiprocessing.parent_process() is not None:
        os._exit(1)
    return number


def where(number: int) -> int:
    time.sleep(0.01)
    return os.getpid()


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
    seen = [next(results) for _ in range(500)]
    assert seen[-1] == 499**2 and len(taken) <= 500 + 4 * 2 * 2 + 1
    results.close()


def test_this_process_works_until_the_others_can():
    here, seen = os.getpid(), []
    results = ordered_map(where, range(10**6), 2, batch_size=2)
    while len(set(seen)) < 3 and len(seen) < 6000:  # a minute
        seen.append(next(results))
    results.close()
    assert seen[0] == here and len(set(seen)) == 3
    # Alone when the rest is known to be less work than starting others.
    assert set(ordered_map(where, range(30), 2, batch_size=2, total=30)) == {here}


def test_a_killed_worker_is_one_line():
    with one_line("a worker process", "fewer --workers"):
        list(ordered_map(end, range(10**6), 2, batch_size=2))
