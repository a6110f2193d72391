"""The noise: as strong as asked, and the same whatever else happens."""

import hashlib

import numpy as np
import pytest
from pydantic import ValidationError

from facevae.noise import Noise, NoiseSettings

GREY = np.full((218, 178, 3), 128, np.uint8)


def test_sigma_is_in_grey_levels():
    noise = Noise(25.0, 1)("000001.png", GREY).astype(float) - 128
    # 116,412 draws: the standard deviation is known to 0.2%, the mean to 0.07 grey levels; 5 sigma each.
    assert abs(noise.std() - 25.0) < 0.3
    assert abs(noise.mean()) < 0.4
    assert (Noise(0.0, 1)("000001.png", GREY) == GREY).all()


def test_values_are_clipped_not_wrapped():
    dark, light = (Noise(25.0, 1)("a", np.full_like(GREY, level)) for level in (0, 255))
    assert (dark == 0).mean() > 0.45 and dark.max() < 160
    assert (light == 255).mean() > 0.45 and light.min() > 95


def test_seed_and_name_alone_decide():
    first = Noise(25.0, 1)("000001.png", GREY)
    Noise(25.0, 1)("000002.png", GREY)
    assert np.array_equal(Noise(25.0, 1)("000001.png", GREY), first)
    for other in (Noise(25.0, 2)("000001.png", GREY), Noise(25.0, 1)("000002.png", GREY)):
        correlation = np.corrcoef(other.ravel().astype(float), first.ravel().astype(float))[0, 1]
        assert abs(correlation) < 0.02


def test_the_bits_are_the_same_on_every_machine():
    digest = hashlib.sha256(Noise(25.0, 1)("000001.png", GREY).tobytes()).hexdigest()
    assert digest == "8cfa13179a7c93846d0f2bff93d2aff51542d7c7fcaee7eda124665ed8731743"


@pytest.mark.parametrize("wrong", [{"sigma": -1.0}, {"sigma": 256.0}, {"seed": -1}, {"seed": 1.5}, {"sigma": "25"}])
def test_settings_out_of_range(wrong):
    with pytest.raises(ValidationError):
        NoiseSettings(**{"sigma": 25.0, "seed": 1, **wrong})
