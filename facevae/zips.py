"""Zips that can be trusted: read without believing them, written with the same bytes every time."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facevae.errors import FacevaeError
from facevae.files import whole_file

# An absolute path, a drive letter or a step upwards, with either slash.
_UNSAFE = re.compile(r"^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)")
# The earliest date that a zip can hold: entries must not carry the time of the run.
_DATE = (1980, 1, 1, 0, 0, 0)


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip for reading.

    Raises FacevaeError if it is missing, no zip or cut off, or if an entry's name is unsafe or stands in it twice.
    """
    try:
        file = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise FacevaeError(
            where=path,
            expected="a zip",
            found="no such file",
            fix="run the stage that makes it (dvc repro), or fetch it",
        ) from None
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise FacevaeError(
            where=path, expected="a whole zip", found=f"one that is cut off or something else ({error})",
            fix="make or fetch it again",
        ) from None  # fmt: skip
    with file:
        _check_names(path, file)
        yield file


def read_entry(file: zipfile.ZipFile, entry: str) -> bytes:
    """The bytes of `entry`, check sum verified. Raises FacevaeError naming the zip and the entry."""
    try:
        return file.read(entry)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        reason = error.args[0] if error.args else "an early end"
        raise FacevaeError(
            where=f"{file.filename}, {entry}", expected="a readable entry", found=str(reason),
            fix="make or fetch the zip again",
        ) from None  # fmt: skip


@dataclass(frozen=True)
class ZipWriter:
    """A zip open for writing; made by `write_zip`."""

    file: zipfile.ZipFile

    def add(self, entry: str, data: bytes) -> None:
        """Append `data`, uncompressed, as `entry`: a new path with forward slashes."""
        info = zipfile.ZipInfo(entry, _DATE)
        info.create_system, info.external_attr = 3, 0o644 << 16  # the same on every system
        self.file.writestr(info, data, zipfile.ZIP_STORED)


@contextmanager
def write_zip(path: Path) -> Iterator[ZipWriter]:
    """Write a zip that appears at `path`, whole, when the block ends without an error."""
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        yield ZipWriter(file)


def _check_names(path: Path, file: zipfile.ZipFile) -> None:
    if len(file.NameToInfo) < len(file.infolist()):
        seen: set[str] = set()
        twice = next(name for name in file.namelist() if name in seen or seen.add(name))
        raise FacevaeError(
            where=path, expected="different entries", found=f"{twice} twice", fix="make or fetch it again"
        )
    for name in file.NameToInfo:
        if _UNSAFE.search(name):
            raise FacevaeError(
                where=path, expected="entries that stay inside the zip", found=f"the name {name!r}",
                fix="use a zip from a source that you trust",
            )  # fmt: skip
