"""Operations on latents whose answer is known."""

import math

import numpy as np
import pytest

from facevae.latents.arithmetic import analogy, edit, edit_all, j_diagram, lerp, mine_grid, slerp

EAST, NORTH = np.eye(2, dtype=np.float32)


def at(degrees, length=1.0):
    """A vector of the plane by its direction."""
    angle = math.radians(degrees)
    return length * np.array([math.cos(angle), math.sin(angle)], np.float32)


def close(found, expected):
    return found.dtype == np.float32 and np.allclose(found, expected, atol=1e-5)


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_several_edits_at_once_are_one_after_the_other():
    z, vectors = normal(7, 3)[:5], normal(7, 3)[5:]
    one_by_one = edit(edit(z, vectors[0], 1.5), vectors[1], -0.5)
    assert close(edit_all(z, vectors, np.array([1.5, -0.5], np.float32)), one_by_one)
    assert edit_all(np.zeros((1, 2)), np.eye(2), np.array([3.0, 4.0])).tolist() == [[3, 4]]
    assert np.array_equal(edit_all(z, vectors[:0], np.zeros(0, np.float32)), z)


def test_the_line():
    a, b = np.array([1, -1], np.float32), np.array([3, 7], np.float32)
    assert lerp(a, b, 0.25).tolist() == [1.5, 1.0]
    t = np.array([[0.0], [0.5], [1.0]])
    assert lerp(a, b, t).tolist() == [[1, -1], [2, 3], [3, 7]]


@pytest.mark.parametrize("t", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_the_arc_turns_evenly(t):
    assert close(slerp(EAST, NORTH, t), at(90 * t))
    assert close(slerp(at(20), at(190), t), at(20 + 170 * t))
    assert close(slerp(at(20), at(-40), t), at(20 - 60 * t))


def test_the_arc_between_vectors_of_other_lengths():
    assert close(slerp(at(10, 2.0), at(70, 6.0), 0.25), at(25, 3.0))
    # Where the common formula, on vectors as they are, would be six times as long as the longer one.
    assert np.linalg.norm(slerp(at(0, 1.0), at(170, 2.0), 0.5)) == pytest.approx(1.5, abs=1e-5)


def test_the_arc_keeps_the_length_that_the_line_loses():
    a, b = normal(2, 500, 100)
    lengths = np.linalg.norm([a, b], axis=2).mean(0)
    assert np.allclose(np.linalg.norm(slerp(a, b, 0.5), axis=1), lengths, rtol=1e-5)
    assert (np.linalg.norm(lerp(a, b, 0.5), axis=1) / lengths).mean() == pytest.approx(math.sqrt(0.5), abs=0.01)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (EAST, 3 * EAST),
        (EAST, EAST),
        (EAST, -EAST),
        (EAST, -2 * EAST),
        (0 * EAST, NORTH),
        (NORTH, 0 * EAST),
        (0 * EAST, 0 * EAST),
        (EAST, at(1e-4)),
        (np.array([2], np.float32), np.array([-1], np.float32)),
    ],
)
def test_where_there_is_no_arc_it_is_the_line(a, b):
    for t in (0.0, 0.3, 1.0):
        assert close(slerp(a, b, t), lerp(a, b, t))


