"""Archives: a set of images packed as one uncompressed zip, which a person can open.

An archive that a stage made also holds `facts.json`: what was done to its images, and their width and height.
"""

import hashlib
import io
import json
import os
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.imaging.names import IMAGE_FOLDER, IMAGE_SUFFIXES, Names, stem
from facevae.imaging.tiff import SUFFIX, TiffFormat
from facevae.imaging.unread import UNREAD_SUFFIXES
from facevae.imaging.zip_format import Entry, ZipReader, open_zip, read_entry, stored_header, stored_size, write_zip
from facevae.jobs.disk import require_space
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map

FACTS = "facts.json"

AT_ONCE = 16

"""Images that a process takes at a time: a megabyte or two, written in one go."""

_RAW_FOLDER = f"{IMAGE_FOLDER}/"

# Of a zip's entries; smaller than most images, so that reading a few here and there costs little.
_READ_AHEAD = 65_536

Make = Callable[[str, bytes, str], np.ndarray]

"""From an image's name, its bytes, and how a message calls it, makes an image, (height, width, 3) uint8."""


class Flaw(NamedTuple):
    """An image that can't be used, and why."""

    image: str
    reason: str


class Archive:
    """An archive open for reading; made by `open_archive`.

    `names`: the images' names, sorted: their paths below IMAGE_FOLDER, or in an archive that begins with facts.json;
    elsewhere, and if it is taken as `flat`, their file names. `facts`: {} if a stage did not make it.
    """

    def __init__(self, path: Path, zip_file: ZipReader, flaws: list[Flaw] | None, flat: bool) -> None:
        self.path, self._zip, self._flat = path, zip_file, flat
        self.facts: dict[str, Any] = {}
        self.names = Names(np.empty(0, "S1"))
        # Of each image: 23 bytes, in the order of the names.
        self._folders: list[str] = []
        self._columns = [array(code) for code in "HQBIII"]
        self._load(flaws)

    def read(self, name: str) -> bytes:
        """The bytes of the image called `name`.

        Raises KeyError if it is none of `names`, FacevaeError naming it if its bytes are damaged.
        """
        return self._zip.read(self.entry(name))

    def entry(self, name: str) -> Entry:
        """Where the bytes of the image called `name` are. Raises KeyError if it is none of `names`."""
        return self._entry_at(self.names.find(name))

    def where(self, name: str) -> str:
        """How a message calls the image."""
        return where_in(self.path, name)

    def count(self, asked: int | None) -> int:
        """How many images to take: `asked`, or all there are for None; all, with a line, where there are fewer."""
        there = len(self.names)
        if asked is not None and asked > there:
            print(f"{self.path}: {there:,} images, all of which are taken; `images` asks for {asked:,}", flush=True)
        return there if asked is None else min(asked, there)

    def tiffs(self) -> TiffFormat:
        """The format of the images of an archive that a stage made. Raises FacevaeError if none did."""
        if not {"width", "height"} <= self.facts.keys():
            raise FacevaeError(
                where=self.path, expected="an archive with facts.json, as the stages make it", found="one without",
                fix="run stages.crop_pad or stages.add_noise",
            )  # fmt: skip
        return TiffFormat(self.facts["width"], self.facts["height"])

    def digest(self) -> str:
        """A SHA-256 of the images' names, sizes and check sums, which their bytes were read with."""
        found = hashlib.sha256()
        for name, crc, size in zip(self.names, self._columns[3], self._columns[5], strict=True):
            found.update(f"{name}\n{size} {crc}\n".encode())
        return found.hexdigest()

    def _load(self, flaws: list[Flaw] | None) -> None:
        folders: dict[str, int] = {}
        facts = None
        # All names, one after the other: no control character is in one.
        names, count, width = bytearray(), 0, 0
        for entry in self._zip.entries():
            folder, slash, name = entry.name.rpartition("/")
            suffix = os.path.splitext(name)[1].lower()
            if entry.name == FACTS:
                facts = entry
            if suffix in UNREAD_SUFFIXES and flaws is not None:
                flaws.append(Flaw(entry.name, UNREAD_SUFFIXES[suffix]))
            if suffix not in IMAGE_SUFFIXES:
                continue
            if entry.flaw:
                self._refuse(flaws, entry.name, entry.flaw)
                continue
            if name.startswith("."):
                continue
            if not self._flat and entry.name.startswith(_RAW_FOLDER):
                folder, slash, name = "", _RAW_FOLDER, entry.name[len(_RAW_FOLDER) :]
            elif not self._flat and facts is not None:
                folder, slash, name = "", "", entry.name
            encoded = name.encode()
            names += encoded + b"\n"
            count, width = count + 1, max(width, len(encoded))
            values = folders.setdefault(folder + slash, len(folders)), *entry[1:6]
            # Folder indices are 16-bit.
            if values[0] == 2**16:
                raise FacevaeError(where=self.path, expected="a few folders", found=f"{2**16}", fix="pack it anew")
            for column, value in zip(self._columns, values, strict=True):
                column.append(value)
        self._folders = list(folders)
        self.names = Names.of((line[:-1].decode() for line in io.BytesIO(names)), count, width)
        if (self.names.array[1:] < self.names.array[:-1]).any():
            self._take(np.argsort(self.names.array, kind="stable"))
        self._refuse_doubles(flaws)
        if not len(self.names) and not flaws:
            raise FacevaeError(where=self.path, expected="images", found="none", fix="provide an archive with images")
        if facts is not None:
            self.facts = _read_facts(self.path, self._zip.read(facts))

    def _refuse(self, flaws: list[Flaw] | None, name: str, reason: str) -> None:
        if flaws is None:
            raise FacevaeError(
                where=self.path, expected="images that can be trusted", found=f"{name!r}, {reason}",
                fix="make the archive again, or take another",
            )  # fmt: skip
        flaws.append(Flaw(name, reason))

    def _refuse_doubles(self, flaws: list[Flaw] | None) -> None:
        """Later stages write 1.jpg as 1.tif, so that 1.jpg and 1.png would be one image: neither is known to be it."""
        stems = Names.of(map(stem, self.names), len(self.names), self.names.array.itemsize).array
        ordered = np.sort(stems)
        again = ordered[1:][ordered[1:] == ordered[:-1]]
        if not len(again):
            return
        double = np.isin(stems, again)
        for index in np.flatnonzero(double):
            self._refuse(flaws, self._entry_at(index).name, "one of several images of this name")
        self._take(np.flatnonzero(~double))

    def _entry_at(self, index: int) -> Entry:
        folder, *places = (column[index] for column in self._columns)
        return Entry(self._folders[folder] + self.names[index], *places, "")

    def _take(self, rows: np.ndarray) -> None:
        """Keep these images, in this order."""
        self.names = self.names.take(rows)
        self._columns = [array(column.typecode, (column[row] for row in rows)) for column in self._columns]


