"""The models that come with facevae: their card, their files, and what a photograph becomes with them."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from model_data import vae_arrays
from onnx_models import write_pixels
from PIL import Image
from raw_data import one_line
from skimage.data import astronaut

from bench.shipped import disagreements, reconstruction
from facevae.app.cli.main import app
from facevae.app.cli.options import MADE, _find_models
from facevae.inference import sets
from facevae.inference.faces import load
from facevae.inference.models import ModelFolder
from facevae.inference.networks import NAMES

SETS = sets.set_names()


def run(*words: str | Path) -> None:
    app([str(word) for word in words], standalone_mode=False)


@pytest.mark.parametrize("name", SETS)
def test_a_sets_files_fit_each_other(name):
    models = ModelFolder(sets.FOLDER / name, "cpu")
    vectors, judge, side = models.fitting_vectors, models.judge, models.image_size
    assert set(vectors.names) <= set(judge.names) and {"Smiling", "Eyeglasses"} <= set(vectors.names)
    found = models.mixture.sample(3, 0)
    assert found.dtype == vectors.of("Smiling").dtype == np.float32 and np.isfinite(found).all()
    decoded = models.decode(found)
    assert decoded.shape == (3, 3, side, side) and 0 <= decoded.min() < decoded.max() <= 1
    assert models.finder.frame == models.frame.source and models.least_psnr_db > 15


@pytest.mark.parametrize("name", SETS)
def test_a_sets_files_say_nothing_of_where_they_were_made(name):
    for path in (sets.FOLDER / name).iterdir():
        data = path.read_bytes()
        assert not re.search(rb"(?:/[A-Za-z][\w.-]+){3}", data), f"{path.name} holds a path"
        assert b".py" not in data, f"{path.name} names a source file"


@pytest.mark.parametrize("name", SETS)
def test_the_card_is_printed_with_the_files_hashes(name, capsys, monkeypatch):
    card = {**sets.read_card(name), "figures": {"reconstruction": {"value": 23.6789, "unit": "dB"}}}
    monkeypatch.setattr(sets, "read_card", lambda _: card)
    run("models")
    shown = capsys.readouterr().out
    assert name in shown.splitlines() and re.search(r"^ +23\.68 dB  reconstruction$", shown, re.MULTILINE)
    assert card["licence"] in shown
    files = [path for path in (sets.FOLDER / name).iterdir() if path.suffix in (".onnx", ".safetensors")]
    assert {path.stem for path in files} == {*NAMES, "attribute_vectors", "mixture"}
    for path in files:
        assert path.name in shown and hashlib.sha256(path.read_bytes()).hexdigest()[:16] in shown


def test_what_the_card_says_is_measured_again():
    card = {"a": {"value": 20.0, "unit": "dB"}, "b": {"value": 80.0, "unit": "%"}, "c": {"value": 1.0, "unit": "px"}}
    assert disagreements(card, {"a": (20.1, "dB"), "b": (81.4, "%"), "c": (0.5, "px")}) == []
    found = disagreements(card, {"a": (20.2, "dB"), "b": (float("nan"), "%"), "d": (1.0, "px")})
    assert [line.split(":")[0] for line in found] == ["c", "d", "a", "b"]


def test_where_models_come_from(tmp_path, monkeypatch, capsys):
    """A folder goes before a set of that name; a set stands in only where there are no models in `models`."""
    monkeypatch.chdir(tmp_path)
    shipped = sets.FOLDER / sets.DEFAULT
    assert _find_models(MADE) == shipped
    assert capsys.readouterr().err == "no folder models here: celeba, the models that come with facevae\n"
    MADE.mkdir()
    (MADE / "twiggy.jpg").touch()
    assert _find_models(MADE) == shipped
    assert capsys.readouterr().err == "no models in models/: celeba, the models that come with facevae\n"
    for name in ("vae.safetensors", "encoder.onnx"):
        (MADE / name).touch()
        assert _find_models(MADE) == MADE
        (MADE / name).unlink()
    assert _find_models(Path("celeba")) == shipped
    assert capsys.readouterr().err == ""
    for name in ("other", "celeba"):
        Path(name).mkdir()
        assert _find_models(Path(name)) == Path(name)
    assert capsys.readouterr().err == ""
    with one_line("--models elsewhere", "no such folder", "celeba"):
        _find_models(Path("elsewhere"))


def test_a_photograph_is_edited_without_any_training(tmp_path, monkeypatch):
    """The mouth changes, and nothing that is far from the face."""
    monkeypatch.chdir(tmp_path)
    photograph = astronaut()
    Image.fromarray(photograph).save("a.png")
    run("edit", "a.png", "-a", "Smiling=-1.5", "-o", "b.png")
    edited = np.asarray(Image.open("b.png"))
    assert edited.shape == photograph.shape
    change = np.abs(edited.astype(int) - photograph).max(2)
    assert change[130:190, 190:260].max() > 20  # the mouth
    assert not change[300:].any() and not change[:, 360:].any() and not change[:, :100].any()


def test_noise_of_any_strength_is_removed_and_said():
    """By one network that is not told how strong it is."""
    faces = load(sets.DEFAULT, "cpu")
    clean = astronaut()[20:200, 140:300]
    for sigma, gain in ((15, 6.0), (50, 10.0)):
        noise = np.random.default_rng(sigma).normal(0, sigma, clean.shape)
        noisy = np.clip(clean + noise, 0, 255).round().astype(np.uint8)
        before, after = (np.square(image.astype(float) - clean).mean() for image in (noisy, faces.denoise(noisy)))
        assert 10 * np.log10(before / after) > gain
        assert faces.noise(noisy) == pytest.approx(sigma, rel=0.15)


def test_the_psnr_of_the_card_is_of_each_image(tmp_path):
    """The blue is lost: 100 dB where there is none, 10 log 3 where it is all, whatever the other images are."""
    write_pixels(tmp_path, 1)
    images = np.array([[0, 0, 255], [9, 9, 0], [255, 255, 51]], np.uint8).reshape(3, 1, 1, 3)
    arrays = vae_arrays({"test": images}, {"test": np.array([[1], [0], [1]])}, ("Male",))
    found = {name: value for name, (value, _) in reconstruction(ModelFolder(tmp_path, "cpu"), arrays).items()}
    each = [10 * np.log10(3), 100, 10 * np.log10(75)]
    assert found["reconstruction"] == pytest.approx(np.mean(each), abs=1e-3)
    assert found["reconstruction, worst hundredth below"] == pytest.approx(np.percentile(each, 1), abs=1e-3)
    assert found["reconstruction, male"] == pytest.approx((each[0] + each[2]) / 2, abs=1e-3)
    assert found["reconstruction, not male"] == pytest.approx(100, abs=1e-3)
