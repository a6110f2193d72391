"""Kinds of an attribute: told apart where an attribute has any, and chosen by the judge."""

from dataclasses import replace

import numpy as np
import pytest
from colour_models import directions
from test_strengths import NOBODY, judged
from test_vectors import settings

from facevae.evaluation.strengths import choose_kinds
from facevae.latents.kinds import kinds_of
from facevae.latents.vectors import Recommendation, load_vectors, save_vectors

VECTORS = np.array([[2, 0, 0, 0, 0], [0, 0, 0, 0, 1]], np.float32)


def hats(spread):
    """Latents of faces of which one in five wears a hat, red (+) or blue (-) by `spread` along the second axis, and
    every other smiles; labels; the colour of each hat."""
    generator = np.random.default_rng(0)
    labels = np.array([[n % 5 == 0, n % 2] for n in range(2000)], np.int8)
    colour = np.where(generator.random(2000) < 0.7, 1, -1)
    latents = generator.standard_normal((2000, 5)) + labels @ VECTORS
    latents[:, 1] += spread * colour * labels[:, 0]
    return latents.astype(np.float32), labels


def test_two_colours_of_hats_are_found():
    found = kinds_of(*hats(10), VECTORS)
    assert list(found) == [0] and found[0].shape == (8, 5) and found[0].dtype == np.float32
    # All hats are 0.4 * 10 to the red on average. From that mean, along the colours alone:
    colours = np.sort(found[0][:, 1])
    assert colours[0] < -11 and colours[-1] > 5 and not ((colours > -9) & (colours < 3)).any()
    assert np.allclose(np.delete(found[0] - VECTORS[0], 1, axis=1), 0, atol=0.8)


def test_an_attribute_that_looks_alike_has_no_kinds():
    assert kinds_of(*hats(0), VECTORS) == {}
    assert kinds_of(*hats(2), VECTORS) == {}, "with 4 times the variance"


def test_few_images_have_no_kinds():
    latents, labels = hats(10)
    assert kinds_of(latents[:495], labels[:495], VECTORS) == {}
    assert kinds_of(latents[:500], labels[:500], VECTORS)[0].shape == (2, 5)


def test_unknown_labels_and_dimensions_that_say_nothing():
    latents, labels = hats(10)
    labels[::3, 1] = -1
    latents[:, 4] = 0
    latents[labels[:, 0] == 1, 4] = np.random.default_rng(1).standard_normal(400) * 1e-3
    assert set(kinds_of(latents, labels, VECTORS)) == {0}
    labels[labels[:, 0] == 0, 0] = -1
    assert kinds_of(latents, labels, VECTORS) == {}, "nobody is known to wear none"


# In fifths: one_kind starts as half of [1, 0.5, 0], which moves green as it moves red.
MEAN = {"Red": [2, 1, 0]}


def chosen(*candidates, labels=NOBODY, **changes):
    kinds = {"Red": np.array(candidates, np.float32) / 5}
    vectors = directions(**MEAN)
    found = choose_kinds(judged(labels), vectors, kinds, settings(**({"strengths": [1.0, 2.0, 3.0]} | changes)))
    assert all(np.array_equal(found.of("Red", name), vectors.of("Red", name)) for name in ("regression", "balanced"))
    return found.of("Red", "one_kind") * 5, found.kinds


def test_the_kind_that_leaks_least_is_chosen():
    vector, kinds = chosen([2, 2, 0], [1, 0.1, 0], [1, 0.2, 0])
    assert vector == pytest.approx([1, 0.1, 0])
    assert kinds["Red"].strength == 3 and kinds["Red"].leakage == pytest.approx(3 * 0.02 / 2, abs=1e-5)


def test_a_kind_that_is_seen_more_often_is_chosen():
    vector, kinds = chosen([3, 1, 0], strengths=[1.0])
    assert vector == pytest.approx([3, 1, 0]) and kinds["Red"].success_rate == 1


def test_where_no_kind_is_better_the_mean_stays():
    vector, kinds = chosen([1, 1, 0], [0, 0, 1])
    assert vector == pytest.approx([1, 0.5, 0]) and kinds == {}


def test_where_the_judge_cannot_be_asked_the_mean_stays():
    vector, kinds = chosen([1, 0, 0], labels=NOBODY + 1)
    assert vector == pytest.approx([1, 0.5, 0]) and kinds == {}


def test_kinds_are_kept_with_the_vectors(tmp_path):
    vectors = replace(directions(**MEAN), kinds={"Red": Recommendation(1.25, 1.0, 0.5)})
    save_vectors(tmp_path / "v.safetensors", vectors)
    assert load_vectors(tmp_path / "v.safetensors").kinds == vectors.kinds
