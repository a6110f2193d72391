"""A Gaussian mixture of the train latents, to sample faces from where the prior is not what the encoder fills.

Ghosh et al. 2020, "From variational to deterministic autoencoders" (arXiv 1903.12436), section 4: density estimation
after the training, here of draws from the posteriors of the train images.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from threadpoolctl import threadpool_limits
from torch import Tensor

from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.nn.model_files import load_weights, readable, save_weights


class MixtureSettings(Section):
    """Section `fit_mixture`: the number of Gaussians, the form of their covariances, the seed."""

    components: int = Field(ge=1, le=1000)
    covariance: Literal["full", "diag"]
    seed: int = Field(ge=0, lt=2**32)


@dataclass(frozen=True)
class Mixture:
    """`weights` (K,), which sum to 1; `means` (K, D); `factors` (K, D, D), the covariances' lower Cholesky factors."""

    weights: Tensor
    means: Tensor
    factors: Tensor

    def sample(self, count: int, seed: int) -> Tensor:
        """Latents (count, D) from the mixture, on the CPU."""
        generator = torch.Generator().manual_seed(seed)
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        samples = torch.randn(count, self.means.shape[1], generator=generator)
        # Gaussian by Gaussian: a factor for each latent would be (count, D, D).
        for component in chosen.unique().tolist():
            rows = chosen == component
            samples[rows] = self.means[component] + samples[rows] @ self.factors[component].T
        return samples


def fitting(settings: MixtureSettings, count: int, dimensions: int) -> MixtureSettings:
    """The settings that so many latents can bear: fewer Gaussians, and diagonal ones where one full one is too much.

    A covariance of fewer latents than dimensions is singular but for what is added to its diagonal, and draws from it
    are those latents over again: a full one gets two for each dimension. A diagonal one gets ten.
    """
    if settings.covariance == "full" and count >= 2 * dimensions:
        return settings.model_copy(update={"components": min(settings.components, count // (2 * dimensions))})
    most = max(1, count // 10)
    return settings.model_copy(update={"components": min(settings.components, most), "covariance": "diag"})


def fit_mixture(latents: Tensor, settings: MixtureSettings) -> Mixture:
    """Expectation-maximisation by scikit-learn: latents (N, D).

    On one thread, since sums depend on how many threads share them. Raises FacevaeError if there are fewer latents than
    Gaussians, or if a covariance is not one.
    """
    if len(latents) < max(2, settings.components):
        raise FacevaeError(
            where="fit_mixture.components", expected=f"at most {len(latents)}, the number of train images, and two of "
            "these", found=str(settings.components), fix="lower it or provide more images",
        )  # fmt: skip
    # Imported where it is used: who only samples does not wait for it.
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(
        settings.components, covariance_type=settings.covariance, init_params="k-means++", reg_covar=1e-4,
        random_state=settings.seed,
    )  # fmt: skip
    with threadpool_limits(1):
        try:
            model.fit(latents.double().numpy())
        except ValueError as error:
            raise FacevaeError(
                where="fit_mixture", expected="latents that Gaussians fit", found=str(error).splitlines()[0],
                fix="lower fit_mixture.components or set fit_mixture.covariance to diag",
            ) from None  # fmt: skip
        full = model.covariances_ if settings.covariance == "full" else [np.diag(row) for row in model.covariances_]
        factors = np.linalg.cholesky(np.stack(full))
    found = (torch.from_numpy(part).float() for part in (model.weights_, model.means_, factors))
    return Mixture(*found)


def save_mixture(path: Path, mixture: Mixture) -> None:
    """Write the mixture, whole or not at all."""
    save_weights(path, vars(mixture), {"kind": "mixture"})


def load_mixture(path: Path) -> Mixture:
    """Read what `save_mixture` wrote. Raises FacevaeError if the file is missing, broken or another's."""
    tensors, _ = load_weights(path, "mixture")
    with readable(path):
        return Mixture(**tensors)
