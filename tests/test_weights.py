"""Models as files: tensors with their facts, and an error for every file that is not one."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from raw_data import one_line
from safetensors.torch import save, save_file

from facevae.latents.mixture import load_mixture
from facevae.latents.posteriors import load_posteriors
from facevae.latents.vectors import load_vectors
from facevae.models import classifier
from facevae.nn.model_files import load_model, load_weights, save_weights

FACTS = {"kind": "vae", "settings": {"rate": 1e-05, "crop": None, "lists": [1, 2]}, "names": ["Smiling", "Ü"]}


def load_latents(path):
    return load_posteriors(path, {"train": 1})


def test_tensors_and_facts_come_back(tmp_path):
    path = tmp_path / "models/m.safetensors"
    tensors = {
        "a": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "b": torch.tensor(0.1),
        "c": torch.rand(3, 2).T.requires_grad_(),
    }
    save_weights(path, tensors, FACTS)
    found, facts = load_weights(path, "vae")
    assert facts == FACTS and found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_same_bytes(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}
    save_weights(tmp_path / "1", tensors, FACTS)
    save_weights(tmp_path / "2", dict(reversed(tensors.items())), dict(reversed(FACTS.items())))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_the_same_bytes_as_by_safetensors_own_way_from_pytorch(tmp_path):
    """Tensors go through NumPy, in whatever order they lie in memory, and the file is none the wiser."""
    tensors = {
        "wide": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "turned": torch.rand(3, 2).T,
        "number": torch.tensor(0.1),
        "count": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "half": torch.rand(3).half(),
        "bytes": torch.arange(4, dtype=torch.uint8),
        "none": torch.zeros(0, 3),
    }
    save_weights(tmp_path / "m", tensors, FACTS)
    facts = {"facts": json.dumps(FACTS, sort_keys=True)}
    expected = save({name: tensor.contiguous() for name, tensor in tensors.items()}, facts)
    assert (tmp_path / "m").read_bytes() == expected
    found, _ = load_weights(tmp_path / "m", "vae")
    assert found["number"].shape == found["count"].shape == () and found["half"].dtype == torch.half


def test_another_kind(tmp_path):
    save_weights(tmp_path / "m", {}, FACTS)
    with one_line(tmp_path / "m", "expected a judge file", "kind 'vae'", "stages.train_judge"):
        load_weights(tmp_path / "m", "judge")
    save_file({"a": torch.ones(1)}, tmp_path / "m")
    with one_line(tmp_path / "m", "expected a vae file", "kind None", "stages.train_vae"):
        load_weights(tmp_path / "m", "vae")


def test_a_missing_file(tmp_path):
    with one_line(tmp_path / "m", "expected a dae file", "no such file", "stages.train_dae"):
        load_weights(tmp_path / "m", "dae")


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_broken_file(tmp_path, keep):
    path = tmp_path / "m"
    save_weights(path, {"a": torch.rand(10, 10)}, FACTS)
    path.write_bytes(path.read_bytes()[:keep])
    with one_line(path, "safetensors file", "stages.train_vae"):
        load_weights(path, "vae")


def test_facts_that_json_cannot_hold(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        save_weights(tmp_path / "m", {}, {"kind": "vae", "beta": float("nan")})
    assert not list(tmp_path.iterdir())


def test_nothing_is_pickled(tmp_path):
    save_weights(tmp_path / "m", {"a": torch.ones(1)}, FACTS)
    data = (tmp_path / "m").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert json.loads(header["__metadata__"]["facts"]) == FACTS and header["a"]["dtype"] == "F32"


def test_a_full_disk_is_the_systems_error_and_keeps_the_old_model(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_weights(path, {"w": torch.zeros(2)}, {"kind": "vae"})
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(path, {"w": torch.ones(2)}, {"kind": "vae"})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"kind": "judge", "attributes": ["A"]}, "no 'image_size'"),
        ({"kind": "judge", "image_size": "large", "width": 8, "attributes": ["A"]}, "'>=' not supported"),
        ({"kind": "judge", "image_size": 16, "width": 8, "attributes": ["A"]}, "Error(s) in loading state_dict"),
        ({"kind": "judge", "image_size": 15, "width": 8, "attributes": ["A"]}, "a multiple of 2 pixels"),
    ],
)
def test_a_model_that_says_nonsense_of_itself(tmp_path, metadata, why):
    save_weights(tmp_path / "m", {"a": torch.ones(1)}, metadata)
    with one_line(tmp_path / "m", "expected a model of this version", why, "dvc repro"):
        load_model(tmp_path / "m", "judge", classifier.from_metadata)


@pytest.mark.parametrize("facts", ["no JSON", "[1]", "3"])
def test_metadata_that_is_none(tmp_path, facts):
    save_file({"a": torch.ones(1)}, tmp_path / "m", {"facts": facts})
    with one_line(tmp_path / "m", "expected a model of this version", "dvc repro"):
        load_weights(tmp_path / "m", "vae")


@pytest.mark.parametrize(
    ("load", "kind"), [(load_mixture, "mixture"), (load_vectors, "attribute_vectors"), (load_latents, "latents")]
)
def test_tensors_of_another_kind_of_file(tmp_path, load, kind):
    save_weights(tmp_path / "m", {"a": torch.ones(1)}, {"kind": kind, "threads": 1})
    with one_line(tmp_path / "m", "expected a model of this version", "dvc repro"):
        load(tmp_path / "m")
