"""Measures with known answers."""

import urllib.error

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchvision.models import SqueezeNet1_1_Weights, squeezenet1_1

from facevae.evaluation.image_metrics import load_lpips, psnr_db, ssim

CPU = torch.device("cpu")
WEIGHTS = SqueezeNet1_1_Weights.DEFAULT.url.rpartition("/")[2]


def test_psnr_of_a_constant_offset():
    target = torch.rand(3, 3, 16, 16) / 2
    offsets = torch.tensor([0.1, 0.01, 0.5]).view(3, 1, 1, 1)
    assert torch.allclose(psnr_db(target + offsets, target), torch.tensor([20.0, 40.0, 6.0206]), atol=1e-3)


def test_psnr_is_each_images_own():
    target = torch.rand(2, 3, 16, 16)
    prediction = target.clone()
    prediction[1] += 0.1
    found = psnr_db(prediction, target)
    assert found.shape == (2,) and found[0] > 90 and torch.allclose(found[1], torch.tensor(20.0), atol=1e-3)


def test_psnr_of_equal_images_is_finite():
    assert psnr_db(torch.rand(2, 3, 16, 16), torch.zeros(2, 3, 16, 16)).max() < 100
    image = torch.rand(1, 3, 16, 16)
    assert psnr_db(image, image).tolist() == [100]


def test_ssim():
    target = torch.rand(2, 3, 16, 16)
    assert torch.allclose(ssim(target, target), torch.ones(2))
    noisy = (target + 0.1 * torch.randn(target.shape)).clamp(0, 1)
    found = ssim(noisy, target)
    assert found.shape == (2,) and (found < 0.99).all()
    assert (ssim(1 - target, target) < 0).all()


def test_ssim_of_two_constants_by_hand():
    # Without variance only the luminance term is left: (2 a b + c1) / (a^2 + b^2 + c1), c1 = 0.01^2.
    found = ssim(torch.full((1, 3, 16, 16), 0.2), torch.full((1, 3, 16, 16), 0.6))
    assert torch.allclose(found, torch.tensor((0.24 + 1e-4) / (0.4 + 1e-4)), atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (11, 30), (40, 11)])
def test_ssim_is_the_papers(height, width):
    """scikit-image computes it as Wang et al. 2004 do, border cut off."""
    random = np.random.default_rng(0)
    target = random.random((2, 3, height, width), np.float32)
    prediction = (target + random.normal(0, 0.2, target.shape)).clip(0, 1).astype(np.float32)
    expected = [
        structural_similarity(
            one, other, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for one, other in zip(prediction, target, strict=True)
    ]
    found = ssim(torch.from_numpy(prediction), torch.from_numpy(target))
    assert found.tolist() == pytest.approx(expected, abs=1e-4)


def test_ssim_of_an_image_smaller_than_the_window():
    target = torch.rand(2, 3, 8, 10)
    assert torch.allclose(ssim(target, target), torch.ones(2)) and (ssim(1 - target, target) < 0).all()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The folder in which torch hub keeps what it has fetched, and no network."""

    def urlopen(_):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("torch.hub.urlopen", urlopen)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_a_network_lpips_is_left_out(hub, capsys):
    assert load_lpips("squeeze", CPU) is None
    *_, line = capsys.readouterr().out.splitlines()
    assert line.startswith("LPIPS is left out: no weights of squeeze (") and "Name or service not known" in line
    assert str(hub) in line and line.endswith("or set evaluate_vae.lpips to null")


def test_lpips_is_each_images_own(hub):
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), hub / WEIGHTS)
    lpips = load_lpips("squeeze", CPU)
    target = torch.rand(3, 3, 32, 32)
    prediction = target.clone()
    prediction[1:] = torch.rand(2, 3, 32, 32)
    found = lpips(prediction, target)
    assert found.shape == (3,) and found[0] == 0 and (found[1:] > 1e-3).all()
    assert torch.allclose(lpips(target, prediction), found, rtol=1e-4)
    alone = lpips(prediction[2:], target[2:])
    assert alone.shape == (1,) and torch.allclose(alone, found[2:], rtol=1e-3)
    # A decoder's rounding above 1 is no image of its own.
    white = torch.ones(1, 3, 32, 32)
    assert lpips(white + 1e-6, white).tolist() == [0]
