"""Saying where a long stage is: a bar in a terminal, a flushed plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

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


@contextmanager
def byte_progress(name: str) -> Iterator["ByteProgress"]:
    """Yield what is told how many bytes of the file `name` are here, and shows it as `track` does."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            yield ByteProgress(name, partial(bar.update, bar.add_task(name, total=None)))
        return
    progress = ByteProgress(name)
    yield progress
    if progress.done:
        print(f"{name}: {progress.amount()}", flush=True)


class ByteProgress:
    """How many bytes are here: goes to `update`, of a bar; without one a plain line every ten seconds at most."""

    def __init__(self, name: str, update: Callable[..., Any] | None = None) -> None:
        self._name, self._update, self._last = name, update, time.monotonic()
        self.done, self._total, self._start = 0, None, None

    def show(self, done: int, total: int | None) -> None:
        """`done` of `total` bytes are here; None: of an unknown number."""
        if self._start is None or done < self.done:
            # Begun, or begun anew. What an earlier call brought says nothing about the speed of this one.
            self._start = time.monotonic(), done
        self.done, self._total = done, total
        if self._update is not None:
            self._update(completed=done, total=total)
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES and done != total:
            self._last = time.monotonic()
            rate = _rate(done - self._start[1], self._start[0])
            left = f", {(total - done) / rate:.0f} s left" if total is not None and rate else ""
            print(f"{self._name}: {self.amount()}, {rate / 1e6:.1f} MB/s{left}", flush=True)

    def amount(self) -> str:
        """In megabytes: `100 of 1,443 MB`."""
        digits = 0 if (self._total or self.done) >= 1e7 else 1
        of = "" if self._total is None else f"of {self._total / 1e6:,.{digits}f} "
        return f"{self.done / 1e6:,.{digits}f} {of}MB"
