"""All that the rest of a training depends on, and its way into a checkpoint and back.

Random numbers are not in it: they come from (seed, epoch, step). Nor is the learning rate, a function of the step.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facevae.training.loop.checkpoint import unpack
from facevae.training.loop.distributed import Processes


class Means:
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

    def over(self, processes: Processes) -> "Means":
        """The same over the rows of all processes."""
        if processes.count == 1:
            return self
        whole = Means()
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
        self.means = Means()
        self.best: dict[str, Tensor] | None = None

    @property
    def result(self) -> nn.Module:
        """The model whose weights are the training's result so far: the average, where there is one."""
        return self.model if self.average is None else self.average.module

    def packed(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and facts, for a checkpoint."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        tensors |= {f"means.{name}": value for name, value in self.means.sums.items()}
        tensors |= {f"best.{name}": value for name, value in (self.best or {}).items()}
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        return tensors, {"history": self.history, "step": self.step, "count": self.means.count}

    def restore(self, content: bytes, device: torch.device) -> None:
        """Take over a checkpoint's state."""
        tensors, facts = unpack(content)
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "optimizer": {}, "means": {}, "best": {}, "average": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.model.load_state_dict(parts["model"])
        self._restore_optimizer(parts["optimizer"])
        self.history, self.step, self.means.count = facts["history"], facts["step"], facts["count"]
        self.means.sums = {name: value.to(device) for name, value in parts["means"].items()}
        self.best = {name: value.to(device) for name, value in parts["best"].items()} or None
        if self.average is not None:
            self.average.load_state_dict(parts["average"])

    def keep_best(self) -> None:
        """Copy the weights if the last epoch's validation loss is the lowest so far."""
        if self.epochs_since_best() == 0:
            self.best = {name: value.detach().clone() for name, value in self.result.state_dict().items()}

    def epochs_since_best(self) -> int:
        """Epochs after the one with the lowest validation loss; of equal ones the first counts."""
        losses = [row["valid_loss"] for row in self.history]
        return len(losses) - 1 - losses.index(min(losses))

    def _restore_optimizer(self, tensors: dict[str, Tensor]) -> None:
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        states: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            index, _, key = name.partition(".")
            weight = weights[int(index)]
            if value.shape == weight.shape:
                # The fused optimizers walk through memory and take for granted that it is laid out like the weights.
                value = torch.empty_like(weight, dtype=value.dtype).copy_(value)
            states.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({"state": states, "param_groups": self.optimizer.state_dict()["param_groups"]})
