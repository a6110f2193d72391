"""Cached arrays: the images of a model as memory-mapped `.npy` files with their splits and a manifest.

A folder holds uint8 arrays (N, height, width, 3) whose rows stand split after split, `rows.csv` that says
what each row is, and `manifest.json` with the shape, the splits' sizes and what made them.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError

MANIFEST, ROWS = "manifest.json", "rows.csv"

DAE_FILES = ("clean.npy", "noisy.npy")

VAE_FILES = ("images.npy",)

UNKNOWN = -1

"""The label of an attribute of which nobody said whether an image has it."""

_LABELS = {"1": 1, "-1": 0, "0": UNKNOWN}

_FIX = "run stages.cache_arrays again"


@dataclass(frozen=True)
class DaeArrays:
    """By split: `clean` and `noisy`, (n, H, W, 3) uint8 in the same order, and the names of the images."""

    clean: dict[str, np.ndarray]
    noisy: dict[str, np.ndarray]
    images: dict[str, list[str]]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class VaeArrays:
    """By split: `images` (n, S, S, 3) uint8, `attributes` (n, A) int8, and the names of the images.

    An attribute is 1 or 0, or UNKNOWN. There may be none: A = 0.
    """

    images: dict[str, np.ndarray]
    attributes: dict[str, np.ndarray]
    attribute_names: tuple[str, ...]
    names: dict[str, list[str]]
    manifest: dict[str, Any]

    @property
    def counts(self) -> dict[str, int]:
        """How many images each split has."""
        return {split: len(images) for split, images in self.images.items()}


def open_dae(folder: Path) -> DaeArrays:
    """Open the DAE's arrays, memory-mapped. Raises FacevaeError if a file is missing or does not fit the manifest."""
    manifest = _read_manifest(folder, "dae")
    clean, noisy = (_by_split(_open_npy(folder / name, manifest), manifest) for name in DAE_FILES)
    names, _ = _read_rows(folder, manifest, ())
    return DaeArrays(clean, noisy, names, manifest)


def open_vae(folder: Path) -> VaeArrays:
    """Open the VAE's arrays, memory-mapped. Raises FacevaeError if a file is missing or does not fit the manifest."""
    manifest = _read_manifest(folder, "vae")
    (file,) = VAE_FILES
    images = _by_split(_open_npy(folder / file, manifest), manifest)
    attribute_names = tuple(manifest["attributes"])
    names, attributes = _read_rows(folder, manifest, attribute_names)
    return VaeArrays(images, _by_split(attributes, manifest), attribute_names, names, manifest)


def write_npy(path: Path, shape: tuple[int, ...], images: Iterable[np.ndarray]) -> None:
    """Write the images, each of `shape[1:]` uint8 and `shape[0]` in all, as one `.npy`, holding one at a time."""
    start = start_npy(path, shape)
    with path.open("r+b") as file:
        file.seek(start)
        for image in images:
            file.write(np.ascontiguousarray(image, dtype=np.uint8).data)


def start_npy(path: Path, shape: tuple[int, ...]) -> int:
    """Write the header of a `.npy` of uint8 at `path`; returns where its bytes, to be written by others, begin.

    They go into a plain file and no memory map: a map's pages count as the process's memory until they are written.
    """
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(file, header)
        return file.tell()


def write_rows(
    folder: Path,
    images: Iterable[str],
    splits: Iterable[str],
    names: Sequence[str] = (),
    values: Iterable[np.ndarray] | None = None,
) -> None:
    """Write `rows.csv`: the image and the split of each row and, if given, its `values`, (len(names),): 1, -1 or 0."""
    with (folder / ROWS).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "split", *names])
        cells = repeat(()) if values is None else values
        for image, split, row in zip(images, splits, cells, strict=values is not None):
            writer.writerow([image, split, *row])


