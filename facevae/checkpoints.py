"""An interrupted training's memory: one safetensors file in a folder of its own, gone when the training ends."""

import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from facevae.errors import FacevaeError
from facevae.files import whole_file


def checkpoint_folder(stage: str, *facts: Any) -> Path:
    """Where a training of these settings, on these data, by this code keeps its checkpoint.

    $DVC_ROOT/.checkpoints/<stage>/<key>: DVC sets DVC_ROOT to the repository also in the temporary copies that
    `dvc exp run --temp` and the queue work in, so a rerun finds the checkpoint from there. The key hashes `facts`
    (JSON-able) and the source of every loaded module of the project: whatever changes the result starts afresh.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] in ("facevae", "stages") and getattr(module, "__file__", None):
            digest.update(name.encode() + Path(str(module.__file__)).read_bytes())
    root = Path(os.environ.get("DVC_ROOT", "."))
    return root / ".checkpoints" / stage / digest.hexdigest()[:16]


class Checkpoint:
    """The state of one training in `folder`, held by one process at a time.

    Use as a context manager: entering takes the lock and raises FacevaeError if a living process holds it; leaving
    gives it back. `delete` when the training has ended well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.lock = folder, folder / "state.safetensors", folder / "lock"

    def __enter__(self) -> "Checkpoint":
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            try:
                descriptor = os.open(self.lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                self._drop_stale_lock()
                continue
            with os.fdopen(descriptor, "w") as file:
                file.write(str(os.getpid()))
            return self
        raise FacevaeError(
            where=self.lock, expected="no other training of the same settings", found="a lock taken just now",
            fix="let the other one finish, or stop it",
        )  # fmt: skip

    def __exit__(self, *_: object) -> None:
        self.lock.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: the checkpoint stays
            self.folder.rmdir()

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict[str, float]]) -> None:
        """Write weights, optimizer state and history; the checkpoint before it stays until this one is whole."""
        tensors = {f"model.{name}": tensor.contiguous() for name, tensor in model.state_dict().items()}
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value.contiguous() for name, value in state.items()}
        with whole_file(self.file) as temporary:
            save_file(tensors, temporary, metadata={"history": json.dumps(history)})

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict[str, float]]:
        """Restore weights and optimizer in place and return the history; an empty one if there is no checkpoint."""
        if not self.file.exists():
            return []
        try:
            with safe_open(self.file, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                history = json.loads(file.metadata()["history"])
        except (SafetensorError, KeyError, ValueError) as error:
            raise FacevaeError(
                where=self.file, expected="a whole checkpoint", found=str(error),
                fix=f"delete {self.folder} to start this training afresh",
            ) from None  # fmt: skip
        model.load_state_dict(
            {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
        )
        states: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                states.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
        return history

    def delete(self) -> None:
        """Forget the training: its result is written."""
        self.file.unlink(missing_ok=True)

    def _drop_stale_lock(self) -> None:
        """Remove the lock of a process that is gone; raise FacevaeError if it lives."""
        with suppress(FileNotFoundError, ValueError):
            holder = int(self.lock.read_text())
            if holder != os.getpid() and _alive(holder):
                raise FacevaeError(
                    where=self.lock, expected="no other training of the same settings",
                    found=f"process {holder} at it", fix="let it finish, or stop it and run again",
                )  # fmt: skip
        self.lock.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
