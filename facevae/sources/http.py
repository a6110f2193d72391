"""Downloads that go on where they were cut, end in the right file or in one line, and show no secret."""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import ssl
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.exceptions import BaseHTTPError

from facevae.core.errors import FacevaeError
from facevae.core.files import write_json
from facevae.jobs.disk import format_bytes
from facevae.jobs.progress import SECONDS_BETWEEN_LINES
from facevae.sources.retry import RetryPolicy, TransientError, failed, retry
from facevae.sources.urls import Address

_MAY_PASS = {408, 425, 429, 500, 502, 503, 504}

_AT_ONCE = 256 * 1024

_PAGE = 64 * 1024

_ACCESS = "check the address; access to it: ~/.netrc, or ${NAME} in the address and that environment variable"


def download(address: Address, target: Path, md5: str, policy: RetryPolicy) -> None:
    """Fetch the file `target`, whose MD5 sum is `md5`. Raises FacevaeError with the address as in params.yaml.

    What has arrived is in `target`.part until it is whole and checked; the next call goes on from there.
    """
    with _silent_libraries(), requests.Session() as session, ByteProgress(target.name) as progress:
        transfer = _Transfer(address, target, md5, policy, session, progress)
        retry(transfer.attempt, transfer.part.size, address.shown, target.name, policy)


