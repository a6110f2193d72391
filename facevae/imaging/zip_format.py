"""Zips of any size in little memory: read without believing them, written with the same bytes every time.

The library's ZipFile keeps some 580 bytes for each entry, 120 MB for CelebA; here an entry that is not looked at costs
nothing. Format: PKWARE's APPNOTE 6.3.10, with its 64-bit records.
"""

import re
import struct
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write

LARGEST_ENTRY = 100_000_000

"""Bytes of an entry that is still read: more is no image of a face, but perhaps a bomb."""

_END, _END_64, _LOCATOR_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")

_CENTRAL, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")

_STORED, _DEFLATED = 0, 8

_ENCRYPTED, _UTF8 = 0x1, 0x800

_OVER_16, _OVER_32 = 0xFFFF, 0xFFFFFFFF

# An absolute path, a drive letter or a step upwards, with either slash; a control character.
_UNSAFE = re.compile(r"^([/\\]|[A-Za-z]:)|(^|[/\\])\.\.([/\\]|$)|[\x00-\x1f]")

# 1980-01-01, the earliest date that a zip can hold: entries must not carry the time of the run.
_DATE = 0x21

_UNIX_FILE = 0o644 << 16


class Entry(NamedTuple):
    """A file in a zip. `flaw`: why it can't be trusted, or nothing."""

    name: str
    offset: int
    method: int
    crc: int
    packed_size: int
    size: int
    flaw: str


class ZipReader:
    """A zip open for reading; made by `open_zip`."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self._start, self._end, self._shift, self._count = _find_directory(path, file)

    def entries(self) -> Iterator[Entry]:
        """All entries but folders, in the order of the zip's directory. Raises FacevaeError if that is damaged."""
        at, count = self._start, 0
        while at < self._end:
            self.file.seek(at)
            # Read ahead by the file's buffer, so that this is no system call for each entry.
            record = self.file.read(_CENTRAL.size)
            if len(record) < _CENTRAL.size or not record.startswith(b"PK\1\2"):
                raise _not_whole(self.path, "a damaged directory")
            fields = _CENTRAL.unpack(record)
            name_size, extra_size, comment_size = fields[10:13]
            name, extra = self.file.read(name_size), self.file.read(extra_size)
            at += _CENTRAL.size + name_size + extra_size + comment_size
            count += 1
            if not name.endswith(b"/"):
                yield _entry(fields, name, extra, self._shift)
        if at != self._end or count & _OVER_16 != self._count & _OVER_16:
            raise _not_whole(self.path, f"a directory with {count} entries in place of {self._count}")

    def trusted(self) -> dict[str, Entry]:
        """The entries by name. Raises FacevaeError if one can't be trusted or stands in the zip twice."""
        found: dict[str, Entry] = {}
        for entry in self.entries():
            if entry.flaw or entry.name in found:
                raise FacevaeError(
                    where=self.path, expected="different entries that can be trusted",
                    found=f"{entry.name!r}, {entry.flaw or 'twice'}", fix="make it again, or take another",
                )  # fmt: skip
            found[entry.name] = entry
        return found

    def read(self, entry: Entry) -> bytes:
        """The bytes of an entry. Raises FacevaeError naming it if they are damaged."""
        return read_entry(self.file, self.path, entry)


