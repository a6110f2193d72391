"""Edits of a person's own faces, with models that see nothing but colours."""

import numpy as np
import pytest
import torch
from colour_models import Pixels, pictures
from raw_data import one_line

from facevae.app.edit import Change, choose_changes, edit_faces, interpolate_faces, reconstruct_faces
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
    found = edit_faces(Pixels(), VECTORS, changes, faces, (0.0, 1.0, -0.5, 2.0), CPU)
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
    assert np.array_equal(edit_faces(Pixels(), VECTORS, [Change("Red", 1.0)], faces, (0.0,), CPU)[0], found)


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
