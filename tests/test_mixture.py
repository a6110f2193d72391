"""Gaussian mixtures of which the answer is known."""

import numpy as np
import pytest
import torch
from raw_data import one_line
from torch.utils._python_dispatch import TorchDispatchMode

from facevae.latents.mixture import Mixture, MixtureSettings, fit_mixture, load_mixture, save_mixture
from facevae.nn.model_files import save_weights

MEANS = torch.tensor([[-5.0, 0.0], [5.0, 2.0]])
COVARIANCES = torch.tensor([[[1.0, 0.8], [0.8, 1.0]], [[0.25, 0.0], [0.0, 4.0]]])
TRUTH = Mixture(torch.tensor([0.25, 0.75]), MEANS, torch.linalg.cholesky(COVARIANCES))


def settings(components=2, covariance="full", seed=0):
    return MixtureSettings(components=components, covariance=covariance, seed=seed)


def parts(mixture):
    """Weights, means and covariances, from left to right."""
    order = mixture.means[:, 0].argsort()
    return mixture.weights[order], mixture.means[order], (mixture.factors @ mixture.factors.mT)[order]


def drawn(count=4000):
    """Latents from TRUTH by NumPy, not by `sample`."""
    generator, left = np.random.default_rng(0), count // 4
    found = [
        generator.multivariate_normal(mean, covariance, number)
        for mean, covariance, number in zip(MEANS.numpy(), COVARIANCES.numpy(), (left, count - left), strict=True)
    ]
    return torch.from_numpy(np.concatenate(found)).float()


@pytest.mark.parametrize("seed", [0, 1])
def test_two_gaussians_are_recovered(seed):
    weights, means, covariances = parts(fit_mixture(drawn(), settings(seed=seed)))
    assert torch.allclose(weights, TRUTH.weights, atol=1e-3)
    assert torch.allclose(means, MEANS, atol=0.1)
    assert torch.allclose(covariances, COVARIANCES, atol=0.2)


def test_one_gaussian_is_the_moments():
    latents = drawn(200)
    covariance = torch.cov(latents.T, correction=0) + 1e-4 * torch.eye(2)
    full, diagonal = (fit_mixture(latents, settings(1, kind)) for kind in ("full", "diag"))
    for found, expected in ((full, covariance), (diagonal, covariance.diag().diag())):
        weights, means, covariances = parts(found)
        assert torch.allclose(weights, torch.ones(1)) and torch.allclose(means[0], latents.mean(0), atol=1e-4)
        assert torch.allclose(covariances[0], expected, rtol=1e-4, atol=1e-4)
    assert expected[0, 1] == 0 and abs(covariance[0, 1]) > 1


def test_diagonal_covariances_leave_the_rest_out():
    covariances = parts(fit_mixture(drawn(), settings(covariance="diag")))[2]
    assert torch.allclose(covariances, COVARIANCES * torch.eye(2), atol=0.2)
    assert not (covariances * (1 - torch.eye(2))).any()


def test_samples_have_the_mixtures_moments():
    z = TRUTH.sample(40_000, 0)
    mean = 0.25 * MEANS[0] + 0.75 * MEANS[1]
    away = MEANS - mean
    within = 0.25 * COVARIANCES[0] + 0.75 * COVARIANCES[1]
    between = 0.25 * torch.outer(away[0], away[0]) + 0.75 * torch.outer(away[1], away[1])
    assert z.shape == (40_000, 2) and z.dtype == torch.float32
    assert torch.allclose(z.mean(0), mean, atol=0.06)
    assert torch.allclose(torch.cov(z.T), within + between, atol=0.3)
    left = z[z[:, 0] < 0]
    assert len(left) / len(z) == pytest.approx(0.25, abs=0.01)
    assert torch.allclose(torch.cov(left.T), COVARIANCES[0], atol=0.06)


class _Largest(TorchDispatchMode):
    """Notes how many numbers the largest result has."""

    numbers = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        if isinstance(result, torch.Tensor):
            self.numbers = max(self.numbers, result.numel())
        return result


def test_no_factor_is_copied_for_each_sample():
    mixture = Mixture(torch.ones(3) / 3, torch.zeros(3, 20), torch.eye(20).expand(3, 20, 20))
    with _Largest() as largest:
        mixture.sample(500, 0)
    assert largest.numbers == 500 * 20


def test_samples_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first = TRUTH.sample(5, 7)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(TRUTH.sample(5, 7), first) and not torch.equal(TRUTH.sample(5, 8), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_same_bits_again():
    latents = drawn(300)
    np.random.seed(1)  # noqa: NPY002 - the state that scikit-learn would fall back on
    first = fit_mixture(latents, settings(3))
    np.random.seed(2)  # noqa: NPY002
    again, other = fit_mixture(latents, settings(3)), fit_mixture(latents, settings(3, seed=5))
    assert all(torch.equal(vars(first)[name], vars(again)[name]) for name in vars(first))
    assert not torch.equal(first.means, other.means)


def test_as_many_gaussians_as_latents():
    latents = torch.tensor([[0.0, 1.0], [10.0, 0.0], [0.0, -10.0]])
    weights, means, covariances = parts(fit_mixture(latents, settings(3)))
    assert torch.allclose(weights, torch.full((3,), 1 / 3))
    assert torch.allclose(means[means[:, 1].argsort()], latents[latents[:, 1].argsort()], atol=1e-5)
    assert torch.allclose(covariances, 1e-4 * torch.eye(2), atol=1e-7)


@pytest.mark.parametrize(("count", "components"), [(3, 4), (1, 1)])
def test_too_many_gaussians(count, components):
    with one_line("fit_mixture.components", f"at most {count}", f"found {components};", "lower it or provide more"):
        fit_mixture(torch.randn(count, 2), settings(components))


def test_latents_that_no_gaussian_fits():
    latents = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    latents[7, 1] = torch.nan
    with one_line("fit_mixture: expected", "lower fit_mixture.components or set fit_mixture.covariance to diag"):
        fit_mixture(latents, settings())


def test_mixtures_as_a_file(tmp_path):
    path = tmp_path / "m.safetensors"
    save_mixture(path, TRUTH)
    again = load_mixture(path)
    assert all(torch.equal(vars(again)[name], vars(TRUTH)[name]) for name in ("weights", "means", "factors"))
    save_weights(path, {}, {"kind": "vae"})
    with one_line(path, "a mixture model", "'vae'", "stages.fit_mixture"):
        load_mixture(path)
    with one_line("nowhere", "no such file", "stages.fit_mixture"):
        load_mixture(tmp_path / "nowhere")
