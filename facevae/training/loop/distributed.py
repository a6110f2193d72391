"""The processes of one training: a single one, or several that torchrun started, each with its share of a batch."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from facevae.core.errors import FacevaeError

# Longer than the first process alone ever works while the others wait (writing a checkpoint).
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class Processes:
    """This process is number `rank` of `count`; only number 0 writes files and lines."""

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, length: int) -> slice:
        """This process's rows of a batch of `length` rows: the shares differ by one row at most."""
        return slice(length * self.rank // self.count, length * (self.rank + 1) // self.count)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes of a tensor of the same shape in each."""
        if self.count > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def all(self, flags: Tensor) -> Tensor:
        """Per flag, whether it is true in every process: bool -> bool, of the same shape."""
        if self.count == 1:
            return flags
        least = flags.to(torch.int32)
        dist.all_reduce(least, op=dist.ReduceOp.MIN)
        return least.bool()

    def broadcast_flag(self, decision: bool, device: torch.device) -> bool:
        """What the first process decided; all must ask at the same step."""
        if self.count == 1:
            return decision
        told = torch.tensor([decision], dtype=torch.int32, device=device)
        dist.broadcast(told, src=0)
        return bool(told)

    def broadcast(self, content: bytes | None, device: torch.device) -> bytes | None:
        """The first process's `content`, in every process."""
        if self.count == 1:
            return content
        length = torch.tensor([-1 if content is None else len(content)], device=device)
        dist.broadcast(length, src=0)
        if length < 0:
            return None
        told = torch.empty(int(length), dtype=torch.uint8, device=device)
        if self.is_main and content:
            told.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        dist.broadcast(told, src=0)
        return told.cpu().numpy().tobytes()

    def wrap_ddp(self, module: nn.Module, device: torch.device) -> nn.Module:
        """`module` whose gradients are averaged over the processes, as DistributedDataParallel does."""
        if self.count == 1:
            return module
        return DistributedDataParallel(module, device_ids=[device] if device.type == "cuda" else None)


ALONE = Processes()


@contextmanager
def start_processes(device: torch.device) -> Iterator[Processes]:
    """Join the other processes if torchrun started several of this program; else be alone.

    Raises FacevaeError if another process goes away meanwhile: either a message to it fails, or torchrun, which
    notices too, asks this one to end.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    gone = FacevaeError(
        where=f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']}", expected="all of them to run to the end",
        found="that another one was stopped", fix="start torchrun again: it goes on from the last checkpoint",
    )  # fmt: skip

    def asked_to_end(*_: Any) -> None:
        raise gone

    before = signal.signal(signal.SIGTERM, asked_to_end)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
        yield Processes(dist.get_rank(), dist.get_world_size())
    except RuntimeError as error:
        if not _of_the_network(error):
            raise
        raise gone from None
    finally:
        signal.signal(signal.SIGTERM, before)
        if dist.is_initialized():
            dist.destroy_process_group()


def _of_the_network(error: RuntimeError) -> bool:
    # gloo raises bare RuntimeErrors; the file that they come from tells them from a mistake in the model.
    return isinstance(error, dist.DistError) or "gloo" in str(error) or "NCCL" in str(error)
