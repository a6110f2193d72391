"""Attribute directions in a made-up linear latent space, where the right vectors are known."""

import numpy as np
import pytest
import torch

from facevae.latents.arithmetic import edit, explained_change
from facevae.latents.directions import (
    NothingLeftError,
    balanced,
    bootstrap_stability,
    classifier_normals,
    cosines,
    empirical_bayes,
    has_both_kinds,
    linear_classifier,
    mean_differences,
    project_out,
    regression,
)

# Of twenty faces nine have both attributes, nine none, and one each only one.
CORRELATED = torch.tensor([[1, 1]] * 9 + [[1, 0], [0, 1]] + [[0, 0]] * 9)
TRUTH = torch.tensor([[3.0, 0.0, 1.0], [0.0, 1.0, 0.5]])


def latents(labels=CORRELATED, truth=TRUTH):
    return torch.tensor([0.3, -0.2, 5.0]) + labels.float() @ truth


def noisy_faces(count=3000, dimensions=20, seed=0):
    """Labels of a common, a correlated and a rare attribute, their true vectors, latents with noise of unlike size."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(count, 3, generator=generator) < torch.tensor([0.5, 0.3, 0.05])).long()
    labels[:, 1] = torch.where(torch.rand(count, generator=generator) < 0.7, labels[:, 0], labels[:, 1])
    truth = torch.zeros(3, dimensions)
    truth[0, 0], truth[1, 5], truth[2, 10] = 3.0, 2.0, 1.0
    noise = torch.randn(count, dimensions, generator=generator) * torch.linspace(4, 0.2, dimensions)
    return labels.float() @ truth + noise, labels, truth


def test_mean_differences_take_the_correlated_attribute_along():
    found = mean_differences(latents(), CORRELATED)
    # Nine tenths of the faces with one attribute have the other, and one tenth of those without.
    assert torch.allclose(found, TRUTH + 0.8 * TRUTH.flip(0), atol=1e-5)


@pytest.mark.parametrize(
    "estimate",
    [lambda z, y: regression(z, y, 0.0), lambda z, y: balanced(z, y, 1e-6), lambda z, y: empirical_bayes(z, y, 0.0)],
    ids=["regression", "balanced", "empirical_bayes"],
)
def test_the_truth_is_found_where_the_mean_difference_fails(estimate):
    z0 = np.random.default_rng(0).standard_normal((10, 3), np.float32)
    z1 = z0 + TRUTH[1].numpy()
    mean, found = mean_differences(latents(), CORRELATED)[1], estimate(latents(), CORRELATED)[1]
    assert torch.allclose(found, TRUTH[1], atol=1e-3)
    assert explained_change(edit(z0, mean.numpy(), 1.0), z0, z1) < -3
    assert explained_change(edit(z0, found.numpy(), 1.0), z0, z1) > 0.999


@pytest.mark.parametrize("ridge", [0.0, 1e-12])
def test_no_weights_balance_what_one_attribute_implies(ridge):
    """All with the first attribute have the second: no weights make it as frequent among them as in the whole."""
    labels = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 1, 1]] * 5)
    with pytest.raises(ValueError, match="a larger ridge"):
        balanced(labels.float() @ torch.randn(3, 4), labels, ridge)
    assert balanced(labels.float() @ torch.randn(3, 4), labels, 0.1).isfinite().all()


def test_regression_with_many_attributes_and_noise_that_depends_on_none():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(400, 6, generator=generator) < 0.4).long()
    labels[:, 1] = torch.where(torch.rand(400, generator=generator) < 0.85, labels[:, 0], labels[:, 1])
    truth = torch.randn(6, 12, generator=generator)
    noise = torch.randn(400, 12, generator=generator).double()
    design = torch.cat([torch.ones(400, 1), labels.float()], 1).double()
    noise -= design @ torch.linalg.lstsq(design, noise).solution
    found = regression((labels.float() @ truth + noise).float(), labels, 0.0)
    assert torch.allclose(found, truth, atol=1e-4)
    assert (mean_differences(labels.float() @ truth, labels)[1] - truth[1]).norm() > 0.5


def test_ridge_shrinks_by_hand():
    # One attribute, standardised: the coefficient is divided by 1 + ridge.
    labels = torch.tensor([[1], [0], [0], [1], [0]])
    found = regression(latents(labels, TRUTH[:1]), labels, 0.25)
    assert torch.allclose(found, TRUTH[:1] / 1.25, atol=1e-5)


@pytest.mark.parametrize("estimate", [regression, empirical_bayes])
def test_attributes_that_determine_each_other_need_a_ridge(estimate):
    labels = torch.cat([CORRELATED, 1 - CORRELATED[:, :1]], 1)
    with pytest.raises(ValueError, match="a larger ridge"):
        estimate(latents(), labels, 0.0)
    with pytest.raises(ValueError, match="a larger ridge"):
        estimate(torch.randn(3, 2), torch.tensor([[0, 1, 0], [1, 0, 0], [0, 1, 1]]), 0.0)
    found = estimate(latents(), labels, 1e-6)
    # The opposite attribute takes half of the change, with the other sign.
    assert torch.allclose(found[0], TRUTH[0] / 2, atol=1e-3) and torch.allclose(found[2], -TRUTH[0] / 2, atol=1e-3)


def test_balancing_by_hand():
    # With the first attribute two faces have the second and one has not, without it one of three. Weights of 1/4, 1/4
    # and 1/2 bring both groups to one half, as in the whole.
    labels = torch.tensor([[1, 1], [1, 1], [1, 0], [0, 1], [0, 0], [0, 0]])
    z = torch.tensor([[8.0], [4.0], [2.0], [1.0], [-4.0], [-8.0]])
    found = balanced(z, labels, 0.0)[0]
    assert found == pytest.approx((2 + 1 + 1) - (0.5 - 1 - 2), abs=1e-5)


def test_balancing_where_one_attribute_excludes_another_needs_no_exception():
    labels = torch.tensor([[1, 0]] * 4 + [[0, 1]] * 4 + [[0, 0]] * 4)
    found = balanced(labels.float() @ TRUTH, labels, 0.01)
    assert found.isfinite().all() and torch.nn.functional.cosine_similarity(found[0], TRUTH[0], dim=0) > 0.9


def test_empirical_bayes_drops_noise_and_keeps_what_is_sure():
    z, labels, truth = noisy_faces()
    plain, found = regression(z, labels, 0.0), empirical_bayes(z, labels, 0.0)
    errors = [(vectors - truth).square().sum(1) for vectors in (plain, found)]
    assert (errors[1] < errors[0]).all() and errors[1][2] < 0.2 * errors[0][2]
    for row, axis in enumerate((0, 5, 10)):
        assert found[row, axis] == pytest.approx(float(plain[row, axis]), rel=0.1)


def test_empirical_bayes_of_an_attribute_that_latents_do_not_know_is_almost_nothing():
    z, labels, _ = noisy_faces()
    nonsense = (torch.rand(len(labels), 1, generator=torch.Generator().manual_seed(1)) < 0.1).long()
    both = torch.cat([labels, nonsense], 1)
    assert empirical_bayes(z, both, 0.0)[3].norm() < 0.3 * regression(z, both, 0.0)[3].norm()


def test_classifier_normals_see_past_the_noise():
    # Two axes tell the attribute equally, but the second is ten times as noisy, and a third is only noise.
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(4000, 1, generator=generator) < 0.4).long()
    noise = torch.randn(4000, 3, generator=generator) * torch.tensor([1.0, 10.0, 1.0])
    z = labels * torch.tensor([1.0, 1.0, 0.0]) + noise
    (normal,) = classifier_normals(z, labels)
    assert normal.norm() == pytest.approx(1, abs=1e-6)
    # Linear discriminant analysis: the difference divided by the variances.
    assert normal[0] > 0.99 and normal[1] == pytest.approx(0.01, abs=0.01) and abs(normal[2]) < 0.1


def test_normals_are_those_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    z, labels, _ = noisy_faces(600, 12)
    scaler = StandardScaler().fit(z.double().numpy())
    for row, normal in enumerate(classifier_normals(z, labels)):
        model = LogisticRegression(tol=1e-8).fit(scaler.transform(z.double().numpy()), labels[:, row])
        expected = torch.from_numpy(model.coef_[0] / scaler.scale_)
        assert torch.allclose(normal.double(), expected / expected.norm(), atol=1e-3)


def test_a_step_of_one_along_the_normal_goes_from_mean_to_mean():
    z, labels, _ = noisy_faces()
    for vector, normal, apart in zip(
        linear_classifier(z, labels), classifier_normals(z, labels), mean_differences(z, labels), strict=True
    ):
        assert torch.allclose(vector, (apart @ normal) * normal, atol=1e-5)


def test_conditions_do_not_move():
    vectors = torch.tensor([[2.0, 1.0, 3.0], [0.0, 5.0, 1.0], [1.0, 1.0, 1.0]])
    normals = torch.eye(3)
    # The second and the third are held: of the first vector its first number is left, by hand.
    found = project_out(vectors, normals, [1, 2])
    assert torch.allclose(found[0], torch.tensor([2.0, 0.0, 0.0]))
    # A condition's own vector keeps to the other condition alone.
    assert torch.allclose(found[1], torch.tensor([0.0, 5.0, 0.0]))
    assert torch.allclose(found[2], torch.tensor([1.0, 0.0, 1.0]))


def test_conditions_whose_normals_are_not_at_right_angles():
    generator = torch.Generator().manual_seed(0)
    vectors, normals = (torch.randn(4, 6, generator=generator) for _ in range(2))
    found = project_out(vectors, normals, [1, 3])
    assert torch.allclose(found[[0, 2]] @ normals[[1, 3]].T, torch.zeros(2, 2), atol=1e-5)
    assert abs(found[1] @ normals[3]) < 1e-5 and abs(found[3] @ normals[1]) < 1e-5
    assert torch.equal(project_out(vectors, normals, []), vectors)
    assert torch.equal(project_out(vectors, normals, [2])[2], vectors[2])


def test_conditions_that_leave_nothing():
    with pytest.raises(NothingLeftError) as raised:
        project_out(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), [1])
    assert raised.value.attribute == 0


def test_cosines_by_hand():
    found = cosines(torch.tensor([[1.0, 0.0], [3.0, 3.0], [-2.0, 0.0], [0.0, 0.0]]))
    half = 2**-0.5
    expected = [[1, half, -1, 0], [half, 1, -half, 0], [-1, -half, 1, 0], [0, 0, 0, 0]]
    assert torch.allclose(found, torch.tensor(expected, dtype=torch.float64), atol=1e-6)


def test_stability_of_what_is_sure_and_of_noise():
    z, labels, _ = noisy_faces()
    nonsense = (torch.rand(len(labels), 1, generator=torch.Generator().manual_seed(1)) < 0.1).long()
    both = torch.cat([labels, nonsense], 1)

    def estimate(some, theirs):
        return regression(some, theirs, 1e-6)

    found = bootstrap_stability(estimate, z, both, 8, 0)
    assert found[0] > 0.98 and found[0] > found[2] and found[3] < 0.9
    assert torch.equal(found, bootstrap_stability(estimate, z, both, 8, 0))
    assert not torch.equal(found, bootstrap_stability(estimate, z, both, 8, 1))


def test_stability_counts_the_draws_that_have_both_kinds():
    # One face has the attribute: more than a third of all draws miss it.
    labels = torch.tensor([[0, 1], [0, 0], [0, 1], [1, 0], [0, 0]])
    z = torch.tensor([[0.0], [0.0], [1.0], [9.0], [1.0]])
    found = bootstrap_stability(lambda some, theirs: mean_differences(some, theirs), z, labels, 20, 0)
    assert found[0] == pytest.approx(1)
    # None of no draws.
    assert bootstrap_stability(mean_differences, z, labels, 0, 0).isnan().all()


def test_both_kinds():
    labels = torch.tensor([[1, 0, 1], [1, 0, 0]], dtype=torch.int8)
    assert has_both_kinds(labels).tolist() == [False, False, True]
