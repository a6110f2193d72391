"""Edits of latents, and how much of a true change they make."""

import numpy as np
import pytest
import torch

from facevae.latents.arithmetic import edit, explained_change


@pytest.mark.parametrize("of", [lambda rows: np.array(rows, np.float32), torch.tensor], ids=["NumPy", "PyTorch"])
def test_editing(of):
    z, vector = of([[1.0, 2.0], [3.0, 4.0]]), of([10.0, -1.0])
    edited = edit(z, vector, 0.5)
    assert edited.tolist() == [[6.0, 1.5], [8.0, 3.5]] and edited.dtype == z.dtype
    assert edit(edit(z, vector, 2.0), vector, -2.0).tolist() == z.tolist()


def test_explained_change():
    after = np.random.default_rng(0).random((2, 3, 2, 2), np.float32)
    before = np.zeros_like(after)
    assert explained_change(after, before, after) == 1
    assert explained_change(before, before, after) == 0
    assert explained_change(after / 2, before, after) == pytest.approx(0.75)
    assert explained_change(-after, before, after) == pytest.approx(-3)


def test_explained_change_weighs_images_by_their_change():
    before, after = np.zeros((2, 1)), np.array([[3.0], [1.0]])
    edited = np.array([[3.0], [0.0]])
    assert explained_change(edited, before, after) == pytest.approx(1 - 1 / 10)
