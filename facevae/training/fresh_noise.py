"""Noise that each step of the denoiser's training draws anew: as it is, and as files of photographs keep it."""

import io

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.data.noise import ends
from facevae.nn.layers import as_bytes, from_bytes
from facevae.training.loop.step import StepContext

QUALITIES = (40, 95)
"""Of the JPEGs that noise is stored in, from messengers' to cameras'."""

# The luma of ITU-R BT.601, which JPEG stores, and the gain with which that of independent noise is as strong as each
# channel: black-and-white photographs have such noise.
_LUMA = (0.299, 0.587, 0.114)
_MOST_LUMA = sum(weight**2 for weight in _LUMA) ** -0.5


def add_fresh_noise(
    clean: Tensor, sigma: float | list[float], step: StepContext, subsampled_share: float = 0.0, jpeg_share: float = 0.0
) -> Tensor:
    """Noisy copies of images (N, 3, H, W) in [0, 1], in whole grey levels as if they had been stored.

    `sigma` in grey levels; of a range each image gets one of its own, so that one network learns all ("blind", Zhang
    et al. 2017, DnCNN-B). `subsampled_share` of the images get `subsampled` noise, of any gains from the one that keeps
    the luma to the one that makes it as strong as a channel was, and from no colour to all. `jpeg_share` of the images,
    whichever noise they have, are then stored `as_jpeg`, with any of QUALITIES.
    """
    low, high = ends(sigma)
    sigmas = low + (high - low) * step.rand(1, 1, 1)
    noise = sigmas * step.randn(*clean.shape[1:])
    if subsampled_share:
        chosen, luma, colour = (step.rand(1, 1, 1) for _ in range(3))
        noise = torch.where(chosen < subsampled_share, subsampled(noise, 1 + luma * (_MOST_LUMA - 1), colour), noise)
    noisy = (clean * 255 + noise).round().clamp(0, 255) / 255
    if jpeg_share:
        chosen = (step.rand() < jpeg_share).nonzero()[:, 0]
        qualities = QUALITIES[0] + step.randint(QUALITIES[1] - QUALITIES[0] + 1)
        noisy[chosen] = as_jpeg(noisy[chosen], qualities[chosen])
    return noisy


def subsampled(noise: Tensor, luma_gain: Tensor, colour_gain: Tensor) -> Tensor:
    """Noise (N, 3, H, W) as JPEG, WebP and AVIF leave it: its colour in half of the resolution (4:2:0).

    Each part, luma and what is beside it, is multiplied by its gain, (N, 1, 1, 1). In a black-and-white photograph
    that of the colour is 0.
    """
    luma = (noise * noise.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
    halved = F.avg_pool2d(noise - luma, 2, ceil_mode=True)
    return luma_gain * luma + colour_gain * F.interpolate(halved, size=noise.shape[2:], mode="bilinear")


def as_jpeg(images: Tensor, qualities: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] as JPEGs of these qualities (N,), 1 to 95, with halved colour resolution."""
    stored = [_coded(image, int(quality)) for image, quality in zip(as_bytes(images), qualities, strict=True)]
    return from_bytes(np.stack(stored)).to(images.device) if stored else images


def _coded(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image  # most trainings store nothing

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return np.asarray(Image.open(file))
