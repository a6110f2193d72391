"""How far reconstructions and samples are from faces."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from facevae.celeba.splits import evenly_spaced
from facevae.data.arrays import VaeArrays
from facevae.evaluation.frechet import FrechetDistance
from facevae.latents.encoding import decode_all, posterior_means, prior_draws
from facevae.latents.mixture import Mixture
from facevae.models.classifier import Classifier
from facevae.models.vae import Vae
from facevae.nn.layers import as_unit_floats


def frechet_distances(
    vae: Vae, judge: Classifier, mixture: Mixture, arrays: VaeArrays, most: int, seed: int, device: torch.device
) -> dict[str, float]:
    """Frechet distances to the first `most` test images, each of as many images, in the judge's features.

    Of reconstructions of these very images; of samples from the prior and from the mixture; and of train images, evenly
    spread: what other real images score, below which no sample needs to get.
    """
    test, train = arrays.images["test"][:most], arrays.images["train"]
    others = train[np.array(evenly_spaced(range(len(train)), min(len(test), len(train))))]
    distance = FrechetDistance(judge, _floats(test), device)
    latents = {
        "reconstructions": posterior_means(vae, test, device),
        "mixture_samples": mixture.sample(len(test), seed),
        "prior_samples": prior_draws(vae, len(test), seed),
    }
    # The protocol stands beside the figures: so many images of so many pixels, samples from this seed.
    found: dict[str, float] = {"images": len(test), "pixels": test.shape[1], "seed": seed}
    found["train_images"] = distance.to(_floats(others))
    for name, z in latents.items():
        found[name] = distance.to(decode_all(vae, part, device) for part in z.split(64))
    return found


def _floats(images: np.ndarray) -> Iterator[Tensor]:
    """Batches of images (n, S, S, 3) uint8 as floats (n, 3, S, S)."""
    for start in range(0, len(images), 64):
        yield as_unit_floats(torch.from_numpy(images[start : start + 64].copy()))
