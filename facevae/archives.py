"""Archives: a set of images packed as one uncompressed zip, which a person can open.

An archive that a stage made also holds `facts.json`: what was done to its images.
"""

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from facevae.errors import FacevaeError
from facevae.images import IMAGE_SUFFIXES, decode, encode_png, stem
from facevae.progress import track
from facevae.workers import ordered_map
from facevae.zips import open_zip, read_entry, write_zip

FACTS = "facts.json"


class Archive:
    """An archive open for reading; made by `open_archive`.

    `names`: the images' file names, without folders, sorted. `facts`: {} if a stage did not make it.
    """

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path, self._file = path, file
        self._entries = _image_entries(path, file)
        self.names = sorted(self._entries)
        self.facts = _read_facts(path, file)

    def read(self, name: str) -> bytes:
        """The bytes of the image called `name`, one of `names`. Raises FacevaeError naming it if they are damaged."""
        return read_entry(self._file, self._entries[name])

    def where(self, name: str) -> str:
        """How a message calls the image."""
        return f"{self.path}, {name}"

    def count(self, asked: int | None) -> int:
        """`asked`, or the number of images for None. Raises FacevaeError if there are fewer than asked."""
        if asked is not None and asked > len(self.names):
            raise FacevaeError(
                where=self.path, expected=f"at least {asked} images, which the parameter `images` asks for",
                found=str(len(self.names)), fix="ask for fewer (null: all) or provide more",
            )  # fmt: skip
        return len(self.names) if asked is None else asked


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive, whoever made it; its images may lie in any folder.

    Raises FacevaeError if it can't be read or trusted (see `zips.open_zip`), has no image, or has two of one name.
    """
    with open_zip(path) as file:
        yield Archive(path, file)


def decoded_images(archive: Archive, names: Iterable[str], workers: int) -> Iterator[np.ndarray]:
    """The named images, `(height, width, 3)` uint8 each, in the order of `names`."""
    return ordered_map(_decode, ((archive.where(name), archive.read(name)) for name in names), workers)


def write_changed(
    source: Archive,
    target: Path,
    change: Callable[[str, np.ndarray], np.ndarray],
    names: list[str],
    facts: dict[str, Any],
    what: str,
    workers: int,
) -> None:
    """Write to `target`, as PNG, `change(name, image)` of the named images of `source`, and `facts`.

    `change` must be picklable and depend on its arguments alone: then the bytes written don't depend on `workers`.
    """
    items = ((name, source.where(name), source.read(name)) for name in names)
    images = ordered_map(partial(_change, change), items, workers)
    with write_zip(target) as archive:
        archive.add(FACTS, (json.dumps(facts, indent=2, allow_nan=False) + "\n").encode())
        for name, data in zip(names, track(images, len(names), what), strict=True):
            archive.add(stem(name) + ".png", data)


def _read_facts(path: Path, file: zipfile.ZipFile) -> dict[str, Any]:
    if FACTS not in file.NameToInfo:
        return {}
    try:
        facts = json.loads(read_entry(file, FACTS))
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        raise FacevaeError(
            where=f"{path}, {FACTS}", expected="a JSON object", found="something else", fix="make the archive again"
        )
    return facts


def _decode(item: tuple[str, bytes]) -> np.ndarray:
    where, data = item
    return decode(data, where)


def _change(change: Callable[[str, np.ndarray], np.ndarray], item: tuple[str, str, bytes]) -> bytes:
    name, where, data = item
    return encode_png(change(name, decode(data, where)))


def _image_entries(path: Path, file: zipfile.ZipFile) -> dict[str, str]:
    """Entry of each image by file name. Folders, hidden files and what is no image are passed over."""
    entries: dict[str, str] = {}
    stems: dict[str, str] = {}
    for entry in file.NameToInfo:
        name = PurePosixPath(entry).name
        if entry.endswith("/") or name.startswith(".") or PurePosixPath(name).suffix.lower() not in IMAGE_SUFFIXES:
            continue
        # Later stages write 1.jpg as 1.png, so 1.jpg and 1.png would be one image.
        other = stems.setdefault(stem(name), entry)
        if other != entry:
            raise FacevaeError(
                where=path, expected="one image of each name", found=f"{other} and {entry}", fix="rename or remove one"
            )
        entries[name] = entry
    if not entries:
        raise FacevaeError(where=path, expected="images", found="none", fix="provide an archive with images")
    return entries
