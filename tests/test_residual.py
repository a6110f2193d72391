"""Residual edits: the photograph plus the change, kept where it is large; strengths per face."""

import numpy as np
import pytest

from facevae.latents.residual import (
    change_mask,
    kept_change,
    place_mask,
    residual_edit,
    smallest_strengths,
    times_ahead,
)

SIDE = 64
EVERYWHERE = np.ones((SIDE, SIDE), np.float32)
RANDOM = np.random.default_rng(0)
TWICE = np.array([2], np.float32)


def with_patch(level, everywhere=0.0):
    """A change of one colour in a square in the middle, (1, 3, SIDE, SIDE), and of another size everywhere."""
    change = np.full((1, 3, SIDE, SIDE), everywhere, np.float32)
    change[:, 1, 20:44, 20:44] = level
    return change


def test_without_a_change_it_is_the_image_bit_for_bit():
    images, decoded = RANDOM.random((2, 2, 3, SIDE, SIDE), np.float32)
    found = residual_edit(images, decoded, decoded, TWICE.repeat(2), EVERYWHERE)
    assert np.array_equal(found, images) and found.dtype == np.float32


def test_a_large_change_is_added_to_the_image_and_a_small_one_is_not():
    images = RANDOM.random((1, 3, SIDE, SIDE), np.float32) * 0.2 + 0.4
    before = np.full_like(images, 0.5)
    edited = residual_edit(images, before, before + 2 * with_patch(0.3, 0.001), TWICE, EVERYWHERE)
    inside, outside = (..., slice(26, 38), slice(26, 38)), (..., slice(0, 8), slice(None))
    assert np.allclose(edited[:, 1][inside], images[:, 1][inside] + 0.3, atol=1e-6) and edited.dtype == np.float32
    assert np.array_equal(edited[outside], images[outside]), "a thousandth everywhere is light, not the attribute"


def test_an_edit_is_kept_where_its_attribute_shows():
    left = EVERYWHERE * (np.arange(SIDE) < SIDE // 2)
    nothing = np.zeros((1, 3, SIDE, SIDE), np.float32)
    kept = [kept_change(nothing, with_patch(1.0), TWICE, places) for places in (EVERYWHERE, left)]
    assert kept[0].any(axis=(0, 1, 2))[40] and np.array_equal(kept[1], kept[0] * left)
    edited = residual_edit(nothing + 0.5, nothing, with_patch(1.0), TWICE, left)
    assert (edited[..., SIDE // 2 :] == 0.5).all() and edited[0, 1, 32, 30] == 1


def test_where_attributes_show():
    """On a grid of 4: 0.05 of the largest effect is nothing, 0.2 all, the middle between them a half."""
    first, second = np.zeros((2, 4, 4))
    first[0], second[:, 3] = [0.05, 0.125, 0.2, 1], 0.2
    assert (
        np.allclose(place_mask(first[None], 4)[0], [0, 0.5, 1, 1], atol=1e-6)
        and not place_mask(first[None], 4)[1:].any()
    )
    assert np.allclose(place_mask(np.stack([first, second]), 4)[:, 3], 1), "the one that shows more"
    # Twice as fine: cells' centres at 0.25 and 0.75 between those of the grid, continued at the border.
    fine = place_mask(np.tile([0.05, 0.2], (1, 2, 1)), 4)
    t = np.array([0, 0.25, 0.75, 1])
    assert np.allclose(fine, t * t * (3 - 2 * t), atol=1e-6) and fine.dtype == np.float32
    assert (place_mask(np.ones((1, 1, 1)), 5) == 1).all() and place_mask(np.ones((1, 32, 32)), 2).shape == (2, 2)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_mask_is_soft(sign):
    mask = change_mask(sign * with_patch(0.3))
    assert mask.shape == (1, 1, SIDE, SIDE) and mask[0, 0, 32, 32] == 1 and mask[0, 0, 2, 2] == 0
    assert ((mask > 0.05) & (mask < 0.95)).any()
    assert np.allclose(mask, mask[..., ::-1], atol=1e-6) and np.allclose(mask, mask.swapaxes(2, 3), atol=1e-6)


def test_the_sum_stays_in_the_range():
    images = np.full((1, 3, SIDE, SIDE), 0.9, np.float32)
    nothing = np.zeros_like(images)
    edited = residual_edit(images, nothing, with_patch(1.0), TWICE, EVERYWHERE)
    assert edited.max() == 1 and kept_change(nothing, with_patch(1.0), TWICE, EVERYWHERE).max() == 0.5


def test_edits_are_decoded_ahead_of_what_is_shown_up_to_a_strength_of_three():
    strengths = np.array([0, 0.1, -1.5, 2, -2.5, 3, 1000])
    found = times_ahead(strengths)
    assert found.tolist() == pytest.approx([2, 2, 2, 1.5, 1.2, 1, 1]) and found.dtype == np.float32


def test_each_face_gets_its_own_share():
    ahead = np.concatenate([with_patch(0.4), with_patch(0.4)])
    found = kept_change(np.zeros_like(ahead), ahead, np.array([2, 1], np.float32), EVERYWHERE)
    assert np.allclose(found[:, 1, 32, 32], [0.2, 0.4])


def test_a_weak_edit_is_kept_where_a_strong_one_is():
    assert np.allclose(change_mask(with_patch(0.3, 0.02)), change_mask(with_patch(0.003, 0.0002)), atol=1e-5)
    assert not change_mask(np.zeros((1, 3, SIDE, SIDE), np.float32)).any()


@pytest.mark.parametrize("side", [1, 2, 16])
def test_images_of_any_size(side):
    change = np.full((2, 3, side, side), 0.5, np.float32)
    found = kept_change(np.zeros_like(change), 2 * change, TWICE.repeat(2), np.ones((side, side), np.float32))
    assert np.allclose(found, change) and found.dtype == np.float32


def test_the_smallest_strength_of_each_face():
    needed, asked = np.array([0.1, 0.5, 1.99, 2.01, 0.0], np.float32), []

    def seen(strengths):
        asked.append(strengths)
        return strengths >= needed

    found, reached = smallest_strengths(seen, 5, 2.0, steps=5)
    assert reached.tolist() == [True, True, True, False, True]
    assert found.tolist() == [0.125, 0.5, 2.0, 2.0, 0.0625] and len(asked) == 6
    assert (found >= needed)[[0, 1, 2, 4]].all()
    assert {strengths.dtype for strengths in (*asked, found)} == {np.dtype(np.float32)}


def test_where_too_much_hides_it_less_is_found():
    found, reached = smallest_strengths(lambda strengths: (strengths >= 0.5) & (strengths < 1.5), 1, 2.0, steps=5)
    assert found.tolist() == [0.5] and reached.tolist() == [True]
