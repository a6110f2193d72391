"""Edits of a person's own faces, with models that see nothing but colours."""

import numpy as np
import pytest
from colour_models import COLOURS, pictures
from onnx_models import write_judge, write_pixels

from facevae.finding.composite import square_matrix
from facevae.inference.editing import Editor, add_change
from facevae.inference.faces import Faces
from facevae.inference.models import ModelFolder
from facevae.inference.photographs import Photograph
from facevae.latents.vectors import AttributeVectors, Recommendation, save_vectors

FIFTHS = np.array([[1, 0, 0], [0, 2, 0], [-1, -1, 0]], np.float32) / 5
VECTORS = AttributeVectors(
    ("Red", "Green", "Wearing_Hat"),
    {"regression": FIFTHS, "mean_difference": -FIFTHS},
    "regression",
    (Recommendation(2.0, 0.9, 0.01), Recommendation(0.5, None, None), Recommendation(1.0, 0.5, 0.1)),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """An autoencoder of a single pixel that loses the blue, and no judge."""
    folder = tmp_path_factory.mktemp("models")
    write_pixels(folder, 1)
    save_vectors(folder / "attribute_vectors.safetensors", VECTORS)
    return ModelFolder(folder, "cpu")


@pytest.fixture
def judged(models, tmp_path):
    """The same with a judge that holds the mean of each colour for the probability of an attribute."""
    for path in models.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_judge(tmp_path, 1, COLOURS, np.eye(3), np.zeros(3))
    return ModelFolder(tmp_path, "cpu")


def test_edits_add_up(models):
    faces = pictures([1, 1, 1], [3, 2, 0])
    editor = Editor(models, faces)
    found = [editor.plain({"Red": 2.0 * by, "Green": 0.5 * by}) for by in (0.0, 1.0, -0.5, 2.0)]
    # The decoder loses the blue; colours end at black and white.
    expected = [
        pictures([1, 1, 0], [3, 2, 0]), pictures([3, 2, 0], [5, 3, 0]),
        np.array([[0, 0.5, 0], [2, 1.5, 0]]).reshape(2, 1, 1, 3) * 51, pictures([5, 3, 0], [5, 4, 0]),
    ]  # fmt: skip
    assert all(np.abs(part - wanted).max() <= 1 for part, wanted in zip(found, expected, strict=True))
    assert [part.dtype for part in found] == [np.uint8] * 4


def test_no_change_is_the_reconstruction(models):
    editor = Editor(models, pictures([1, 4, 1], [3, 2, 5]))
    assert np.array_equal(editor.plain({}), pictures([1, 4, 0], [3, 2, 0]))
    assert np.array_equal(editor.plain({"Red": 0.0}), editor.plain({}))


def test_residual_edits_keep_what_the_decoder_loses(models):
    faces = pictures([1, 1, 1], [3, 2, 4])
    editor = Editor(models, faces)
    nothing, once, back = (editor.residual({"Red": 2.0 * by, "Green": 0.5 * by}) for by in (0.0, 1.0, -1.0))
    assert np.array_equal(nothing, faces) and np.array_equal(editor.residual({}), faces)
    assert np.array_equal(once, pictures([3, 2, 1], [5, 3, 4]))
    assert np.array_equal(back, pictures([0, 0, 1], [1, 1, 4]))
    added = editor.additions({"Red": np.array([2.0, 0.0]), "Green": np.array([0.5, 1.0])})
    assert np.allclose(added[..., 0, 0], [[0.4, 0.2, 0], [0, 0.4, 0]], atol=1e-6)
    assert not editor.additions({"Red": 0.0}).any() and not editor.additions({}).any()


def test_how_well_a_face_is_known(models):
    """Of a grey pixel the blue is lost: an error of 1 in one of three values, or of a fifth."""
    found = Editor(models, pictures([0, 0, 5], [5, 5, 1], [2, 2, 0])).psnr_db()
    assert found == pytest.approx([10 * np.log10(3), 10 * np.log10(75), 100], abs=1e-4)


def test_strengths_are_searched_for_each_face(judged, models):
    """Red is clear above 4 fifths: in steps of 2 times 2 / 32, from 1 fifth after 3.125, from 2 after 2.125."""
    faces = pictures([1, 0, 0], [2, 0, 3], [4, 0, 0])
    found = Editor(judged, faces).search("Red", 2.0)
    assert found.strengths.tolist() == [3.125, 2.125, 2.0], "the last is red already"
    assert found.tried.tolist() == [True, True, False] and found.found.tolist() == [True, True, False]
    few = Editor(judged, faces).search("Red", 1.25)
    assert few.strengths.tolist() == [2.5, 2.03125, 1.25] and few.found.tolist() == [False, True, False], "2.5 at most"
    without = Editor(models, faces).search("Red", 2.0)
    assert without.strengths.tolist() == 3 * [2.0] and not without.tried.any()
    unknown = Editor(judged, faces).search("Wearing_Hat", 1.0)
    assert unknown.strengths.tolist() == 3 * [1.0] and not unknown.tried.any()


def test_what_the_judge_sees_of_an_edit(judged, models):
    seen = Editor(judged, pictures([1, 0, 3])).probabilities({"Red": 2.0})
    assert seen == pytest.approx(np.array([[0.6, 0.0, 0.6]]), abs=1e-6)
    with pytest.raises(ValueError, match="no judge"):
        Editor(models, pictures([1, 0, 3])).probabilities({"Red": 2.0})


def test_a_grey_photograph_stays_grey():
    pixels = np.full((8, 8, 3), 100, np.uint8)
    change = np.stack([np.full((8, 8), value, np.float32) for value in (0.2, 0.0, -0.1)])
    grey = add_change(Photograph(pixels, "PNG", grey=True), square_matrix(0, 0, 8, 8), change)
    assert (grey.pixels == 100 + round(255 * (0.299 * 0.2 - 0.114 * 0.1))).all()
    grey3 = add_change(Photograph(pixels[..., :1].repeat(3, 2), "PNG"), square_matrix(0, 0, 8, 8), change)
    assert np.array_equal(grey3.pixels[..., 0], grey3.pixels[..., 2]), "also where its three planes are equal"
    pixels[0, 0, 0] = 101
    coloured = add_change(Photograph(pixels, "PNG"), square_matrix(0, 0, 8, 8), change)
    assert coloured.pixels[4, 4].tolist() == [151, 100, 74] and (pixels[4, 4] == 100).all()


def test_one_face_into_another(models):
    first, last = pictures([5, 0, 2], [1, 4, 3])
    found = Faces(models).interpolate(first, last, 5, spherical=False)
    assert np.array_equal(found, pictures([5, 0, 0], [4, 1, 0], [3, 2, 0], [2, 3, 0], [1, 4, 0]))
    assert np.array_equal(Faces(models).interpolate(first, last, 2), found[[0, -1]])


def test_along_the_arc(models):
    """Between two colours at a right angle, both of length 1, lies one of length 1."""
    first, last = pictures([5, 0, 0], [0, 5, 0])
    middle = Faces(models).interpolate(first, last, 3)[1]
    assert np.abs(middle[0, 0].astype(int) - [180, 180, 0]).max() <= 1  # 255 / sqrt(2)
