"""A person's own image files: found, read."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.imaging.codec import FORMATS, decode
from facevae.imaging.names import IMAGE_SUFFIXES
from facevae.imaging.unread import HEIC_SUFFIXES, has_heic, unread_ending

_VIDEOS = frozenset({".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """The files among `inputs`, and of each folder among them its images, sorted by name, hidden ones passed over.

    A file that is named twice, be it by its folder or by a link, is taken once, by the name that comes first. What else
    is in a folder is named on standard error. Raises FacevaeError if one of `inputs` is not there, or is a folder
    without images.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found += _images_in(path)
        elif path.exists():
            found.append(path)
        else:
            raise not_there(path, "an image or a folder of images")
    files: dict[Path, Path] = {}
    for path in found:
        files.setdefault(path.resolve(), path)
    return list(files.values())


def not_there(path: Path, expected: str) -> FacevaeError:
    """The error of a path at which there is nothing, which may be an address."""
    if path.parts[:1] in (("http:",), ("https:",)):
        address = "/".join((f"{path.parts[0]}/", *path.parts[1:]))  # a path has one slash after the colon
        found, fix = "a URL, which is not fetched", "download the image first and name its file"
        return FacevaeError(where=address, expected=expected, found=found, fix=fix)
    return FacevaeError(where=path, expected=expected, found="no such file", fix="correct the path")


def _images_in(folder: Path) -> list[Path]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    suffixes = IMAGE_SUFFIXES | HEIC_SUFFIXES if has_heic() else IMAGE_SUFFIXES
    images = [path for path in entries if path.suffix.lower() in suffixes and path.is_file()]
    folders = [path.name for path in entries if path.is_dir()]
    others = [path.name for path in entries if path not in images and not path.is_dir()]
    if not images:
        found = f"none, but {_listed(others + folders)}" if others or folders else "none"
        unread = next(filter(None, (unread_ending(Path(name).suffix.lower()) for name in others)), None)
        raise FacevaeError(
            where=folder, expected=f"images ({', '.join(FORMATS)})", found=f"{found} ({unread})" if unread else found,
            fix="name a folder that holds some, or convert these" if others else "name a folder that holds some",
        )  # fmt: skip
    left: dict[str, list[str]] = {}
    for name in others:
        left.setdefault(unread_ending(Path(name).suffix.lower()) or f"not {', '.join(FORMATS)}", []).append(name)
    for reason, names in left.items():
        print(f"note: {folder}: left out {_listed(names)}: {reason}", file=sys.stderr)
    if folders:
        print(f"note: {folder}: not looked into {_listed(folders)}: name a folder to take its images", file=sys.stderr)
    return images


def _listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def read_image(path: Path) -> np.ndarray:
    """The image in a file, upright, RGB: (height, width, 3) uint8. Raises FacevaeError if it is not a whole one."""
    return decode_own(path.read_bytes(), path)


def decode_own(data: bytes, path: Path) -> np.ndarray:
    """`read_image` of the bytes of the file `path`."""
    # Many cameras' raw files are TIFFs to Pillow, which would show their thumbnail.
    unread, fix = unread_ending(path.suffix.lower()), "name another image"
    if path.suffix.lower() in _VIDEOS:
        unread, fix = "a video", "save one of its frames as an image"
    if unread:
        raise FacevaeError(where=path, expected=f"an image ({', '.join(FORMATS)})", found=unread, fix=fix)
    try:
        return decode(data, path)
    except FacevaeError as error:
        if path.suffix.lower() in IMAGE_SUFFIXES | HEIC_SUFFIXES:
            raise
        raise FacevaeError(
            where=path, expected=f"an image ({', '.join(FORMATS)})", found=error.found,
            fix="name an image, or convert it to JPEG or PNG first",
        ) from None  # fmt: skip
