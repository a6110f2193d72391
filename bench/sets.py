"""The data sets of bench/preparation.py: drawn faces and photographs, as the pipeline and as torchvision has them.

What is measured must not prepare its own data: images and annotation are read here by Python's own means.
"""

import contextlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from facevae.celeba.splits import evenly_spaced
from facevae.celeba.tables import ATTRIBUTES_FILE, IDENTITY_FILE, IMAGES, PARTITION_FILE
from facevae.core.files import atomic_folder
from facevae.imaging.names import IMAGE_FOLDER

_POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
# Two more files that the class reads: what their second line says, and a value for each column.
_DUMMIES = {
    "list_bbox_celeba.txt": ("image_id x_1 y_1 width height", "0 0 0 0"),
    "list_landmarks_align_celeba.txt": (
        " ".join(f"{point}_{axis}" for point in _POINTS for axis in "xy"),
        "0" + 9 * " 0",
    ),
}


@dataclass(frozen=True)
class DataSet:
    """What to call it, the number of images, and the folder in which the stages run."""

    name: str
    images: int
    folder: Path

    @property
    def raw(self) -> Path:
        """The files that stages.download made."""
        return self.folder / "data/raw"

    @property
    def unpacked(self) -> Path:
        """The `root` of torchvision.datasets.CelebA."""
        return self.folder / "unpacked"


def drawn_faces(count: int, work: Path, params: Path, workers: int) -> DataSet:
    """So many drawn faces; from an earlier call's folder if there is one."""
    folder = work / f"drawn-{count}"
    if not folder.exists():
        print(f"{folder.name}: drawing", flush=True)
        drawing = {"images": count, "seed": 0, "pairs": 0}
        _fill(folder, params, workers, "synthetic", drawing)
    return DataSet(f"{count:,} drawn", count, folder)


def photographs(celeba: Path, work: Path, params: Path, workers: int, part: int) -> list[DataSet]:
    """So many of the images in a folder with CelebA's files, evenly spread, and all of them."""
    found = []
    whole, source = work / "real-all", work / "part-of-celeba"
    _fill(whole, params, workers, "celeba", {"path": str(celeba.expanduser().resolve())})
    names = _names(whole / "data/raw" / IMAGES)
    if part < len(names):
        with atomic_folder(source) as made:
            _unpack(whole / "data/raw" / IMAGES, evenly_spaced(names, part), made / IMAGE_FOLDER)
            # The whole annotation beside a part of the images, as people have them.
            for name in (ATTRIBUTES_FILE, PARTITION_FILE, IDENTITY_FILE):
                (made / name).symlink_to((whole / "data/raw" / name).resolve())
        folder = work / f"real-{part}"
        _fill(folder, params, workers, "celeba", {"path": str(source.resolve())})
        found.append(DataSet(f"{part:,} real", part, folder))
    return [*found, DataSet(f"{len(names):,} real", len(names), whole)]


def write_params(source: Path, target: Path, changes: dict[str, Any]) -> None:
    """Write the parameters of `source` to `target`, the values of some dotted keys changed. Raises KeyError."""
    params = yaml.safe_load(source.read_text(encoding="utf-8"))
    for key, value in changes.items():
        *sections, last = key.split(".")
        node = params
        for section in sections:
            node = node[section]
        if last not in node:
            raise KeyError(key)
        node[last] = value
    target.write_text(yaml.safe_dump(params), encoding="utf-8")


def unpack_for_torchvision(raw: Path, root: Path) -> None:
    """Write what torchvision.datasets.CelebA reads of the images in `raw`: they, and their rows of the annotation.

    Boxes and landmarks, which nobody looks at, are zeros.
    """
    names, folder = _names(raw / IMAGES), root / "celeba"
    _unpack(raw / IMAGES, names, folder / IMAGE_FOLDER)
    count = f"{len(names)}\n"
    _, header, *_ = (raw / ATTRIBUTES_FILE).read_text(encoding="utf-8").splitlines()
    _write_rows(folder / ATTRIBUTES_FILE, names, _rows(raw / ATTRIBUTES_FILE), f"{count}{header.strip()}\n")
    _write_rows(folder / PARTITION_FILE, names, _rows(raw / PARTITION_FILE))
    # Of a person's own files there may be none.
    _write_rows(folder / IDENTITY_FILE, names, dict.fromkeys(names, "0") | _rows(raw / IDENTITY_FILE))
    for file, (columns, zeros) in _DUMMIES.items():
        _write_rows(folder / file, names, dict.fromkeys(names, zeros), f"{count}{columns}\n")


def _fill(folder: Path, params: Path, workers: int, source: str, settings: dict[str, Any]) -> None:
    """Make the data set's folder, whole or not at all, from the source with these of its settings changed."""
    # Here, since what it imports would otherwise be in the memory of every process that is measured.
    from stages import download

    changes = {"download.source": source, **{f"download.{source}.{key}": value for key, value in settings.items()}}
    with atomic_folder(folder) as made:
        write_params(params, made / "params.yaml", changes)
        with contextlib.redirect_stdout(io.StringIO()):
            download.main(workers=workers, params=made / "params.yaml", output=made / "data/raw")
        unpack_for_torchvision(made / "data/raw", made / "unpacked")


def _names(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return sorted(PurePosixPath(entry).name for entry in file.namelist())


def _unpack(archive: Path, names: Sequence[str], folder: Path) -> None:
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as file:
        for name in names:
            (folder / name).write_bytes(file.read(f"{IMAGE_FOLDER}/{name}"))


def _rows(path: Path) -> dict[str, str]:
    """What stands in each line after an image's name."""
    parts = (line.split(maxsplit=1) for line in path.read_text(encoding="utf-8").splitlines())
    return {part[0]: part[1].strip() for part in parts if len(part) == 2}


def _write_rows(path: Path, names: Sequence[str], rows: dict[str, str], header: str = "") -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(header)
        file.writelines(f"{name} {rows[name]}\n" for name in names)
