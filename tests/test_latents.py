"""Edits of latents, and how much of a true change they make."""

import pytest
import torch

from facevae.latents.arithmetic import edit, explained_change


def test_editing():
    z, vector = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([10.0, -1.0])
    assert edit(z, vector, 0.5).tolist() == [[6.0, 1.5], [8.0, 3.5]]
    assert torch.equal(edit(edit(z, vector, 2.0), vector, -2.0), z)


def test_explained_change():
    before, after = torch.zeros(2, 3, 2, 2), torch.rand(2, 3, 2, 2)
    assert explained_change(after, before, after) == 1
    assert explained_change(before, before, after) == 0
    assert explained_change(after / 2, before, after) == pytest.approx(0.75)
    assert explained_change(-after, before, after) == pytest.approx(-3)


def test_explained_change_weighs_images_by_their_change():
    before, after = torch.zeros(2, 1), torch.tensor([[3.0], [1.0]])
    edited = torch.tensor([[3.0], [0.0]])
    assert explained_change(edited, before, after) == pytest.approx(1 - 1 / 10)
