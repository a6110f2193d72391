"""CelebA from where its authors offer it: four files on Google Drive, each checked against its MD5 sum."""

import hashlib
import importlib
import sys
from pathlib import Path

from facevae.errors import FacevaeError

OFFICIAL = {
    "list_attr_celeba.txt": ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c"),
    "list_eval_partition.txt": ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668"),
    "identity_CelebA.txt": ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2"),
    "img_align_celeba.zip": ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb"),
}
"""Google Drive's id and the MD5 sum of each file, small ones first, as torchvision's CelebA class has them."""

_BY_HAND = "or download CelebA by hand and set download.celeba.path to its folder"


def fetch_celeba(folder: Path) -> None:
    """Download CelebA's files into `folder`. Raises FacevaeError if gdown or a file is missing, or a sum is wrong."""
    try:
        gdown = importlib.import_module("gdown")
    except ImportError:
        raise FacevaeError(
            where="download.celeba.path: null", expected="the package gdown, which fetches CelebA from Google Drive",
            found="that it is not installed", fix=f"pip install gdown, {_BY_HAND}",
        ) from None  # fmt: skip
    for name, (identifier, md5) in OFFICIAL.items():
        path = folder / name
        try:
            gdown.download(id=identifier, output=str(path), quiet=not sys.stderr.isatty())
        except Exception as error:  # gdown's own errors and those of the network library below it
            raise _failed(name, f"{type(error).__name__}: {error}") from None
        if not path.is_file():
            raise _failed(name, "nothing")
        check_md5(path, md5)


def check_md5(path: Path, md5: str) -> None:
    """Raise FacevaeError if the file's MD5 sum is another; Google's quota page, saved as the file, is recognised."""
    with path.open("rb") as file:
        begin = file.read(512).lstrip().lower()
        file.seek(0)
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        page = begin.startswith((b"<!doctype", b"<html"))
        what = "a web page, most likely Google Drive's 'quota exceeded'" if page else f"MD5 {found}"
        raise FacevaeError(
            where=path.name, expected=f"CelebA's own file, MD5 {md5}", found=what, fix=f"try again tomorrow, {_BY_HAND}"
        )


def _failed(name: str, found: str) -> FacevaeError:
    return FacevaeError(where=f"Google Drive, {name}", expected="a download", found=found, fix=f"try later, {_BY_HAND}")