class _Part:
    """What has arrived of a file, and a note beside it that says of which."""

    def __init__(self, target: Path) -> None:
        self.path, self._note = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.json")

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def note(self, address: Address) -> dict[str, Any]:
        """What was noted at its begin. A part of another address, or without a note, is deleted."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            note = None
        if not isinstance(note, dict) or note.get("address") != address.shown:
            self.forget()
            return {}
        return note

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
        progress: "ByteProgress",
    ) -> None:  # fmt: skip
        self.address, self.target, self.md5, self.policy = address, target, md5, policy
        self._session, self._progress, self.part = session, progress, _Part(target)
        # The begin of the file is from an earlier day: if the sum is wrong, that may be why.
        self._doubtful = True

    def attempt(self) -> None:
        """Raises TransientError if another attempt may do better, FacevaeError if none will."""
        note = self.part.note(self.address)
        start = self.part.size()
        if not start or start != note.get("size"):
            self._ask(start, note)
        found = md5_of(self.part.path)
        if found == self.md5:
            os.replace(self.part.path, self.target)
        self.part.forget()
        if found != self.md5 and self._doubtful:
            self.attempt()
        elif found != self.md5:
            raise wrong_sum(self.address.shown, self.target.name, self.md5, found)

    def _ask(self, start: int, note: dict[str, Any]) -> None:
        headers = {"Accept-Encoding": "identity"}  # of what is compressed on the way no byte could be counted
        if start:
            headers["Range"] = f"bytes={start}-"
            if note.get("validator"):
                headers["If-Range"] = note["validator"]
        try:
            response = self._session.get(
                self.address.url, headers=headers, stream=True, timeout=(self.policy.connect, self.policy.read)
            )
        except (requests.RequestException, BaseHTTPError, UnicodeError) as error:
            raise connection_failure(error, self.address, self.target.name) from None
        with response:
            if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                return  # whole, perhaps: the sum will tell
            length = _length(response)
            chunks = self._chunks(response, length)
            self._check_status(response, chunks)
            if start and response.status_code == HTTPStatus.PARTIAL_CONTENT:
                self._check_range(response, start, note)
                self._check_space(length)
            else:
                first = next(chunks, b"")
                self._refuse_page(first, chunks)
                self.part.begin(self.address, _validator(response), length)
                self._check_space(length)
                self._doubtful, start, chunks = False, 0, _chain(first, chunks)
            self._store(chunks, start, None if length is None else start + length)

    def _chunks(self, response: requests.Response, length: int | None) -> Iterator[bytes]:
        """What arrives, `length` bytes in all. Raises TransientError if the rest does not come, or too slowly."""
        done, begin, pace = 0, time.monotonic(), Pace(self.policy)
        while length is None or done < length:
            try:
                # read1 and not read, which loses what it has collected when the connection is cut. And never on after
                # the last byte: where the connection is kept open that would wait for nothing.
                left = _AT_ONCE if length is None else min(_AT_ONCE, length - done)
                chunk = response.raw.read1(left, decode_content=False)
            except BaseHTTPError as error:
                if not isinstance(error.__cause__, TimeoutError):
                    raise TransientError(self._cut()) from None
                slow = done < self.policy.slow * (time.monotonic() - begin)
                raise TransientError(f"no byte for {self.policy.read:.0f} s", stalled=slow) from None
            if not chunk:
                break
            done += len(chunk)
            yield chunk
            pace.check(len(chunk))
        if length is not None and done < length:
            raise TransientError(self._cut())

    def _cut(self) -> str:
        return f"a connection cut at {self._progress.amount()}"

    def _store(self, chunks: Iterable[bytes], start: int, total: int | None) -> None:
        done = start
        self._progress.show(done, total)
        try:
            with self.part.path.open("ab", buffering=0) as file:
                for chunk in chunks:
                    _write(file, chunk)
                    done += len(chunk)
                    self._progress.show(done, total)
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_failure(error, self.address.shown, self.part.path) from None

    def _check_status(self, response: requests.Response, chunks: Iterator[bytes]) -> None:
        code = response.status_code
        if code == HTTPStatus.FORBIDDEN and says_quota(_page(b"", chunks)):
            raise quota_failure(self.address.shown, self.target.name)
        if code not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            wait = _seconds(response.headers.get("Retry-After"))
            raise status_failure(code, self.address.shown, self.target.name, _ACCESS, wait)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            found = "a compressed transfer, which was not asked for"
            raise failed(self.address.shown, self.target.name, found, "name another place")

    def _check_range(self, response: requests.Response, start: int, note: dict[str, Any]) -> None:
        """Raise TransientError, and delete the part, if what comes does not go on from it."""
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        validator = note.get("validator")
        header = "ETag" if str(validator).startswith('"') else "Last-Modified"
        same = validator is None or response.headers.get(header) in (None, validator)
        same &= note.get("size") is None or found is None or found[2] in ("*", str(note["size"]))
        if found is None or int(found[1]) != start or not same:
            self.part.forget()
            raise TransientError("another file than the one begun")

    def _refuse_page(self, first: bytes, chunks: Iterator[bytes]) -> None:
        if looks_like_page(first):
            raise page_failure(_page(first, chunks), self.address.shown, self.target.name, _ACCESS)

    def _check_space(self, size: int | None) -> None:
        require_free(self.part.path, size, self.address.shown, self.target.name)


def status_failure(code: int, where: str, name: str, access: str, wait: float = 0.0) -> Exception:
    """What an HTTP status comes to; `access` says how to be let in."""
    # The server's own words for it are not shown: they may be anything.
    found = f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else f"status {code}"
    if code in _MAY_PASS:
        return TransientError(found, wait=wait)
    return failed(where, name, found, access if code in (401, 403) else "check the address")


def connection_failure(error: Exception, address: Address, name: str) -> Exception:
    """What an error of requests comes to. Its own text is not shown: it has the address in it, filled in."""
    asked = getattr(getattr(error, "request", None), "url", None) or address.url
    # Without a url another library did the asking: who knows whom.
    host = address.host if _host(address.url) in ("", _host(asked)) else f"where {address.host} leads"
    inner = error.args[0] if error.args else None
    if isinstance(error, requests.exceptions.SSLError):
        if _has(error, ssl.SSLCertVerificationError):
            fix = "name another place, or set REQUESTS_CA_BUNDLE to the certificates to trust"
            return failed(address.shown, name, f"a certificate of {host} that is not trusted", fix)
        return TransientError(f"no secure connection to {host}")
    if isinstance(error, requests.exceptions.ReadTimeout):
        return TransientError(f"no answer from {host}")
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientError("no connection to the proxy", "check the network and the environment's HTTPS_PROXY")
    if isinstance(error, requests.exceptions.ConnectTimeout) or hasattr(inner, "reason"):
        return TransientError(f"no connection to {host}", "check the network")
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError | BaseHTTPError):
        return TransientError("a cut connection")
    if isinstance(error, requests.TooManyRedirects):
        return failed(address.shown, name, "redirects without end", _ACCESS)
    return failed(address.shown, name, "an address that can't be asked", "correct it, or the variables in it")


def disk_failure(error: OSError, where: str, path: Path) -> OSError | FacevaeError:
    """A full disk in words; another error as it is."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    return failed(where, path.name, f"no space left in {path.parent}", "free some: what has arrived is kept")


def wrong_sum(where: str, name: str, md5: str, found: str) -> FacevaeError:
    """A whole file that is another one."""
    fix = f"if that file is meant, end the place in #md5={found}"
    return failed(where, name, f"a file with MD5 {found} instead of {md5}", fix)


def quota_failure(where: str, name: str) -> FacevaeError:
    """Too many downloads by everybody, which Google Drive says in a page."""
    return failed(where, name, "its quota exceeded by too many downloads", "try again tomorrow")


