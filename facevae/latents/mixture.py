"""A Gaussian mixture of the train latents, and draws from it and from the prior. NumPy alone.

Ghosh et al. 2020, "From variational to deterministic autoencoders" (arXiv 1903.12436), section 4: density estimation
after the training, here of draws from the posteriors of the train images.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facevae.core.tensor_files import load_arrays, readable, save_arrays


@dataclass(frozen=True)
class Mixture:
    """`weights` (K,), which sum to 1; `means` (K, D); `factors` (K, D, D), the covariances' lower Cholesky factors.

    All float32.
    """

    weights: np.ndarray
    means: np.ndarray
    factors: np.ndarray

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Latents (count, D) float32 from the mixture; with a larger count the first are the same."""
        shares = self.weights.astype(np.float64)
        # From a generator of its own, else the normals would begin later for a larger count.
        chosen = np.random.default_rng([seed, 1]).choice(len(shares), count, p=shares / shares.sum())
        samples = np.random.default_rng(seed).standard_normal((count, self.means.shape[1]), np.float32)
        # Gaussian by Gaussian: a factor for each latent would be (count, D, D).
        for component in np.unique(chosen):
            rows = chosen == component
            samples[rows] = self.means[component] + samples[rows] @ self.factors[component].T
        return samples


def prior_draws(dimensions: int, count: int, seed: int) -> np.ndarray:
    """Latents from the prior N(0, 1): (count, dimensions) float32."""
    return np.random.default_rng(seed).standard_normal((count, dimensions), np.float32)


def save_mixture(path: Path, mixture: Mixture) -> None:
    """Write the mixture, whole or not at all."""
    save_arrays(path, vars(mixture), {"kind": "mixture"})


def load_mixture(path: Path) -> Mixture:
    """Read what `save_mixture` wrote. Raises FacevaeError if the file is missing, broken or another's."""
    arrays, _ = load_arrays(path, "mixture")
    with readable(path):
        mixture = Mixture(**{name: array.astype(np.float32) for name, array in arrays.items()})
        count, dimensions = mixture.means.shape
        if mixture.weights.shape != (count,) or mixture.factors.shape != (count, dimensions, dimensions):
            raise ValueError("weights, means and factors of different sizes")
    return mixture
