"""Trying again what may pass: how often, how long, and after which failures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from facevae.core.errors import FacevaeError

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait, in seconds, and how often to try."""

    tries: int = 7  # in a row that brought nothing new
    tries_in_all: int = 200
    pause: float = 1.0  # after a failed try; twice as long after the next one
    longest_pause: float = 60.0
    longest_retry_after: float = 600.0  # a server that asks for more is asked again after this
    connect: float = 20.0
    read: float = 60.0  # without a byte
    slow_after: float = 60.0
    slow: int = 1024  # fewer bytes a second than this, for `slow_after`, are no download


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
        except TransientError as again:
            failures = 0 if size() > most and not again.stalled else failures + 1
            most = max(most, size())
            if failures >= policy.tries or number >= policy.tries_in_all:
                raise failed(where, name, f"{again.found}, at the last of {number} tries", again.fix) from None
            pause = min(policy.pause * 2 ** max(failures - 1, 0), policy.longest_pause)
            pause = max(pause, min(again.wait, policy.longest_retry_after))
            print(f"download: {where}: {again.found}; trying again in {pause:.0f} s", flush=True)
        time.sleep(pause)


def failed(where: str, name: str, found: str, fix: str) -> FacevaeError:
    """A place from which a file can't be had."""
    return FacevaeError(where=where, expected=name, found=found, fix=fix)
