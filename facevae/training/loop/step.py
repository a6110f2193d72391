"""What a loss may know of the step that it is computed in: the epoch, random numbers, the mean of the batch."""

from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from facevae.training.loop.distributed import ALONE, Processes


class StepContext:
    """One step of training, or with `key` None one of validation, where nothing is random.

    `epoch`: epochs done, a fraction within one. `key`: numbers (seed, epoch, step) that the random numbers come from.
    `length`: rows of the whole batch, of which this process has those of `rows` (all, unless torchrun started
    several); of these only the first `counted` count.
    """

    def __init__(
        self,
        epoch: float,
        key: tuple[int, int, int] | None,
        length: int,
        *,
        rows: slice | None = None,
        counted: int | None = None,
        device: torch.device | None = None,
        precision: torch.dtype = torch.float32,
        processes: Processes = ALONE,
    ) -> None:
        self.epoch, self.length, self.processes, self.precision = epoch, length, processes, precision
        self.rows = rows or slice(0, length)
        self.counted = self.rows.stop - self.rows.start if counted is None else counted
        self.device = device or torch.device("cpu")
        self.generator = None if key is None else generator_for(*key)

    @property
    def training(self) -> bool:
        """Whether the weights are to be moved by this step."""
        return self.generator is not None

    def rand(self, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1) for this process's rows: (n, *shape)."""
        return self._own(torch.rand(self.length, *shape, generator=self.generator))

    def randn(self, *shape: int) -> Tensor:
        """Standard normal numbers for this process's rows: (n, *shape)."""
        return self._own(torch.randn(self.length, *shape, generator=self.generator))

    def randint(self, high: int) -> Tensor:
        """Whole numbers in [0, high), one for each of this process's rows: (n,)."""
        return self._own(torch.randint(high, (self.length,), generator=self.generator))

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the whole batch, whichever process has the rows: (n, ...) -> (...), without gradient."""
        own = values.detach()[: self.counted].sum(0)
        return self.processes.sum(own) / self.length

    def autocast(self) -> AbstractContextManager:
        """Within it networks compute in the step's precision."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def _own(self, numbers: Tensor) -> Tensor:
        # Drawn on the CPU and for the whole batch, so that a seed means the same numbers on every device and for
        # any number of processes. Pinned, the copy to a GPU does not wait for the GPU.
        numbers = numbers[self.rows]
        if self.device.type == "cuda":
            numbers = numbers.pin_memory()
        return numbers.to(self.device, non_blocking=True)


def generator_for(seed: int, epoch: int, step: int) -> torch.Generator:
    """The random numbers of one step of one epoch, on the CPU, the same whatever ran before."""
    key = np.random.SeedSequence([seed, epoch, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) >> 1)