@pytest.mark.parametrize("degrees", [0.005, 0.02, 0.1, 179.9, 179.98])
def test_narrow_and_wide_arcs(degrees):
    assert np.allclose(slerp(EAST, at(degrees), 0.5), at(degrees / 2), atol=1e-3)
    assert np.linalg.norm(slerp(EAST, at(degrees), 0.5)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("interpolate", [lerp, slerp])
def test_the_ends_are_exact(interpolate):
    """Bit for bit: what is stored of a face is what the first and the last image show."""
    a, b = normal(2, 50, 7) * np.array([[[1e-3]], [[1e3]]], np.float32)
    assert interpolate(a, b, 0.0).tobytes() == a.tobytes() and interpolate(a, b, 1.0).tobytes() == b.tobytes()
    both = interpolate(a[:, None], b[:, None], np.array([0.0, 1.0])[:, None])
    assert both.tobytes() == np.stack([a, b], 1).tobytes()


@pytest.mark.parametrize("interpolate", [lerp, slerp])
@pytest.mark.parametrize("t", [0.3, np.float64(0.3), np.array([[0.3]])], ids=["number", "NumPy's", "array"])
def test_float32_stays_float32(interpolate, t):
    a, b, c = normal(3, 4, 5)
    assert interpolate(a, b, t).dtype == np.float32 and interpolate(a, b, t).shape == (4, 5)
    assert j_diagram(a[0], b[0], c[0], 2, 3, interpolate).dtype == np.float32
    assert mine_grid(np.stack([a, b]), 3, interpolate).dtype == np.float32


def test_an_analogy():
    # A made-up space: hair colour on the first axis, a smile on the second, both a linear matter.
    plain, smiling, red = np.array([[0, 0, 5], [0, 2, 5], [3, 0, 5]], np.float32)
    assert analogy(plain, smiling, red).tolist() == [3, 2, 5]
    assert np.array_equal(analogy(plain, plain, red), red)


def test_a_j_diagram_of_a_linear_space():
    a, b, c = np.array([[0, 0, 5], [0, 4, 5], [6, 0, 5]], np.float32)
    grid = j_diagram(a, b, c, 4, 5)
    assert grid.shape == (4, 5, 3)
    # Down the first attribute grows, across the second, and neither minds the other.
    expected = [[[2.0 * row, 1.0 * column, 5.0] for column in range(5)] for row in range(4)]
    assert close(grid, expected)


@pytest.mark.parametrize("interpolate", [lerp, slerp])
def test_the_corners_of_a_j_diagram(interpolate):
    a, b, c = normal(3, 8)
    grid = j_diagram(a, b, c, 3, 2, interpolate)
    corners = (grid[0, 0], grid[0, -1], grid[-1, 0], grid[-1, -1])
    assert all(np.array_equal(found, corner) for found, corner in zip(corners, (a, b, c, c + (b - a)), strict=True))
    assert np.array_equal(grid[1, 0], interpolate(a, c, 0.5))


def test_a_grid_between_anchors_of_a_linear_space():
    rows, columns = np.indices((3, 4), np.float32)
    anchors = np.stack([rows, columns, np.ones_like(rows)], -1)
    grid = mine_grid(anchors, 4, lerp)
    assert grid.shape == (9, 13, 3)
    assert close(grid[..., 0], (np.arange(9) / 4)[:, None])
    assert close(grid[..., 1], np.arange(13) / 4)
    assert (grid[..., 2] == 1).all()


@pytest.mark.parametrize("spacing", [1, 2, 3])
def test_anchors_stay_where_they_are(spacing):
    anchors = normal(3, 2, 6)
    grid = mine_grid(anchors, spacing)
    assert grid.shape == (2 * spacing + 1, spacing + 1, 6)
    assert np.array_equal(grid[::spacing, ::spacing], anchors)
    for share in range(spacing):
        assert np.allclose(grid[0, share], slerp(anchors[0, 0], anchors[0, 1], share / spacing))
        assert np.allclose(grid[share, 0], slerp(anchors[0, 0], anchors[1, 0], share / spacing))


def test_rows_are_filled_before_columns():
    corners = np.array([[EAST, NORTH], [-EAST, at(100, 5.0)]])
    grid = mine_grid(corners, 2)
    top, bottom = slerp(EAST, NORTH, 0.5), slerp(-EAST, at(100, 5.0), 0.5)
    assert np.allclose(grid[1, 1], slerp(top, bottom, 0.5))
    left, right = slerp(EAST, -EAST, 0.5), slerp(NORTH, at(100, 5.0), 0.5)
    assert not np.allclose(grid[1, 1], slerp(left, right, 0.5), atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (3, 1)])
def test_a_single_row_or_column_of_anchors(shape):
    grid = mine_grid(normal(*shape, 4), 3)
    assert grid.shape == ((shape[0] - 1) * 3 + 1, (shape[1] - 1) * 3 + 1, 4) and np.isfinite(grid).all()
