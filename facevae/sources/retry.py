"""Retrying: how often, with which pauses, and what counts as progress."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from facevae.core.errors import FacevaeError

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class RetryPolicy:
    """Times in seconds, and numbers of tries."""

    tries: int = 7  # in a row that brought nothing new
    tries_in_all: int = 200
    pause: float = 1.0  # after a failed try; twice as long after the next one
    longest_pause: float = 60.0
    longest_retry_after: float = 600.0  # a server that asks for more is asked again after this
    connect: float = 20.0
    read: float = 60.0  # without a byte
    slow_after: float = 60.0
    slow: int = 1024  # fewer bytes a second than this, for `slow_after`, count as none


class TransientError(Exception):
    """A failure that another try may mend. `found` and `fix` are for the message if none does.

    `wait`: seconds that the server asked for. `stalled`: what this try brought is too little to count.
    """

    def __init__(self, found: str, fix: str = "try later", wait: float = 0.0, stalled: bool = False) -> None:
        super().__init__(found)
        self.found, self.fix, self.wait, self.stalled = found, fix, wait, stalled


def retry(
    attempt: Callable[[], ResultT], size: Callable[[], int], where: str, name: str, policy: RetryPolicy
) -> ResultT:
    """The result of `attempt`, which is called until it raises no TransientError. `size()` bytes have arrived so far.

    A try that brought new bytes starts the count of tries again. Raises FacevaeError when they are used up.
    """
    most, failures, number = size(), 0, 0
    while True:
        number += 1
        try:
            return attempt()
        except TransientError as error:
            failures = 0 if size() > most and not error.stalled else failures + 1
            most = max(most, size())
            if failures >= policy.tries or number >= policy.tries_in_all:
                found = f"{error.found}, at the last of {number} tries"
                raise FacevaeError(where=where, expected=name, found=found, fix=error.fix) from None
            pause = min(policy.pause * 2 ** max(failures - 1, 0), policy.longest_pause)
            pause = max(pause, min(error.wait, policy.longest_retry_after))
            print(f"download: {where}: {error.found}; trying again in {pause:.0f} s", flush=True)
        time.sleep(pause)


class SpeedCheck:
    """Ends a transfer that is too slow to be one."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy, self._begin, self._bytes = policy, time.monotonic(), 0

    def add(self, count: int) -> None:
        """`count` bytes have arrived. Raises TransientError if those of the last `slow_after` seconds are too few."""
        self._bytes += count
        seconds = time.monotonic() - self._begin
        if seconds >= self._policy.slow_after:
            if self._bytes < self._policy.slow * seconds:
                found = f"too slow a connection, less than {self._policy.slow} bytes/s"
                raise TransientError(found, stalled=True)
            self._begin, self._bytes = time.monotonic(), 0
