"""A folder of a person's own images, and what is left out of it: found by their names, looked at by their headers."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from facevae.core.errors import FacevaeError
from facevae.imaging.archive import Flaw
from facevae.imaging.codec import Header, read_header
from facevae.imaging.names import IMAGE_SUFFIXES
from facevae.imaging.unread import HEIC_SUFFIXES, UNREAD_SUFFIXES, unread_content, unread_ending
from facevae.jobs.workers import ordered_map

# What lies beside images and is none, so that nobody opens 200,000 files of landmarks to see it.
_OTHERS = frozenset(
    {
        ".cfg", ".csv", ".dat", ".html", ".ini", ".json", ".jsonl", ".md", ".mat", ".npy", ".npz", ".parquet", ".pkl",
        ".pt", ".pts", ".py", ".pth", ".toml", ".tsv", ".txt", ".xlsx", ".xml", ".yaml", ".yml", ".zip", ".db",
    }
)  # fmt: skip

_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*", b"P5\n", b"P6\n")

_ARCHIVES = (".7z", ".gz", ".rar", ".tar", ".tgz", ".zip")

_FILES_AT_ONCE = 128


class FolderImages:
    """Images in a folder and below it, hidden ones passed over. `names`: their paths from there, sorted.

    `flaws`: what is left out of them, and why. Raises FacevaeError if there is no such folder or nothing in it.
    """

    def __init__(self, folder: Path, heic: bool = True) -> None:
        self.folder = folder
        if not folder.is_dir():
            what = "a file, which is no parquet" if folder.exists() else "no such folder"
            fix = "unpack it and name the folder" if folder.exists() else "correct the path"
            raise FacevaeError(where=folder, expected="a folder of images", found=what, fix=fix)
        self.names: list[str] = []
        self.flaws: list[Flaw] = []
        self.notes: list[str] = []
        for name, reason in _look_into(str(folder), "", heic):
            if reason:
                self.flaws.append(Flaw(name, reason))
            else:
                self.names.append(name)
        if not self.names:
            raise _no_images(folder, self.flaws)

    def where(self, name: str) -> str:
        """How a message calls an image."""
        return str(self.folder / name)

    def headers(self, workers: int) -> Iterator[Header | str]:
        """Of each image, in the order of `names`, its header, or what is wrong with it."""
        names = iter(self.names)
        parts = iter(lambda: [self.where(name) for name in islice(names, _FILES_AT_ONCE)], [])
        total = -(-len(self.names) // _FILES_AT_ONCE)
        for part in ordered_map(_read_headers, parts, workers, batch_size=1, total=total):
            yield from part

    def items(self, rows: Sequence[int]) -> Iterator[str]:
        """Of the images at these places of `names` what `read_item` reads."""
        return (self.where(self.names[row]) for row in rows)


def _no_images(folder: Path, flaws: Sequence[Flaw]) -> FacevaeError:
    """The error for a folder of none: it names what lies there instead, and an archive that could be unpacked."""
    there = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    archives = [name for name in there if name.lower().endswith(_ARCHIVES)]
    found, fix = "none", "correct the path or add images"
    if flaws:
        found = f"none that can be taken ({flaws[0].image}: {flaws[0].reason})"
    elif there:
        found = f"none, but {', '.join(there[:6])}{' ...' * (len(there) > 6)}"
    if archives:
        fix = f"unpack {archives[0]} and name its folder, or correct the path"
    return FacevaeError(where=folder, expected="images", found=found, fix=fix)


def read_item(item: str | bytes) -> bytes:
    """The bytes of an image: of the file of that name, if it is not they themselves."""
    return item if isinstance(item, bytes) else Path(item).read_bytes()


def _read_headers(paths: Sequence[str]) -> list[Header | str]:
    found: list[Header | str] = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                found.append(read_header(file, path))
        except FacevaeError as error:
            found.append(error.found)
        except OSError as error:
            found.append(f"a file that can't be read ({error.strerror})")
    return found


def _look_into(folder: str, prefix: str, heic: bool) -> Iterator[tuple[str, str]]:
    """Path from the first folder, sorted, of each image in `folder` and below, and why it is left out, or ""."""
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _look_into(entry.path, f"{prefix}{entry.name}/", heic)
        elif (reason := _reason(entry, heic)) is not None:
            yield prefix + entry.name, reason


def _reason(entry: os.DirEntry, heic: bool) -> str | None:
    """Why a file is left out, "" if it is not, None if it is no image."""
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in IMAGE_SUFFIXES or (heic and suffix in HEIC_SUFFIXES and not unread_ending(suffix)):
        if not entry.is_file():
            return "a link to nothing, or no file"
        # An annotation is text, in UTF-8.
        return "" if entry.name.isprintable() else "a name that can't be written as text: rename it"
    if suffix in UNREAD_SUFFIXES:
        return UNREAD_SUFFIXES[suffix]
    if suffix in _OTHERS:
        return None
    if entry.is_dir():
        return "a link to a folder, which is not followed: name that folder, or copy it"
    return _without_ending(entry.path) if entry.is_file() else None


def _without_ending(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            begin = file.read(32)
    except OSError:
        return None
    if begin.startswith(_BEGINNINGS) or (begin[:4] == b"RIFF" and begin[8:12] == b"WEBP"):
        return "an image whose name does not end as one: add .jpg, or what it is"
    return unread_content(begin)
