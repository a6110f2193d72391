"""Gaussian mixtures of which the answer is known."""

import tracemalloc

import numpy as np
import pytest
from raw_data import one_line

from facevae.core.tensor_files import save_arrays
from facevae.latents.fit_mixture import MixtureSettings, fit_mixture
from facevae.latents.mixture import Mixture, load_mixture, prior_draws, save_mixture

MEANS = np.array([[-5, 0], [5, 2]], np.float32)
COVARIANCES = np.array([[[1, 0.8], [0.8, 1]], [[0.25, 0], [0, 4]]], np.float32)
TRUTH = Mixture(np.array([0.25, 0.75], np.float32), MEANS, np.linalg.cholesky(COVARIANCES))


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
        for mean, covariance, number in zip(MEANS, COVARIANCES, (left, count - left), strict=True)
    ]
    return np.concatenate(found).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1])
def test_two_gaussians_are_recovered(seed):
    weights, means, covariances = parts(fit_mixture(drawn(), settings(seed=seed)))
    assert np.allclose(weights, TRUTH.weights, atol=1e-3)
    assert np.allclose(means, MEANS, atol=0.1)
    assert np.allclose(covariances, COVARIANCES, atol=0.2)


def test_one_gaussian_is_the_moments():
    latents = drawn(200)
    covariance = np.cov(latents.T, bias=True) + 1e-4 * np.eye(2)
    full, diagonal = (fit_mixture(latents, settings(1, kind)) for kind in ("full", "diag"))
    for found, expected in ((full, covariance), (diagonal, covariance * np.eye(2))):
        weights, means, covariances = parts(found)
        assert np.allclose(weights, 1) and np.allclose(means[0], latents.mean(0), atol=1e-4)
        assert np.allclose(covariances[0], expected, rtol=1e-4, atol=1e-4)
    assert expected[0, 1] == 0 and abs(covariance[0, 1]) > 1


def test_diagonal_covariances_leave_the_rest_out():
    covariances = parts(fit_mixture(drawn(), settings(covariance="diag")))[2]
    assert np.allclose(covariances, COVARIANCES * np.eye(2), atol=0.2)
    assert not (covariances * (1 - np.eye(2))).any()


def test_samples_have_the_mixtures_moments():
    z = TRUTH.sample(40_000, 0)
    mean = 0.25 * MEANS[0] + 0.75 * MEANS[1]
    away = MEANS - mean
    within = 0.25 * COVARIANCES[0] + 0.75 * COVARIANCES[1]
    between = 0.25 * np.outer(away[0], away[0]) + 0.75 * np.outer(away[1], away[1])
    assert z.shape == (40_000, 2) and z.dtype == np.float32
    assert np.allclose(z.mean(0), mean, atol=0.06)
    assert np.allclose(np.cov(z.T), within + between, atol=0.3)
    left = z[z[:, 0] < 0]
    assert len(left) / len(z) == pytest.approx(0.25, abs=0.01)
    assert np.allclose(np.cov(left.T), COVARIANCES[0], atol=0.06)


def test_no_factor_is_copied_for_each_sample():
    """The most memory that sampling takes is a few times its result's, not a factor (D, D) for each."""
    count, dimensions = 500, 50
    weights, means = np.full(3, 1 / 3, np.float32), np.zeros((3, dimensions), np.float32)
    mixture = Mixture(
        weights, means, np.broadcast_to(np.eye(dimensions, dtype=np.float32), (3, dimensions, dimensions))
    )
    tracemalloc.start()
    found = mixture.sample(count, 0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.nbytes < most < 5 * found.nbytes


@pytest.mark.parametrize("draw", [TRUTH.sample, lambda count, seed: prior_draws(2, count, seed)])
def test_samples_depend_on_the_seed_alone(draw):
    np.random.seed(1)  # noqa: NPY002 - the state that all share
    first = draw(5, 7)
    np.random.seed(2)  # noqa: NPY002
    state = np.random.get_state()[1].tolist()  # noqa: NPY002
    assert np.array_equal(draw(5, 7), first) and not np.array_equal(draw(5, 8), first)
    assert np.random.get_state()[1].tolist() == state  # noqa: NPY002
    assert first.shape == (5, 2) and first.dtype == np.float32


def test_draws_from_the_prior():
    z = prior_draws(3, 20_000, 1)
    assert z.shape == (20_000, 3) and z.dtype == np.float32
    assert np.allclose(z.mean(0), 0, atol=0.03) and np.allclose(np.cov(z.T), np.eye(3), atol=0.04)


def test_the_same_bits_again():
    latents = drawn(300)
    np.random.seed(1)  # noqa: NPY002 - the state that scikit-learn would fall back on
    first = fit_mixture(latents, settings(3))
    np.random.seed(2)  # noqa: NPY002
    again, other = fit_mixture(latents, settings(3)), fit_mixture(latents, settings(3, seed=5))
    assert all(np.array_equal(vars(first)[name], vars(again)[name]) for name in vars(first))
    assert not np.array_equal(first.means, other.means)


def test_as_many_gaussians_as_latents():
    latents = np.array([[0, 1], [10, 0], [0, -10]], np.float32)
    weights, means, covariances = parts(fit_mixture(latents, settings(3)))
    assert np.allclose(weights, 1 / 3)
    assert np.allclose(means[means[:, 1].argsort()], latents[latents[:, 1].argsort()], atol=1e-5)
    assert np.allclose(covariances, 1e-4 * np.eye(2), atol=1e-7)


@pytest.mark.parametrize(("count", "components"), [(3, 4), (1, 1)])
def test_too_many_gaussians(count, components):
    with one_line("fit_mixture.components", f"at most {count}", f"found {components};", "lower it or provide more"):
        fit_mixture(np.eye(count, 2, dtype=np.float32), settings(components))


def test_latents_that_no_gaussian_fits():
    latents = prior_draws(3, 50, 0)
    latents[7, 1] = np.nan
    with one_line("fit_mixture: expected", "lower fit_mixture.components or set fit_mixture.covariance to diag"):
        fit_mixture(latents, settings())


def test_more_samples_begin_with_the_same():
    few, many = TRUTH.sample(5, 3), TRUTH.sample(40, 3)
    assert np.allclose(few, many[:5], atol=1e-5)
    points = Mixture(np.full(2, 0.5, np.float32), np.array([[-1], [1]], np.float32), np.zeros((2, 1, 1), np.float32))
    chosen = [points.sample(40, seed)[:, 0].tolist() for seed in (3, 4)]
    assert set(chosen[0]) == {-1, 1} and chosen[0] != chosen[1], "another seed, other Gaussians"


def test_mixtures_as_a_file(tmp_path):
    path = tmp_path / "m.safetensors"
    save_mixture(path, TRUTH)
    again = load_mixture(path)
    assert all(np.array_equal(vars(again)[name], vars(TRUTH)[name]) for name in ("weights", "means", "factors"))
    save_arrays(path, {}, {"kind": "vae"})
    with one_line(path, "expected a mixture file", "'vae'", "stages.fit_mixture"):
        load_mixture(path)
    with one_line("nowhere", "no such file", "stages.fit_mixture"):
        load_mixture(tmp_path / "nowhere")