@contextmanager
def open_zip(path: Path) -> Iterator[ZipReader]:
    """Open a zip for reading. Raises FacevaeError if it is missing, no zip, or cut off."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise FacevaeError(
            where=path,
            expected="a zip",
            found="no such file",
            fix="run the stage that makes it (dvc repro), or fetch it",
        ) from None
    with file:
        yield ZipReader(path, file)


def read_entry(file: BinaryIO, path: Path, entry: Entry) -> bytes:
    """The bytes of an entry of the zip at `path`, open as `file`, verified by their check sum.

    No more than `entry.size` bytes are unpacked, whatever they claim to be. Raises FacevaeError naming the entry.
    """
    if entry.flaw:
        raise _unreadable(path, entry, entry.flaw)
    file.seek(entry.offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
        raise _unreadable(path, entry, "a directory that points elsewhere")
    fields = _LOCAL.unpack(header)
    # Entries that overlap, as in some bombs, have the name of only one of them before their bytes.
    if _decode_name(file.read(fields[9]), fields[2])[0] != entry.name:
        raise _unreadable(path, entry, "another name before its bytes")
    file.seek(fields[10], 1)
    data = file.read(entry.packed_size)
    if len(data) < entry.packed_size:
        raise _unreadable(path, entry, "an early end")
    if entry.method == _DEFLATED:
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = unpacking.decompress(data, entry.size + 1)
        except zlib.error as error:
            raise _unreadable(path, entry, str(error)) from None
    if len(data) != entry.size:
        raise _unreadable(path, entry, f"not the {entry.size} bytes that it claims")
    if zlib.crc32(data) != entry.crc:
        raise _unreadable(path, entry, "a wrong check sum")
    return data


@dataclass
class ZipWriter:
    """A zip open for writing, uncompressed; made by `write_zip`. Of an entry it remembers its name and 18 bytes."""

    file: BinaryIO

    def __post_init__(self) -> None:
        # All names one after the other: as strings they would take five times the memory.
        self._names, self._lengths = bytearray(), array("H")
        self._offsets, self._sizes, self._crcs = array("Q"), array("I"), array("I")
        self.end = 0
        """Where the next entry begins."""

    def add(self, name: str, data: bytes) -> None:
        """Append `data` as the entry `name`: a new path with forward slashes."""
        crc = zlib.crc32(data)
        self.file.seek(self.end)
        self.file.write(stored_header(name, len(data), crc))
        self.file.write(data)
        self.note(name, len(data), crc)

    def note(self, name: str, size: int, crc: int) -> None:
        """Record an entry whose `stored_header` and bytes the caller writes where the last entry ends."""
        encoded = name.encode()
        self._names += encoded
        self._lengths.append(len(encoded))
        self._offsets.append(self.end)
        self._sizes.append(size)
        self._crcs.append(crc)
        self.end += stored_size(name, size)

    def finish(self) -> None:
        """Write the directory."""
        self.file.seek(self.end)
        size = at = 0
        for length, *facts in zip(self._lengths, self._offsets, self._sizes, self._crcs, strict=True):
            size += self.file.write(_central_record(bytes(self._names[at : at + length]), *facts))
            at += length
        self.file.write(_end_records(len(self._lengths), size, self.end))


@contextmanager
def write_zip(path: Path) -> Iterator[ZipWriter]:
    """Write a zip that appears at `path`, whole, when the block ends without an error."""
    with atomic_write(path) as temporary, open(temporary, "r+b") as file:
        writer = ZipWriter(file)
        yield writer
        writer.finish()


def stored_header(name: str, size: int, crc: int) -> bytes:
    """What stands before the bytes of an uncompressed entry."""
    encoded = name.encode()
    return _LOCAL.pack(b"PK\3\4", 20, _flags(encoded), _STORED, 0, _DATE, crc, size, size, len(encoded), 0) + encoded


def stored_size(name: str, size: int) -> int:
    """Bytes that an uncompressed entry takes up with its header."""
    return _LOCAL.size + len(name.encode()) + size


def _entry(fields: tuple[int, ...], raw_name: bytes, extra: bytes, shift: int) -> Entry:
    _, _, _, flags, method, _, _, crc, packed_size, size, *_, attributes, offset = fields
    name, readable = _decode_name(raw_name, flags)
    size, packed_size, offset = _wide(extra, size, packed_size, offset)
    kind = attributes >> 16 & 0o170000
    if not readable or _UNSAFE.search(name):
        flaw = "a name that leaves the zip or is none"
    elif kind not in (0, 0o100000):
        flaw = "a link or device and no file"
    elif flags & _ENCRYPTED:
        flaw = "encrypted"
    elif method not in (_STORED, _DEFLATED):
        flaw = f"compressed by an unknown method, {method}"
    elif max(size, packed_size) > LARGEST_ENTRY:
        flaw = f"{max(size, packed_size)} bytes, more than {LARGEST_ENTRY}"
    else:
        flaw = ""
    return Entry(name, offset + shift, method, crc, packed_size, size, flaw)


def _wide(extra: bytes, *values: int) -> list[int]:
    """The values, those that do not fit into 32 bits taken from the extra field that has 64."""
    at, wide = 0, b""
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = extra[at + 4 : at + 4 + length]
        at += 4 + length
    found, at = [], 0
    for value in values:
        if value == _OVER_32 and at + 8 <= len(wide):
            (value,) = struct.unpack_from("<Q", wide, at)
            at += 8
        found.append(value)
    return found


def _find_directory(path: Path, file: BinaryIO) -> tuple[int, int, int, int]:
    """Start and end of the directory, what is to be added to its offsets, and how many entries it says it has."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _END.size - _OVER_16)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        raise _not_whole(path, "no directory at its end" if length else "an empty file")
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    if end >= _LOCATOR_64.size:
        file.seek(end - _LOCATOR_64.size)
        signature, _, end_64, _ = _LOCATOR_64.unpack(file.read(_LOCATOR_64.size))
        if signature == b"PK\6\7":
            file.seek(min(end_64, length))
            record = file.read(_END_64.size)
            if len(record) < _END_64.size or not record.startswith(b"PK\6\6"):
                raise _not_whole(path, "a damaged directory")
            *_, count, size, offset = _END_64.unpack(record)
            end = end_64
    # Bytes before the zip, as in one that unpacks itself, move everything.
    shift = end - size - offset
    if shift < 0:
        raise _not_whole(path, "one whose beginning or middle is missing")
    return end - size, end, shift, count


