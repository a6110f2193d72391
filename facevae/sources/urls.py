"""Places that a file can come from, as params.yaml names them: strings that hold no secret.

A directory; an address https://..., http://... or file:///...; gdrive:ID; kaggle:OWNER/NAME. An address that ends in
/ is a folder's: the file's name is appended. #md5=... at the end of an address or of gdrive:ID is the file's checksum.

`${NAME}` in an https:// or http:// address stands for that environment variable. It is filled in when the file is
asked for, and only there: whatever is shown or written has the address as it stands in params.yaml.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit
from urllib.request import url2pathname

from pydantic import AfterValidator

from facevae.core.errors import FacevaeError
from facevae.sources.paths import resolve_path

FORMS = "a directory, an https:// or file:// address, gdrive:ID or kaggle:OWNER/NAME"

# Two letters at least: C:\celeba is a directory.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_MD5 = re.compile(r"md5=([0-9a-fA-F]{32})")

_SECRET_WORDS = {"auth", "credential", "credentials", "key", "passwd", "password", "pwd", "secret", "sig", "signature"}

_SECRET_ENDS = ("apikey", "accesskey", "credential", "password", "secret", "signature", "token")

_SECRET_BEGINS = ("x-amz-", "x-goog-")


@dataclass(frozen=True)
class Place:
    """A place as it was written, what kind it is, what is specific to it, and the file's MD5 if it names one."""

    text: str
    kind: Literal["directory", "file", "web", "gdrive", "kaggle"]
    value: str
    md5: str | None = None


@dataclass(frozen=True)
class Address:
    """An address to ask: `shown` and `host` are as in params.yaml, `url` has the variables filled in."""

    shown: str
    host: str
    url: str = field(repr=False)


def parse_place(text: str) -> Place:
    """Raises ValueError saying what a place is, or FacevaeError, which does not show it, for one with a secret."""
    if not text.strip() or text != text.strip() or not text.isprintable():
        raise ValueError(FORMS)
    found = _SCHEME.match(text)
    if not found:
        _no_variables(text)
        if _MD5.fullmatch(text.rpartition("#")[2]):
            raise ValueError("#md5=... after a file's address or gdrive:ID only")
        return Place(text, "directory", text)
    scheme = found[1].lower()
    value, mark, fragment = text.partition("#")
    if "://" in text:
        _refuse_secrets(text)
    md5 = _MD5.fullmatch(fragment)
    if mark and not md5:
        raise ValueError("#md5= and 32 hexadecimal digits after the address, or nothing")
    read = {"https": _web, "http": _web, "file": _file, "gdrive": _drive, "kaggle": _kaggle}.get(scheme)
    if read is None:
        raise ValueError(FORMS)
    place = read(text, value)
    if md5 and place.kind == "kaggle":
        raise ValueError("kaggle:OWNER/NAME without #md5=..., since Kaggle's files have forms of their own")
    return Place(text, place.kind, place.value, md5[1].lower() if md5 else None)


def _checked(text: str) -> str:
    parse_place(text)
    return text


# A place in a Section; `parse_place` reads it.
PlaceText = Annotated[str, AfterValidator(_checked)]


def web_address(place: Place, name: str) -> Address:
    """Where to ask a web place for the file `name`. Raises FacevaeError if a variable is not set."""
    shown = _with_name(place.value, name)
    missing = next(
        (variable for variable in _VARIABLE.findall(shown) if not os.environ.get(variable, "").strip()), None
    )
    if missing:
        raise FacevaeError(
            where=place.text, expected=f"a value for ${{{missing}}}", found=f"no environment variable {missing}",
            fix=f"export {missing}=...",
        )  # fmt: skip
    # As it is, unquoted: a variable may hold a whole query, name=value&...
    url = _VARIABLE.sub(lambda match: os.environ[match[1]].strip(), shown)
    return Address(shown, _split(place.value).netloc, url)


def local_path(place: Place, name: str) -> Path:
    """The folder that a directory is; the file that a file:// address is of."""
    if place.kind == "file":
        return Path(url2pathname(_split(_with_name(place.value, name)).path))
    return resolve_path(place.value)


def _web(text: str, value: str) -> Place:
    parts = _split(value)
    if not parts.netloc or not parts.path:
        raise ValueError(f"{FORMS}; of an address the whole, https://host/path/file")
    if parts.netloc.lower() in ("drive.google.com", "docs.google.com", "drive.usercontent.google.com"):
        raise ValueError("gdrive:ID for a file on Google Drive; the ID is the long word in its address")
    if parts.netloc.lower() in ("kaggle.com", "www.kaggle.com"):
        raise ValueError("kaggle:OWNER/NAME for a data set on Kaggle; they are the last two words of its address")
    if "${" in _VARIABLE.sub("", value):
        raise ValueError("${NAME}, with a name of letters, digits and _, for an environment variable")
    return Place(text, "web", value)


def _file(text: str, value: str) -> Place:
    _no_variables(value)
    parts = _split(value)
    if parts.netloc.lower() not in ("", "localhost") or not parts.path.startswith("/") or parts.query:
        raise ValueError("file:///path/file, the path beginning with /")
    return Place(text, "file", value)


def _drive(text: str, value: str) -> Place:
    identifier = value.partition(":")[2]
    if not re.fullmatch(r"[A-Za-z0-9_-]{10,}", identifier):
        raise ValueError("gdrive:ID, the ID being the long word in the file's address on Google Drive")
    return Place(text, "gdrive", identifier)


def _kaggle(text: str, value: str) -> Place:
    handle = value.partition(":")[2]
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(/versions/\d+)?", handle, re.ASCII):
        raise ValueError("kaggle:OWNER/NAME or kaggle:OWNER/NAME/versions/NUMBER")
    return Place(text, "kaggle", handle)


def _with_name(value: str, name: str) -> str:
    path, mark, query = value.partition("?")
    return f"{path}{name if path.endswith('/') else ''}{mark}{query}"


def _split(value: str) -> SplitResult:
    try:
        return urlsplit(value)
    except ValueError:
        raise ValueError(FORMS) from None


def _no_variables(text: str) -> None:
    if _VARIABLE.search(text):
        raise ValueError("${NAME} in an https:// or http:// address only")


def _refuse_secrets(text: str) -> None:
    """Raise FacevaeError, which shows no secret, if an address holds one."""
    scheme, _, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest)[0]
    # A password may have a / or # in it: then what stands there for a port is no number.
    if "@" in authority or ("@" in rest and not re.fullmatch(r"(\[.*\]|[^:]*)(:\d+)?", authority)):
        raise FacevaeError(
            where=f"{scheme}://***@{re.split('[/?#]', rest.rpartition('@')[2])[0]}/...",
            expected="an address without a name or password", found="one with", fix="put them into ~/.netrc",
        )  # fmt: skip
    before, _, query = text.partition("#")[0].partition("?")
    for name, value in parse_qsl(query):
        if _is_secret(name) and not re.fullmatch(rf"(?:{_VARIABLE.pattern})+", value):
            raise FacevaeError(
                where=f"{before}?{name}=***", expected="an address without a secret", found=f"a value of {name}",
                fix=f"write {name}=${{NAME}} and set the environment variable NAME",
            )  # fmt: skip


def _is_secret(name: str) -> bool:
    words = re.split(r"[^A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name))
    lower = name.lower()
    return words[-1].lower() in _SECRET_WORDS or lower.endswith(_SECRET_ENDS) or lower.startswith(_SECRET_BEGINS)
