"""A photograph turned and then edited is the one edited and then turned, with the models that come with facevae."""

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import facevae
from facevae.alignment.similarity import inverse, moved

SIDE = 1024


def turned(image, degrees):
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


def psnr_db(one, other, where):
    error = np.square(np.asarray(one, float) - np.asarray(other, float))[where].mean()
    return 10 * np.log10(255**2 / error)


@pytest.fixture(scope="module")
def faces():
    return facevae.load("celeba", "cpu")


@pytest.mark.parametrize("degrees", [15, -15])
@pytest.mark.parametrize("changes", [{"Smiling": -2.0}, {"Eyeglasses": 2.0}])
def test_turning_and_editing_go_in_any_order(changes, degrees, faces):
    photograph = Image.fromarray(astronaut()).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    upright, slanting = faces.open(photograph), faces.open(turned(photograph, degrees))
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    places = moved(inverse(slanting.faces[0].matrix), np.stack([x.ravel(), y.ravel()], 1))
    inside = ((places >= 0) & (places <= faces.image_size)).all(1).reshape(SIDE, SIDE)
    first, then = turned(upright.edit(changes), degrees), slanting.edit(changes)
    assert psnr_db(first, then, inside) > 40
    assert psnr_db(turned(photograph, degrees), then, inside) < 30, "the edit itself is far larger"


@pytest.mark.parametrize("degrees", [75, 90, 135, 180, 270])
def test_a_face_that_lies_or_stands_on_its_head_is_framed_as_it_lies(degrees, faces):
    photograph = Image.fromarray(astronaut())
    upright, lying = faces.open(photograph), faces.open(photograph.rotate(degrees, Image.Resampling.BICUBIC, expand=1))
    one, other = (portrait.faces[0].pixels.astype(float) for portrait in (upright, lying))
    assert np.abs(one - other).mean() < 8, "the same square, whichever way the photograph is held"
