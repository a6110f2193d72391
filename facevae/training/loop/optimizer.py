"""What every training has in common: its settings, its optimizer and its learning rate."""

import inspect
import math

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facevae.training.loop.settings import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019) over all of the model's weights."""
    kind = _without_dynamo({"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer])
    return kind(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.999), eps=1e-8,
        fused=True,
    )  # fmt: skip


def _without_dynamo(kind: type[torch.optim.Optimizer]) -> type[torch.optim.Optimizer]:
    """The same optimizer, not to be compiled.

    PyTorch wraps these methods so that torch.compile leaves them alone, and loads torch._dynamo with SymPy in the first
    call: two seconds before the first step. Only networks are compiled here. Whatever is not wrapped stays as it is.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), methods | {"step": torch.no_grad()(inspect.unwrap(kind.step))})


def make_average(model: nn.Module, decay: float) -> AveragedModel:
    """A copy of the model that follows it: after each step `decay` of the old and the rest of the new weights.

    In the first steps less of the old, min(decay, (1 + n) / (10 + n)) after n steps (TensorFlow's
    ExponentialMovingAverage), so that the random weights of the beginning are soon forgotten.
    """

    def follow(averaged: list[Tensor], current: list[Tensor], _: Tensor) -> None:
        steps = int(average.n_averaged)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + steps) / (10 + steps)))

    average = AveragedModel(model, multi_avg_fn=follow, use_buffers=True)
    average.requires_grad_(False)
    return average


def learning_rate_at(step: int, steps_per_epoch: int, settings: TrainingSettings) -> float:
    """Learning rate of step `step`, counted from 0 over the whole run.

    Rises linearly over `warmup_epochs`, then stays (`constant`), is half as large in each epoch as in the one before
    (`halving`; Hou et al. 2017, section 4.1) or falls as half a cosine to 0 at the run's end (`cosine`; Loshchilov &
    Hutter 2017, equation 5, without restarts).
    """
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / (warmup + 1)
    if settings.schedule == "constant":
        return settings.learning_rate
    if settings.schedule == "halving":
        return settings.learning_rate * 0.5 ** (step // steps_per_epoch)
    total = settings.epochs * steps_per_epoch
    progress = (step - warmup) / max(1.0, total - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