def page_failure(page: bytes, where: str, name: str, access: str) -> FacevaeError:
    """A web page where the file should be."""
    text = page.lower()
    if says_quota(text):
        return quota_failure(where, name)
    title = re.search(rb"<title[^>]*>(.*?)</title", text, re.DOTALL)
    asks = title and re.search(rb"\b(sign|log)[ -]?in\b", title[1])
    if asks or re.search(rb"<input[^>]*type\s*=\s*[\"']?password", text):
        return failed(where, name, "a login page", access)
    return failed(where, name, "a web page", "check the address: a page may lead to the file, but is not it")


def says_quota(page: bytes) -> bool:
    """Whether a page or a message says that a file was fetched too often."""
    return re.search(rb"quota|too\s+many\s+users", page.lower()) is not None


def looks_like_page(begin: bytes) -> bool:
    """Whether a file begins like HTML. None of CelebA's does."""
    return begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def require_free(path: Path, size: int | None, where: str, name: str) -> None:
    """Raise FacevaeError if `size` more bytes at `path` don't fit on its disk."""
    free = shutil.disk_usage(path.parent).free
    if size is not None and size > free:
        found = f"{format_bytes(free)} free in {path.parent} for {format_bytes(size)}"
        raise failed(where, name, found, "free some: what has arrived is kept")


def md5_of(path: Path) -> str:
    """The MD5 sum of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class Pace:
    """Says when too little arrives."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy, self._begin, self._bytes = policy, time.monotonic(), 0

    def check(self, count: int) -> None:
        """`count` more bytes are here. Raises TransientError if those of the last `slow_after` seconds were too few."""
        self._bytes += count
        seconds = time.monotonic() - self._begin
        if seconds >= self._policy.slow_after:
            if self._bytes < self._policy.slow * seconds:
                raise TransientError(f"too slow a connection, less than {self._policy.slow} bytes/s", stalled=True)
            self._begin, self._bytes = time.monotonic(), 0


class ByteProgress:
    """Shows how much of a file is here: a bar in a terminal, else plain lines as facevae.jobs.progress prints them."""

    def __init__(self, name: str) -> None:
        self._name, self._bar, self._task = name, None, None
        self._begin = self._last = time.monotonic()
        self._first: int | None = None
        self._done, self._total = 0, None

    def __enter__(self) -> "ByteProgress":
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
            from rich.progress import TimeRemainingColumn as Remaining

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, Remaining(), console=Console(stderr=True))
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif kind is None and self._done:
            print(f"{self._name}: {self.amount()}", flush=True)

    def show(self, done: int, total: int | None) -> None:
        """`done` of `total` bytes are here; None: nobody knows of how many."""
        if self._first is None or done < self._done:
            # The begin, or a new one. What an earlier call brought says nothing about the speed of this one.
            self._begin, self._first = time.monotonic(), done
        self._done, self._total = done, total
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(self._name)
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._last >= SECONDS_BETWEEN_LINES and done != total:
            self._last = time.monotonic()
            rate = (done - self._first) / max(self._last - self._begin, 1e-9)
            left = f", {(total - done) / rate:.0f} s left" if total is not None and rate else ""
            print(f"{self._name}: {self.amount()}, {rate / 1e6:.1f} MB/s{left}", flush=True)

    def amount(self) -> str:
        """In megabytes."""
        digits = 0 if (self._total or self._done) >= 1e7 else 1
        of = "" if self._total is None else f"of {self._total / 1e6:,.{digits}f} "
        return f"{self._done / 1e6:,.{digits}f} {of}MB"


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


def _length(response: requests.Response) -> int | None:
    """How many bytes the body of this answer will have, if it says so."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() and "Transfer-Encoding" not in response.headers else None


def _validator(response: requests.Response) -> str | None:
    """What tells this version of the file from another, for If-Range: a strong ETag, or the date."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified")


def _seconds(retry_after: str | None) -> float:
    """Of the header Retry-After: a number of seconds, or a date."""
    if retry_after is None or retry_after.isdecimal():
        return float(retry_after or 0)
    try:
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    except ValueError:
        return 0.0


def _page(first: bytes, chunks: Iterator[bytes]) -> bytes:
    """The begin of a page, as far as it comes."""
    try:
        while len(first) < _PAGE and (chunk := next(chunks, b"")):
            first += chunk
    except TransientError:
        pass
    return first


def _chain(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from chunks


def _write(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _has(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error comes from one of this kind."""
    while error is not None and not isinstance(error, kind):
        reasons = [part for part in (*error.args, getattr(error, "reason", None)) if isinstance(part, BaseException)]
        error = reasons[-1] if reasons else error.__cause__
    return error is not None
