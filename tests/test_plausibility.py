"""Which faces can have which attribute."""

import numpy as np
import pytest

from facevae.evaluation.plausibility import possible

NAMES = ("Male", "Mustache", "Smiling", "Never")
# A hundred men of whom half have a mustache, a hundred women, one in two of all smiles.
TRAIN = np.array([[1, n % 2, n // 2 % 2, 0] for n in range(100)] + [[0, 0, n % 2, 0] for n in range(100)])
MAN, WOMAN = [1, 0, 0, 0], [0, 0, 0, 0]


def test_what_no_woman_has_is_impossible_for_one():
    found = possible(np.array([MAN, WOMAN]), TRAIN, NAMES, ["Male"])
    # Being a man is possible for both: a context is not held against itself.
    assert found.tolist() == [[True, True, True, True], [True, False, True, True]]


@pytest.mark.parametrize(("women", "expected"), [(0, False), (1, True)])
def test_one_in_a_hundred_is_enough(women, expected):
    train = TRAIN.copy()
    train[:, 1] = 0
    train[:99, 1] = 1
    train[100 : 100 + women, 1] = 1
    assert possible(np.array([WOMAN]), train, NAMES, ["Male"])[0, 1] == expected


def test_without_a_context_everything_is_possible():
    assert possible(np.array([MAN, WOMAN]), TRAIN, NAMES, []).all()
    assert possible(np.array([MAN, WOMAN]), TRAIN, NAMES, ["Young"]).all()


def test_every_context_counts():
    # Nobody who smiles has the last attribute, and no woman.
    train = TRAIN.copy()
    train[:, 3] = (train[:, 0] == 1) & (train[:, 2] == 0)
    faces = np.array([[1, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])
    assert possible(faces, train, NAMES, ["Male", "Smiling"])[:, 3].tolist() == [True, False, False]
