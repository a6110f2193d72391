"""How a training runs on this machine: device, log, checkpoint. Nothing here changes what comes out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from facevae.checkpoints import Checkpoint, checkpoint_folder
from facevae.errors import FacevaeError


@dataclass(frozen=True)
class Run:
    """Where a training computes, where its TensorBoard goes, and its memory of an interrupted try."""

    device: torch.device
    logs: Path
    checkpoint: Checkpoint


@contextmanager
def start_run(stage: str, device: str, logs: Path, settings: dict[str, Any], manifest: dict[str, Any]) -> Iterator[Run]:
    """Hold the checkpoint of a training with these settings on these arrays; forget it when the block ends well."""
    chosen = pick_device(device)
    torch.use_deterministic_algorithms(True, warn_only=chosen.type != "cpu")
    with Checkpoint(checkpoint_folder(stage, settings, manifest, chosen.type)) as checkpoint:
        yield Run(chosen, logs / stage / checkpoint.folder.name, checkpoint)
        checkpoint.delete()


def pick_device(name: str) -> torch.device:
    """`auto`: the GPU where there is one, else the CPU; or a device by its PyTorch name."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise FacevaeError(
            where="--device", expected="auto, cpu or a GPU that this machine has, such as cuda:0",
            found=f"{name} ({str(error).splitlines()[0]})", fix="leave the option out to let the machine decide",
        ) from None  # fmt: skip
    return device
