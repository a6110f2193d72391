"""The one training loop, for every model that is trained."""

import math
import time
from collections import deque
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from facevae.core.errors import FacevaeError
from facevae.nn.device import describe
from facevae.nn.precision import Choice, choose_precision
from facevae.training.loop.batches import Batch, DeviceRows, HostRows, Rows, in_order, place, shuffled
from facevae.training.loop.checkpoint import unpack
from facevae.training.loop.distributed import Processes
from facevae.training.loop.forecast import Forecast
from facevae.training.loop.log import RunLog
from facevae.training.loop.optimizer import learning_rate_at, make_average, make_optimizer
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.state import RunningMeans, TrainingState
from facevae.training.loop.step import StepContext

# (model, batch, step) -> terms of each image, (n,) each, "loss" first and to be minimised.
Objective = Callable[[nn.Module, Batch, StepContext], dict[str, Tensor]]

# (model, the epoch's row of the history) -> a line if something is wrong; may add columns of its own to the row.
Observer = Callable[[nn.Module, dict[str, float]], str | None]

# Compiling takes about a minute on two cores (bench/training.py --compile); a run of fewer steps ends before it pays.
_STEPS_WORTH_COMPILING = 10_000

# Several processes ask each other whether to save a checkpoint once in so many steps; a single one asks itself each.
_STEPS_BETWEEN_QUESTIONS = 32


def fit(
    model: nn.Module,
    terms_of: Objective,
    train: Rows,
    valid: Rows,
    settings: TrainingSettings,
    run: Run,
    log: RunLog,
    *,
    section: str,
    observe: Observer | None = None,
    networks: Sequence[nn.Module] = (),
) -> list[dict[str, float]]:
    """Train `model` in place and return its history, a row of means per epoch.

    `valid` may be empty; then the history has no valid_ columns. `section` of params.yaml is named where a parameter
    is to blame. `networks`: the parts of the model that `terms_of` calls, if it does not call the model itself.

    Every random number comes from a generator keyed by (seed, epoch, step), so that resuming from the run's
    checkpoint ends in the same bits as never having stopped. With several processes each takes its share of every
    batch: `batch_size` is that of all together. Raises FacevaeError at the first step whose loss or gradient is not
    finite, and when the run is asked to stop.
    """
    torch.set_num_threads(settings.threads)
    _check_keeping(settings, valid, section)
    device, processes = run.device, run.processes
    choice = choose_precision(settings, device)
    precision = choice.dtype
    model.to(device=device, memory_format=torch.channels_last)
    average = None if settings.ema is None else make_average(model, settings.ema)
    state = TrainingState(model, make_optimizer(model, settings), average)
    _resume(state, run, log, settings)

    count, steps = len(train[0]), math.ceil(len(train[0]) / settings.batch_size)
    rows, valid_rows = place(train, device), place(valid, device)
    compiled = _compile(networks or [model], run, steps * settings.epochs)
    log.line(f"on {_conditions_in_words(run, choice, compiled, rows)}, {count} images, {steps} steps an epoch")
    loss_of = processes.wrap_ddp(_Loss(model, terms_of), device)
    finite = _FiniteWatch(run, section, settings.learning_rate)
    saved = time.perf_counter()
    log.start(len(state.history) + state.step / steps)
    forecast = Forecast((settings.epochs - len(state.history)) * steps - state.step, device, log.line)

    for epoch in range(len(state.history), settings.epochs):
        if _has_stalled(state, settings):
            log.line(f"stopping early: no lower valid_loss for {settings.patience} epochs")
            break
        began = time.perf_counter()
        model.train()
        indices = shuffled(count, settings.batch_size, settings.seed, epoch)[state.step :]
        shares = [_share(processes, len(index)) for index in indices]
        batches = rows.batches(index[share] for index, (share, _) in zip(indices, shares, strict=True))
        what = f"epoch {epoch + 1}/{settings.epochs}"
        tracked = log.track(batches, state.step, steps, what, settings.batch_size, lambda: state.means.means())
        for index, (share, counted), batch in zip(indices, shares, tracked, strict=True):
            step = StepContext(
                epoch + state.step / steps, (settings.seed, epoch, state.step), len(index),
                rows=share, counted=counted, device=device, precision=precision, processes=processes,
            )  # fmt: skip
            for group in state.optimizer.param_groups:
                group["lr"] = learning_rate_at(epoch * steps + state.step, steps, settings)
            terms = loss_of(batch, step)
            # The mean over the whole batch; gradients are averaged over the processes, hence times their number.
            loss = terms["loss"][:counted].sum() * (processes.count / len(index))
            state.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.get_total_norm([weight.grad for weight in model.parameters() if weight.grad is not None])
            finite.check(terms, norm, epoch, state.step)
            if settings.gradient_clip is not None:
                nn.utils.clip_grads_with_norm_(model.parameters(), settings.gradient_clip, norm)
            state.optimizer.step()
            if average is not None:
                average.update_parameters(model)
            state.means.add({name: values[:counted] for name, values in terms.items()})
            state.step += 1
            forecast.step()
            if _save_due(run, saved, state.step):
                finite.settle()
                saved = _save(state, run, log)
                _stop_if_asked(run, epoch, state.step)
        finite.settle()

        rate = sum(len(index) for index in indices) / (time.perf_counter() - began)
        last_rate = learning_rate_at((epoch + 1) * steps - 1, steps, settings)
        row: dict[str, float] = {"epoch": epoch + 1, "learning_rate": last_rate}
        row |= {f"train_{name}": value for name, value in state.means.over(processes).means().items()}
        if len(valid[0]):
            found = evaluate(state.result, terms_of, valid_rows, settings.batch_size, epoch + 1, run, precision)
            row |= {f"valid_{name}": value for name, value in found.items()}
        _check_row(row, section, settings.learning_rate)
        notice = observe(state.result.eval(), row) if observe and processes.is_main else None
        state.history.append(row)
        state.step, state.means = 0, RunningMeans()
        if settings.keep == "best":
            state.keep_best()
        log.epoch(row, settings.epochs, rate, state.result)
        if notice:
            log.line(f"warning: {notice}")
        if _save_due(run, saved, 0):
            saved = _save(state, run, log)
            _stop_if_asked(run, epoch, steps)

    _save(state, run, log)
    log.close()
    if state.best is None:
        model.load_state_dict(state.result.state_dict())
    else:
        model.load_state_dict(state.best)
        log.line(f"keeping the weights after epoch {len(state.history) - state.epochs_since_best()}")
    return state.history


