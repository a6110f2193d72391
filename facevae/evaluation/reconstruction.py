"""How well the autoencoder reconstructs, for the eye and for the judge."""

from collections.abc import Sequence

import numpy as np
import torch

from facevae.evaluation.classification import balanced_accuracies
from facevae.evaluation.image_metrics import load_lpips, psnr_db, ssim
from facevae.evaluation.judge import judge_answers
from facevae.latents.encoding import decode_all, posterior_means
from facevae.models.classifier import Classifier
from facevae.models.vae import Vae, active_dimensions, pixel_loss
from facevae.nn.layers import as_bytes, as_unit_floats
from facevae.nn.losses import kl_divergence


@torch.no_grad()
def reconstruction_metrics(
    vae: Vae, images: np.ndarray, device: torch.device, lpips_network: str | None = None, batch_size: int = 64
) -> dict[str, float]:
    """Means over images, uint8 (N, S, S, 3): of the decoded posterior mean, and of the posterior's KL in nats.

    LPIPS is left out, and a line says so, where the weights of its network can't be had.
    """
    lpips = load_lpips(lpips_network, device) if lpips_network else None
    columns: dict[str, list[float]] = {}
    means, kls = [], []
    for start in range(0, len(images), batch_size):
        batch = as_unit_floats(torch.from_numpy(images[start : start + batch_size].copy())).to(device)
        mu, logvar = vae.encode(batch)
        reconstruction = vae.decode(mu)
        kl = kl_divergence(mu, logvar)
        found = {
            "psnr_db": psnr_db(reconstruction, batch),
            "ssim": ssim(reconstruction, batch),
            "reconstruction_loss": pixel_loss(reconstruction, batch, vae.settings.reconstruction, vae.variance),
            "kl_nats": kl.sum(1),
        }
        if lpips is not None:
            found["lpips"] = lpips(reconstruction, batch)
        for name, values in found.items():
            columns.setdefault(name, []).extend(values.tolist())
        means.append(mu.cpu())
        kls.append(kl.cpu())
    latents = torch.cat(means)
    return {name: float(np.mean(values)) for name, values in columns.items()} | {
        "active_dimensions": active_dimensions(latents),
        "latent_dimensions": latents.shape[1],
        "kl_nats_of_largest_dimension": float(torch.cat(kls).mean(0).max()),
    }


def survival(
    vae: Vae, judge: Classifier, images: np.ndarray, labels: np.ndarray, names: Sequence[str], device: torch.device
) -> list[dict[str, float | str]]:
    """Whether attributes survive reconstruction: images (N, S, S, 3) uint8, labels (N, A) of 0 or 1.

    A row per attribute: the judge's accuracy on the images and on their reconstructions, plain and balanced, and how
    many points of the plain one are lost. Attributes that all or none of the images have are left out.
    """
    latents = posterior_means(vae, images, device)
    of_reconstructions = [
        judge_answers(judge, as_bytes(decode_all(vae, part, device)), device) for part in latents.split(64)
    ]
    answers = [judge_answers(judge, images, device), np.concatenate(of_reconstructions)]
    accuracies = [((part > 0.5) == (labels > 0.5)).mean(0) for part in answers]
    balanced = [balanced_accuracies(part, labels) for part in answers]
    return [
        {
            "attribute": name,
            "accuracy": float(accuracies[0][column]),
            "accuracy_reconstruction": float(accuracies[1][column]),
            "balanced_accuracy": float(balanced[0][column]),
            "balanced_accuracy_reconstruction": float(balanced[1][column]),
            "lost": float(accuracies[0][column] - accuracies[1][column]),
        }
        for column, name in enumerate(names)
        if not np.isnan(balanced[0][column])
    ]
