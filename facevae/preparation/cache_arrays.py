"""From packed images to cached arrays: pick the images, split them, write them row by row."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevae.celeba.splits import (
    PARTITIONS,
    DaeCache,
    VaeCache,
    evenly_spaced,
    partitions_with_copies,
    persons_with_copies,
    train_with_persons,
)
from facevae.celeba.tables import AttributeTable, read_attributes, read_identities, read_partitions
from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_folder, write_json
from facevae.data.arrays import DAE_FILES, MANIFEST, ROWS, VAE_FILES, start_npy, write_rows
from facevae.imaging.archive import AT_ONCE, Archive, chunks_of, open_archive, read_chunk
from facevae.imaging.names import Names
from facevae.imaging.tiff import TiffFormat
from facevae.imaging.zip_format import Entry
from facevae.jobs.disk import require_space
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map

_ROWS_AT_ONCE = 1024


def cache_dae(
    clean_path: Path, noisy_path: Path, identity_path: Path, folder: Path, settings: DaeCache, workers: int
) -> dict[str, Any]:
    """Write clean and noisy arrays side by side, train then test, to `folder`; return the manifest.

    The first images train, but no person is in both splits: whom an image of the first ones shows trains with all of
    his, `splits.train_with_persons` says how; with `same_images` together no image is in both either. Raises
    FacevaeError if there are too few images, a split would be empty, or the two archives don't hold the same images in
    the same size.
    """
    with open_archive(clean_path) as clean, open_archive(noisy_path) as noisy, atomic_folder(folder) as made:
        chosen = clean.names[: clean.count(settings.images)]
        shape = _shape(clean, len(chosen))
        _check_noisy(clean, noisy, chosen)
        persons = read_identities(identity_path).find(chosen)
        if settings.same_images == "together":
            persons = persons_with_copies(persons, _contents(clean, chosen))
        trains = train_with_persons(persons, settings.train_share)
        splits = {"train": int(trains.sum()), "test": int((~trains).sum())}
        _check_splits(clean_path, splits)
        names = chosen.take(np.argsort(~trains, kind="stable"))
        require_space(folder, len(DAE_FILES) * math.prod(shape), "the arrays")
        for file, archive in zip(DAE_FILES, (clean, noisy), strict=True):
            _write_npy(made / file, shape, archive, names, workers)
        write_rows(made, names, _labels(splits))
        noise = {key: noisy.facts[key] for key in ("sigma", "seed")}
        inputs = {**_digests((clean, noisy)), identity_path.name: _sha256(identity_path)}
        manifest = _manifest("dae", shape, splits, made, DAE_FILES, clean.facts, inputs, noise=noise)
        write_json(made / MANIFEST, manifest)
    return manifest


def cache_vae(
    images_path: Path, attributes_path: Path, partition_path: Path, folder: Path, settings: VaeCache, workers: int
) -> dict[str, Any]:
    """Write the images as one array, train, valid and test by CelebA's partitions, and their attributes, to `folder`.

    With `same_images` together images of the same pixels all stand in the first of the splits that has one.
    Returns the manifest. Raises FacevaeError if there are too few images, one lacks its annotation or
    partition, or a split would be empty.
    """
    with open_archive(images_path) as archive, atomic_folder(folder) as made:
        chosen = evenly_spaced(archive.names, archive.count(settings.images))
        shape = _shape(archive, len(chosen))
        partitions = read_partitions(partition_path).of(chosen, "partition")
        if settings.same_images == "together":
            partitions = partitions_with_copies(partitions, _contents(archive, chosen))
        # Stable: by partition, and by name inside.
        names = chosen.take(np.argsort(partitions, kind="stable"))
        splits = {split: int((partitions == number).sum()) for number, split in enumerate(PARTITIONS)}
        _check_splits(images_path, splits)
        table = read_attributes(attributes_path)
        rows = table.rows(names, "annotation")
        require_space(folder, math.prod(shape), "the array")
        (file,) = VAE_FILES
        _write_npy(made / file, shape, archive, names, workers)
        write_rows(made, names, _labels(splits), table.names, _values_of(table, rows))
        tables = {path.name: _sha256(path) for path in (attributes_path, partition_path)}
        inputs = {**_digests((archive,)), **tables}
        manifest = _manifest("vae", shape, splits, made, VAE_FILES, archive.facts, inputs, attributes=list(table.names))
        write_json(made / MANIFEST, manifest)
    return manifest


def _write_npy(path: Path, shape: tuple[int, ...], archive: Archive, names: Names, workers: int) -> None:
    """Write the named images as one `.npy` of `shape`; the processes write side by side into the one file."""
    start = start_npy(path, shape)
    write = _CacheChunk(archive.path, path, archive.tiffs(), start)
    chunks = -(-len(names) // AT_ONCE)
    done = ordered_map(write, enumerate(chunks_of(archive, names)), workers, batch_size=1, total=chunks)
    for _ in track((image for count in done for image in range(count)), len(names), f"cache {path.name}"):
        pass


@dataclass(frozen=True)
class _CacheChunk:
    """Decodes a chunk's images and writes them where their rows belong; returns how many."""

    archive: Path
    target: Path
    tiffs: TiffFormat
    start: int

    def __call__(self, numbered: tuple[int, list[tuple[str, Entry]]]) -> int:
        number, chunk = numbered
        images = []
        for _, data, where in read_chunk(self.archive, chunk):
            image = self.tiffs.decode(data, where)
            if image.shape != self.tiffs.shape:
                height, width, _ = self.tiffs.shape
                raise FacevaeError(
                    where=where, expected=f"{width}x{height} pixels, as facts.json says",
                    found=f"{image.shape[1]}x{image.shape[0]}", fix="run the stage that made the archive again",
                )  # fmt: skip
            images.append(np.ascontiguousarray(image).data)
        with open(self.target, "r+b") as file:
            file.seek(self.start + number * AT_ONCE * math.prod(self.tiffs.shape))
            file.writelines(images)
        return len(images)


