"""Cached arrays: what is cached is opened, memory-mapped and split; what does not fit is an error."""

import json

import numpy as np
import pytest
from raw_data import one_line

from facevae.core.files import write_json
from facevae.data.arrays import MANIFEST, ROWS, open_dae, open_vae, write_npy, write_rows

IMAGES = np.arange(5 * 2 * 2 * 3, dtype=np.uint8).reshape(5, 2, 2, 3)


@pytest.fixture
def vae(tmp_path):
    write_npy(tmp_path / "images.npy", IMAGES.shape, iter(IMAGES))
    splits = {"train": 3, "valid": 1, "test": 1}
    values = [[1, -1], [-1, -1], [1, 1], [-1, 1], [1, -1]]
    labels = ["train"] * 3 + ["valid", "test"]
    write_rows(tmp_path, [f"{n}.png" for n in range(5)], labels, ["Smiling", "Odd, name"], values)
    manifest = {"kind": "vae", "shape": [5, 2, 2, 3], "splits": splits, "attributes": ["Smiling", "Odd, name"]}
    write_json(tmp_path / MANIFEST, manifest)
    return tmp_path


@pytest.fixture
def dae(tmp_path):
    for name, images in (("clean", IMAGES), ("noisy", IMAGES + 1)):
        write_npy(tmp_path / f"{name}.npy", IMAGES.shape, iter(images))
    write_rows(tmp_path, [f"{n}.png" for n in range(5)], ["train"] * 3 + ["test"] * 2)
    write_json(tmp_path / MANIFEST, {"kind": "dae", "shape": [5, 2, 2, 3], "splits": {"train": 3, "test": 2}})
    return tmp_path


def test_opening_the_vaes_arrays(vae):
    arrays = open_vae(vae)
    assert {split: len(images) for split, images in arrays.images.items()} == {"train": 3, "valid": 1, "test": 1}
    assert isinstance(arrays.images["train"], np.memmap)
    assert np.array_equal(arrays.images["valid"], IMAGES[3:4])
    assert arrays.attribute_names == ("Smiling", "Odd, name")
    assert (
        arrays.attributes["train"].tolist() == [[1, 0], [0, 0], [1, 1]] and arrays.attributes["test"].dtype == np.int8
    )
    assert arrays.names == {"train": ["0.png", "1.png", "2.png"], "valid": ["3.png"], "test": ["4.png"]}


def test_opening_the_daes_arrays(dae):
    arrays = open_dae(dae)
    assert list(arrays.clean) == ["train", "test"] and arrays.images["test"] == ["3.png", "4.png"]
    assert np.array_equal(arrays.noisy["test"], arrays.clean["test"] + 1)
    with pytest.raises(ValueError, match="read-only"):
        arrays.clean["train"][0] = 0


@pytest.mark.parametrize("name", ["images.npy", ROWS, MANIFEST])
def test_a_missing_file_is_named(vae, name):
    (vae / name).unlink()
    with one_line(vae / name, "no such file", "stages.cache_arrays"):
        open_vae(vae)


def test_the_wrong_kind(dae):
    with one_line(MANIFEST, "kind vae", "'dae'"):
        open_vae(dae)


def change_manifest(folder, **changes):
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"shape": [5, 2, 3, 3]}, ["images.npy", "(5, 2, 3, 3) uint8", "(5, 2, 2, 3) uint8"]),
        ({"shape": [5, 2, 2]}, [MANIFEST, "four numbers"]),
        ({"splits": {"train": 9}}, [MANIFEST, "add up"]),
        ({"splits": {"train": 2, "valid": 2, "test": 1}}, [ROWS, "line 4"]),
        ({"attributes": ["Smiling"]}, [ROWS, "columns"]),
        ({"attributes": None}, [MANIFEST, "attributes"]),
    ],
)
def test_what_does_not_fit_the_manifest(vae, changes, parts):
    change_manifest(vae, **changes)
    with one_line(*parts):
        open_vae(vae)


def test_damaged_files(vae):
    whole = (vae / "images.npy").read_bytes()
    np.save(vae / "images.npy", IMAGES.astype(np.float32))
    with one_line("images.npy", "uint8", "float32"):
        open_vae(vae)
    (vae / "images.npy").write_bytes(whole[:-10])
    with one_line("images.npy", "a whole .npy file"):
        open_vae(vae)
    (vae / "images.npy").write_bytes(b"")
    with one_line("images.npy", "a whole .npy file"):
        open_vae(vae)
    (vae / "images.npy").write_bytes(whole)
    rows = (vae / ROWS).read_text()
    (vae / ROWS).write_text(rows.rsplit("\n", 2)[0] + "\n")
    with one_line(ROWS, "5 rows", "4"):
        open_vae(vae)
    (vae / ROWS).write_text(rows.replace("-1", "2"))
    with one_line(ROWS, "line 2"):
        open_vae(vae)
    (vae / MANIFEST).write_text("{")
    with one_line(MANIFEST, "JSON"):
        open_vae(vae)
