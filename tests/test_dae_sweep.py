"""The sweep over noise levels, with denoisers of which the answer is known."""

import itertools
import json
import math

import numpy as np
import pytest
import torch
from raw_data import make_params, photo, write_entries
from torch import nn

from facevae.celeba.tables import write_numbers
from facevae.data.arrays import DaeArrays, open_dae
from facevae.data.noise import Noise
from facevae.evaluation.classical import CLASSICAL
from facevae.evaluation.dae import DaeEvaluation, evaluate_denoiser
from facevae.evaluation.noise_sweep import SWEEP_COLUMNS, Sweep, sweep_noise
from facevae.imaging.codec import encode_png
from facevae.imaging.names import stem
from stages import add_noise, cache_arrays

CPU = torch.device("cpu")
PAD, SEED = 2, 3
NAMES = ["d.png", "e.png", "f.png"]
CLEAN = np.stack([photo(number, 24, 28) for number in range(3)])
INSIDE = np.s_[PAD:-PAD, PAD:-PAD]
DENOISERS = ["noisy", "non_local_means", "total_variation", "wavelet", "model"]


def settings(**changes):
    chosen = {"faces": 1, "self_ensemble": False, "sweep_sigmas": [10.0, 40.0], "sweep_images": 2}
    return DaeEvaluation.model_validate(chosen | changes)


@pytest.fixture
def arrays():
    """Three test images, with a border; their noisy copies are not looked at."""
    manifest = {"framing": {"pad": PAD}, "noise": {"sigma": 99.0, "seed": SEED}}
    return DaeArrays({"test": CLEAN}, {"test": 0 * CLEAN}, {"test": NAMES}, manifest)


class Knows(nn.Module):
    """Answers the clean image that is nearest, and notes how large the image is that it is shown."""

    def __init__(self):
        super().__init__()
        self.clean = torch.from_numpy(CLEAN).permute(0, 3, 1, 2) / 255
        self.seen = []

    def forward(self, x):
        self.seen.append(tuple(x.shape))
        return self.clean[(self.clean - x).square().mean((1, 2, 3)).argmin()][None]


def psnr(one, other):
    """Of two images of grey levels."""
    return -10 * math.log10(np.mean((one.astype(float) - other) ** 2) / 255**2)


def row(sweep, sigma, denoiser):
    (found,) = (row for row in sweep.rows if (row["sigma"], row["denoiser"]) == (sigma, denoiser))
    return found


def test_a_perfect_denoiser(arrays):
    network = Knows()
    sweep = sweep_noise(network, arrays, settings(), CPU)
    for sigma in (10.0, 40.0):
        assert row(sweep, sigma, "model")["psnr_db"] == 100
        assert row(sweep, sigma, "model")["ssim"] == pytest.approx(1)
    assert network.seen == [(1, 3, 28, 24)] * 4  # the model sees the border too


def test_doing_nothing_leaves_the_stages_noise(arrays):
    sweep = sweep_noise(nn.Identity(), arrays, settings(), CPU)
    for sigma in (10.0, 40.0):
        noisy = [Noise(sigma, SEED)(stem(name), image) for name, image in zip(NAMES[:2], CLEAN[:2], strict=True)]
        expected = np.mean([psnr(one[INSIDE], other[INSIDE]) for one, other in zip(noisy, CLEAN[:2], strict=True)])
        model, nothing = row(sweep, sigma, "model"), row(sweep, sigma, "noisy")
        assert nothing["psnr_db"] == pytest.approx(expected, abs=1e-4)
        assert model == nothing | {"denoiser": "model"}
        assert nothing["ssim"] < 1
    # Clipped noise is a little weaker.
    assert row(sweep, 10.0, "noisy")["psnr_db"] == pytest.approx(20 * math.log10(255 / 10), abs=0.4)


def test_the_noise_is_add_noises(tmp_path):
    """Through the stages: what they store is what the sweep measures at their sigma."""
    entries = {f"{number}.tif": encode_png(image) for number, image in enumerate(CLEAN)}
    facts = json.dumps({"width": 24, "height": 28, "pad": 1}).encode()
    clean = write_entries(tmp_path / "dae/images.zip", entries | {"facts.json": facts})
    write_numbers(tmp_path / "raw/identity_CelebA.txt", [], [])
    params = make_params(tmp_path, add_noise={"sigma": 20.0, "seed": 7}, cache_arrays__dae__train_share=0.34)
    add_noise.main(workers=1, params=params, archive=clean, output=tmp_path / "dae/noisy.zip")
    cache_arrays.main(model="dae", workers=1, params=params, data=tmp_path)
    stored = open_dae(tmp_path / "dae/arrays")
    sweep = sweep_noise(nn.Identity(), stored, settings(sweep_sigmas=[20.0], sweep_images=9), CPU)
    assert sweep.images == len(stored.noisy["test"]) == 2
    assert np.array_equal(sweep.shown[0][0], stored.noisy["test"][0][1:-1, 1:-1])
    found, expected = row(sweep, 20.0, "noisy"), evaluate_denoiser(nn.Identity(), stored, CPU).means
    assert found["psnr_db"] == pytest.approx(expected["psnr_db_noisy"], abs=1e-4)
    assert found["ssim"] == pytest.approx(expected["ssim_noisy"], abs=1e-5)


