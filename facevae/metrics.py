"""Measures of how close two images are, each per image, by torchmetrics: (N, 3, H, W) in [0, 1] -> (N,)."""

from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure


def psnr_db(prediction: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels for a peak of 1; at most 100, for equal images too.

    JSON has no infinity. One grey level in one value of a 220 x 180 image is 99 dB.
    """
    found = peak_signal_noise_ratio(prediction, target, data_range=1.0, dim=(1, 2, 3), reduction="none")
    return found.clamp_max(100)


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity, at most 1 (Wang et al. 2004; Gaussian window of 11 pixels, sigma 1.5)."""
    return structural_similarity_index_measure(prediction, target, data_range=1.0, reduction="none")
