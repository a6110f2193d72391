"""Saying where a long stage is: a bar in a terminal, a flushed plain line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

ItemT = TypeVar("ItemT")

# (how many are done, what else to say of them): asked for when it is shown, since it may have to be computed.
Show = Callable[[int, Callable[[], str]], None]

SECONDS_BETWEEN_LINES = 10.0

_SECONDS_BETWEEN_LOOKS = 1.0


def track(items: Iterable[ItemT], total: int, what: str, unit: str = "images") -> Iterator[ItemT]:
    """Yield `items` and show how far they are, how fast they pass and how long the rest will take.

    As `reporting` shows it; without a terminal a last line gives the count.
    """
    begin, done = time.monotonic(), 0

    def speed() -> str:
        return f"{done / max(time.monotonic() - begin, 1e-9):.1f}/s"

    with reporting(what, total, unit) as show:
        for done, item in enumerate(items, start=1):
            yield item
            show(done, speed)
    if not sys.stderr.isatty():
        print(f"{what}: {done} of {total} {unit}{f', {speed()}' if done else ''}", flush=True)


def reporting(what: str, total: int, unit: str, *, done: int = 0) -> AbstractContextManager[Show]:
    """Yield a function that shows how many of `total` are done, and how long the rest will take; `done` are already.

    A bar on standard error if that is a terminal; otherwise lines on standard output, one every ten seconds at most.
    """
    return _bar(what, total, done) if sys.stderr.isatty() else _lines(what, total, unit, done)


@contextmanager
def _bar(what: str, total: int, done: int) -> Iterator[Show]:
    # Imported here because a stage without a terminal should not wait for it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task, looked = bar.add_task(what, total=total, completed=done, text=""), 0.0

        def show(done: int, text: Callable[[], str]) -> None:
            nonlocal looked
            bar.update(task, completed=done)
            if time.monotonic() - looked >= _SECONDS_BETWEEN_LOOKS:
                looked = time.monotonic()
                bar.update(task, text=text())

        yield show


@contextmanager
def _lines(what: str, total: int, unit: str, before: int) -> Iterator[Show]:
    begin = last = time.monotonic()

    def show(done: int, text: Callable[[], str]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES and done < total:
            last, left = now, (now - begin) / (done - before) * (total - done)
            print(f"{what}: {done} of {total} {unit}, {text()}, {left:.0f} s left", flush=True)

    yield show


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
