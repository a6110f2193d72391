"""Files on Google Drive, through gdown, which knows its pages that ask again and its links that move."""

import importlib
import os
from pathlib import Path
from typing import Any

import requests
from requests.exceptions import BaseHTTPError

from facevae.core.errors import FacevaeError
from facevae.sources.http import (
    ByteProgress,
    Pace,
    connection_failure,
    disk_failure,
    looks_like_page,
    md5_of,
    page_failure,
    quota_failure,
    require_free,
    says_quota,
    status_failure,
    wrong_sum,
)
from facevae.sources.retry import RetryPolicy, TransientError, failed, retry
from facevae.sources.urls import Address, Place

_ACCESS = "share it with anyone who has the link; too many downloads can look the same: then try again tomorrow"

_AT_ONCE = 64 * 1024


def download_from_drive(place: Place, target: Path, md5: str, policy: RetryPolicy) -> None:
    """Fetch the file `target`, whose MD5 sum is `md5`. Raises FacevaeError if that fails, or without gdown.

    What has arrived is in a file `target`.drive....part until it is whole; the next call goes on from there.
    """
    try:
        gdown = importlib.import_module("gdown")
    except ImportError:
        found = "that the package gdown is not installed"
        raise failed(place.text, target.name, found, "pip install -c constraints.txt gdown") from None
    with ByteProgress(target.name) as progress:
        drive = _Drive(gdown, place, target, md5, policy, progress)
        retry(drive.attempt, drive.size, place.text, target.name, policy)


class _Drive:
    """One file's download; each `attempt` goes on where the last one ended."""

    def __init__(
        self, gdown: Any, place: Place, target: Path, md5: str, policy: RetryPolicy, progress: ByteProgress
    ) -> None:
        self.gdown, self.place, self.target, self.md5, self.policy = gdown, place, target, md5, policy
        self._progress, self._output = progress, target.with_name(f"{target.name}.drive")

    def size(self) -> int:
        return max((part.stat().st_size for part in self._parts()), default=0)

    def attempt(self) -> None:
        """Raises TransientError if another attempt may do better, FacevaeError if none will."""
        # Of several parts, which gdown refuses, the one with most in it.
        for part in sorted(self._parts(), key=lambda part: part.stat().st_size)[:-1]:
            part.unlink()
        if not self._output.exists():
            self._fetch()
        found = md5_of(self._output)
        if found == self.md5:
            os.replace(self._output, self.target)
            return
        with self._output.open("rb") as file:
            begin = file.read(_AT_ONCE)
        self._output.unlink()
        if looks_like_page(begin):
            raise page_failure(begin, self.place.text, self.target.name, _ACCESS)
        raise wrong_sum(self.place.text, self.target.name, self.md5, found)

    def _parts(self) -> list[Path]:
        # gdown's way of naming them: eight characters of its own between.
        return list(self._output.parent.glob(f"{self._output.name}{'?' * 8}.part"))

    def _fetch(self) -> None:
        where, name = self.place.text, self.target.name
        try:
            self.gdown.download(
                id=self.place.value, output=str(self._output), quiet=True, resume=True, retries=0,
                timeout=(self.policy.connect, self.policy.read), progress=self._watch(),
            )  # fmt: skip
        except (TransientError, FacevaeError):
            raise
        except requests.HTTPError as error:
            code = getattr(error.response, "status_code", 0)
            raise status_failure(code, where, name, _ACCESS) from None
        except (requests.RequestException, BaseHTTPError) as error:
            raise connection_failure(error, Address(where, "Google Drive", ""), name) from None
        except OSError as error:
            raise disk_failure(error, where, self._output) from None
        except Exception as error:  # gdown's own, of many lines; and of what it takes for granted in an answer
            self._explain(error)
        if not self._output.exists():
            raise failed(where, name, "nothing from gdown", "try later")

    def _watch(self) -> Any:
        """A callback for gdown: how many bytes are here, and of how many."""
        pace, begin = Pace(self.policy), self.size()
        last = begin

        def watch(done: int, total: int | None) -> None:
            nonlocal last
            if last == begin and total is not None:
                require_free(self._output, total - done, self.place.text, self.target.name)
            self._progress.show(done, total)
            pace.check(done - last)
            last = done

        return watch

    def _explain(self, error: Exception) -> None:
        """Raise what gdown's error comes to; return if the file is whole all the same."""
        where, name, text = self.place.text, self.target.name, str(error).lower()
        if says_quota(text.encode()):
            raise quota_failure(where, name) from None
        if type(error).__name__ == "FileURLRetrievalError":
            raise failed(where, name, "no link to download it", _ACCESS) from None
        if type(error).__name__ != "DownloadError":
            raise failed(
                where, name, f"an answer that gdown can't read ({type(error).__name__})", "try later"
            ) from None
        if "byte range" in text:
            # Refused, of a part that is whole already, or by a server that knows no ranges.
            for part in self._parts():
                if md5_of(part) == self.md5:
                    os.replace(part, self._output)
                    return
                part.unlink()
            raise TransientError("a download that can't be gone on with") from None
        raise TransientError(f"a connection cut at {self._progress.amount()}") from None
