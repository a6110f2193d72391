"""Measures with known answers."""

import torch

from facevae.metrics import psnr_db, ssim


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
