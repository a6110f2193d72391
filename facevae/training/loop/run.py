"""How a training runs on this machine: device, processes, log, checkpoint. Nothing here is a parameter."""

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from facevae.nn.device import pick_device, prepare
from facevae.nn.model_files import load_weights
from facevae.nn.precision import bfloat16_units
from facevae.training.loop.checkpoint import Checkpoint, CheckpointFile, checkpoint_folder, remove_abandoned
from facevae.training.loop.distributed import ALONE, Processes, start_processes
from facevae.training.loop.log import RunLog

Compile = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Options:
    """What a training is told on the command line."""

    device: str = "auto"
    compile: Compile = "auto"
    logs: Path | None = None
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True)
class Run:
    """Where a training computes, with whom, where it logs, and its memory of an interrupted try.

    `checkpoint_file` null: no checkpoint. `stopping` is set when the process has been asked to end.
    """

    device: torch.device
    compile: Compile = "auto"
    processes: Processes = ALONE
    logs: Path | None = None
    checkpoint_file: CheckpointFile | None = None
    checkpoint_seconds: float = 60.0
    stopping: threading.Event = field(default_factory=threading.Event)
    checkpoint: Checkpoint | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def part(self, name: str) -> "Run":
        """The same run for a part of the training, with a state of its own and without TensorBoard."""
        return replace(self, logs=None, checkpoint_file=self.checkpoint.file(name) if self.checkpoint else None)

    def log(self, prefix: str, pictures: Callable[[nn.Module], Tensor] | None = None) -> RunLog:
        """The log of this run; a mute one in all processes but the first."""
        return RunLog(self.logs, prefix, pictures, settings=self.settings, mute=not self.processes.is_main)


@contextmanager
def start_run(stage: str, options: Options, settings: dict[str, Any], manifest: dict[str, Any]) -> Iterator[Run]:
    """Hold the checkpoint of a training with these settings on these arrays; forget it when the block ends well."""
    device = pick_device(options.device)
    prepare(device)
    with start_processes(device) as processes, _asked_to_stop(processes) as stopping:
        run = Run(device, options.compile, processes, None, None, options.checkpoint_seconds, stopping)
        if not processes.is_main:
            yield run
            return
        # What the bits depend on, besides settings, data and code. The units decide what `precision: auto` is.
        machine = [device.type, bfloat16_units(device), options.compile, processes.count]
        with Checkpoint(checkpoint_folder(stage, settings, manifest, machine)) as checkpoint:
            for folder in remove_abandoned(checkpoint.folder.parents[1]):
                print(f"{folder}: removed, since nothing was written to this checkpoint for four weeks", flush=True)
            logs = options.logs / stage / checkpoint.started() if options.logs else None
            checkpoint_file = checkpoint.file("state")
            yield replace(run, logs=logs, checkpoint_file=checkpoint_file, checkpoint=checkpoint, settings=settings)
            checkpoint.delete()


@contextmanager
def _asked_to_stop(processes: Processes) -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets; a second one ends the process as usual. torchrun ends its own ones."""
    asked = threading.Event()
    if processes.count > 1 or threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, _: Any) -> None:
        asked.set()
        signal.signal(number, before[number])

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def facts_of_start(path: Path | None, kind: str) -> dict[str, str]:
    """Which model, of that `kind`, a training starts from, for its checkpoint and the model's facts: empty for none.

    Raises FacevaeError if it is none that can be read.
    """
    if path is None:
        return {}
    load_weights(path, kind)
    return {"start": hashlib.sha256(path.read_bytes()).hexdigest()}
