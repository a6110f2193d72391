"""A change put into a photograph: where, how much of it, and nothing elsewhere."""

import math
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from facevae.finding.composite import FADE, composite, placed, square_matrix

RANDOM = np.random.default_rng(0)
PHOTOGRAPH = RANDOM.uniform(0.3, 0.7, (90, 120, 3)).astype(np.float32)
CONSTANT = np.full((3, 16, 16), 0.2, np.float32) * np.array([1, -1, 0.5], np.float32)[:, None, None]


def similarity(scale, degrees, x, y):
    """The frame's origin comes to (x, y)."""
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[c, -s, x], [s, c, y]])


def smooth(size, seed=0):
    """A change without detail below a fifth of the frame, (3, size, size)."""
    small = np.random.default_rng(seed).normal(0, 0.1, (3, 5, 5)).astype(np.float32)
    bicubic = Image.Resampling.BICUBIC
    return np.stack([np.asarray(Image.fromarray(plane).resize((size, size), bicubic)) for plane in small])


def in_frame(matrix, side, shape):
    """Whether each pixel's centre is in the frame."""
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    u, v, _ = inverse @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return ((u >= 0) & (u <= side) & (v >= 0) & (v <= side)).reshape(shape)


def psnr(a, b):
    return -10 * math.log10(float(np.mean((a.astype(float) - b) ** 2)))


MATRICES = {
    "enlarged": square_matrix(20, 10, 64, 16),
    "shrunk": square_matrix(40, 30, 9, 16),
    "turned": similarity(3, 25, 50, 10),
    "reaching out": similarity(4, -20, -20, 60),
    "elsewhere": square_matrix(500, 10, 64, 16),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.uint16])
@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_outside_of_the_frame_every_pixel_is_as_it_was(matrix, dtype):
    peak = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    photograph = (PHOTOGRAPH * peak).astype(dtype)
    before = photograph.copy()
    found = composite(photograph, matrix, CONSTANT)
    inside = in_frame(matrix, 16, photograph.shape[:2])
    assert found.dtype == dtype and np.array_equal(photograph, before)
    assert found[~inside].tobytes() == before[~inside].tobytes()
    assert (found[inside] != before[inside]).any() or not inside.any()


@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
def test_no_change_is_the_photograph(dtype):
    photograph = (PHOTOGRAPH * (1 if dtype == np.float32 else np.iinfo(dtype).max)).astype(dtype)
    found = composite(photograph, MATRICES["turned"], np.zeros((3, 16, 16), np.float32))
    assert found.tobytes() == photograph.tobytes()


@pytest.mark.parametrize("name", ["enlarged", "shrunk", "turned"])
def test_away_from_the_border_all_of_it_is_added(name):
    matrix = MATRICES[name]
    middle = matrix @ [8, 8, 1]
    column, row = middle.astype(int)
    added = composite(PHOTOGRAPH, matrix, CONSTANT)[row, column] - PHOTOGRAPH[row, column]
    assert added == pytest.approx([0.2, -0.2, 0.1], abs=1e-6)


def test_at_the_border_it_fades_to_nothing():
    matrix = square_matrix(10, 5, 80, 16)
    added = (composite(PHOTOGRAPH, matrix, CONSTANT) - PHOTOGRAPH)[45, :, 0]
    band = round(80 * FADE)
    assert 0 < added[10] < 0.02 and 0 < added[89] < 0.02 and added[9] == added[90] == 0
    assert (np.diff(added[10 : 10 + band]) > 0).all() and np.abs(np.diff(added)).max() < 0.06
    assert added[10 + band + 1 : 90 - band - 1] == pytest.approx(0.2, abs=1e-6)
    # Half of it is left in the middle of the band, by the smoothstep 3t^2 - 2t^3.
    parts = placed(np.ones((3, 100, 100)), square_matrix(10, 10, 100, 100), (120, 120), 0.09)
    faded = np.concatenate([part for _, _, part in parts])
    assert faded.shape == (100, 100, 3) and faded[50, 4] == pytest.approx(0.5, abs=1e-5)


def test_where_the_photograph_ends_it_does_not_fade():
    """A frame as wide as the photograph, such as CelebA's 178 of 178x218, fades above and below alone."""
    photograph = PHOTOGRAPH[:, :60]
    added = composite(photograph, square_matrix(0, 15, 60, 16), CONSTANT) - photograph
    assert added[45, [0, 59], 0] == pytest.approx(0.2, abs=1e-6)
    assert 0 < added[15, 30, 0] < 0.03 and 0 < added[74, 30, 0] < 0.03 and not added[[14, 75]].any()
    square = PHOTOGRAPH[:60, :60]
    added = composite(square, square_matrix(0, 0, 60, 16), CONSTANT) - square
    assert added == pytest.approx(np.broadcast_to([0.2, -0.2, 0.1], (60, 60, 3)), abs=1e-6)


