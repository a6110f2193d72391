"""The one training loop, for every model that is trained."""

import math
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from facevae.checkpoints import Checkpoint
from facevae.errors import FacevaeError
from facevae.logs import RunLog
from facevae.optimization import TrainingSettings, learning_rate_at, make_optimizer

# Rows of a split: arrays of the same length, for example images uint8 (N, H, W, 3) and labels (N, A).
Rows = tuple[np.ndarray, ...]
# (model, batch, epoch, generator or None) -> terms of each image, (N,) each, "loss" first and to be minimised.
Terms = Callable[[nn.Module, tuple[Tensor, ...], float, torch.Generator | None], dict[str, Tensor]]


def fit(
    model: nn.Module,
    terms_of: Terms,
    train: Rows,
    valid: Rows,
    settings: TrainingSettings,
    *,
    device: torch.device,
    log: RunLog,
    checkpoint: Checkpoint | None = None,
) -> list[dict[str, float]]:
    """Train `model` in place and return its history, a row of means per epoch.

    `valid` may be empty; then the history has no valid_ columns. Every random number comes from a generator keyed by
    (seed, epoch, step), so that resuming from `checkpoint` ends in the same bits as never having stopped.
    Raises FacevaeError at the first step whose loss is not finite.
    """
    torch.set_num_threads(settings.threads)
    model.to(device=device, memory_format=torch.channels_last)
    optimizer = make_optimizer(model, settings)
    history = checkpoint.load(model, optimizer) if checkpoint else []
    if history:
        log.line(f"resuming after epoch {len(history)} of {settings.epochs}")
    steps = math.ceil(len(train[0]) / settings.batch_size)

    for epoch in range(len(history), settings.epochs):
        started = time.perf_counter()
        sums = _Means()
        model.train()
        batches = enumerate(_shuffled(train, settings.batch_size, (settings.seed, epoch)))
        for step, batch in log.track(batches, steps, f"epoch {epoch + 1}/{settings.epochs}"):
            learning_rate = learning_rate_at(epoch * steps + step, steps, settings)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            terms = terms_of(model, _to(batch, device), epoch + step / steps, generator_for(settings.seed, epoch, step))
            loss = terms["loss"].mean()
            _check_finite(terms, epoch, step, learning_rate)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            sums.add(terms)
        row: dict[str, float] = {"epoch": epoch + 1, "learning_rate": learning_rate}
        row |= {f"train_{name}": value for name, value in sums.means().items()}
        rate = len(train[0]) / (time.perf_counter() - started)
        if len(valid[0]):
            found = evaluate(model, terms_of, valid, settings.batch_size, device=device, epoch=epoch + 1)
            row |= {f"valid_{name}": value for name, value in found.items()}
        _check_finite_row(row, learning_rate)
        history.append(row)
        log.epoch(row, settings.epochs, rate, model)
        if checkpoint:
            checkpoint.save(model, optimizer, history)
    return history


@torch.no_grad()
def evaluate(
    model: nn.Module, terms_of: Terms, rows: Rows, batch_size: int, *, device: torch.device, epoch: float
) -> dict[str, float]:
    """Mean of each term over all rows: each row counts once, also in a last, smaller batch."""
    model.eval()
    sums = _Means()
    for start in range(0, len(rows[0]), batch_size):
        batch = tuple(torch.from_numpy(array[start : start + batch_size].copy()) for array in rows)
        sums.add(terms_of(model, _to(batch, device), epoch, None))
    return sums.means()


def generator_for(seed: int, epoch: int, step: int) -> torch.Generator:
    """The random numbers of one step of one epoch, on the CPU, the same whatever ran before."""
    key = np.random.SeedSequence([seed, epoch, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) >> 1)


def _shuffled(rows: Rows, batch_size: int, seed: tuple[int, int]) -> Iterator[tuple[Tensor, ...]]:
    """Each row once, in the epoch's order, as batches of tensors; the last batch may be smaller."""
    order = np.random.default_rng(seed).permutation(len(rows[0]))
    for start in range(0, len(order), batch_size):
        # Sorted, a batch reads a memory-mapped file forwards.
        index = np.sort(order[start : start + batch_size])
        yield tuple(torch.from_numpy(array[index]) for array in rows)


def _to(batch: tuple[Tensor, ...], device: torch.device) -> tuple[Tensor, ...]:
    return tuple(tensor.to(device, non_blocking=True) for tensor in batch)


def _check_finite(terms: dict[str, Tensor], epoch: int, step: int, learning_rate: float) -> None:
    if bool(terms["loss"].isfinite().all()):
        return
    names = [name for name, values in terms.items() if name != "loss" and not values.isfinite().all()] or ["loss"]
    raise FacevaeError(
        where=f"epoch {epoch + 1}, step {step + 1}", expected="a finite loss", found=f"{names[0]} not finite",
        fix=f"lower learning_rate (now {learning_rate:g})",
    )  # fmt: skip


def _check_finite_row(row: dict[str, float], learning_rate: float) -> None:
    """The last step of an epoch can ruin the weights after a finite loss; the validation shows it."""
    bad = next((name for name, value in row.items() if not math.isfinite(value)), None)
    if bad is not None:
        raise FacevaeError(
            where=f"epoch {row['epoch']}", expected="finite means", found=f"{bad} not finite",
            fix=f"lower learning_rate (now {learning_rate:g})",
        )  # fmt: skip


class _Means:
    """Running sums of per-image terms, on the device; averaged once, at the end."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.count = 0

    def add(self, terms: dict[str, Tensor]) -> None:
        for name, values in terms.items():
            total = values.detach().double().sum()
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.count += len(terms["loss"])

    def means(self) -> dict[str, float]:
        return {name: float(total) / self.count for name, total in self.sums.items()}
