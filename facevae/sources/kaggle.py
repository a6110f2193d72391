"""Data sets on Kaggle, through kagglehub, which keeps them in a cache of its own."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import requests

from facevae.sources.failures import Failures
from facevae.sources.retry import RetryPolicy, TransientError, retry
from facevae.sources.urls import Place

_ACCESS = (
    "accept the data set's terms on its page; access to it: ~/.kaggle/kaggle.json, or the environment's "
    "KAGGLE_USERNAME and KAGGLE_KEY"
)


def fetch_from_kaggle(place: Place, name: str, files: Sequence[str], policy: RetryPolicy) -> Path:
    """The first of `files` that the data set has; without `files`, the folder with all of it. `name`: for messages.

    Raises FacevaeError if it can't be had, or without kagglehub.
    """
    failures = Failures(place.text, name, "Kaggle", _ACCESS)
    try:
        kagglehub = importlib.import_module("kagglehub")
    except ImportError:
        fix = "pip install -c constraints.txt -e '.[kaggle]'"
        raise failures.final("that the package kagglehub is not installed", fix) from None
    for file in files or [None]:
        print(f"download: {place.text}: {file or 'all of it'}, by kagglehub", flush=True)

        def attempt(file: str | None = file) -> Path | None:
            try:
                return Path(kagglehub.dataset_download(place.value, path=file))
            except Exception as error:
                if file is not None and getattr(getattr(error, "response", None), "status_code", None) == 404:
                    return None
                raise _explained(error, failures) from None

        # kagglehub resumes by itself: how much has arrived is not known here.
        path = retry(attempt, lambda: 0, place.text, name, policy)
        if path is not None:
            return path
    raise failures.final(f"no {' or '.join(files)} in it", "name another place")


def _explained(error: Exception, failures: Failures) -> Exception:
    """What an error of kagglehub comes to. Its own text, of several lines, may hold addresses that let one in."""
    kind = type(error).__name__
    if kind in ("UnauthenticatedError", "CredentialError"):
        return failures.final("that Kaggle asks who you are", _ACCESS)
    if kind == "DataCorruptionError":
        return TransientError("a damaged download")
    if isinstance(error, requests.RequestException):
        return failures.request(error)
    if isinstance(error, OSError):
        return failures.disk(error, Path(error.filename or failures.name))
    return failures.final(f"an error of kagglehub ({kind})", "try later")
