"""The classical denoisers: noise goes, edges and colours stay, and without noise nothing happens."""

from itertools import pairwise

import numpy as np
import pytest

from facevae.data.noise import Noise
from facevae.evaluation.classical import CLASSICAL

# A colour, so that channels taken for a third dimension show; close to grey, for else none would resemble another.
PLAIN = np.tile(np.array([140, 128, 116], np.uint8), (218, 178, 1))
EDGE = PLAIN.copy()
EDGE[:, 75:] = (40, 60, 80)  # within a block of the wavelet's, which are 2 to 16 pixels wide
NOISY = Noise(25.0, 1)("000001.png", PLAIN)

each_method = pytest.mark.parametrize("name", CLASSICAL)


def error(denoised: np.ndarray, image: np.ndarray) -> float:
    """Root mean square error in grey levels."""
    return float(np.sqrt(np.mean((denoised.astype(float) * 255 - image) ** 2)))


def test_each_method_has_its_name():
    assert list(CLASSICAL) == ["non_local_means", "total_variation", "wavelet"]
    assert all(denoise.__name__ == name for name, denoise in CLASSICAL.items())


# Found: 2.3, 4.1 and 1.9. Without any wavelet coefficient the means of 16 x 16 pixels are left: 25 / 16 = 1.6.
@pytest.mark.parametrize(("name", "most"), [("non_local_means", 3.0), ("total_variation", 5.0), ("wavelet", 3.0)])
def test_a_plain_image_comes_out_of_the_noise(name, most):
    assert error(NOISY / np.float32(255), PLAIN) > 24
    assert error(CLASSICAL[name](NOISY, 25.0), PLAIN) < most


@each_method
def test_an_edge_stays(name):
    """The mean of the whole image, the strongest smoothing of all, is off by 36 grey levels."""
    noisy = Noise(25.0, 1)("000001.png", EDGE)
    assert error(CLASSICAL[name](noisy, 25.0), EDGE) < 6


def test_wavelet_tells_colour_from_brightness():
    """Speckles as strong as can be, all grey: thresholds found in RGB would keep the coloured noise on them."""
    grey = np.random.default_rng(1).choice(np.array([70, 180], np.uint8), (218, 178, 1)).repeat(3, axis=2)
    noisy = Noise(25.0, 1)("000001.png", grey)
    red_to_green = np.diff(CLASSICAL["wavelet"](noisy, 25.0)[..., :2]) * 255
    assert red_to_green.std() < 5  # 35 in the noisy image, 25 * sqrt(2)


@each_method
def test_no_noise_changes_nothing(name):
    found = CLASSICAL[name](NOISY, 0.0)
    assert found.dtype == np.float32
    assert np.array_equal(found, NOISY.astype(np.float32) / 255)


@each_method
@pytest.mark.parametrize("level", [0, 1, 128, 255])
def test_a_plain_image_stays(name, level):
    grey = np.full_like(PLAIN, level)
    assert np.allclose(CLASSICAL[name](grey, 25.0), level / 255, rtol=0, atol=1e-6)
    assert np.allclose(CLASSICAL[name](PLAIN, 25.0), PLAIN / 255, rtol=0, atol=1e-6)


@each_method
def test_stronger_noise_is_smoothed_more(name):
    errors = [error(CLASSICAL[name](NOISY, sigma), PLAIN) for sigma in (0.0, 15.0, 20.0, 25.0)]
    assert all(before - after > 1 for before, after in pairwise(errors)), errors


@each_method
def test_shape_type_and_range(name):
    extremes = np.random.default_rng(1).choice(np.array([0, 255], np.uint8), (60, 45, 3))
    for sigma in (0.01, 25.0, 255.0):
        found = CLASSICAL[name](extremes, sigma)
        assert (found.shape, found.dtype) == ((60, 45, 3), np.float32)
        assert found.min() >= 0 and found.max() <= 1  # NaN fails both


@each_method
def test_the_same_again_and_the_input_untouched(name):
    noisy = NOISY.copy()
    noisy.setflags(write=False)
    first = CLASSICAL[name](noisy, 25.0)
    assert np.array_equal(CLASSICAL[name](noisy, 25.0), first)
    assert np.array_equal(noisy, NOISY)
