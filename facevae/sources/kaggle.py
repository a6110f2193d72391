"""Data sets on Kaggle, through kagglehub, which keeps them in a cache of its own."""

import importlib
from collections.abc import Sequence
from pathlib import Path

import requests

from facevae.sources.http import connection_failure, disk_failure, status_failure
from facevae.sources.retry import RetryPolicy, TransientError, failed, retry
from facevae.sources.urls import Address, Place

_ACCESS = (
    "accept the data set's terms on its page; access to it: ~/.kaggle/kaggle.json, or the environment's "
    "KAGGLE_USERNAME and KAGGLE_KEY"
)


def fetch_from_kaggle(place: Place, name: str, files: Sequence[str], policy: RetryPolicy) -> Path:
    """The first of `files` that the data set has; without `files`, the folder with all of it. `name`: for messages.

    Raises FacevaeError if it can't be had, or without kagglehub.
    """
    try:
        kagglehub = importlib.import_module("kagglehub")
    except ImportError:
        fix = "pip install -c constraints.txt -e '.[kaggle]'"
        raise failed(place.text, name, "that the package kagglehub is not installed", fix) from None
    for file in files or [None]:
        print(f"download: {place.text}: {file or 'all of it'}, by kagglehub", flush=True)

        def attempt(file: str | None = file) -> Path | None:
            try:
                return Path(kagglehub.dataset_download(place.value, path=file))
            except Exception as error:
                if file is not None and _status(error) == 404:
                    return None
                raise _explained(error, place, name) from None

        # How much has arrived is kagglehub's affair.
        path = retry(attempt, lambda: 0, place.text, name, policy)
        if path is not None:
            return path
    raise failed(place.text, name, f"no {' or '.join(files)} in it", "name another place")


def _explained(error: Exception, place: Place, name: str) -> Exception:
    """What an error of kagglehub comes to. Its own text, of several lines, may hold addresses that let one in."""
    code = _status(error)
    if code is not None:
        return status_failure(code, place.text, name, _ACCESS)
    if type(error).__name__ in ("UnauthenticatedError", "CredentialError"):
        return failed(place.text, name, "that Kaggle asks who you are", _ACCESS)
    if isinstance(error, requests.RequestException):
        return connection_failure(error, Address(place.text, "Kaggle", ""), name)
    if type(error).__name__ == "DataCorruptionError":
        return TransientError("a damaged download")
    if isinstance(error, OSError):
        return disk_failure(error, place.text, Path(error.filename or name))
    return failed(place.text, name, f"an error of kagglehub ({type(error).__name__})", "try later")


def _status(error: Exception) -> int | None:
    """The HTTP status that an error tells of."""
    return getattr(getattr(error, "response", None), "status_code", None)