def _manifest(
    kind: str,
    shape: tuple[int, ...],
    splits: dict[str, int],
    made: Path,
    files: Sequence[str],
    framing: dict[str, Any],
    inputs: dict[str, str],
    **more: Any,
) -> dict[str, Any]:
    """What the arrays are and what they were made of. Names without folders: no path of this machine in it."""
    return {
        "kind": kind,
        "shape": list(shape),
        "splits": splits,
        "framing": framing,
        **more,
        "sha256": {file: _sha256(made / file) for file in (*files, ROWS)},
        "inputs": inputs,
    }


def _digests(archives: Iterable[Archive]) -> dict[str, str]:
    """Of each archive's images; that of the whole file would be read once more for it."""
    return {archive.path.name: archive.digest() for archive in archives}


def _contents(archive: Archive, names: Names) -> np.ndarray:
    """A number for each image, (n,) uint64, that two have in common if they are the same byte by byte, as in TIFFs they
    are if their pixels are.
    """
    digests = (hashlib.blake2b(archive.read(name), digest_size=8).digest() for name in names)
    return np.fromiter(map(int.from_bytes, digests), np.uint64, len(names))


def _shape(archive: Archive, count: int) -> tuple[int, int, int, int]:
    return count, *archive.tiffs().shape


def _check_noisy(clean: Archive, noisy: Archive, names: Names) -> None:
    missing = names.without(noisy.names)
    sizes = [_shape(archive, 0) for archive in (clean, noisy)]
    if len(missing) or sizes[0] != sizes[1] or "sigma" not in noisy.facts:
        found = f"no {missing[0]}" if len(missing) else "another size" if sizes[0] != sizes[1] else "no noise level"
        raise FacevaeError(
            where=noisy.path, expected=f"a noisy copy of every image of {clean.path}", found=found,
            fix="run stages.add_noise again",
        )  # fmt: skip


def _check_splits(path: Path, splits: dict[str, int]) -> None:
    empty = [split for split, count in splits.items() if count == 0]
    if empty:
        counts = ", ".join(f"{count} {split}" for split, count in splits.items())
        raise FacevaeError(
            where=path, expected="at least one image in each split", found=counts,
            fix=f"provide or ask for more images, or change the split, so that {empty[0]} gets one",
        )  # fmt: skip


def _values_of(table: AttributeTable, rows: np.ndarray) -> Iterator[np.ndarray]:
    """The values of each of these rows, (A,) of 1 and -1."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield from table.values_at(rows[start : start + _ROWS_AT_ONCE])


def _labels(splits: dict[str, int]) -> Iterator[str]:
    return (split for split, count in splits.items() for _ in range(count))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
