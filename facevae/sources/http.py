"""Downloads over HTTP that go on where they were cut, checked by MD5."""

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import Retry
from requests.exceptions import BaseHTTPError

from facevae.core.files import write_json
from facevae.jobs.progress import ByteProgress, byte_progress
from facevae.sources.failures import Failures, looks_like_page, says_quota
from facevae.sources.retry import RetryPolicy, SpeedCheck, TransientError, retry
from facevae.sources.urls import Address

_CHUNK_BYTES = 256 * 1024

_PAGE_BYTES = 64 * 1024

_ACCESS = "check the address; access to it: ~/.netrc, or ${NAME} in the address and that environment variable"


def download(address: Address, target: Path, md5: str, policy: RetryPolicy) -> None:
    """Fetch the file `target`, whose MD5 sum is `md5`. Raises FacevaeError with the address as in params.yaml.

    What has arrived is in `target`.part until it is whole and checked; the next call goes on from there.
    """
    with _silent_libraries(), requests.Session() as session, byte_progress(target.name) as progress:
        transfer = _Transfer(address, target, md5, policy, session, progress)
        retry(transfer.attempt, transfer.part.size, address.shown, target.name, policy)


def md5_of(path: Path) -> str:
    """The MD5 sum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class _Part:
    """What has arrived of a file, and a note beside it that says of which."""

    def __init__(self, target: Path) -> None:
        self.path, self._note = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def note(self, address: Address) -> dict[str, Any]:
        """What was noted when it was begun. A part of another address, or without a note, is deleted."""
        with suppress(OSError, ValueError):
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if isinstance(note, dict) and note.get("address") == address.shown:
                return note
        self.forget()
        return {}

    def begin(self, address: Address, validator: str | None, size: int | None) -> None:
        self.forget()
        write_json(self._note, {"address": address.shown, "validator": validator, "size": size})

    def forget(self) -> None:
        # The note last: a part without a note would lose what it is of, a note without a part does no harm.
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _Transfer:
    """One file's download; each `attempt` goes on where the last one ended."""

    def __init__(
        self, address: Address, target: Path, md5: str, policy: RetryPolicy, session: requests.Session,
        progress: ByteProgress,
    ) -> None:  # fmt: skip
        self.address, self.target, self.md5, self.policy = address, target, md5, policy
        self._session, self._progress, self.part = session, progress, _Part(target)
        self._failures = Failures(address.shown, target.name, address.host, _ACCESS, _netloc(address.url))
        # The begin of the file is from an earlier day: if the sum is wrong, that may be why.
        self._doubtful = True

    def attempt(self) -> None:
        """Raises TransientError if another attempt may do better, FacevaeError if none will."""
        note, start = self.part.note(self.address), self.part.size()
        if not start or start != note.get("size"):
            self._ask(start, note)
        found = md5_of(self.part.path)
        if found == self.md5:
            os.replace(self.part.path, self.target)
        self.part.forget()
        if found != self.md5:
            if not self._doubtful:
                raise self._failures.checksum(self.md5, found)
            self.attempt()

    def _ask(self, start: int, note: dict[str, Any]) -> None:
        headers = {"Accept-Encoding": "identity"}  # of what is compressed on the way no byte could be counted
        if start:
            headers["Range"] = f"bytes={start}-"
            if note.get("validator"):
                headers["If-Range"] = note["validator"]
        timeout = self.policy.connect, self.policy.read
        try:
            response = self._session.get(self.address.url, headers=headers, stream=True, timeout=timeout)
        except (requests.RequestException, BaseHTTPError, UnicodeError) as error:
            raise self._failures.request(error) from None
        with response:
            if response.status_code == 416 and start:
                return  # whole, perhaps: the sum will tell
            length = _length(response)
            chunks = self._chunks(response, length)
            self._check_status(response, chunks)
            if start and response.status_code == 206:
                self._check_range(response, start, note)
            else:
                chunks, start = self._begin(response, chunks, length), 0
            self._failures.require_free(self.part.path, length)
            self._store(chunks, start, None if length is None else start + length)

    def _chunks(self, response: requests.Response, length: int | None) -> Iterator[bytes]:
        """What arrives, `length` bytes in all. Raises TransientError if the rest does not come, or too slowly."""
        done, begin, speed = 0, time.monotonic(), SpeedCheck(self.policy)
        while length is None or done < length:
            try:
                # read1 and not read, which loses what it has collected when the connection is cut. And never on after
                # the last byte: where the connection is kept open that would wait for nothing.
                left = _CHUNK_BYTES if length is None else min(_CHUNK_BYTES, length - done)
                chunk = response.raw.read1(left, decode_content=False)
            except BaseHTTPError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    raise self._cut() from None
                slow = done < self.policy.slow * (time.monotonic() - begin)
                raise TransientError(f"no byte for {self.policy.read:.0f} s", stalled=slow) from None
            if not chunk:
                break
            done += len(chunk)
            yield chunk
            speed.add(len(chunk))
        if length is not None and done < length:
            raise self._cut()

    def _cut(self) -> TransientError:
        return TransientError(f"a connection cut at {self._progress.amount()}")

    def _check_status(self, response: requests.Response, chunks: Iterator[bytes]) -> None:
        code = response.status_code
        if code == 403 and says_quota(_page(b"", chunks)):
            raise self._failures.quota()
        if code not in (200, 206):
            raise self._failures.status(code, _retry_after(response))
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._failures.final("a compressed transfer, which was not asked for", "name another place")

    def _check_range(self, response: requests.Response, start: int, note: dict[str, Any]) -> None:
        """Raise TransientError, and delete the part, if what comes does not go on from it."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        validator, size = note.get("validator"), note.get("size")
        header = "ETag" if str(validator).startswith('"') else "Last-Modified"
        same = validator is None or response.headers.get(header) in (None, validator)
        if not found or int(found[1]) != start or not same or (size and found[2] not in ("*", str(size))):
            self.part.forget()
            raise TransientError("another file than the one begun")

    def _begin(self, response: requests.Response, chunks: Iterator[bytes], length: int | None) -> Iterator[bytes]:
        """The chunks of a file that begins; the part that there was is deleted. Raises FacevaeError for a page."""
        first = next(chunks, b"")
        if looks_like_page(first):
            raise self._failures.page(_page(first, chunks))
        self.part.begin(self.address, _validator(response), length)
        self._doubtful = False
        return chain([first], chunks)

    def _store(self, chunks: Iterator[bytes], done: int, total: int | None) -> None:
        self._progress.show(done, total)
        try:
            with self.part.path.open("ab", buffering=0) as file:
                for chunk in chunks:
                    _write(file, chunk)
                    done += len(chunk)
                    self._progress.show(done, total)
                os.fsync(file.fileno())
        except OSError as error:
            raise self._failures.disk(error, self.part.path) from None


@contextmanager
def _silent_libraries() -> Iterator[None]:
    """Keep urllib3 from logging the addresses that it asks for."""
    logger = logging.getLogger("urllib3")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _length(response: requests.Response) -> int | None:
    """How many bytes the body of this answer will have, if it says so."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Transfer-Encoding" not in response.headers else None


def _validator(response: requests.Response) -> str | None:
    """What tells this version of the file from another, for If-Range: a strong ETag, or the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _retry_after(response: requests.Response) -> float:
    """Seconds that the server asks to wait for."""
    try:
        return Retry().get_retry_after(response.raw) or 0.0
    except (BaseHTTPError, ValueError, OverflowError):  # neither seconds nor a date
        return 0.0


def _page(first: bytes, chunks: Iterator[bytes]) -> bytes:
    """The begin of a page, as far as it comes."""
    with suppress(TransientError):
        while len(first) < _PAGE_BYTES and (chunk := next(chunks, b"")):
            first += chunk
    return first


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
