"""Recommended strengths where the judge's answers are known: it sees red in a picture that is red by more than half."""

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels, directions, pictures
from test_vectors import settings

from facevae.evaluation.edits import Faces
from facevae.evaluation.strengths import recommend
from facevae.latents.vectors import Recommendation

# Red 0, 0.2, 0.4 and 0.4; a vector of one red adds 0.2 times the strength.
IMAGES = pictures([0, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2])
NOBODY = np.zeros((4, 3), np.int8)


def judged(labels=NOBODY, images=IMAGES):
    mu = torch.from_numpy(images).flatten(1) / 255
    return Faces(Pixels(), Judge(), mu, labels, COLOURS, torch.device("cpu"))


def recommended(vectors, labels=NOBODY, images=IMAGES, **changes):
    settled = settings(**({"strengths": [0.25, 1.0, 2.0, 3.0]} | changes))
    found = recommend(judged(labels, images), vectors, settled)
    assert found.names == vectors.names and found.method == vectors.method
    return found.recommended


@pytest.mark.parametrize(("success", "strength", "success_rate"), [(0.5, 1.0, 0.5), (0.75, 2.0, 0.75), (0.9, 3.0, 1.0)])
def test_the_smallest_strength_that_flips_enough(success, strength, success_rate):
    (found,) = recommended(directions(Red=[1, 0.5, 0]), success=success)
    assert (found.strength, found.success_rate) == (strength, success_rate)
    # Green moves by a tenth per unit, blue, which the decoder loses, not.
    assert found.leakage == pytest.approx(strength * 0.1 / 2, abs=1e-5)


def test_where_none_gets_there_the_one_that_flips_most():
    (found,) = recommended(directions(Red=[1, 0, 0]), success=0.9, strengths=[0.25, 1.0, 1.25])
    assert (found.strength, found.success_rate) == (1.0, 0.5)


def test_the_strengths_are_those_of_the_method_that_edits_use():
    from dataclasses import replace

    (found,) = recommended(replace(directions(Red=[1, 0, 0]), method="balanced"), success=0.5)
    assert found.strength == 2.0  # half as long


def test_what_cannot_be_seen_or_asked_has_a_strength_of_one():
    assert recommended(directions(Blue=[0, 0, 1])) == (Recommendation(1.0, 0.0, None),)
    assert recommended(directions(Red=[1, 0, 0]), labels=NOBODY + 1) == (Recommendation(1.0),)
    none = np.zeros((0, 3), np.int8)
    assert recommended(directions(Red=[1, 0, 0]), none, IMAGES[:0]) == (Recommendation(1.0),)


def test_only_so_many_faces_are_asked():
    (found,) = recommended(directions(Red=[1, 0, 0]), faces=1, success=1.0)
    assert (found.strength, found.success_rate) == (3.0, 1.0)
