"""Edits of a person's own faces, with models that see nothing but colours."""

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Pixels, pictures
from colour_models import Judge as Colours
from raw_data import one_line

from facevae.alignment.composite import square_matrix
from facevae.app.edit import Change, Editor, add_change, choose_changes, interpolate_faces, reconstruct_faces
from facevae.app.models import Judge
from facevae.app.photographs import Photograph
from facevae.latents.vectors import AttributeVectors, Recommendation

CPU = torch.device("cpu")
FIFTHS = torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [-1.0, -1.0, 0.0]]) / 5
VECTORS = AttributeVectors(
    ("Red", "Green", "Wearing_Hat"),
    {"regression": FIFTHS, "mean_difference": -FIFTHS},
    "regression",
    (Recommendation(2.0, 0.9, 0.01), Recommendation(0.5, None, None), Recommendation(1.0, 0.5, 0.1)),
)


def test_the_recommended_strength_stands_in_for_none():
    assert choose_changes(VECTORS, [("Red", None), ("Green", -3.0), ("Wearing_Hat", 0.0)]) == [
        Change("Red", 2.0), Change("Green", -3.0), Change("Wearing_Hat", 0.0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (["Red", "Gren"], "found no such vector; perhaps Green is meant"),
        (["wearing hat"], "perhaps Wearing_Hat is meant"),
        (["xyz"], "attribute xyz: expected one of Red, Green, Wearing_Hat"),
        (["Red", "Red"], "attribute Red: expected each attribute once"),
    ],
)
def test_attributes_that_can_not_be_chosen(wanted, words):
    with one_line(words):
        choose_changes(VECTORS, [(name, 1.0) for name in wanted])


def test_edits_add_up():
    faces = pictures([1, 1, 1], [3, 2, 0])
    changes = [Change("Red", 2.0), Change("Green", 0.5)]
    found = Editor(Pixels(), VECTORS, changes, CPU).plain(faces, (0.0, 1.0, -0.5, 2.0))
    # The decoder loses the blue; colours end at black and white.
    expected = [
        pictures([1, 1, 0], [3, 2, 0]), pictures([3, 2, 0], [5, 3, 0]),
        np.array([[0, 0.5, 0], [2, 1.5, 0]]).reshape(2, 1, 1, 3) * 51, pictures([5, 3, 0], [5, 4, 0]),
    ]  # fmt: skip
    assert all(np.abs(part - wanted).max() <= 1 for part, wanted in zip(found, expected, strict=True))
    assert [part.dtype for part in found] == [np.uint8] * 4


def test_no_change_is_the_reconstruction():
    faces = pictures([1, 4, 1], [3, 2, 5])
    found = reconstruct_faces(Pixels(), faces, CPU)
    assert np.array_equal(found, pictures([1, 4, 0], [3, 2, 0]))
    assert np.array_equal(Editor(Pixels(), VECTORS, [Change("Red", 1.0)], CPU).plain(faces, (0.0,))[0], found)


def test_residual_edits_keep_what_the_decoder_loses():
    faces = pictures([1, 1, 1], [3, 2, 4])
    editor = Editor(Pixels(), VECTORS, [Change("Red", 2.0), Change("Green", 0.5)], CPU)
    nothing, once, back = editor.residual(faces, (0.0, 1.0, -1.0))
    assert np.array_equal(nothing, faces)
    assert np.array_equal(once, pictures([3, 2, 1], [5, 3, 4]))
    assert np.array_equal(back, pictures([0, 0, 1], [1, 1, 4]))
    added = editor.additions(faces, torch.tensor([[2.0, 0.5], [0.0, 1.0]]))
    assert np.allclose(added[..., 0, 0], [[0.4, 0.2, 0], [0, 0.4, 0]], atol=1e-6)


def test_strengths_are_searched_for_each_face():
    """Red is clear above 4 fifths: in steps of 2 times 2 / 32, from 1 fifth after 3.125, from 2 after 2.125."""
    faces = pictures([1, 0, 0], [2, 0, 3], [4, 0, 0])
    changes = [Change("Red", 2.0), Change("Green", 0.5)]
    found = Editor(Pixels(), VECTORS, changes, CPU, Judge(Colours(), COLOURS), ["Red"]).strengths(faces)
    assert found.strengths.tolist() == [[3.125, 0.5], [2.125, 0.5], [2.0, 0.5]], "the last is red already"
    assert found.found.tolist() == [[True, False], [True, False], [False, False]]
    assert [found.describe(face) for face in range(3)] == [", Red 3.1 (more than any face has)", ", Red 2.1", ""]
    assert Editor(Pixels(), VECTORS, changes, CPU).strengths(faces).strengths.tolist() == 3 * [[2.0, 0.5]]
    unknown = Editor(Pixels(), VECTORS, [Change("Wearing_Hat", 1.0)], CPU, Judge(Colours(), COLOURS), ["Wearing_Hat"])
    assert not unknown.strengths(faces).found.any()


def test_a_grey_photograph_stays_grey():
    pixels = np.full((8, 8, 3), 100, np.uint8)
    change = np.stack([np.full((8, 8), value, np.float32) for value in (0.2, 0.0, -0.1)])
    grey = add_change(Photograph(pixels, "PNG", grey=True), square_matrix(0, 0, 8, 8), change)
    assert (grey.pixels == 100 + round(255 * (0.299 * 0.2 - 0.114 * 0.1))).all()
    coloured = add_change(Photograph(pixels, "PNG"), square_matrix(0, 0, 8, 8), change)
    assert coloured.pixels[4, 4].tolist() == [151, 100, 74] and (pixels == 100).all()


def test_one_face_into_another():
    first, last = pictures([5, 0, 2], [1, 4, 3])
    found = interpolate_faces(Pixels(), first, last, 5, False, CPU)
    assert np.array_equal(found, pictures([5, 0, 0], [4, 1, 0], [3, 2, 0], [2, 3, 0], [1, 4, 0]))
    assert np.array_equal(interpolate_faces(Pixels(), first, last, 2, True, CPU), found[[0, -1]])


def test_along_the_arc():
    """Between two colours at a right angle, both of length 1, lies one of length 1."""
    first, last = pictures([5, 0, 0], [0, 5, 0])
    middle = interpolate_faces(Pixels(), first, last, 3, True, CPU)[1]
    assert np.abs(middle[0, 0].astype(int) - [180, 180, 0]).max() <= 1  # 255 / sqrt(2)
