"""Measuring denoisers of which the answer is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from facevae.data.arrays import DaeArrays
from facevae.evaluation.dae import DaeEvaluation, denoised_examples, evaluate_denoiser, mean_colour, summary

CPU = torch.device("cpu")
PAD = 2


class Shift(nn.Module):
    """Adds a constant, in grey levels; `border` of them more in the outermost pixels."""

    def __init__(self, levels, border=0):
        super().__init__()
        self.levels, self.border = levels, border

    def forward(self, x):
        output = x + self.levels / 255
        inside = torch.zeros_like(output)
        inside[:, :, PAD:-PAD, PAD:-PAD] = 1
        return output + (1 - inside) * self.border / 255


@pytest.fixture
def arrays():
    """Test images whose noisy copies are 30 grey levels lighter; train images of one colour."""
    rng = np.random.default_rng(0)
    test = rng.integers(20, 200, (5, 24, 20, 3), dtype=np.uint8)
    train = np.broadcast_to(np.array([51, 102, 204], np.uint8), (3, 24, 20, 3))
    names = {"train": ["a", "b", "c"], "test": ["d", "e", "f", "g", "h"]}
    clean = {"train": train, "test": test}
    return DaeArrays(clean, {"train": train, "test": test + np.uint8(30)}, names, {"framing": {"pad": PAD}})


def psnr(levels):
    return -20 * math.log10(levels / 255)


def test_doing_nothing_scores_the_noisy_input(arrays):
    m = evaluate_denoiser(nn.Identity(), arrays, CPU).means
    assert m["psnr_db"] == m["psnr_db_noisy"] == pytest.approx(psnr(30), abs=1e-3)
    assert m["ssim"] == m["ssim_noisy"] < 1
    assert m["bce"] > m["bce_floor"]


def test_a_perfect_denoiser(arrays):
    m = evaluate_denoiser(Shift(-30), arrays, CPU).means
    assert m["psnr_db"] == 100 and m["ssim"] == pytest.approx(1)
    assert m["bce"] == pytest.approx(m["bce_floor"], abs=1e-6) and m["bce_above_floor"] == pytest.approx(0, abs=1e-6)
    assert m["psnr_db_noisy"] == pytest.approx(psnr(30), abs=1e-3)


def test_a_denoiser_one_third_as_far_off(arrays):
    assert evaluate_denoiser(Shift(-20), arrays, CPU).means["psnr_db"] == pytest.approx(psnr(10), abs=1e-3)


def test_the_border_is_cut_off(arrays):
    whole = evaluate_denoiser(Shift(-20, border=80), arrays, CPU)
    assert whole.means["psnr_db"] == pytest.approx(psnr(10), abs=1e-3)
    assert whole.means["ssim"] == pytest.approx(evaluate_denoiser(Shift(-20), arrays, CPU).means["ssim"])
    arrays.manifest["framing"]["pad"] = 0
    assert evaluate_denoiser(Shift(-20, border=80), arrays, CPU).means["psnr_db"] < psnr(30)


def test_the_constant_colour_by_hand(arrays):
    arrays.clean["test"][:] = [51, 51, 204]
    m = evaluate_denoiser(nn.Identity(), arrays, CPU).means

    def bce(t, p):
        return -(t * math.log(p) + (1 - t) * math.log(1 - p))

    # Train is 0.2, 0.4, 0.8 and test 0.2, 0.2, 0.8 in red, green and blue.
    assert m["bce_constant_colour"] == pytest.approx((bce(0.2, 0.2) + bce(0.2, 0.4) + bce(0.8, 0.8)) / 3, abs=1e-5)
    assert m["bce_floor"] == pytest.approx(bce(0.2, 0.2), abs=1e-5)
    assert m["psnr_db_constant_colour"] == pytest.approx(-10 * math.log10(0.04 / 3), abs=1e-3)


def test_every_image_counts_once_whatever_the_batch(arrays):
    arrays.noisy["test"][4] += 20  # the one that stands alone in its batch
    one, two = (evaluate_denoiser(nn.Identity(), arrays, CPU, batch_size=size) for size in (2, 64))
    assert one.means == pytest.approx(two.means)
    assert one.means["psnr_db"] == pytest.approx((4 * psnr(30) + psnr(50)) / 5, abs=1e-3)
    assert [row["image"] for row in one.per_image] == ["d", "e", "f", "g", "h"]
    assert [row["psnr_db"] for row in one.per_image] == pytest.approx([psnr(30)] * 4 + [psnr(50)], abs=1e-3)


def test_no_noise_at_all_is_measured_in_finite_numbers(arrays):
    arrays.noisy["test"][:] = arrays.clean["test"]
    m = evaluate_denoiser(nn.Identity(), arrays, CPU).means
    assert all(math.isfinite(value) for value in m.values()) and m["psnr_db"] == m["psnr_db_noisy"] == 100


def test_mean_colour():
    images = np.zeros((130, 2, 2, 3), np.uint8)
    images[:65, ..., 0], images[129, ..., 1] = 255, 26
    assert mean_colour(images) == pytest.approx([0.5, 0.2 * 0.51 / 130, 0], abs=1e-6)


def test_examples_are_bytes(arrays):
    noisy = arrays.noisy["test"]
    assert np.array_equal(denoised_examples(Shift(-30), noisy, CPU), arrays.clean["test"])


class Uneven(nn.Module):
    """Takes 10 grey levels from the left half and 50 from the right."""

    def forward(self, x):
        left = torch.arange(x.shape[3]) < x.shape[3] // 2
        return x - torch.where(left, 10 / 255, 50 / 255)


def test_the_self_ensemble_is_measured(arrays):
    # Both halves are 20 off, and none of it is left in the mean of both ways round.
    alone, both = (evaluate_denoiser(Uneven(), arrays, CPU, self_ensemble=chosen) for chosen in (False, True))
    assert alone.means["psnr_db"] == pytest.approx(psnr(20), abs=1e-3)
    assert both.means["psnr_db"] > 90 and both.means["psnr_db_noisy"] == alone.means["psnr_db_noisy"]
    assert evaluate_denoiser(Uneven(), arrays, CPU).means == alone.means
    noisy = arrays.noisy["test"]
    assert np.array_equal(denoised_examples(Uneven(), noisy, CPU, self_ensemble=True), arrays.clean["test"])
    assert not np.array_equal(denoised_examples(Uneven(), noisy, CPU), arrays.clean["test"])


EVALUATION = {"faces": 2, "self_ensemble": False, "sweep_sigmas": [15.0, 25], "sweep_images": 2}


@pytest.mark.parametrize(
    "wrong",
    [
        {"sweep_sigmas": []},
        {"sweep_sigmas": [0.0]},
        {"sweep_sigmas": [256.0]},
        {"sweep_images": 0},
        {"self_ensemble": 1},
        {"faces": 17},
    ],
)
def test_settings_out_of_range(wrong):
    DaeEvaluation.model_validate(EVALUATION)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DaeEvaluation.model_validate(EVALUATION | wrong)


def test_metrics_and_baselines_are_the_means(arrays):
    report = evaluate_denoiser(Shift(-20), arrays, CPU)
    assert report.metrics.keys() == {"psnr_db", "ssim", "bce", "psnr_db_noisy"}
    assert report.metrics.items() <= report.means.items()
    found = {(row["answer"], row["measure"]): row["value"] for row in report.baselines}
    assert list(found) == [
        ("denoised", "psnr_db"), ("denoised", "ssim"), ("denoised", "bce"), ("noisy", "psnr_db"), ("noisy", "ssim"),
        ("constant_colour", "psnr_db"), ("constant_colour", "bce"), ("clean", "bce"),
    ]  # fmt: skip
    assert found["clean", "bce"] == report.means["bce_floor"] < found["denoised", "bce"]
    assert found["noisy", "psnr_db"] == pytest.approx(psnr(30), abs=1e-3)


def test_the_summary_sets_figures_side_by_side(arrays):
    lines = summary(evaluate_denoiser(Shift(-20), arrays, CPU).means).splitlines()
    assert len(lines) == 3 and f"PSNR {psnr(10):.2f} dB (noisy input {psnr(30):.2f}" in lines[0]
