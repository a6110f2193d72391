"""The measures of bench/training.py: a stopwatch for steps, FLOPs counted, the rate of a matrix product."""

import time
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective
from facevae.training.loop.step import StepContext

_WARM_UP_STEPS = 3
_LEAST_STEPS = 3
# Large enough for the best rate of a GPU or a CPU core, small enough for a part of a second.
_MATRIX_SIZE = {"cuda": 8192, "cpu": 2048}
_MATRIX_SECONDS = 0.3


class Stopwatch:
    """Times steps that follow each other, once the first of them are done and queues are as full as they get."""

    def __init__(self, seconds: float, device: torch.device) -> None:
        self.seconds, self.device = seconds, device
        self.made, self.ticks = time.perf_counter(), 0
        self.started: float | None = None
        self.steps, self.taken = 0, 0.0

    @property
    def done(self) -> bool:
        """Whether enough was measured."""
        return self.steps > 0

    def tick(self) -> bool:
        """A step has just ended, or the first is to begin; returns `done`."""
        if self.started is None:
            if self.ticks >= _WARM_UP_STEPS and time.perf_counter() - self.made >= self.seconds / 3:
                self.started, self.ticks = self._now(), 0
        elif not self.done and self.ticks >= _LEAST_STEPS and time.perf_counter() - self.started >= self.seconds:
            self.taken, self.steps = self._now() - self.started, self.ticks
        self.ticks += 1
        return self.done

    def rate(self, per_step: int) -> float:
        """How many a second, with so many in each step."""
        return per_step * self.steps / self.taken

    def _now(self) -> float:
        # Only here, at both ends: a loop that waits for the GPU at each step is another loop.
        wait_for(self.device)
        return time.perf_counter()


def train_barely(
    network: nn.Module,
    terms_of: Objective,
    batches: Iterable[Batch],
    optimizer: torch.optim.Optimizer,
    watch: Stopwatch,
    precision: torch.dtype,
) -> None:
    """Forward, backward and optimizer step, batch after batch and nothing else, until the stopwatch has enough."""
    network.train()
    for number, batch in enumerate(batches):
        if watch.tick():
            return
        step = StepContext(1.0, (0, 0, number), len(batch[0]), device=watch.device, precision=precision)
        loss = terms_of(network, batch, step)["loss"].mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def flops_per_image(network: nn.Module, terms_of: Objective, batch: Batch, device: torch.device) -> float:
    """FLOPs of forward and backward, for each image of `batch`; a multiplication and its addition are two.

    Counted are convolutions and matrix products, as `torch.utils.flop_counter` does, and not what is done once for
    each value (activations, norms, the loss, the optimizer). The network must not be compiled.
    """
    step = StepContext(1.0, (0, 0, 0), len(batch[0]), device=device)
    with FlopCounterMode(display=False) as counter:
        terms_of(network.train(), batch, step)["loss"].mean().backward()
    network.zero_grad(set_to_none=True)
    return counter.get_total_flops() / len(batch[0])


def matrix_product_rate(device: torch.device, precision: torch.dtype) -> float:
    """FLOPs a second of a large square matrix product; in float32 on a GPU with TF32, if the process allows it."""
    size = _MATRIX_SIZE.get(device.type, _MATRIX_SIZE["cpu"])
    a, b = (torch.randn(size, size, device=device).to(precision) for _ in range(2))
    out = torch.empty_like(a)

    def multiply() -> None:
        torch.mm(a, b, out=out)

    return 2 * size**3 * _calls_per_second(multiply, device)


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _calls_per_second(function: Callable[[], None], device: torch.device) -> float:
    function()
    calls, together = 0, 1
    wait_for(device)
    started = time.perf_counter()
    # In growing groups, so that a GPU is waited for a few times only.
    while time.perf_counter() - started < _MATRIX_SECONDS:
        for _ in range(together):
            function()
        wait_for(device)
        calls, together = calls + together, 2 * together
    return calls / (time.perf_counter() - started)