class SpoilsTheBorder(nn.Module):
    def forward(self, x):
        x = x.clone()
        x[:, :, :PAD] = x[:, :, -PAD:] = x[..., :PAD] = x[..., -PAD:] = 0
        return x


def test_the_border_is_cut_off(arrays):
    whole, spoilt = (sweep_noise(network, arrays, settings(), CPU) for network in (nn.Identity(), SpoilsTheBorder()))
    assert spoilt.rows == whole.rows
    assert {images.shape[1:] for images in spoilt.shown} == {(24, 20, 3)}
    arrays.manifest["framing"]["pad"] = 0
    whole, spoilt = (sweep_noise(network, arrays, settings(), CPU) for network in (nn.Identity(), SpoilsTheBorder()))
    assert row(spoilt, 10.0, "model")["psnr_db"] < row(whole, 10.0, "model")["psnr_db"] - 5
    assert whole.shown[0].shape[1:] == (28, 24, 3)


def test_the_classical_denoisers_get_the_same_images_and_the_sigma(arrays):
    sweep = sweep_noise(nn.Identity(), arrays, settings(), CPU)
    for sigma, (name, denoise) in itertools.product((10.0, 40.0), CLASSICAL.items()):
        found = [
            psnr(denoise(Noise(sigma, SEED)(stem(name), image)[INSIDE], sigma) * 255, image[INSIDE])
            for name, image in zip(NAMES[:2], CLEAN[:2], strict=True)
        ]
        assert row(sweep, sigma, name)["psnr_db"] == pytest.approx(np.mean(found), abs=1e-3)


def test_what_is_shown_of_the_first_image(arrays):
    sweep = sweep_noise(Knows(), arrays, settings(), CPU)
    assert sweep.columns == [*DENOISERS, "clean"] and len(sweep.shown) == 2
    for sigma, images in zip((10.0, 40.0), sweep.shown, strict=True):
        noisy = Noise(sigma, SEED)(stem(NAMES[0]), CLEAN[0])[INSIDE]
        assert images.shape == (6, 24, 20, 3) and images.dtype == np.uint8
        assert np.array_equal(images[0], noisy)
        for image, denoise in zip(images[1:4], CLASSICAL.values(), strict=True):
            assert np.array_equal(image, np.rint(denoise(noisy, sigma) * 255))
        assert np.array_equal(images[4], CLEAN[0][INSIDE]) and np.array_equal(images[5], CLEAN[0][INSIDE])


def test_a_row_for_each_sigma_and_denoiser(arrays):
    sweep = sweep_noise(nn.Identity(), arrays, settings(sweep_images=100), CPU)
    assert sweep.images == 3
    assert [(row["sigma"], row["denoiser"]) for row in sweep.rows] == list(itertools.product((10.0, 40.0), DENOISERS))
    assert all(tuple(row) == SWEEP_COLUMNS for row in sweep.rows)
    one = sweep_noise(nn.Identity(), arrays, settings(sweep_images=1, sweep_sigmas=[10.0]), CPU)
    noisy = Noise(10.0, SEED)(stem(NAMES[0]), CLEAN[0])
    assert one.images == 1 and row(one, 10.0, "noisy")["psnr_db"] == pytest.approx(
        psnr(noisy[INSIDE], CLEAN[0][INSIDE]), abs=1e-4
    )


class LighterLeft(nn.Module):
    def forward(self, x):
        return x + torch.where(torch.arange(x.shape[3]) < x.shape[3] // 2, 0.08, -0.08)


def test_the_models_answers_to_both_ways_round(arrays):
    chosen = [settings(self_ensemble=both, sweep_sigmas=[10.0]) for both in (False, True)]
    alone, both = (sweep_noise(LighterLeft(), arrays, each, CPU) for each in chosen)
    # Too light on one side and too dark on the other: nothing of it in the mean.
    assert row(both, 10.0, "model")["psnr_db"] == pytest.approx(row(both, 10.0, "noisy")["psnr_db"], abs=0.1)
    assert row(alone, 10.0, "model")["psnr_db"] < row(both, 10.0, "model")["psnr_db"] - 4


SWEEP = Sweep(
    7,
    [
        {"sigma": sigma, "denoiser": denoiser, "images": 7, "psnr_db": sigma + extra, "ssim": extra / 10}
        for sigma in (12.5, 25.0)
        for denoiser, extra in (("noisy", 1.0), ("model", 2.0))
    ],
    [],
    [],
)


def test_the_models_psnr_over_all_sigmas():
    assert SWEEP.psnr_db == (14.5 + 27) / 2


def test_the_summary_is_a_table():
    lines = SWEEP.summary().splitlines()
    assert [line.split() for line in lines] == [
        ["PSNR", "in", "dB", "and", "SSIM", "at", "sigma", "12.5", "25"],
        ["noisy", "13.50", "0.100", "26.00", "0.100"],
        ["model", "14.50", "0.200", "27.00", "0.200"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_a_sigma_twice_is_refused():
    with pytest.raises(ValueError, match="each sigma once"):
        settings(sweep_sigmas=[25.0, 15.0, 25.0])
