"""The noise: as strong as asked, and the same whatever else happens."""

import hashlib
import json

import numpy as np
import pytest
from pydantic import ValidationError
from raw_data import make_params, write_entries

from facevae.data.noise import Noise, NoiseSettings, format_sigma
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode, encode_png
from stages import add_noise

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


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [
        # Before there were ranges the same two.
        (25.0, "8cfa13179a7c93846d0f2bff93d2aff51542d7c7fcaee7eda124665ed8731743"),
        (12.3, "cc67d9a6fc098da88ffcfe764e4c6cac03d65fadf9f6247be502c2dd130b9f04"),
        ([25.0, 25.0], "8cfa13179a7c93846d0f2bff93d2aff51542d7c7fcaee7eda124665ed8731743"),
        ([5.0, 55.0], "9403543d0b15bea75efac7c817db48478af513cbf377ac3a9f1929f8218211f9"),
    ],
)
def test_the_bits_are_the_same_on_every_machine(sigma, expected):
    assert hashlib.sha256(Noise(sigma, 1)("000001.png", GREY).tobytes()).hexdigest() == expected


def strength(noise, name, level=128):
    """Standard deviation of the noise on a small grey image: of 7,500 draws, so that it is known to 0.8%."""
    return (noise(name, np.full((50, 50, 3), level, np.uint8)).astype(float) - level).std()


def test_of_a_range_each_image_has_a_sigma_of_its_own():
    noise = Noise([10.0, 30.0], 1)
    found = np.array([strength(noise, f"{number:06d}.png") for number in range(200)])
    assert found.min() > 9.7 and found.max() < 30.9
    # 50 in each quarter of the range, give or take 6.
    assert all(30 < count < 70 for count in np.histogram(found, 4, (9.7, 30.9))[0])
    assert found.min() < 11 and found.max() > 29


def test_of_a_range_seed_and_name_decide():
    one, other = Noise([10.0, 30.0], 1), Noise([10.0, 30.0], 2)
    names = [f"{number:06d}.png" for number in range(40)]
    first, brighter, elsewhere = (
        np.array([strength(noise, name, level) for name in names])
        for noise, level in ((one, 128), (one, 140), (other, 128))
    )
    assert np.allclose(first, brighter, rtol=0.01) and abs(np.corrcoef(first, elsewhere)[0, 1]) < 0.4
    assert np.array_equal(one("000001.png", GREY), one("000001.png", GREY))


def test_the_stage_takes_a_range(tmp_path, capsys):
    clean = write_entries(
        tmp_path / "clean.zip",
        {
            **{f"{name}.png": encode_png(GREY) for name in "abc"},
            "facts.json": json.dumps({"width": GREY.shape[1], "height": GREY.shape[0]}).encode(),
        },
    )
    params = make_params(tmp_path, add_noise={"sigma": [10, 30], "seed": 1})
    add_noise.main(workers=1, params=params, archive=clean, output=tmp_path / "noisy.zip")
    with open_archive(tmp_path / "noisy.zip") as noisy:
        assert noisy.facts.items() >= {"sigma": [10.0, 30.0], "seed": 1}.items()
        for name in ("a", "c"):
            assert np.array_equal(decode(noisy.read(f"{name}.tif"), name), Noise([10.0, 30.0], 1)(name, GREY))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"{tmp_path / 'noisy.zip'}: 3 images with noise of sigma 10 to 30"
    assert format_sigma([12.5, 12.5]) == format_sigma(12.5) == "12.5"


@pytest.mark.parametrize(
    ("sigma", "typed"), [(25, 25.0), (0, 0.0), (255.0, 255.0), ([10, 30.5], [10.0, 30.5]), ([20, 20], [20.0, 20.0])]
)
def test_a_number_or_a_range(sigma, typed):
    settings = NoiseSettings(sigma=sigma, seed=1)
    assert settings.sigma == typed and settings.model_dump() == {"sigma": typed, "seed": 1}
    assert type(settings.sigma) is type(typed)


@pytest.mark.parametrize(
    "sigma",
    [-1.0, 256.0, "25", True, None, float("nan"), [], [25.0], [1, 2, 3], [-1, 2], [10, 256], [True, 20], [10, "20"]],
)
def test_what_is_no_sigma_is_told_of_both_forms_at_once(sigma):
    with pytest.raises(ValidationError, match="a number from 0 to 255, or a list of two") as raised:
        NoiseSettings(sigma=sigma, seed=1)
    assert [error["loc"] for error in raised.value.errors()] == [("sigma",)]


def test_a_range_begins_with_the_smaller_end():
    with pytest.raises(ValidationError, match="the smaller of the two numbers first"):
        NoiseSettings(sigma=[30, 10], seed=1)


@pytest.mark.parametrize("seed", [-1, 1.5, 2**63])
def test_seeds_out_of_range(seed):
    with pytest.raises(ValidationError):
        NoiseSettings(sigma=25.0, seed=seed)
