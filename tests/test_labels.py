"""Labels: what can be learned, what is chosen where nothing is named, and that an unknown one counts nowhere."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from model_data import training_step, vae_arrays
from raw_data import one_line

from facevae.data.labels import any_unknown, both_kinds, default_context, explorable, most_balanced
from facevae.evaluation.classification import accuracies, balanced_accuracies
from facevae.evaluation.plausibility import possible
from facevae.evaluation.probe import classify_by_vectors, linear_probe
from facevae.evaluation.reconstruction import attribute_retention
from facevae.latents.attribute_vectors import estimate
from facevae.latents.directions import classifier_normals
from facevae.latents.known import of_known
from facevae.latents.vectors import METHODS
from facevae.models.classifier import Classifier
from facevae.preparation.named_attributes import EditedNames, ExploredName, VectorNames, check_names
from facevae.training.classifier import classifier_terms, positive_weights


def table(*columns):
    return np.array(columns, np.int8).T


def test_what_can_be_learned():
    values = table([1, 0, -1, 0], [1, 1, -1, -1], [-1] * 4, [1, 1, 0, 0], [0, 0, 1, -1])
    assert both_kinds(values).tolist() == [True, False, False, True, True]
    assert explorable(values).tolist() == [True, False, False, True, True]
    assert explorable(values[:2]).tolist() == [False] * 5, "one without is too few"
    assert any_unknown(values) and not any_unknown(values[:, 3:4])


def test_what_is_chosen_where_nothing_is_named():
    """Known shares 1/4, 1/2, 1/3 (one is unknown) and 1."""
    values = table([1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 0, -1], [1, 1, 1, 1])
    assert most_balanced(values, ("a", "b", "c", "d"), 2) == ("b", "c")
    assert most_balanced(values, ("Eyeglasses", "b", "Smiling", "Mustache"), 4) == ("Smiling", "Eyeglasses")
    assert most_balanced(values[:, 3:], ("d",), 4) == most_balanced(np.empty((4, 0), np.int8), (), 4) == ()
    assert default_context(values, ("a", "Male", "c", "d")) == ("Male",)
    assert default_context(values, ("a", "b", "c", "Male")) == ()


def test_names_that_the_data_have_not():
    values = table([1, 0, 0], [1, 1, 1])
    arrays = vae_arrays({}, {"train": values, "test": values}, ("Happy", "Old"))
    happy = VectorNames(conditional=["Happy"], context=["Old"]), ExploredName(attribute="Happy")
    check_names(arrays, *happy, EditedNames(attributes=["Happy"]))
    check_names(arrays, VectorNames(), ExploredName(), EditedNames())
    for named, key in (
        (VectorNames(conditional=["Smiling"]), "attribute_vectors.conditional"),
        (VectorNames(context=["Smiling"]), "attribute_vectors.context"),
        (ExploredName(attribute="Smiling"), "explore_latents.attribute"),
        (EditedNames(attributes=["Happy", "Smiling"]), "evaluate_vae.attributes"),
    ):
        with one_line(key, "one of Happy, Old", "found Smiling"):
            check_names(arrays, named)
    with one_line("evaluate_vae.attributes", "found 3 with Old and 0 without"):
        check_names(arrays, EditedNames(attributes=["Old"]))
    bare = vae_arrays({}, {"train": values[:, :0], "test": values[:, :0]}, ())
    with one_line("explore_latents.attribute", "the data have no attributes", "found Smiling", "null"):
        check_names(bare, ExploredName(attribute="Smiling"))


# --- training


def test_unknown_labels_teach_nothing():
    """By hand: each image's loss is the mean of its known attributes', and no gradient comes of the others."""
    torch.manual_seed(0)
    classifier, images = Classifier(16, 8, 3), torch.rand(4, 3, 16, 16)
    values = torch.tensor([[1, 0, -1], [-1, -1, 1], [0, 1, 0], [-1, -1, -1]], dtype=torch.int8)
    weight = torch.tensor([2.0, 1.0, 3.0])
    terms = classifier_terms(classifier, images, values, weight, training_step(4), partly_unknown=True)
    logits = classifier(images)
    each = F.binary_cross_entropy_with_logits(logits, (values == 1).float(), pos_weight=weight, reduction="none")
    means = [row[known].mean() for row, known in zip(each, values >= 0, strict=True) if known.any()]
    expected = torch.stack([*means, torch.tensor(0.0)])
    torch.testing.assert_close(terms["loss"], expected)
    right = ((logits > 0) == (values == 1)).float()
    assert terms["accuracy"][2] == right[2].mean() and terms["accuracy"][1] == right[1, 2] and terms["accuracy"][3] == 0
    whole = values[2:3]
    for unknown in (False, True):  # with every label known they are the same
        found = classifier_terms(classifier, images[2:3], whole, weight, training_step(1), partly_unknown=unknown)
        torch.testing.assert_close(found["loss"], expected[2:3])


def test_rare_among_the_known():
    values = torch.tensor([[1, -1], [0, -1], [0, 1], [-1, 1]])
    assert positive_weights(values, 10).tolist() == [2.0, pytest.approx(0.1)]


# --- vectors


def two_groups():
    """Images 0 to 29 know the first attribute, 20 to 49 the second, of what both would be."""
    generator = torch.Generator().manual_seed(1)
    truth = (torch.rand(50, 2, generator=generator) > 0.5).to(torch.int8)
    latents = torch.randn(50, 4, generator=generator) + truth.float() @ torch.tensor([[2.0, 0, 0, 0], [0, 3, 0, 0]])
    known = truth.clone()
    known[30:, 0] = known[:20, 1] = -1
    return latents, known


def test_an_attributes_vector_is_of_the_images_known_of_it():
    latents, known = two_groups()
    found = of_known(lambda z, y: estimate("mean_difference", 0.01, z, y), latents, known)
    for column in (0, 1):
        rows = known[:, column] >= 0
        theirs, values = latents[rows], known[rows, column]
        torch.testing.assert_close(found[column], theirs[values == 1].mean(0) - theirs[values == 0].mean(0))


@pytest.mark.parametrize("method", METHODS)
def test_unknown_labels_bear_every_method(method):
    """The other attribute's unknown labels are its share: the direction is still found."""
    latents, known = two_groups()
    found = of_known(lambda z, y: estimate(method, 0.01, z, y), latents, known)
    assert found[0].argmax() == 0 and found[1].argmax() == 1 and found[0, 0] > 1 and found[1, 1] > 1
    whole = known.clamp_min(0)
    torch.testing.assert_close(
        of_known(lambda z, y: estimate(method, 0.01, z, y), latents, whole), estimate(method, 0.01, latents, whole)
    )
    assert of_known(classifier_normals, latents, known).norm(dim=1).tolist() == pytest.approx([1, 1])