@contextmanager
def open_archive(path: Path, flaws: list[Flaw] | None = None, flat: bool = False) -> Iterator[Archive]:
    """Open an archive, made by a stage or not; its images may lie in any folder, which if `flat` is no part of a name.

    Raises FacevaeError if it is no whole zip or has no image. What is wrong with single images, an unsafe name, a link,
    a name that two of them have, is an error too; or, if a list is given, added to `flaws` and left out.
    """
    with open_zip(path) as file:
        yield Archive(path, file, flaws, flat)


def where_in(path: Path, name: str) -> str:
    """How a message calls the image `name` of the archive at `path`."""
    return f"{path}, {name}"


def chunks_of(archive: Archive, names: Iterable[str]) -> Iterator[list[tuple[str, Entry]]]:
    """Names and entries of the images, some at a time, to be handed to a process."""
    names = iter(names)
    while chunk := list(islice(names, AT_ONCE)):
        yield [(name, archive.entry(name)) for name in chunk]


def read_chunk(path: Path, chunk: Sequence[tuple[str, Entry]]) -> Iterator[tuple[str, bytes, str]]:
    """Name, bytes and what a message calls it, of each image of a chunk of the archive at `path`."""
    with open(path, "rb", buffering=_READ_AHEAD) as file:
        for name, entry in chunk:
            yield name, read_entry(file, path, entry), where_in(path, name)


def write_changed(
    source: Archive, target: Path, make: Make, names: Sequence[str], facts: dict[str, Any], what: str, workers: int
) -> None:
    """Write to `target` what `make` makes of the named images of `source`, as TIFFs, and `facts`.

    All have the width and height that the facts say; so each one's place is known, and the processes write side by
    side into the one file. `make` must be picklable and depend on its arguments alone: then the bytes written don't
    depend on `workers`. Raises FacevaeError if the disk is too small.
    """
    tiffs = TiffFormat(facts["width"], facts["height"])
    require_space(target, len(names) * stored_size(max(names, key=len) + SUFFIX, tiffs.size), what)
    with write_zip(target) as archive:
        archive.add(FACTS, (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode())
        archive.file.flush()

        def placed() -> Iterator[tuple[int, list[tuple[str, Entry]]]]:
            start = archive.end
            for chunk in chunks_of(source, names):
                yield start, chunk
                start += sum(stored_size(stem(name) + SUFFIX, tiffs.size) for name, _ in chunk)

        write = _WriteChunk(source.path, Path(archive.file.name), make, tiffs)
        chunks = -(-len(names) // AT_ONCE)
        written = ordered_map(write, placed(), workers, batch_size=1, total=chunks)
        crcs = (crc for chunk in written for crc in chunk)
        for name, crc in zip(names, track(crcs, len(names), what), strict=True):
            archive.note(stem(name) + SUFFIX, tiffs.size, crc)


@dataclass(frozen=True)
class _WriteChunk:
    """Makes a chunk's images and writes them, with the zip's headers, where they belong; returns their check sums."""

    source: Path
    target: Path
    make: Make
    tiffs: TiffFormat

    def __call__(self, placed: tuple[int, list[tuple[str, Entry]]]) -> list[int]:
        start, chunk = placed
        parts, crcs = [], []
        for name, data, where in read_chunk(self.source, chunk):
            encoded = self.tiffs.encode(self.make(name, data, where))
            crcs.append(zlib.crc32(encoded))
            parts += [stored_header(stem(name) + SUFFIX, len(encoded), crcs[-1]), encoded]
        with open(self.target, "r+b") as file:
            file.seek(start)
            file.writelines(parts)
        return crcs


def _read_facts(path: Path, data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise FacevaeError(
            where=f"{path}, {FACTS}", expected="a JSON object", found="something else", fix="make the archive again"
        )
    return facts
