"""The check of the models that come with facevae: their card's figures, and what differs from them."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bench.make_set import halved, used
from bench.shipped import TOLERANCES, disagreements
from facevae.inference.editing import Editor
from facevae.inference.models import ModelFolder
from facevae.inference.sets import FOLDER, read_card, set_names
from facevae.latents.mixture import Mixture, load_mixture, save_mixture
from facevae.latents.vectors import AttributeVectors, Recommendation, load_vectors, save_vectors


@pytest.mark.parametrize("name", set_names())
def test_a_cards_figures_agree_with_themselves(name):
    figures = read_card(name)["figures"]
    assert {figure["unit"] for figure in figures.values()} <= set(TOLERANCES)
    assert disagreements(figures, {what: (figure["value"], figure["unit"]) for what, figure in figures.items()}) == []


def test_what_is_farther_off_than_its_tolerance_is_named():
    card = {
        "one": {"value": 23.0, "unit": "dB"},
        "two": {"value": 99, "unit": "pictures"},
        "old": {"value": 1, "unit": "%"},
    }
    found = {"one": (23.2, "dB"), "two": (96.0, "pictures"), "new": (1.0, "%")}
    wrong = disagreements(card, found)
    assert wrong[:2] == ["new: on one side only", "old: on one side only"]
    assert wrong[2:] == ["one: 23.2 dB, where the card has 23 (within 0.15)"]
    assert disagreements({"one": card["one"]}, {"one": (float("nan"), "dB")}), "what is no number agrees with nothing"


def test_a_changed_weight_is_noticed(tmp_path):
    """One layer of the decoder at 0.9 of its size moves the reconstructions by more than the card's tolerance."""
    for path in (FOLDER / "celeba").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    model = onnx.load(tmp_path / "decoder.onnx")
    # In half precision, or bytes that are multiplied by their rows' scales.
    weights = next(
        tensor
        for tensor in model.graph.initializer
        if "first.0.weight" in tensor.name and numpy_helper.to_array(tensor).dtype != np.int8
    )
    values = numpy_helper.to_array(weights)
    weights.CopyFrom(numpy_helper.from_array((values * 0.9).astype(values.dtype), weights.name))
    onnx.save(model, tmp_path / "decoder.onnx")
    faces = ModelFolder(FOLDER / "celeba", "cpu")
    samples = (faces.decode(faces.mixture.sample(8, 0)).transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)
    whole, damaged = (Editor(models, samples).psnr_db().mean() for models in (faces, ModelFolder(tmp_path, "cpu")))
    assert whole - damaged > TOLERANCES["dB"]
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["figures"]


def test_a_set_keeps_the_vectors_that_edits_use(tmp_path):
    rows = np.array([[0.1, 1 / 3], [-2, 0]], np.float32)
    vectors = AttributeVectors(
        ("Smiling", "Male"), {"regression": rows + 1, "balanced": rows, "one_kind": rows}, "balanced",
        (Recommendation(1.5, 0.9, 0.05), Recommendation(2.0)), ("Male",), {"Smiling": Recommendation(1.0)},
        np.array([[[1 / 3]], [[1]]], np.float32),
    )  # fmt: skip
    path = tmp_path / "attribute_vectors.safetensors"
    save_vectors(path, used(vectors))
    found = load_vectors(path)
    assert [*found.vectors] == ["balanced"] and found.kinds == {}
    assert np.array_equal(found.vectors["balanced"], rows.astype(np.float16).astype(np.float32))
    assert found.maps is not None and np.array_equal(found.maps, vectors.maps.astype(np.float16).astype(np.float32))
    assert (found.names, found.recommended, found.context) == (vectors.names, vectors.recommended, vectors.context)


def test_a_sets_mixture_takes_half_the_bytes(tmp_path):
    factors = np.tile(np.eye(3, dtype=np.float32), (2, 1, 1))
    mixture = Mixture(np.array([0.3, 0.7], np.float32), np.ones((2, 3), np.float32) / 3, factors)
    save_mixture(tmp_path / "whole", mixture)
    save_mixture(tmp_path / "half", halved(mixture))
    sizes = [len((tmp_path / name).read_bytes()) for name in ("whole", "half")]
    assert sizes[0] - sizes[1] >= (2 + 6 + 18) * 2 - 8  # of a header padded to eight bytes
    found = load_mixture(tmp_path / "half")
    assert found.weights == pytest.approx([0.3, 0.7], abs=1e-3) and found.factors.dtype == np.float32
    assert np.isfinite(found.sample(5, 0)).all()
