"""Latents in two dimensions, where it is known which lie together."""

import numpy as np
import pytest

from facevae.latents.projections import (
    fitting_grid,
    fitting_perplexity,
    grid_layout,
    nearest,
    neighbour_map,
    principal_plane,
)


def rotation(dimensions, seed=0):
    """An orthogonal matrix."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))[0]


def clusters(sizes=(30, 30), dimensions=10, apart=40.0):
    """Latents in groups far from each other, and the number of each one's group."""
    generator, groups = np.random.default_rng(1), np.repeat(np.arange(len(sizes)), sizes)
    centres = apart * generator.normal(size=(len(sizes), dimensions))
    return (centres[groups] + generator.normal(size=(len(groups), dimensions))).astype(np.float32), groups


def test_the_plane_has_the_two_axes_of_greatest_variance():
    values = np.random.default_rng(0).normal(size=(400, 5))
    values = np.linalg.qr(values - values.mean(0))[0] * 20.0  # uncorrelated, each of variance 1
    latents = 7.0 + (values * np.array([1.0, 3.0, 0.5, 2.0, 0.0])) @ rotation(5)
    plane, shares = principal_plane(latents)
    assert np.allclose(shares, np.array([9, 4]) / (1 + 9 + 0.25 + 4))
    for axis, column in enumerate((1, 3)):
        expected = values[:, column] * (3.0, 2.0)[axis]
        assert np.allclose(plane[:, axis], expected) or np.allclose(plane[:, axis], -expected)


@pytest.mark.parametrize("latents", [np.arange(5.0)[:, None], np.arange(5.0)[None], np.ones((4, 3))])
def test_less_than_a_plane(latents):
    plane, shares = principal_plane(latents)
    assert plane.shape == (len(latents), 2) and np.allclose(plane[:, 1], 0)
    assert np.allclose(shares, [1, 0] if latents.shape == (5, 1) else [0, 0])
    assert len(np.unique(plane[:, 0].round(6))) == (5 if latents.shape == (5, 1) else 1)


def test_the_perplexity_fits_the_points():
    assert fitting_perplexity(30.0, 2000) == 30
    assert fitting_perplexity(30.0, 91) == 30 and fitting_perplexity(30.0, 31) == 10


def test_neighbours_stay_neighbours():
    latents, groups = clusters()
    found = neighbour_map(latents, 10.0)
    assert found.shape == (60, 2)
    left, right = found[groups == 0], found[groups == 1]
    between = np.linalg.norm(left.mean(0) - right.mean(0))
    assert between > 2 * max(np.linalg.norm(side - side.mean(0), axis=1).max() for side in (left, right))


def test_the_map_starts_from_the_plane():
    """So a lattice, longer than wide, comes out as it lies in the plane, neither turned nor mirrored."""
    places = np.stack(np.meshgrid(np.arange(20.0), np.arange(12.0), indexing="ij"), -1).reshape(-1, 2)
    latents = (places @ rotation(10)[:2]).astype(np.float32)
    plane, found = principal_plane(latents)[0], neighbour_map(latents, 10.0)
    assert all(np.corrcoef(plane[:, axis], found[:, axis])[0, 1] > 0.9 for axis in (0, 1))


def test_the_same_map_again():
    latents, _ = clusters()
    np.random.seed(1)  # noqa: NPY002 - the state that scikit-learn would fall back on
    first = neighbour_map(latents, 10.0)
    np.random.seed(2)  # noqa: NPY002
    assert neighbour_map(latents, 10.0).tobytes() == first.tobytes()


@pytest.mark.parametrize("latents", [np.eye(2), np.eye(3)[:, :1], np.ones((6, 4))])
def test_maps_of_next_to_nothing(latents):
    found = neighbour_map(latents.astype(np.float32), fitting_perplexity(30.0, len(latents)))
    assert found.shape == (len(latents), 2) and np.isfinite(found).all()


def test_the_nearest_by_hand():
    latents = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 2.0], [0.0, 0.0], [-1.0, 0.0]], np.float32)
    assert nearest(latents, 0, 4).tolist() == [0, 3, 4, 2]
    assert nearest(latents, 3, 2).tolist() == [3, 0]
    assert nearest(latents, 1, 5)[0] == 1


@pytest.mark.parametrize(
    ("wanted", "count", "expected"),
    [((4, 6), 24, (4, 6)), ((4, 6), 1000, (4, 6)), ((4, 6), 23, (4, 5)), ((4, 6), 15, (3, 4)), ((6, 2), 5, (2, 2)),
     ((3, 3), 1, (1, 1)), ((3, 3), 0, (1, 1))],
)  # fmt: skip
def test_a_grid_that_the_faces_fill(wanted, count, expected):
    assert fitting_grid(*wanted, count) == expected


@pytest.mark.parametrize(("rows", "columns"), [(3, 5), (5, 3), (4, 6), (1, 4), (2, 1), (1, 1)])
def test_a_jumbled_grid_is_put_in_order(rows, columns):
    """Places on a grid, in ten dimensions and out of order: what comes back is the grid, perhaps mirrored."""
    places = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
    jumble = np.random.default_rng(0).permutation(len(places))
    latents = np.zeros((len(places), 10))
    latents[:, :2] = places
    found = places[jumble][grid_layout((latents @ rotation(10))[jumble], rows, columns)]
    assert sorted(map(tuple, found.reshape(-1, 2))) == sorted(map(tuple, places))
    for axis in (0, 1):
        steps = np.diff(found, axis=axis)
        assert (np.abs(steps[..., axis]) == 1).all() and not steps[..., 1 - axis].any()


def test_neighbours_on_a_grid_are_alike():
    latents, groups = clusters((6, 6))
    layout = grid_layout(latents, 2, 6)
    # The two groups are a half each: three columns.
    assert {frozenset(groups[layout[:, :3]].ravel()), frozenset(groups[layout[:, 3:]].ravel())} == {
        frozenset({0}),
        frozenset({1}),
    }


def test_a_grid_of_other_size():
    with pytest.raises(ValueError, match="6 latents for 2 x 3 cells, not 5"):
        grid_layout(np.zeros((5, 2)), 2, 3)
