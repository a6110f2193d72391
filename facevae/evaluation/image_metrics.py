"""Measures of how close two images are, each per image, by torchmetrics: (N, 3, H, W) in [0, 1] -> (N,)."""

import pickle
from collections.abc import Callable
from http.client import HTTPException

import torch
from torch import Tensor

# torchmetrics takes seconds to import, which what only reads a section of params.yaml here shall not wait for.

# Half of the window's 11 pixels.
_SSIM_BORDER = 5


def psnr_db(prediction: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels for a peak of 1; at most 100, for equal images too.

    JSON has no infinity. One grey level in one value of a 220 x 180 image is 99 dB.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio

    found = peak_signal_noise_ratio(prediction, target, data_range=1.0, dim=(1, 2, 3), reduction="none")
    return found.clamp_max(100)


def ssim(prediction: Tensor, target: Tensor) -> Tensor:
    """Structural similarity, at most 1: mean over the channels and all places where the window lies in the image.

    Wang et al. 2004, equation 13, with their Gaussian window of 11 pixels and sigma 1.5. An image of fewer than 11
    pixels, in which no window has room, is continued by its mirror image.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    # torchmetrics takes the mean over every pixel, those included whose window reaches into a mirrored border.
    _, similarity = structural_similarity_index_measure(
        prediction, target, data_range=1.0, reduction="none", return_full_image=True
    )
    if min(similarity.shape[2:]) > 2 * _SSIM_BORDER:
        similarity = similarity[:, :, _SSIM_BORDER:-_SSIM_BORDER, _SSIM_BORDER:-_SSIM_BORDER]
    return similarity.mean((1, 2, 3))


def load_lpips(network: str, device: torch.device) -> Callable[[Tensor, Tensor], Tensor] | None:
    """LPIPS (Zhang et al. 2018, arXiv 1801.03924) by `network`: alex, vgg or squeeze; 0 for equal images.

    torchvision fetches the network's weights once into torch hub's folder. Where they can't be had, says so in a line
    and returns None.
    """
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        metric = LearnedPerceptualImagePatchSimilarity(network, reduction="none", normalize=True).to(device)
    except (OSError, HTTPException, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        why = str(error).partition("\n")[0]
        print(f"LPIPS is left out: no weights of {network} ({why}); put torchvision's file into "
              f"{torch.hub.get_dir()}/checkpoints or set evaluate_vae.lpips to null")  # fmt: skip
        return None

    def lpips(prediction: Tensor, target: Tensor) -> Tensor:
        # Each batch its own; torchmetrics squeezes away a batch of one.
        found = metric(prediction.clamp(0, 1), target).reshape(-1)
        metric.reset()
        return found

    return lpips
