"""The models that come with facevae: their card, their files, and what a photograph becomes with them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from raw_data import one_line
from skimage.data import astronaut

from bench.shipped import reconstruction_psnr
from facevae.app import model_sets
from facevae.app.cli.main import app
from facevae.app.cli.options import MADE, _find_models
from facevae.app.models import load_dae, load_judge, load_mixture, load_vae, load_vectors
from facevae.models.dae import denoise
from facevae.nn.layers import from_bytes

SETS = model_sets.set_names()


def run(*words: str | Path) -> None:
    app([str(word) for word in words], standalone_mode=False)


@pytest.mark.parametrize("name", SETS)
def test_a_sets_files_fit_each_other(name):
    folder = model_sets.FOLDER / name
    device, vae, frame = load_vae(folder, "cpu")
    vectors = load_vectors(folder, vae)
    judge = load_judge(folder, frame.square.size, device)
    assert set(vectors.names) <= set(judge.names) and {"Smiling", "Eyeglasses"} <= set(vectors.names)
    found = load_mixture(folder, vae).sample(3, 0)
    assert found.dtype == torch.float32 and found.isfinite().all()
    assert vectors.of("Smiling").dtype == torch.float32


@pytest.mark.parametrize("name", SETS)
def test_the_card_is_printed_with_the_files_hashes(name, capsys):
    run("models")
    shown = capsys.readouterr().out
    card = model_sets.read_card(name)
    assert name in shown.splitlines() and card["figures"]
    assert all(figure["value"] in shown and figure["what"] in shown for figure in card["figures"])
    for path in (model_sets.FOLDER / name).glob("*.safetensors"):
        assert path.name in shown and hashlib.sha256(path.read_bytes()).hexdigest()[:16] in shown


def test_where_models_come_from(tmp_path, monkeypatch, capsys):
    """A folder goes before a set of that name; a set stands in only where there is no folder `models`."""
    monkeypatch.chdir(tmp_path)
    shipped = model_sets.FOLDER / model_sets.DEFAULT
    assert _find_models(MADE) == shipped
    assert "the models that come with facevae" in capsys.readouterr().err
    assert _find_models(Path("celeba")) == shipped
    assert capsys.readouterr().err == ""
    for name in ("models", "celeba"):
        Path(name).mkdir()
        assert _find_models(Path(name)) == Path(name)
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


def test_noise_of_any_strength_is_removed():
    """By one network that is not told how strong it is."""
    _, network, _ = load_dae(model_sets.FOLDER / model_sets.DEFAULT, "cpu")
    clean = astronaut()[20:200, 140:300]
    for sigma, gain in ((15, 6.0), (50, 10.0)):
        noise = np.random.default_rng(sigma).normal(0, sigma, clean.shape)
        noisy = np.clip(clean + noise, 0, 255).round().astype(np.uint8)
        with torch.no_grad():
            found = denoise(network, from_bytes(noisy[None]))
        truth = from_bytes(clean[None])
        before, after = (float((image - truth).square().mean()) for image in (from_bytes(noisy[None]), found))
        assert 10 * np.log10(before / after) > gain


def test_the_psnr_of_the_card_is_of_each_image():
    """20 dB where every value is off by 0.1, whatever the other images are."""
    images = np.zeros((3, 4, 4, 3), np.uint8)

    class Halves(torch.nn.Module):
        settings = None

        def encode(self, batch):
            return torch.arange(len(batch), dtype=torch.float32)[:, None], torch.zeros(len(batch), 1)

        def decode(self, z):
            return (z / 10)[:, :, None, None].expand(-1, 3, 4, 4)

    found = reconstruction_psnr(Halves(), images, torch.device("cpu"))
    assert found.tolist() == pytest.approx([100, 20, 20 - 20 * np.log10(2)], abs=1e-3)
