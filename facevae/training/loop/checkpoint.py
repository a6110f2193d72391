"""An interrupted training's memory: files in a folder of its own, gone when the training ends."""

import errno
import fcntl
import hashlib
import io
import json
import os
import pickle
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write


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


class CheckpointFile:
    """One state in a checkpoint folder, and the one before it.

    A power cut may damage what was written last, so that the last but one is kept too. Both carry a checksum.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.file, self.previous = folder / f"{name}.pt", folder / f"{name}.previous.pt"

    def save(self, state: dict[str, Any]) -> str | None:
        """Write a state, whole or not at all; the one before it stays. Returns why that failed, in one line, or None.

        `state`: tensors and plain values in dicts and lists. A checkpoint that can't be written is no reason to end a
        training whose result may still be written.
        """
        saved = io.BytesIO()
        torch.save(state, saved)
        content = saved.getbuffer()
        try:
            with atomic_write(self.file) as temporary:
                with temporary.open("wb") as file:
                    file.write(_checksum(content))
                    file.write(content)
                if self.file.exists():
                    os.replace(self.file, self.previous)
        except OSError as error:
            kept = "the one before stays" if self._newest() else "there is none yet"
            return f"checkpoint not written, {kept}: {self.file}: {error.strerror or error}"
        return None

    def read(self) -> tuple[bytes | None, list[str]]:
        """The newest state that is whole, as its file's bytes, or None; and a line for each that is not."""
        lines = []
        for path in (self.file, self.previous):
            try:
                content = path.read_bytes()
                unpack(content)
            except FileNotFoundError:
                continue
            except ValueError as error:
                lines.append(f"checkpoint {path} is damaged ({error}), passing over it")
            else:
                return content, lines
        return None, lines

    def delete(self) -> None:
        """Forget both states."""
        self.file.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)

    def _newest(self) -> Path | None:
        return next((path for path in (self.file, self.previous) if path.exists()), None)


def unpack(content: bytes) -> dict[str, Any]:
    """The state of a file's bytes, on the CPU. Raises ValueError, saying what is wrong, if they are not whole."""
    checksum, saved = content[:_CHECKSUM_BYTES], memoryview(content)[_CHECKSUM_BYTES:]
    # PyTorch's reader looks at no checksum of a zip's, to be quick.
    if not saved or checksum != _checksum(saved):
        raise ValueError("its checksum is another")
    try:
        return torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"PyTorch {torch.__version__} can't read it: {str(error).splitlines()[0]}") from None


class Checkpoint:
    """The folder of one training, held by one process at a time.

    Use as a context manager: entering takes the lock and raises FacevaeError if another process holds it, which is
    known from the system and not from a file left behind; leaving gives it back. `delete` when the training has
    ended well.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.lock, self._started = folder, folder / "lock", folder / "started"
        self._held: int | None = None

    def __enter__(self) -> "Checkpoint":
        while self._held is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.lock, os.O_CREAT | os.O_RDWR, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The file may have been deleted between opening and locking it: then the lock is on nothing.
                if os.fstat(descriptor).st_ino == os.stat(self.lock).st_ino:
                    self._held = descriptor
            except FileNotFoundError:
                pass
            except OSError as error:
                holder = self.lock.read_text() if self.lock.exists() else ""
                os.close(descriptor)
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                raise FacevaeError(
                    where=self.lock, expected="no other training of the same settings",
                    found=f"process {holder or '?'} at it", fix="let it finish, or stop it and run again",
                ) from None  # fmt: skip
            if self._held is None:
                os.close(descriptor)
        os.truncate(self._held, 0)
        os.pwrite(self._held, str(os.getpid()).encode(), 0)
        return self

    def __exit__(self, *_: object) -> None:
        if {path.name for path in self.folder.iterdir()} <= {self.lock.name, self._started.name}:
            self._started.unlink(missing_ok=True)  # there is nothing to go on with
        self.lock.unlink(missing_ok=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None
        with suppress(OSError):  # not empty: a state stays
            self.folder.rmdir()

    def started(self) -> str:
        """When this training was first started, and a part of its key: the same for each try that goes on with it."""
        if not self._started.exists():
            self._started.write_text(f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{self.folder.name[:4]}", encoding="utf-8")
        return self._started.read_text(encoding="utf-8")

    def file(self, name: str) -> CheckpointFile:
        """The state called `name`: a training that has several parts keeps one of each."""
        return CheckpointFile(self.folder, name)

    def delete(self) -> None:
        """Forget the training: its result is written."""
        for path in self.folder.iterdir():
            if path != self.lock:
                path.unlink()


# Longer than a holiday. A state of an experiment that was given up is as large as three models.
_ABANDONED_SECONDS = 28 * 24 * 3600


def remove_abandoned(root: Path) -> list[Path]:
    """Remove the checkpoints below `root`/<stage>/<key> that nothing was written to for four weeks; returns them.

    Each change of a parameter, the data or the code makes another key, and what was stopped before is never asked for
    again. One that a process holds stays.
    """
    removed = []
    for folder in sorted(root.glob("*/*")):
        with suppress(FacevaeError, OSError):
            written = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - written > _ABANDONED_SECONDS:
                with Checkpoint(folder) as abandoned:
                    abandoned.delete()
                removed.append(folder)
    return removed


_CHECKSUM_BYTES = 16


def _checksum(content: bytes | memoryview) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECKSUM_BYTES).digest()
