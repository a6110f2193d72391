"""Writing that is whole or not at all: a temporary name beside the target, then a rename."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facevae.core.errors import FacevaeError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; it becomes `path` when the block ends without an error.

    Whatever is at `path` stays untouched until then, and stays for good if the block fails. A process that is killed
    leaves its temporary file behind; the next one that writes `path` takes it over. Raises FacevaeError if another
    process is at it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = _hold(temporary, path, os.O_RDWR | os.O_CREAT)
    try:
        os.ftruncate(descriptor, 0)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; it becomes `path`, replacing it, when the block ends well. Raises as `whole_file`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = _hold(temporary, path, os.O_RDONLY)
    try:
        _clear(temporary)
        yield temporary
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that is gone when the block ends. Raises as `whole_file`."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = _hold(temporary, path, os.O_RDONLY)
    try:
        _clear(temporary)
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        os.close(descriptor)


def _clear(folder: Path) -> None:
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _hold(temporary: Path, path: Path, flags: int) -> int:
    """Open `temporary`, a folder if it can't be written to, and lock it until it is closed.

    A stage can outlive the dvc that started it, and still be writing when the next one starts.
    """
    while True:
        if not flags & os.O_CREAT:
            temporary.mkdir(exist_ok=True)
        descriptor = os.open(temporary, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise FacevaeError(
                where=path, expected="to be the only one that writes it", found="another process at it",
                fix="wait until that one ends, or end it",
            ) from None  # fmt: skip
        # Between opening and locking it may have become the other one's result: then the lock is on that.
        if temporary.exists() and os.fstat(descriptor).st_ino == os.stat(temporary).st_ino:
            return descriptor
        os.close(descriptor)


def write_json(path: Path, data: Any) -> None:
    """Write `data` as readable JSON. NaN and infinity raise ValueError: DVC can't read them."""
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