def _central_record(name: bytes, offset: int, size: int, crc: int) -> bytes:
    extra, version = b"", 20
    if offset >= _OVER_32:
        extra, version, offset = struct.pack("<2HQ", 1, 8, offset), 45, _OVER_32
    return (
        _CENTRAL.pack(
            b"PK\1\2", 3 << 8 | version, version, _flags(name), _STORED, 0, _DATE, crc, size, size,
            len(name), len(extra), 0, 0, 0, _UNIX_FILE, offset,
        )
        + name
        + extra
    )  # fmt: skip


def _end_records(count: int, size: int, offset: int) -> bytes:
    wide = b""
    if count >= _OVER_16 or max(size, offset) >= _OVER_32:
        wide = _END_64.pack(b"PK\6\6", _END_64.size - 12, 3 << 8 | 45, 45, 0, 0, count, count, size, offset)
        wide += _LOCATOR_64.pack(b"PK\6\7", 0, offset + size, 1)
    count, size, offset = min(count, _OVER_16), min(size, _OVER_32), min(offset, _OVER_32)
    return wide + _END.pack(b"PK\5\6", 0, 0, count, count, size, offset, 0)


def _flags(name: bytes) -> int:
    return 0 if name.isascii() else _UTF8


def _decode_name(name: bytes, flags: int) -> tuple[str, bool]:
    """An entry's name, and whether it is in the character set that it claims to be in."""
    try:
        return name.decode("utf-8" if flags & _UTF8 else "cp437"), True
    except UnicodeDecodeError:
        return name.decode(errors="replace"), False


def _not_whole(path: Path, found: str) -> FacevaeError:
    return FacevaeError(
        where=path,
        expected="a whole zip",
        found=f"one that is cut off or something else ({found})",
        fix="make or fetch it again",
    )


def _unreadable(path: Path, entry: Entry, found: str) -> FacevaeError:
    return FacevaeError(
        where=f"{path}, {entry.name}", expected="a readable entry", found=found, fix="make or fetch the zip again"
    )
