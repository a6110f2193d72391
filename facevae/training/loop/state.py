"""All that the rest of a training depends on, and its way into a checkpoint and back.

Random numbers are not in it: they come from (seed, epoch, step). Nor is the learning rate, a function of the step.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facevae.training.loop.distributed import Processes


class RunningMeans:
    """Running sums of per-image terms, on the device; averaged once, at the end."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, terms: dict[str, Tensor]) -> None:
        """Add the terms of some images, (n,) each."""
        for name, values in terms.items():
            total = values.detach().double().sum()
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.count += len(terms["loss"])

    def over(self, processes: Processes) -> "RunningMeans":
        """The same over the rows of all processes."""
        if processes.count == 1:
            return self
        whole = RunningMeans()
        device = next(iter(self.sums.values())).device
        counted = torch.tensor(self.count, dtype=torch.float64, device=device)
        totals = processes.sum(torch.stack([counted, *self.sums.values()]))
        whole.count, whole.sums = int(totals[0]), dict(zip(self.sums, totals[1:], strict=True))
        return whole

    def clear(self) -> None:
        """Back to nothing, under the same names."""
        self.sums, self.count = {name: torch.zeros_like(total) for name, total in self.sums.items()}, 0

    def means(self) -> dict[str, float]:
        """Waits for the device."""
        return {name: float(total) / max(1, self.count) for name, total in self.sums.items()}


class TrainingState:
    """A training between two steps: `step` of the epoch after those of `history` are done, with their `means`.

    `best`: the weights after the epoch of the lowest validation loss, or None while there is none to keep.
    `average`: the running average of the model's weights, or None where there is none.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, average: AveragedModel | None = None
    ) -> None:
        self.model, self.optimizer, self.average = model, optimizer, average
        self.history: list[dict[str, float]] = []
        self.step = 0
        self.means = RunningMeans()
        self.best: dict[str, Tensor] | None = None

    @property
    def result(self) -> nn.Module:
        """The model whose weights are the training's result so far: the average, where there is one."""
        return self.model if self.average is None else self.average.module

    def state_dict(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "best": self.best,
            "sums": self.means.sums,
            "count": self.means.count,
            "history": self.history,
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Take over what `state_dict` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.best = state["best"] and {name: value.to(device) for name, value in state["best"].items()}
        self.means.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.means.count, self.history, self.step = state["count"], state["history"], state["step"]

    def keep_best(self) -> None:
        """Copy the weights if the last epoch's validation loss is the lowest so far."""
        if self.epochs_since_best() == 0:
            self.best = {name: value.detach().clone() for name, value in self.result.state_dict().items()}

    def epochs_since_best(self) -> int:
        """Epochs after the one with the lowest validation loss; of equal ones the first counts."""
        losses = [row["valid_loss"] for row in self.history]
        return len(losses) - 1 - losses.index(min(losses))
