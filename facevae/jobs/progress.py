"""Saying where a long stage is: a bar in a terminal, a flushed plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

ItemT = TypeVar("ItemT")

SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable[ItemT], total: int, what: str, unit: str = "images") -> Iterator[ItemT]:
    """Yield `items` and show how far they are, how fast they pass and how long the rest will take.

    The bar goes to standard error if that is a terminal. Otherwise plain lines go to standard
    output: one every ten seconds at most, and a last one with the count.
    """
    return _bar(items, total, what, unit) if sys.stderr.isatty() else _lines(items, total, what, unit)


def _bar(items: Iterable[ItemT], total: int, what: str, unit: str) -> Iterator[ItemT]:
    # Imported here because a stage without a terminal should not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task, begin = progress.add_task(what, total=total, speed=""), time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            progress.update(task, completed=done, speed=f"{_rate(done, begin):.1f} {unit}/s")


def _lines(items: Iterable[ItemT], total: int, what: str, unit: str) -> Iterator[ItemT]:
    begin = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES and done < total:
            last, rate = time.monotonic(), _rate(done, begin)
            print(f"{what}: {done} of {total} {unit}, {rate:.1f}/s, {(total - done) / rate:.0f} s left", flush=True)
    speed = f", {_rate(done, begin):.1f}/s" if done else ""
    print(f"{what}: {done} of {total} {unit}{speed}", flush=True)


def _rate(done: int, begin: float) -> float:
    return done / max(time.monotonic() - begin, 1e-9)
