"""From packed images to cached arrays: pick the images, split them, write them row by row."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facevae.archives import Archive, decoded_images, open_archive
from facevae.arrays import DAE_FILES, MANIFEST, ROWS, VAE_FILES, write_npy, write_rows
from facevae.celeba import partitions_of, read_attributes, read_partitions
from facevae.errors import FacevaeError
from facevae.files import whole_folder, write_json
from facevae.progress import track
from facevae.splits import PARTITIONS, DaeCache, VaeCache, spread, train_count


def cache_dae(clean_path: Path, noisy_path: Path, folder: Path, settings: DaeCache, workers: int) -> dict[str, Any]:
    """Write clean and noisy arrays side by side, train then test, to `folder`; return the manifest.

    Raises FacevaeError if there are too few images, a split would be empty, or the two archives don't
    hold the same images in the same size.
    """
    with open_archive(clean_path) as clean, open_archive(noisy_path) as noisy, whole_folder(folder) as made:
        names = clean.names[: clean.count(settings.images)]
        _check_noisy(clean, noisy, names)
        trained = train_count(len(names), settings.train_share)
        splits = {"train": trained, "test": len(names) - trained}
        _check_splits(clean_path, splits)
        shape = _shape(clean, len(names))
        for file, archive in zip(DAE_FILES, (clean, noisy), strict=True):
            write_npy(made / file, shape, _decoded(archive, names, shape, f"cache {file}", workers))
        write_rows(made, names, _labels(splits))
        noise = {key: noisy.facts[key] for key in ("sigma", "seed")}
        manifest = _manifest("dae", shape, splits, made, DAE_FILES, clean.facts, (clean_path, noisy_path), noise=noise)
        write_json(made / MANIFEST, manifest)
    return manifest


def cache_vae(
    images_path: Path, attributes_path: Path, partition_path: Path, folder: Path, settings: VaeCache, workers: int
) -> dict[str, Any]:
    """Write the images as one array, train, valid and test by CelebA's partitions, and their attributes, to `folder`.

    Returns the manifest. Raises FacevaeError if there are too few images, one lacks its annotation or
    partition, or a split would be empty.
    """
    with open_archive(images_path) as archive, whole_folder(folder) as made:
        chosen = spread(archive.names, archive.count(settings.images))
        partitions = partitions_of(partition_path, read_partitions(partition_path), chosen)
        # Stable: by partition, and by name inside.
        names = [chosen[index] for index in np.argsort(partitions, kind="stable")]
        splits = {split: int((partitions == number).sum()) for number, split in enumerate(PARTITIONS)}
        _check_splits(images_path, splits)
        table = read_attributes(attributes_path)
        values = table.values[table.rows(names)]
        shape = _shape(archive, len(names))
        (file,) = VAE_FILES
        write_npy(made / file, shape, _decoded(archive, names, shape, f"cache {file}", workers))
        write_rows(made, names, _labels(splits), table.names, values)
        inputs = (images_path, attributes_path, partition_path)
        manifest = _manifest("vae", shape, splits, made, VAE_FILES, archive.facts, inputs, attributes=list(table.names))
        write_json(made / MANIFEST, manifest)
    return manifest


def _decoded(
    archive: Archive, names: list[str], shape: tuple[int, ...], what: str, workers: int
) -> Iterator[np.ndarray]:
    """The named images, each of `shape[1:]`."""
    images = track(decoded_images(archive, names, workers), len(names), what)
    for name, image in zip(names, images, strict=True):
        if image.shape != shape[1:]:
            raise FacevaeError(
                where=archive.where(name),
                expected=f"{shape[2]}x{shape[1]} pixels, as facts.json says",
                found=f"{image.shape[1]}x{image.shape[0]}",
                fix="run the stage that made the archive again",
            )
        yield image


def _manifest(
    kind: str,
    shape: tuple[int, ...],
    splits: dict[str, int],
    made: Path,
    files: Sequence[str],
    framing: dict[str, Any],
    inputs: Iterable[Path],
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
        "inputs": {path.name: _sha256(path) for path in inputs},
    }


def _shape(archive: Archive, count: int) -> tuple[int, int, int, int]:
    if not {"width", "height"} <= archive.facts.keys():
        raise FacevaeError(
            where=archive.path, expected="an archive with facts.json, as the stages make it", found="one without",
            fix="run stages.crop_pad or stages.add_noise",
        )  # fmt: skip
    return count, archive.facts["height"], archive.facts["width"], 3


def _check_noisy(clean: Archive, noisy: Archive, names: list[str]) -> None:
    missing = set(names).difference(noisy.names)
    sizes = [_shape(archive, 0) for archive in (clean, noisy)]
    if missing or sizes[0] != sizes[1] or "sigma" not in noisy.facts:
        found = f"no {min(missing)}" if missing else "another size" if sizes[0] != sizes[1] else "no noise level"
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


def _labels(splits: dict[str, int]) -> list[str]:
    return [split for split, count in splits.items() for _ in range(count)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
