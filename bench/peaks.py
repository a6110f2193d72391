"""A call in a process of its own, and the most memory that this process or one below it had."""

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from facevae.core.errors import FacevaeError

ResultT = TypeVar("ResultT")
_SECONDS_BETWEEN_LOOKS = 0.02
# Looking for new processes takes longer than looking at the known ones, and must not slow down what is measured.
_LOOKS_BETWEEN_SEARCHES = 10


def call(function: Callable[..., ResultT], *arguments: Any) -> tuple[ResultT, float]:
    """The result of `function(*arguments)` in a fresh process, and the peak of resident memory in MB (10^6 bytes).

    The peak is that of the largest process, be it the fresh one or one that it starts; on a system without /proc that
    of the fresh one. Raises the FacevaeError that the function raises.
    """
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process,
        PeakWatch(process.submit(os.getpid).result()) as watch,
    ):
        result, failure, own = process.submit(_call, function, arguments).result()
    if failure is not None:
        raise FacevaeError(**failure)
    return result, watch.peak or own


class PeakWatch:
    """Looks again and again, while its block runs, at the memory of a process and of all below it.

    A child's `ru_maxrss` will not do: it begins with that of the process which started it.
    """

    def __init__(self, pid: int) -> None:
        self.pid, self._peaks, self._stop = pid, dict[int, float](), threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    @property
    def peak(self) -> float:
        """That of the largest process, in MB; 0 without /proc."""
        return max(self._peaks.values(), default=0.0)

    def __enter__(self) -> "PeakWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look([self.pid])

    def _look_on(self) -> None:
        while not self._stop.is_set():
            family = list(_family(self.pid))
            for _ in range(_LOOKS_BETWEEN_SEARCHES):
                self._look(family)
                if self._stop.wait(_SECONDS_BETWEEN_LOOKS):
                    break

    def _look(self, family: list[int]) -> None:
        for pid in family:
            if peak := _high_water(pid):
                # The last is the highest, but for a process just forked, which still shows that of its parent.
                self._peaks[pid] = peak


def _family(pid: int) -> Iterator[int]:
    """The process, and all that it or one of these started."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        # pid (name) state parent ...; the name can have any characters.
        fields = _read(path).rpartition(")")[2].split()
        if fields:
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    family = [pid]
    for member in family:
        yield member
        family += children.get(member, [])


def _high_water(pid: int) -> float | None:
    """The peak of a process's resident memory in MB; None if it has ended."""
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _call(function: Callable[..., ResultT], arguments: tuple) -> tuple[ResultT | None, dict[str, str] | None, float]:
    """Result, the parts of a FacevaeError (which can't be pickled itself), and the peak of this process in MB."""
    result, failure = None, None
    try:
        result = function(*arguments)
    except FacevaeError as error:
        failure = {"where": error.where, "expected": error.expected, "found": error.found, "fix": error.fix}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return result, failure, peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