def _read_manifest(folder: Path, kind: str) -> dict[str, Any]:
    """The manifest in `folder`, which must be of `kind` and have every key that is used here."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _missing(path) from None
    except ValueError as error:
        raise FacevaeError(where=path, expected="JSON", found=str(error), fix=_FIX) from None
    found = manifest.get("kind") if isinstance(manifest, dict) else None
    if found != kind:
        raise FacevaeError(where=path, expected=f"arrays of kind {kind}", found=repr(found), fix=f"{_FIX} for {kind}")
    shape, splits = manifest.get("shape"), manifest.get("splits")
    if not (
        isinstance(shape, list) and len(shape) == 4 and isinstance(splits, dict) and sum(splits.values()) == shape[0]
    ):
        raise FacevaeError(
            where=path, expected="a shape of four numbers, and splits that add up to the first",
            found=f"shape {shape}, splits {splits}", fix=_FIX,
        )  # fmt: skip
    if kind == "vae" and not isinstance(manifest.get("attributes"), list):
        raise FacevaeError(where=path, expected="a list of attributes", found="none", fix=_FIX)
    return manifest


def _open_npy(path: Path, manifest: dict[str, Any]) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise _missing(path) from None
    except (ValueError, EOFError) as error:
        raise FacevaeError(where=path, expected="a whole .npy file", found=str(error), fix=_FIX) from None
    expected = f"{tuple(manifest['shape'])} uint8, as {MANIFEST} says"
    found = f"{array.shape} {array.dtype}"
    if array.dtype != np.uint8 or list(array.shape) != manifest["shape"]:
        raise FacevaeError(where=path, expected=expected, found=found, fix=_FIX)
    return array


def _by_split(array: np.ndarray, manifest: dict[str, Any]) -> dict[str, np.ndarray]:
    """The rows of `array` cut into the manifest's splits, without a copy."""
    parts, start = {}, 0
    for split, count in manifest["splits"].items():
        parts[split] = array[start : start + count]
        start += count
    return parts


def _read_rows(
    folder: Path, manifest: dict[str, Any], attributes: tuple[str, ...]
) -> tuple[dict[str, list[str]], np.ndarray]:
    """Names of the images by split, and the attributes (N, A) int8: 1, 0 or UNKNOWN for the file's 1, -1 or 0."""
    path = folder / ROWS
    count = manifest["shape"][0]
    expected_splits = [split for split, size in manifest["splits"].items() for _ in range(size)]
    names: dict[str, list[str]] = {split: [] for split in manifest["splits"]}
    values = np.zeros((count, len(attributes)), dtype=np.int8)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            if next(reader, None) != ["image", "split", *attributes]:
                raise FacevaeError(where=path, expected=f"the columns that {MANIFEST} names", found="others", fix=_FIX)
            number = -1
            for number, row in enumerate(reader):
                fits = number < count and len(row) == 2 + len(attributes) and row[1] == expected_splits[number]
                if not fits or not _LABELS.keys() >= set(row[2:]):
                    raise FacevaeError(
                        where=f"{path}, line {number + 2}", expected=f"a row that {MANIFEST} foresees",
                        found=",".join(row)[:60], fix=_FIX,
                    )  # fmt: skip
                names[row[1]].append(row[0])
                values[number] = [_LABELS[cell] for cell in row[2:]]
    except FileNotFoundError:
        raise _missing(path) from None
    if number + 1 != count:
        raise FacevaeError(where=path, expected=f"{count} rows, as {MANIFEST} says", found=str(number + 1), fix=_FIX)
    return names, values


def _missing(path: Path) -> FacevaeError:
    return FacevaeError(where=path, expected="cached arrays", found="no such file", fix="run stages.cache_arrays")


def mean_colour(images: np.ndarray) -> np.ndarray:
    """Mean of each channel over uint8 images (N, H, W, 3), as (3,) in [0, 1], a few images in memory at a time.

    Answering it to every image is the constant-colour baseline.
    """
    sums = np.zeros(3)
    for start in range(0, len(images), 64):
        sums += images[start : start + 64].sum(axis=(0, 1, 2), dtype=np.int64)
    return (sums / (255 * images[..., 0].size)).astype(np.float32)
