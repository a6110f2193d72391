"""How long a training will take and what memory it needs: measured on its first steps, which no formula foresees."""

import resource
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import torch

# The first steps warm up: memory is allocated, kernels are chosen, the disk is read for the first time.
_WARM_UP, _MEASURED = 3, 10

# A training that is over sooner needs no forecast.
_WORTH_SAYING = 60.0


class Forecast:
    """Told of each step; says once, after the thirteenth, how long all of `steps` take, if that is a minute or more."""

    def __init__(self, steps: int, device: torch.device, say: Callable[[str], None]) -> None:
        self.steps, self.device, self.say = steps, device, say
        self.done, self.began = 0, 0.0

    def step(self) -> None:
        """A step has been taken."""
        self.done += 1
        if self.done == _WARM_UP:
            self.began = self._now()
        elif self.done == _WARM_UP + _MEASURED:
            seconds = (self._now() - self.began) / _MEASURED * self.steps
            if seconds >= _WORTH_SAYING:
                self.say(
                    f"about {timedelta(seconds=round(seconds))} for {self.steps:,} steps, by the first {self.done}; "
                    f"memory so far {peak_memory(self.device) / 1e9:.1f} GB"
                )

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # steps are under way that have not been computed
        return time.perf_counter()


def peak_memory(device: torch.device) -> int:
    """The most bytes that were in use at a time: of a GPU by tensors, of the CPU by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