# --- measures


def test_scores_are_of_the_known():
    answers, values = np.array([[0.9], [0.8], [0.1], [0.7]]), table([1, 0, 0, -1])
    assert accuracies(answers, values) == pytest.approx(2 / 3)
    assert balanced_accuracies(answers, values) == pytest.approx((1 + 1 / 2) / 2)
    assert np.isnan(accuracies(answers, table([-1] * 4))) and np.isnan(balanced_accuracies(answers, table([-1] * 4)))
    (row,) = attribute_retention(answers, 1 - answers, values, ["a"])
    assert (row["accuracy"], row["accuracy_reconstruction"]) == pytest.approx((2 / 3, 1 / 3))


def test_probe_and_dot_product_read_the_known_alone():
    """The same as without the images of which nothing is known."""
    generator = np.random.default_rng(0)
    latents = torch.from_numpy(generator.normal(size=(60, 3)))
    values = (latents[:, :1].numpy() + generator.normal(0, 0.5, (60, 1)) > 0).astype(np.int8)
    unknown = values.copy()
    unknown[::4] = -1
    kept = unknown[:, 0] >= 0
    vectors = torch.tensor([[1.0, 0, 0]])
    for measure in (linear_probe, partial(classify_by_vectors, vectors)):
        some = measure(latents, unknown, latents, unknown)
        fewer = measure(latents[kept], values[kept], latents[kept], values[kept])
        assert {name: found.tolist() for name, found in some.items()} == {
            name: pytest.approx(found.tolist()) for name, found in fewer.items()
        }


def test_an_unknown_context_speaks_against_nothing():
    """Of 200 with a mustache one is known to be a woman's; of the faces one is a man, one a woman, one unknown."""
    train = table([1] * 200, [1] * 100 + [-1] * 99 + [0])
    train = np.concatenate([train, train[:99]])  # 199 known men, one woman
    faces = table([0, 0, 0], [1, 0, -1])
    assert possible(faces, train, ("Mustache", "Male"), ("Male",))[:, 0].tolist() == [True, False, True]