@torch.no_grad()
def evaluate(
    model: nn.Module,
    terms_of: Objective,
    rows: HostRows | DeviceRows,
    batch_size: int,
    epoch: float,
    run: Run,
    precision: torch.dtype = torch.float32,
) -> dict[str, float]:
    """Mean of each term over all rows: each row counts once, also in a last, smaller batch."""
    model.eval()
    means = RunningMeans()
    indices = in_order(rows.count, batch_size)
    shares = [_share(run.processes, len(index)) for index in indices]
    batches = rows.batches(index[share] for index, (share, _) in zip(indices, shares, strict=True))
    for index, (share, counted), batch in zip(indices, shares, batches, strict=True):
        step = StepContext(
            epoch, None, len(index), rows=share, counted=counted, device=run.device, precision=precision,
            processes=run.processes,
        )  # fmt: skip
        means.add({name: values[:counted] for name, values in terms_of(model, batch, step).items()})
    return means.over(run.processes).means()


class _Loss(nn.Module):
    """The terms as a module's forward pass, which is where DistributedDataParallel hooks in."""

    def __init__(self, model: nn.Module, terms_of: Objective) -> None:
        super().__init__()
        self.model, self.terms_of = model, terms_of

    def forward(self, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        return self.terms_of(self.model, batch, step)


class _FiniteWatch:
    """Ends the run where a term of the loss or the gradient is not finite, before the weights take the step.

    On a GPU the answer is fetched while the next steps are on their way, so that none waits for it: the run ends a
    few steps later, names the right one, and `settle`, which waits, stands before everything that is kept.
    """

    def __init__(self, run: Run, section: str, learning_rate: float) -> None:
        self.run, self.where = run, f"{section}.learning_rate (now {learning_rate:g})"
        self.pending: deque[tuple[Tensor, torch.cuda.Event | None, list[str], int, int]] = deque()

    def check(self, terms: dict[str, Tensor], norm: Tensor, epoch: int, step: int) -> None:
        """Of a step: its terms, and the norm of its gradient."""
        flags = torch.stack([*(values.isfinite().all() for values in terms.values()), norm.isfinite()])
        flags, event = self.run.processes.all(flags), None
        if flags.is_cuda:
            flags = torch.empty(flags.shape, dtype=torch.bool, pin_memory=True).copy_(flags, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self.pending.append((flags, event, [*terms, "gradient"], epoch, step))
        while self.pending and (self.pending[0][1] is None or self.pending[0][1].query()):
            self._judge(*self.pending.popleft())

    def settle(self) -> None:
        while self.pending:
            self._judge(*self.pending.popleft())

    def _judge(self, flags: Tensor, event: torch.cuda.Event | None, names: list[str], epoch: int, step: int) -> None:
        if event is not None:
            event.synchronize()
        bad = [name for name, fine in zip(names, flags.tolist(), strict=True) if not fine]
        if not bad:
            return
        if not self.run.processes.is_main:
            raise SystemExit(1)  # the first process says it, and all see the same
        # "loss" is the sum of the terms after it, and the gradient comes of all: the first cause is to be named.
        name = next((name for name in (*names[1:-1], "loss") if name in bad), "gradient")
        raise FacevaeError(
            where=f"epoch {epoch + 1}, step {step + 1}", expected="finite losses and gradients",
            found=f"{name} not finite", fix=f"lower {self.where}",
        )  # fmt: skip


def _check_row(row: dict[str, float], section: str, learning_rate: float) -> None:
    """The last step of an epoch can ruin the weights after a finite loss; the validation shows it."""
    bad = next((name for name, value in row.items() if not math.isfinite(value)), None)
    if bad is not None:
        raise FacevaeError(
            where=f"epoch {row['epoch']}", expected="finite means", found=f"{bad} not finite",
            fix=f"lower {section}.learning_rate (now {learning_rate:g})",
        )  # fmt: skip


def _check_keeping(settings: TrainingSettings, valid: Rows, section: str) -> None:
    if len(valid[0]) == 0 and (settings.keep == "best" or settings.patience is not None):
        key = "keep best" if settings.keep == "best" else f"patience {settings.patience}"
        raise FacevaeError(
            where=section, expected=f"validation images, since {key} looks at valid_loss", found="none",
            fix="hold some back, or set keep to last and patience to null",
        )  # fmt: skip


def _has_stalled(state: TrainingState, settings: TrainingSettings) -> bool:
    return settings.patience is not None and bool(state.history) and state.epochs_since_best() >= settings.patience


def _share(processes: Processes, length: int) -> tuple[slice, int]:
    """This process's rows of a batch and how many of them count: where there is none, one that does not."""
    share = processes.share(length)
    counted = share.stop - share.start
    return (share, counted) if counted else (slice(0, 1), 0)


def _resume(state: TrainingState, run: Run, log: RunLog, settings: TrainingSettings) -> None:
    content, lines = run.checkpoint_file.read() if run.checkpoint_file else (None, [])
    for line in lines:
        log.line(line)
    content = run.processes.broadcast(content, run.device)
    if content is None:
        return
    state.load_state_dict(unpack(content), run.device)
    if not run.processes.is_main:
        state.means.clear()  # the first process has the sums of all
    log.line(f"resuming after epoch {len(state.history)} of {settings.epochs}, step {state.step}")


def _compile(networks: Sequence[nn.Module], run: Run, steps: int) -> bool:
    wanted = run.compile == "on" or (
        run.compile == "auto" and run.device.type == "cuda" and steps >= _STEPS_WORTH_COMPILING
    )
    if wanted:
        if torch.are_deterministic_algorithms_enabled():  # tell the compiler, too
            torch.use_deterministic_algorithms(True, warn_only=torch.is_deterministic_algorithms_warn_only_enabled())
        for network in networks:
            network.compile()
    return wanted


def _conditions_in_words(run: Run, precision: Choice, compiled: bool, rows: HostRows | DeviceRows) -> str:
    """The choices that were made, for one line."""
    together = f", {run.processes.count} processes" if run.processes.count > 1 else ""
    place_of_rows = "in device memory" if isinstance(rows, DeviceRows) else "read from disk"
    return f"{describe(run.device)}{together}, {precision}{', compiled' if compiled else ''}; arrays {place_of_rows}"


def _save_due(run: Run, saved: float, step: int) -> bool:
    """Whether a checkpoint is to be saved now; all processes ask at the same steps and are told the same."""
    if run.processes.count > 1 and step % _STEPS_BETWEEN_QUESTIONS:
        return False
    due = run.stopping.is_set() or time.perf_counter() - saved >= run.checkpoint_seconds
    return run.processes.broadcast_flag(due, run.device)


def _save(state: TrainingState, run: Run, log: RunLog) -> float:
    """Write the checkpoint, if there is a place for it; return when."""
    if state.step and run.processes.count > 1:
        state.means = state.means.over(run.processes)
        if not run.processes.is_main:
            state.means.clear()
    if run.checkpoint_file and (trouble := run.checkpoint_file.save(state.state_dict())):
        log.line(f"warning: {trouble}")
    return time.perf_counter()


def _stop_if_asked(run: Run, epoch: int, step: int) -> None:
    if run.stopping.is_set():
        raise FacevaeError(
            where=f"epoch {epoch + 1}, step {step}", expected="to run to the end", found="a signal to stop",
            fix="start it again: it goes on from here",
        )  # fmt: skip
