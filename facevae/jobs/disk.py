"""Free disk space, checked before anything is written."""

import os
import shutil
from pathlib import Path

from facevae.core.errors import FacevaeError


def require_space(path: Path, size: int, what: str) -> None:
    """Raise FacevaeError if `size` bytes for `what` don't fit where `path` is to be.

    Under DVC, which keeps a second copy of each output in its cache, a line warns if that will not fit.
    """
    free = free_space(path)
    if free < size:
        raise FacevaeError(
            where=path, expected=f"{format_bytes(size)} free for {what}", found=format_bytes(free),
            fix="free some, or ask for fewer or smaller images",
        )  # fmt: skip
    if "DVC_STAGE" in os.environ and free < 2 * size:
        line = f"{format_bytes(free)} free; {what} takes {format_bytes(size)}, and as much again in DVC's cache"
        print(f"warning: {path}: {line}", flush=True)


def free_space(path: Path) -> int:
    """Free bytes on the disk on which `path` is or would be."""
    path = Path(path).absolute()
    while True:
        try:
            return shutil.disk_usage(path).free
        except FileNotFoundError:
            path = path.parent


def format_bytes(size: int) -> str:
    """A number of bytes in MB or GB, with one decimal."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
