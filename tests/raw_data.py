"""Small data for the tests of the data stages: images, archives and annotations made on the spot."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGES,
    LANDMARKS_FILE,
    PARTITION_FILE,
    SKIPPED,
    write_attributes,
    write_landmarks,
    write_numbers,
)
from facevae.core.errors import FacevaeError
from facevae.sources.inspection import write_flaws

REPOSITORY = Path(__file__).resolve().parents[1]
SAMPLE = REPOSITORY.parent / "shared/celeba-sample"
NAMES = ("Smiling", "Young")


def photo(number: int, width: int = 178, height: int = 218) -> np.ndarray:
    """A smooth image that differs with `number`, (height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 100 * np.sin(x / (20 + number) + channel) * np.cos(y / 30 + number) for channel in range(3)]
    return np.stack(waves, axis=-1).astype(np.uint8)


def encoded(image: np.ndarray, format: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, format)
    return file.getvalue()


def write_entries(path: Path, entries: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


def make_raw(folder: Path, count: int = 10) -> Path:
    """Fill `folder` as stages.download does, two attributes, all of different persons; 6/10 train, 2 valid, 2 test."""
    names = [f"{number:06d}.jpg" for number in range(1, count + 1)]
    entries = {f"img_align_celeba/{name}": encoded(photo(number)) for number, name in enumerate(names)}
    write_entries(folder / IMAGES, entries)
    values = np.where(np.arange(count * 2).reshape(count, 2) % 3 == 0, 1, -1)
    write_attributes(folder / ATTRIBUTES_FILE, names, NAMES, values)
    write_numbers(folder / PARTITION_FILE, names, [0 if i % 5 < 3 else i % 5 - 2 for i in range(count)])
    write_numbers(folder / IDENTITY_FILE, names, range(count))
    write_landmarks(folder / LANDMARKS_FILE, [], np.empty((0, 10)))
    write_flaws(folder / SKIPPED, [])
    return folder


def make_params(folder: Path, **changes: object) -> Path:
    """Write params.yaml; `changes` replace single values, the key's parts joined by two underscores."""
    data = {
        "download": {
            "source": "synthetic",
            "synthetic": {"images": 4, "seed": 1, "pairs": 1},
            "celeba": {
                "path": None,
                "images": [],
                "attributes": [],
                "partitions": ["/nowhere"],
                "identities": ["/nowhere"],
                "landmarks": ["/nowhere"],
                "on_bad_image": "error",
            },
            "folder": {"images": "photos", "attributes": "photos/attributes.csv", "on_bad_image": "error"},
        },
        "crop_pad": {
            "dae": {"images": None, "pad": 1},
            "vae": {"images": None, "crop": 178, "size": 32, "resample": "bicubic"},
        },
        "add_noise": {"sigma": 25.0, "seed": 1},
        "cache_arrays": {
            "dae": {"images": None, "train_share": 0.6, "same_images": "apart"},
            "vae": {"images": None, "same_images": "apart"},
        },
    }
    for key, value in changes.items():
        node, parts = data, key.split("__")
        for part in parts[:-1]:
            node = node[part]
        node[parts[-1]] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, hidden and temporary ones too, with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class one_line(pytest.RaisesExc):  # lower case: it reads as a phrase
    """Expect a FacevaeError of one line in which every one of `parts` stands."""

    def __init__(self, *parts: object) -> None:
        super().__init__(
            FacevaeError, check=lambda error: "\n" not in str(error) and all(str(part) in str(error) for part in parts)
        )
