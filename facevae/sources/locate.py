"""CelebA's files, each from the first of its places that has it."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from facevae.celeba.tables import ATTRIBUTES_FILE, IDENTITY_FILE, IMAGES, LANDMARKS_FILE, PARTITION_FILE
from facevae.core.errors import FacevaeError
from facevae.imaging.names import IMAGE_FOLDER
from facevae.sources.failures import Failures
from facevae.sources.google_drive import download_from_drive
from facevae.sources.http import download, md5_of
from facevae.sources.kaggle import fetch_from_kaggle
from facevae.sources.retry import RetryPolicy
from facevae.sources.urls import Place, local_path, parse_place, web_address


@dataclass(frozen=True)
class Wanted:
    """A file of CelebA's: its key in params.yaml, its official name and MD5 sum, and what else a directory may have.

    `others`: names of other forms of it, best first: a table as Kaggle has it, the folder of unpacked images.
    """

    key: str
    name: str
    md5: str
    others: tuple[str, ...]

    def names(self) -> tuple[str, ...]:
        """Its official name and the others."""
        return (self.name, *self.others)


def _table(key: str, name: str, md5: str) -> Wanted:
    return Wanted(key, name, md5, (name.replace(".txt", ".csv"),))


# The small ones first: what is wrong with their places is known before the images are on their way.
WANTED = {
    wanted.key: wanted
    for wanted in (
        _table("attributes", ATTRIBUTES_FILE, "75e246fa4810816ffd6ee81facbd244c"),
        _table("partitions", PARTITION_FILE, "d32c9cbf5e040fd4025c592c306e6668"),
        _table("identities", IDENTITY_FILE, "32bd1bd63d3c78cd57e08160ec5ed1e2"),
        _table("landmarks", LANDMARKS_FILE, "cc24ecafdb5b50baae59b03474781f8c"),
        Wanted("images", IMAGES, "00d2c5bc6d35e252742224ab0c1e8fcb", (IMAGE_FOLDER, f"{IMAGE_FOLDER}_png")),
    )
}

"""The MD5 sums are those that torchvision's CelebA class has."""


def find(folder: Path, wanted: Wanted) -> Path | None:
    """The file in a directory: in itself, or in a folder of Google Drive's layout below it. None if it has none."""
    for name in wanted.names():
        for parent in (folder, folder / "Anno", folder / "Eval", folder / "Img"):
            path = parent / name
            if Path(name).suffix and path.is_file():
                return path
            if not Path(name).suffix and path.is_dir():
                # Kaggle's archive has the images in a folder of the same name below: images are looked for in both.
                return path
    return None


def celeba_folder(path: Path) -> Path:
    """The directory that holds CelebA's files: `path`, or the one folder in it that does, as below torchvision's root.

    Raises FacevaeError if there is no such folder, or if several in it could be meant; `path` if none could.
    """
    if not path.is_dir():
        found = "a file" if path.exists() else "no such folder"
        raise FacevaeError(where=path, expected="a folder with CelebA's files", found=found, fix="correct the path")
    if _holds(path):
        return path
    inner = sorted(one for one in path.iterdir() if not one.name.startswith(".") and one.is_dir() and _holds(one))
    if len(inner) > 1:
        raise FacevaeError(
            where=path, expected="one folder with CelebA's files", found=", ".join(one.name for one in inner),
            fix=f"set download.celeba.path to one of them, such as {inner[0]}",
        )  # fmt: skip
    return inner[0] if inner else path


def _holds(folder: Path) -> bool:
    return all(find(folder, WANTED[key]) is not None for key in ("attributes", "images"))


def acquire(wanted: Wanted, places: Sequence[str], downloads: Path, policy: RetryPolicy = RetryPolicy()) -> Path:
    """Where the file is now: in the first of `places` that has it, or fetched from there into `downloads`.

    What is local is used where it is. A file in `downloads` with a sum that one of the places expects is not asked
    for again. Raises FacevaeError, which says of each place why not, if none has it; or if another process downloads.
    """
    parsed = [parse_place(text) for text in places]
    target, failures = downloads / wanted.name, []

    def first_of(some: Sequence[Place]) -> Path | None:
        for place in some:
            try:
                return _take(wanted, place, target, policy)
            except FacevaeError as error:
                failures.append(f"{place.text}: {error.found} ({error.fix})")
                more = "" if place is parsed[-1] else "; trying the next"
                print(f"download: {place.text}: {error.found}{more}", flush=True)
        return None

    remote = [number for number, place in enumerate(parsed) if place.kind not in ("directory", "file")]
    local = remote[0] if remote else len(parsed)
    path = first_of(parsed[:local])
    if path is None and (remote or target.exists()):
        with _held(downloads):
            path = _kept(wanted, parsed, target, failures) or first_of(parsed[local:])
    if path is None:
        raise FacevaeError(
            where=f"download.celeba.{wanted.key}", expected=f"{wanted.name} from one of its places",
            found="; ".join(failures),
            fix=f"or put {wanted.name} into {downloads.absolute()} by hand, or set download.celeba.path to its folder",
        )  # fmt: skip
    return path


def _take(wanted: Wanted, place: Place, target: Path, policy: RetryPolicy) -> Path:
    """The file, from one place. Raises FacevaeError with the reason in `found` and what to do in `fix`."""
    md5, failures = place.md5 or wanted.md5, Failures(place.text, wanted.name, place.text, "")
    if place.kind == "directory":
        folder = local_path(place, wanted.name)
        if not folder.is_dir():
            raise failures.final("no such directory", "name another place")
        return find(folder, wanted) or _missing(wanted, "it", failures)
    if place.kind == "file":
        path = local_path(place, wanted.name)
        if not path.is_file():
            raise failures.final("no such file", "correct the path; of a directory, without file://")
        if (found := md5_of(path)) != md5:
            raise failures.checksum(md5, found)
        return path
    if place.kind == "kaggle":
        # Of a table that alone, not the images with it; in Kaggle's form, which is what is there most often.
        names = () if wanted.key == "images" else (*wanted.others, wanted.name)
        path = fetch_from_kaggle(place, wanted.name, names, policy)
        return path if names else find(path, wanted) or _missing(wanted, str(path), failures)
    if place.kind == "gdrive":
        download_from_drive(place, target, md5, policy)
    else:
        download(web_address(place, wanted.name), target, md5, policy)
    return target


def _missing(wanted: Wanted, folder: str, failures: Failures) -> NoReturn:
    raise failures.final(f"no {' or '.join(wanted.names())} in {folder}", "name another place")


def _kept(wanted: Wanted, places: Sequence[Place], target: Path, failures: list[str]) -> Path | None:
    """The file that is in the downloads already, if it is one that a place expects."""
    if not target.is_file():
        return None
    found = md5_of(target)
    if found in {place.md5 or wanted.md5 for place in places}:
        return target
    failures.append(f"{target}: MD5 {found}, which no place expects (if that file is meant, end one in #md5={found})")
    print(f"download: {target}: MD5 {found}, which no place expects; it will be replaced", flush=True)
    return None


@contextmanager
def _held(downloads: Path) -> Iterator[None]:
    """Keep other processes from downloading into the same folder. Raises FacevaeError if one does."""
    downloads.mkdir(parents=True, exist_ok=True)
    # The file stays: to delete it would take a lock from who has just opened it.
    descriptor = os.open(downloads / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FacevaeError(
                where=downloads, expected="no other download into it",
                found=f"process {os.read(descriptor, 20).decode() or '?'} at it",
                fix="let it finish, or stop it and run again",
            ) from None  # fmt: skip
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)
