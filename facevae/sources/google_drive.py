"""Files on Google Drive, through gdown, which knows its pages that ask again and its links that move."""

import importlib
import os
from pathlib import Path
from typing import Any

import requests
from requests.exceptions import BaseHTTPError

from facevae.core.errors import FacevaeError
from facevae.jobs.progress import ByteProgress, byte_progress
from facevae.sources.failures import Failures, looks_like_page, says_quota
from facevae.sources.http import md5_of
from facevae.sources.retry import RetryPolicy, SpeedCheck, TransientError, retry
from facevae.sources.urls import Place

_PAGE_BYTES = 64 * 1024

_ACCESS = "share it with anyone who has the link; too many downloads can look the same: then try again tomorrow"


def download_from_drive(place: Place, target: Path, md5: str, policy: RetryPolicy) -> None:
    """Fetch the file `target`, whose MD5 sum is `md5`. Raises FacevaeError if that fails, or without gdown.

    What has arrived is in a file `target`.drive....part until it is whole; the next call goes on from there.
    """
    failures = Failures(place.text, target.name, "Google Drive", _ACCESS)
    try:
        gdown = importlib.import_module("gdown")
    except ImportError:
        fix = "pip install -c constraints.txt gdown"
        raise failures.final("that the package gdown is not installed", fix) from None
    with byte_progress(target.name) as progress:
        drive = _Drive(gdown, place, target, md5, policy, failures, progress)
        retry(drive.attempt, drive.size, place.text, target.name, policy)


class _Drive:
    """One file's download; each `attempt` goes on where the last one ended."""

    def __init__(
        self, gdown: Any, place: Place, target: Path, md5: str, policy: RetryPolicy, failures: Failures,
        progress: ByteProgress,
    ) -> None:  # fmt: skip
        self.gdown, self.place, self.target, self.md5, self.policy = gdown, place, target, md5, policy
        self._failures, self._progress = failures, progress
        self._output = target.with_name(f"{target.name}.drive")

    def size(self) -> int:
        return max((part.stat().st_size for part in self._parts()), default=0)

    def attempt(self) -> None:
        """Raises TransientError if another attempt may do better, FacevaeError if none will."""
        # Of several parts, which gdown refuses, the one with most in it.
        for part in self._parts()[:-1]:
            part.unlink()
        if not self._output.exists():
            self._fetch()
        found = md5_of(self._output)
        if found == self.md5:
            os.replace(self._output, self.target)
            return
        with self._output.open("rb") as file:
            begin = file.read(_PAGE_BYTES)
        self._output.unlink()
        raise self._failures.page(begin) if looks_like_page(begin) else self._failures.checksum(self.md5, found)

    def _parts(self) -> list[Path]:
        """What gdown has begun, smallest first: it puts eight characters of its own into the name."""
        found = self._output.parent.glob(f"{self._output.name}{'?' * 8}.part")
        return sorted(found, key=lambda part: part.stat().st_size)

    def _fetch(self) -> None:
        try:
            self.gdown.download(
                id=self.place.value, output=str(self._output), quiet=True, resume=True, retries=0,
                timeout=(self.policy.connect, self.policy.read), progress=self._watch(),
            )  # fmt: skip
        except (TransientError, FacevaeError):
            raise
        except (requests.RequestException, BaseHTTPError) as error:
            raise self._failures.request(error) from None
        except OSError as error:
            raise self._failures.disk(error, self._output) from None
        except Exception as error:  # gdown's own, of many lines; and of what it takes for granted in an answer
            self._explain(error)
        if not self._output.exists():
            raise self._failures.final("nothing from gdown", "try later")

    def _watch(self) -> Any:
        """A callback for gdown: how many bytes are here, and of how many."""
        speed, begin = SpeedCheck(self.policy), self.size()
        last = begin

        def watch(done: int, total: int | None) -> None:
            nonlocal last
            if last == begin and total is not None:
                self._failures.require_free(self._output, total - done)
            self._progress.show(done, total)
            speed.add(done - last)
            last = done

        return watch

    def _explain(self, error: Exception) -> None:
        """Raise what gdown's error comes to; return if the file is whole all the same."""
        kind, text = type(error).__name__, str(error).lower()
        if says_quota(text.encode()):
            raise self._failures.quota() from None
        if kind == "FileURLRetrievalError":
            raise self._failures.final("no link to download it", _ACCESS) from None
        if kind != "DownloadError":
            raise self._failures.final(f"an answer that gdown can't read ({kind})", "try later") from None
        if "byte range" not in text:
            raise TransientError(f"a connection cut at {self._progress.amount()}") from None
        # Refused, of a part that is whole already, or by a server that knows no ranges.
        for part in self._parts():
            if md5_of(part) == self.md5:
                os.replace(part, self._output)
                return
            part.unlink()
        raise TransientError("a download that can't be gone on with") from None
