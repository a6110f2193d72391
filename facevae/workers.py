"""Spreading a function over processes so that nobody can tell from the result how many there were."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

from facevae.errors import FacevaeError

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ordered_map(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], workers: int, batch_size: int = 16
) -> Iterator[ResultT]:
    """Yield `function(item)` for every item, in the items' order, from `workers` processes.

    `function` and the items must be picklable if `workers` is above 1. They are sent in batches, of which two
    per worker are held at any time. The first item, in order, that raises FacevaeError ends the iteration with it.
    """
    items = iter(items)
    first = list(islice(items, batch_size + 1))
    items = chain(first, items)
    # A single batch is done before a second process has started.
    if workers <= 1 or len(first) <= batch_size:
        yield from map(function, items)
        return
    # spawn: the same on every system, and safe beside the threads of a progress bar.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker) as pool:
        pending: deque[Future] = deque()
        try:
            while batch := list(islice(items, batch_size)):
                pending.append(pool.submit(partial(_apply, function), batch))
                if len(pending) >= 2 * workers:
                    yield from _results(pending.popleft())
            while pending:
                yield from _results(pending.popleft())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _apply(function: Callable[[ItemT], ResultT], batch: list[ItemT]) -> tuple[list[ResultT], dict[str, Any] | None]:
    """The results up to the first FacevaeError, and the parts of that error (which can't be pickled itself)."""
    results: list[ResultT] = []
    for item in batch:
        try:
            results.append(function(item))
        except FacevaeError as error:
            return results, {"where": error.where, "expected": error.expected, "found": error.found, "fix": error.fix}
    return results, None


def _results(future: Future) -> Iterator[Any]:
    try:
        results, failure = future.result()
    except BrokenProcessPool:
        raise FacevaeError(
            where="a worker process", expected="to run to its end", found="that it was killed, perhaps for memory",
            fix="try again with fewer --workers",
        ) from None  # fmt: skip
    yield from results
    if failure is not None:
        raise FacevaeError(**failure)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it: a killed stage must not leave processes behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
