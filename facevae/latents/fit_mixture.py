"""Fitting the Gaussian mixture of the train latents."""

from typing import Literal

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.latents.mixture import Mixture


class MixtureSettings(Section):
    """Section `fit_mixture`: the number of Gaussians, the form of their covariances, the seed."""

    components: int = Field(ge=1, le=1000)
    covariance: Literal["full", "diag"]
    seed: int = Field(ge=0, lt=2**32)


def fitting(settings: MixtureSettings, count: int, dimensions: int) -> MixtureSettings:
    """The settings that so many latents can bear: fewer Gaussians, and diagonal ones where one full one is too much.

    A covariance of fewer latents than dimensions is singular but for what is added to its diagonal, and draws from it
    are those latents over again: a full one gets two for each dimension. A diagonal one gets ten.
    """
    if settings.covariance == "full" and count >= 2 * dimensions:
        return settings.model_copy(update={"components": min(settings.components, count // (2 * dimensions))})
    most = max(1, count // 10)
    return settings.model_copy(update={"components": min(settings.components, most), "covariance": "diag"})


def fit_mixture(latents: np.ndarray, settings: MixtureSettings) -> Mixture:
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
            model.fit(latents.astype(np.float64))
        except ValueError as error:
            raise FacevaeError(
                where="fit_mixture", expected="latents that Gaussians fit", found=str(error).splitlines()[0],
                fix="lower fit_mixture.components or set fit_mixture.covariance to diag",
            ) from None  # fmt: skip
        full = model.covariances_ if settings.covariance == "full" else [np.diag(row) for row in model.covariances_]
        factors = np.linalg.cholesky(np.stack(full))
    return Mixture(*(part.astype(np.float32) for part in (model.weights_, model.means_, factors)))