def test_in_its_own_size_the_change_is_added_as_it_is():
    change, photograph = smooth(32), np.full((32, 32, 3), 0.5, np.float32)
    added = composite(photograph, square_matrix(0, 0, 32, 32), change) - photograph
    assert added == pytest.approx(change.transpose(1, 2, 0), abs=1e-6)
    moved = composite(np.full((60, 60, 3), 0.5), square_matrix(7, 11, 32, 32), change, fade=0) - 0.5
    assert moved[11:43, 7:39] == pytest.approx(change.transpose(1, 2, 0), abs=1e-6)


@pytest.mark.parametrize("size", [96, 31])
def test_scaling_is_pillows(size):
    """Enlarged bicubically, shrunk with Lanczos' antialiasing."""
    change, photograph = smooth(48), np.full((size, size, 3), 0.5)
    resample = Image.Resampling.BICUBIC if size > 48 else Image.Resampling.LANCZOS
    expected = np.stack([np.asarray(Image.fromarray(plane).resize((size, size), resample)) for plane in change], 2)
    found = composite(photograph, square_matrix(0, 0, size, 48), change) - photograph
    assert np.allclose(found, expected, atol=1e-6)
    fine = np.broadcast_to(np.where(np.arange(48) % 2, 0.2, -0.2), (3, 48, 48))
    shrunk = composite(np.full((16, 16, 3), 0.5), square_matrix(0, 0, 16, 48), fine)
    assert np.abs(shrunk - 0.5).max() < 0.05, "stripes finer than a pixel cancel out"


def test_turning_and_adding_is_adding_and_turning():
    """A face turned in the photograph gets the change turned with it."""
    side, change = 64, smooth(64, 3)
    upright, turn = square_matrix(60, 50, 100, side), similarity(1, 15, 40, -10)
    turned = turn @ np.vstack([upright, [0, 0, 1]])
    back = np.linalg.inv(np.vstack([turn, [0, 0, 1]]))[:2].ravel()
    scene = np.asarray(Image.fromarray(RANDOM.integers(60, 200, (8, 9, 3)).astype(np.uint8)).resize((240, 220)))

    def rotate(pixels):
        image = Image.fromarray(pixels)
        return np.asarray(image.transform(image.size, Image.Transform.AFFINE, tuple(back), Image.Resampling.BICUBIC))

    edited_then_turned = rotate(composite(scene, upright, change)) / 255
    turned_then_edited = composite(rotate(scene), turned, change) / 255
    inside = in_frame(turned, side, scene.shape[:2])
    assert psnr(edited_then_turned[inside], turned_then_edited[inside]) > 45
    assert psnr(edited_then_turned[inside], rotate(scene)[inside] / 255) < 30, "the change can be seen"


def test_the_sum_stays_in_the_range():
    bright = np.full((20, 20, 3), 250, np.uint8)
    found = composite(bright, square_matrix(0, 0, 20, 16), CONSTANT)
    assert found[10, 10].tolist() == [255, 199, 255]
    assert composite(bright / 255, square_matrix(0, 0, 20, 16), CONSTANT).max() == 1


def test_twelve_megapixels_take_little_more_than_themselves():
    photograph = np.full((3000, 4000, 3), 128, np.uint8)
    tracemalloc.start()
    found = composite(photograph, similarity(20, 10, 1500, 800), smooth(64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.nbytes < peak < found.nbytes + 25_000_000


@pytest.mark.parametrize(
    ("photograph", "matrix", "change", "words"),
    [
        (PHOTOGRAPH[..., 0], MATRICES["turned"], CONSTANT, "photograph of"),
        (PHOTOGRAPH.astype(np.int32), MATRICES["turned"], CONSTANT, "floats, uint8 or uint16, not int32"),
        (PHOTOGRAPH, np.eye(3), CONSTANT, "matrix of"),
        (PHOTOGRAPH, np.zeros((2, 3)), CONSTANT, "inverted"),
        (PHOTOGRAPH, MATRICES["turned"], CONSTANT[:1], "change of"),
    ],
)
def test_what_does_not_fit_is_refused(photograph, matrix, change, words):
    with pytest.raises(ValueError, match=words):
        composite(photograph, matrix, change)
