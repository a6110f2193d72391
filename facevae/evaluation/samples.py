"""How far reconstructions and samples are from faces."""

import numpy as np
import torch
from torch import Tensor

from facevae.celeba.splits import evenly_spaced
from facevae.evaluation.frechet import FrechetDistance
from facevae.evaluation.judge import judge_images
from facevae.jobs.progress import track
from facevae.latents.mixture import Mixture, prior_draws
from facevae.models.classifier import Classifier
from facevae.models.vae import Vae


def frechet_distances(
    vae: Vae,
    judge: Classifier,
    mixture: Mixture,
    images: Tensor,
    reconstructions: Tensor,
    train: np.ndarray,
    seed: int,
    device: torch.device,
) -> dict[str, float]:
    """Frechet distances to test images, each of as many images, in the judge's features.

    `images` and `reconstructions`: the judge's embeddings of the test images and of their reconstructions, (n, E).
    Beside these: n samples from the prior and from the mixture; and n of the train images (N, S, S, 3) uint8, evenly
    spread: what other real images score, below which no sample needs to get.
    """
    count = len(images)
    others = train[np.array(evenly_spaced(range(len(train)), min(count, len(train))))]
    distance = FrechetDistance(images)
    return {
        "train_images": distance.to(judge_images(judge, others, device).embeddings),
        "reconstructions": distance.to(reconstructions),
        "mixture_samples": distance.to(_embed(vae, judge, mixture.sample(count, seed), device, "mixture")),
        "prior_samples": distance.to(
            _embed(vae, judge, prior_draws(mixture.means.shape[1], count, seed), device, "prior")
        ),
    }


@torch.no_grad()
def _embed(
    vae: Vae, judge: Classifier, latents: np.ndarray, device: torch.device, source: str, batch_size: int = 64
) -> Tensor:
    """The judge's embeddings of the images of latents, on the CPU: (n, D) -> (n, E)."""
    parts = torch.from_numpy(latents).split(batch_size)
    return torch.cat(
        [
            judge.embedding(vae.decode(part.to(device))).cpu()
            for part in track(parts, len(parts), f"samples from the {source}", "batches")
        ]
    )
