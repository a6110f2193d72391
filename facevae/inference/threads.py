"""Several images at once: networks, decoding and encoding leave Python's lock to other threads."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from facevae.core.machine import available_cores

GivenT = TypeVar("GivenT")
FoundT = TypeVar("FoundT")


def in_threads(
    call: Callable[[GivenT], FoundT], items: Sequence[GivenT], threads: int | None = None
) -> Iterator[FoundT]:
    """What `call` returns for each of the items, in order, from `threads` threads; by default one for each core.

    A result waits for those before it, and no call begins that is more than `threads` ahead of what was taken: so many
    results are in memory. An error ends what has not begun. A single item takes no thread.
    """
    if len(items) == 1:
        yield call(items[0])
        return
    from concurrent.futures import ThreadPoolExecutor

    threads = threads or available_cores()
    pool = ThreadPoolExecutor(threads)
    try:
        waiting: deque = deque()
        for item in items:
            waiting.append(pool.submit(call, item))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
