"""How well the autoencoder reconstructs, for the eye and for the judge."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facevae.evaluation.classification import accuracies, balanced_accuracies
from facevae.evaluation.image_metrics import load_lpips, psnr_db, ssim
from facevae.evaluation.judge import judge_images
from facevae.jobs.progress import track
from facevae.models.classifier import Classifier
from facevae.models.vae import Vae, active_dimensions, pixel_loss
from facevae.nn.layers import as_bytes, as_unit_floats
from facevae.nn.losses import kl_divergence


@dataclass(frozen=True)
class Reconstructions:
    """The decoded posterior means of N images. `measures`: means over the images; `probabilities`: the judge's of the
    reconstructions as bytes, (N, A) in [0, 1]; `embeddings`: the judge's of the first ones, (n, E). Without a judge
    (N, 0) and (n, 0).
    """

    measures: dict[str, float]
    probabilities: np.ndarray
    embeddings: Tensor


@torch.no_grad()
def reconstruct(
    vae: Vae,
    judge: Classifier | None,
    images: np.ndarray,
    mu: Tensor,
    logvar: Tensor,
    device: torch.device,
    *,
    embedded: int,
    lpips_network: str | None = None,
    batch_size: int = 64,
) -> Reconstructions:
    """Decode the posterior means of images, once: uint8 (N, S, S, 3), mu and logvar (N, D) of their posteriors.

    `embedded`: of how many the judge's embeddings are kept. The KL divergence is the posterior's, in nats. LPIPS is
    left out, and a line says so, where the weights of its network can't be had.
    """
    lpips = load_lpips(lpips_network, device) if lpips_network else None
    columns: dict[str, list[float]] = {}
    probabilities, embeddings = [], []
    starts = range(0, len(images), batch_size)
    for start in track(starts, len(starts), "reconstructions", "batches"):
        rows = slice(start, start + batch_size)
        batch = as_unit_floats(torch.from_numpy(images[rows].copy())).to(device)
        reconstruction = vae.decode(mu[rows].to(device))
        found = {
            "psnr_db": psnr_db(reconstruction, batch),
            "ssim": ssim(reconstruction, batch),
            "reconstruction_loss": pixel_loss(reconstruction, batch, vae.settings.reconstruction, vae.variance),
        }
        if lpips is not None:
            found["lpips"] = lpips(reconstruction, batch)
        for name, values in found.items():
            columns.setdefault(name, []).extend(values.tolist())
        if judge is None:
            continue
        probabilities.append(judge_images(judge, as_bytes(reconstruction), device).probabilities)
        if start < embedded:
            embeddings.append(judge.embedding(reconstruction[: embedded - start]).cpu())
    kl = kl_divergence(mu, logvar)
    measures = {name: float(np.mean(values)) for name, values in columns.items()} | {
        "kl_nats": float(kl.sum(1).double().mean()),
        "active_dimensions": active_dimensions(mu),
        "latent_dimensions": mu.shape[1],
        "kl_nats_of_largest_dimension": float(kl.mean(0).max()),
    }
    if judge is None:
        return Reconstructions(measures, np.empty((len(images), 0)), torch.empty(min(embedded, len(images)), 0))
    return Reconstructions(measures, np.concatenate(probabilities), torch.cat(embeddings))


RETENTION_COLUMNS = (
    "attribute", "accuracy", "accuracy_reconstruction", "balanced_accuracy", "balanced_accuracy_reconstruction",
    "accuracy_loss",
)  # fmt: skip


def attribute_retention(
    of_images: np.ndarray, of_reconstructions: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> list[dict[str, float | str]]:
    """Whether reconstruction retains the attributes, by the judge's probabilities: (N, A) each, labels 0, 1 or -1.

    A row per attribute: the judge's accuracy on the images and on their reconstructions, plain and balanced, and
    `accuracy_loss`, the difference of the plain ones. Attributes that all or none of the images have are left out.
    """
    answers = of_images, of_reconstructions
    shares = [accuracies(part, labels) for part in answers]
    balanced = [balanced_accuracies(part, labels) for part in answers]
    return [
        {
            "attribute": name,
            "accuracy": float(shares[0][column]),
            "accuracy_reconstruction": float(shares[1][column]),
            "balanced_accuracy": float(balanced[0][column]),
            "balanced_accuracy_reconstruction": float(balanced[1][column]),
            "accuracy_loss": float(shares[0][column] - shares[1][column]),
        }
        for column, name in enumerate(names)
        if not np.isnan(balanced[0][column])
    ]
