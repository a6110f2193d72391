"""What a failed download comes to: a TransientError, which another try may mend, or a FacevaeError with what to do.

No text of a server or a library is shown: it may hold the address with its secrets filled in.
"""

import errno
import re
import shutil
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.exceptions import BaseHTTPError

from facevae.core.errors import FacevaeError
from facevae.jobs.disk import format_bytes
from facevae.sources.retry import TransientError

_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}

# Of an exception: its class, words in it, what was found, what to do, and whether another try may mend it. The first
# row that fits counts.
_EXCEPTIONS = (
    (
        requests.exceptions.SSLError, "SSLCertVerificationError", "a certificate of {host} that is not trusted",
        "name another place, or set REQUESTS_CA_BUNDLE to the certificates to trust", False,
    ),
    (requests.exceptions.SSLError, "", "no secure connection to {host}", "try later", True),
    (requests.exceptions.ReadTimeout, "", "no answer from {host}", "try later", True),
    (
        requests.exceptions.ProxyError, "", "no connection to the proxy",
        "check the network and the environment's HTTPS_PROXY", True,
    ),
    (requests.exceptions.ConnectTimeout, "", "no connection to {host}", "check the network", True),
    (requests.ConnectionError, "Max retries", "no connection to {host}", "check the network", True),
    (requests.ConnectionError, "", "a cut connection", "try later", True),
    (requests.exceptions.ChunkedEncodingError, "", "a cut connection", "try later", True),
    (BaseHTTPError, "", "a cut connection", "try later", True),
    (requests.TooManyRedirects, "", "redirects without end", "{access}", False),
    (Exception, "", "an address that can't be asked", "correct it, or the variables in it", False),
)  # fmt: skip


@dataclass(frozen=True)
class Failures:
    """Failures to fetch the file `name`. `where`: the place, as in params.yaml; `host`: who is asked, shown so.

    `access`: how to be let in. `netloc`: the host that is really asked; without one another library does the asking.
    """

    where: str
    name: str
    host: str
    access: str
    netloc: str = ""

    def final(self, found: str, fix: str) -> FacevaeError:
        """A failure that another try would not mend."""
        return FacevaeError(where=self.where, expected=self.name, found=found, fix=fix)

    def status(self, code: int, wait: float = 0.0) -> Exception:
        """An HTTP status that is no success; `wait`: seconds of its Retry-After."""
        found = f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else f"status {code}"
        if code in _TRANSIENT:
            return TransientError(found, wait=wait)
        return self.final(found, self.access if code in (401, 403) else "check the address")

    def request(self, error: Exception) -> Exception:
        """An exception of requests or urllib3."""
        if isinstance(error, requests.HTTPError):
            return self.status(getattr(error.response, "status_code", 0))
        asked = _netloc(getattr(getattr(error, "request", None), "url", None) or "")
        host = self.host if not self.netloc or asked in ("", self.netloc) else f"where {self.host} leads"
        _, _, found, fix, passes = next(
            row for row in _EXCEPTIONS if isinstance(error, row[0]) and row[1] in str(error)
        )
        found, fix = found.format(host=host), fix.format(access=self.access)
        return TransientError(found, fix) if passes else self.final(found, fix)

    def disk(self, error: OSError, path: Path) -> OSError | FacevaeError:
        """A full disk; another error of the system as it is."""
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return error
        return self.final(f"no space left in {path.parent}", "free some: what has arrived is kept")

    def checksum(self, md5: str, found: str) -> FacevaeError:
        """Another file than the one with that MD5 sum."""
        fix = f"if that file is meant, end the place in #md5={found}"
        return self.final(f"a file with MD5 {found} instead of {md5}", fix)

    def page(self, page: bytes) -> FacevaeError:
        """A web page where the file should be."""
        text = page.lower()
        if says_quota(text):
            return self.quota()
        title = re.search(rb"<title[^>]*>(.*?)</title", text, re.DOTALL)
        asks = title and re.search(rb"\b(sign|log)[ -]?in\b", title[1])
        if asks or re.search(rb"<input[^>]*type\s*=\s*[\"']?password", text):
            return self.final("a login page", self.access)
        return self.final("a web page", "check the address: a page may lead to the file, but is not it")

    def quota(self) -> FacevaeError:
        """Google Drive's limit on the downloads of a file by everybody."""
        return self.final("its quota exceeded by too many downloads", "try again tomorrow")

    def require_free(self, path: Path, size: int | None) -> None:
        """Raise FacevaeError if `size` more bytes at `path` don't fit on its disk."""
        free = shutil.disk_usage(path.parent).free
        if size is not None and size > free:
            found = f"{format_bytes(free)} free in {path.parent} for {format_bytes(size)}"
            raise self.final(found, "free some: what has arrived is kept")


def says_quota(page: bytes) -> bool:
    """Whether a page or a message says that a file was fetched too often."""
    return re.search(rb"quota|too\s+many\s+users", page.lower()) is not None


def looks_like_page(begin: bytes) -> bool:
    """Whether a file begins like HTML. None of CelebA's does."""
    return begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""
