"""The check of the models that come with facevae: their card's figures, and what differs from them."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from bench.shipped import TOLERANCES, disagreements
from facevae.inference.editing import Editor
from facevae.inference.models import ModelFolder
from facevae.inference.sets import FOLDER, read_card, set_names


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
    weights = next(tensor for tensor in model.graph.initializer if "first.0.weight" in tensor.name)
    changed = (numpy_helper.to_array(weights) * 0.9).astype(np.float16)
    weights.CopyFrom(numpy_helper.from_array(changed, weights.name))
    onnx.save(model, tmp_path / "decoder.onnx")
    faces = ModelFolder(FOLDER / "celeba", "cpu")
    samples = (faces.decode(faces.mixture.sample(8, 0)).transpose(0, 2, 3, 1) * 255).round().astype(np.uint8)
    whole, damaged = (Editor(models, samples).psnr_db().mean() for models in (faces, ModelFolder(tmp_path, "cpu")))
    assert whole - damaged > TOLERANCES["dB"]
    assert json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))["figures"]
