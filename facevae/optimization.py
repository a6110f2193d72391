"""What every training has in common: its settings, its optimizer and its learning rate."""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from facevae.hardware import Precision
from facevae.params import Section


class TrainingSettings(Section):
    """The part of a training's section that does not depend on the model."""

    optimizer: Literal["adam", "adamw"]
    learning_rate: float = Field(gt=0, le=10)
    schedule: Literal["constant", "cosine", "halving"]
    warmup_epochs: float = Field(ge=0)
    weight_decay: float = Field(ge=0, le=1)
    # The largest norm of a step's gradient; a longer one is shortened to it (Pascanu et al. 2013). Null: any.
    gradient_clip: float | None = Field(gt=0)
    batch_size: int = Field(ge=1)
    epochs: int = Field(ge=1)
    # Stop when the validation loss has not fallen for so many epochs; null: never.
    patience: int | None = Field(ge=1)
    # Whose weights are the result: those of the last epoch, or of the one with the lowest validation loss.
    keep: Literal["last", "best"]
    # Share of the old in the running average of the weights, which is then the result; null: the weights themselves.
    ema: float | None = Field(ge=0, lt=1)
    flip: bool
    seed: int = Field(ge=0)
    # Part of the result, not of the machine: PyTorch's sums depend on the number of threads that share them.
    threads: int = Field(ge=1, le=256)
    precision: Precision


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba 2015) or AdamW (Loshchilov & Hutter 2019) over all of the model's weights."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.999), eps=1e-8,
        fused=True,
    )  # fmt: skip


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
