"""Map a function over processes, in order; results do not depend on their number."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

from facevae.core.allocator import keep_freed_memory
from facevae.core.errors import FacevaeError

ItemT = TypeVar("ItemT")

ResultT = TypeVar("ResultT")

# A process takes time to start: less work than this is done before it could help.
_SECONDS_WORTH_A_START = 1.0

# More than a few images, less than would be missed.
_KEPT_BYTES = 32 * 2**20


def ordered_map(
    function: Callable[[ItemT], ResultT],
    items: Iterable[ItemT],
    workers: int,
    batch_size: int = 16,
    total: int | None = None,
) -> Iterator[ResultT]:
    """Yield `function(item)` for every item, in the items' order, from `workers` processes.

    `function` and the items must be picklable if `workers` is above 1. They are sent in batches, of which two
    per worker are held at any time. The first item, in order, that raises FacevaeError ends the iteration with it.

    This process begins alone: a single batch, or a rest that will be done within a second (where `total`, the number of
    items, is known), needs no other; and while the others start it works on.
    """
    keep_freed_memory(_KEPT_BYTES)
    items = iter(items)
    began, done = time.perf_counter(), 0
    for item in islice(items, batch_size if workers > 1 else None):
        yield function(item)
        done += 1
    ahead = list(islice(items, 1))
    if not ahead:
        return
    items = chain(ahead, items)
    # With what the receiver of the results does with them, which goes on in any case.
    rest = _SECONDS_WORTH_A_START if total is None else (time.perf_counter() - began) / done * (total - done)
    if rest < _SECONDS_WORTH_A_START:
        yield from map(function, items)
        return
    context = _context(function)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_worker) as pool:
        pending: deque[Future] = deque()
        try:
            starting = [pool.submit(_start, function) for _ in range(workers)]
            while not all(future.done() for future in starting) and (batch := list(islice(items, batch_size))):
                yield from map(function, batch)
            while batch := list(islice(items, batch_size)):
                pending.append(pool.submit(partial(_apply, function), batch))
                if len(pending) >= 2 * workers:
                    yield from _results(pending.popleft())
            while pending:
                yield from _results(pending.popleft())
        except BrokenProcessPool:
            raise FacevaeError(
                where="a worker process", expected="to run to its end", found="that it was killed, perhaps for memory",
                fix="try again with fewer --workers",
            ) from None  # fmt: skip
        finally:
            # Waited for: a process that itself belongs to a pool would hang at its end if this one were still closing.
            pool.shutdown(cancel_futures=True)


def _context(function: Callable) -> multiprocessing.context.BaseContext:
    """How processes are started: safe beside the threads of a progress bar, as `fork` is not.

    A server that has loaded what they need forks them, where there is one; `spawn` would load it in each.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    inner = function.func if isinstance(function, partial) else function
    # Each process loads the main module once more, `python -m stages.crop_pad`: then what that imports is there.
    main = sys.modules["__main__"]
    imported = {getattr(value, "__module__", None) for value in vars(main).values()}
    itself = {"__main__", getattr(getattr(main, "__spec__", None), "name", None)}
    modules = {getattr(inner, "__module__", None), type(inner).__module__, *imported} - {None} - itself
    context.set_forkserver_preload(sorted(modules))
    return context


def _start(function: Callable) -> None:
    """Nothing: that `function` was received means that its modules are loaded."""


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
    results, failure = future.result()
    yield from results
    if failure is not None:
        raise FacevaeError(**failure)


def _prepare_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it: a killed stage must not leave processes behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory(_KEPT_BYTES)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
