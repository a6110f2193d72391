"""Atomic writing: a temporary name beside the target, held by a lock, then a rename."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from facevae.core.errors import FacevaeError

_VANISHED_AT_MOST = 100


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path; it becomes `path` when the block ends without an error.

    Whatever is at `path` stays untouched until then, and stays for good if the block fails. A process that is killed
    leaves its temporary file behind; the next one that writes `path` takes it over. Raises FacevaeError if another
    process is writing `path`.
    """
    with _temporary(Path(path), os.O_RDWR | os.O_CREAT) as temporary:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; it becomes `path`, replacing it, when the block ends well. Raises as `atomic_write`."""
    with _temporary(Path(path), os.O_RDONLY | os.O_DIRECTORY) as temporary:
        yield temporary
        with suppress(FileNotFoundError):
            shutil.rmtree(path)
        os.replace(temporary, path)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that is gone when the block ends. Raises as `atomic_write`."""
    with _temporary(Path(path), os.O_RDONLY | os.O_DIRECTORY) as temporary:
        yield temporary


@contextmanager
def _temporary(path: Path, flags: int) -> Iterator[Path]:
    """Yield an empty file, or with O_DIRECTORY a folder, that only this process writes; what is left of it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = _lock(temporary, path, flags)
    try:
        if flags & os.O_DIRECTORY:
            for left in temporary.iterdir():
                _remove(left)
        else:
            os.ftruncate(descriptor, 0)
        yield temporary
    finally:
        # Once it is renamed, its name may be another process's file.
        if _is_open(temporary, descriptor):
            with suppress(OSError):  # the block's own error says more
                _remove(temporary)
        os.close(descriptor)


def _lock(temporary: Path, path: Path, flags: int) -> int:
    """Create and open `temporary`, and lock it until it is closed.

    A stage can outlive the dvc that started it, and still be writing when the next one starts.
    """
    vanished = 0
    while True:
        try:
            if flags & os.O_DIRECTORY:
                with suppress(FileExistsError):
                    os.mkdir(temporary)
            descriptor = os.open(temporary, flags, 0o666)
        except FileNotFoundError:
            # The other process may have renamed its folder between the two lines. Some folders, of /proc for example,
            # are there and answer like this for ever.
            vanished += 1
            if vanished > _VANISHED_AT_MOST or not path.parent.is_dir():
                raise
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FacevaeError(
                where=path, expected="to be the only one that writes it", found="another process at it",
                fix="wait until that one ends, or end it",
            ) from None  # fmt: skip
        # Between opening and locking it may have become the other one's result: then the lock is on that.
        if _is_open(temporary, descriptor):
            return descriptor
        os.close(descriptor)


def _is_open(path: Path, descriptor: int) -> bool:
    """Whether `descriptor` is of what is at `path` now."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Write `data` as readable JSON. NaN and infinity raise ValueError: DVC can't read them."""
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
