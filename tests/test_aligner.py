"""Faces found and framed: the transforms, what the aligner is trained on, the search for faces, and the stages."""

import csv
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from model_data import make_params
from raw_data import make_raw, one_line
from torch import nn

from facevae.alignment.boxes import find_boxes
from facevae.alignment.similarity import compose, corner_error, inverse, moved, scale_of, similarity, turn_of
from facevae.alignment.textures import texture
from facevae.alignment.views import VIEW, Pyramid, cut_out
from facevae.evaluation.aligner import as_function, load_finder
from facevae.finding.finder import Face, FaceFinder
from facevae.finding.pictures import no_face, place_face
from facevae.imaging.frames import SquareFrame
from facevae.inference.framing import Framing
from facevae.inference.portrait_frame import PortraitFrame
from facevae.models.aligner import Aligner, centres
from facevae.training.aligner import aligner_terms
from facevae.training.loop.step import StepContext
from facevae.training.views import NUMBERS, make_views, surroundings
from stages import evaluate_aligner, train_aligner

pytestmark = pytest.mark.usefixtures("own_training")

CPU = torch.device("cpu")
FRAME = (178, 218)


# --- transforms


def test_a_quarter_turn_by_hand():
    matrix = similarity(10, 20, math.log(2), math.pi / 2)
    # x to the right becomes y downwards: clockwise to the eye.
    assert moved(matrix, np.array([[1, 0], [0, 1]])) == pytest.approx(np.array([[10, 22], [8, 20]]))
    assert scale_of(matrix) == pytest.approx(2) and turn_of(matrix) == pytest.approx(math.pi / 2)
    assert compose(inverse(matrix), matrix) == pytest.approx(np.eye(3)[:2])


def test_corner_errors_by_hand():
    truth = similarity(5, 5, math.log(2), 0.3)
    assert corner_error(truth, truth, FRAME) == 0
    # All corners 6 pixels of the picture to the right: 3 of the frame, which is twice as large there.
    right = np.array([[0, 0, 6], [0, 0, 0]])
    assert corner_error(truth + right, truth, FRAME) == pytest.approx(3)
    # From the upper left corner 1% larger: the others are off by 1% of their distances from it.
    grown = similarity(5, 5, math.log(2.02), 0.3)
    expected = 0.01 * (178 + math.hypot(178, 218) + 218) / 4
    assert corner_error(grown, truth, FRAME) == pytest.approx(expected)


# --- what it learns from


def test_a_maps_centre_by_hand():
    maps = torch.full((1, 2, 4, 8), -100.0)
    maps[0, 0, 3, 7] = 100
    maps[0, 1, 0, 0] = maps[0, 1, 0, 7] = 100
    assert centres(maps)[0].tolist() == [pytest.approx([0.875, 0.75]), pytest.approx([0, -0.75])]


def test_a_view_shows_the_face_where_its_placement_says():
    """A white spot at the middle of an aligned image is at the placement's shift."""
    faces = torch.zeros(400, 109, 89, 3, dtype=torch.uint8)
    faces[:, 50:59, 40:49] = 255
    around = surroundings(np.zeros((20, 109, 89, 3), np.uint8), 0)
    around = type(around)(torch.zeros_like(around.pictures), torch.zeros_like(around.grain))
    numbers = torch.from_numpy(np.random.default_rng(0).random((400, NUMBERS), np.float32))
    views = make_views(faces, around, numbers, math.radians(45))
    line = (torch.arange(VIEW) + 0.5) * (2 / VIEW) - 1
    light = (views.images.mean(1) - views.images.mean(1).amin((1, 2), keepdim=True)) ** 16
    x, y = (light.sum(1) * line).sum(1) / light.sum((1, 2)), (light.sum(2) * line).sum(1) / light.sum((1, 2))
    errors = (torch.stack([x, y], 1) - views.placements[:, :2]).abs().amax(1)[views.faces == 1]
    assert 0.6 < views.faces.mean() < 0.76
    # Some spots are hidden, and the light of the scene pulls a little.
    assert errors.median() < 0.06


def test_terms_by_hand():
    class Given(nn.Module):
        def forward(self, images):
            return torch.tensor([[0.5, 0, 0, 0, 9.0], [0, 0, 0, 0, -9.0], [0, 0, 0, 0, 9.0]])

    placements = torch.tensor([[0.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    corners = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    step = StepContext(0, None, 3)
    terms = aligner_terms(Given(), torch.zeros(3, 3, VIEW, VIEW), placements, torch.tensor([1.0, 0, 0]), corners, step)
    assert terms["accuracy"].tolist() == [1, 1, 0]
    # Off by half; no face, and said so; none, and taken for one, which costs its logit.
    assert terms["loss"].tolist() == pytest.approx([4 * 0.5, 0, 9], abs=0.01)
    assert terms["corner_error"].tolist() == pytest.approx([0.5 / 0.68, 0, 0], abs=0.01)


# --- finding


# Of an aligner whose faces a detector of boxes sees, all or none of them.
SEEN, UNSEEN = 1.0, 0.0


class Oracle:
    """Reads in the colours of a picture, red = x and green = y, where it looks, and knows where the face is."""

    def __init__(self, truth, size):
        self.truth, self.size = truth, size

    def __call__(self, views):
        line = (np.arange(VIEW) + 0.5) * (2 / VIEW) - 1
        grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
        known = np.column_stack([grid, np.ones(len(grid))])
        answers = []
        for view in views.transpose(0, 2, 3, 1).astype(np.float64):
            places = view[..., :2].reshape(-1, 2) * self.size
            seen = np.linalg.lstsq(known, places, rcond=None)[0].T
            mirrored = np.linalg.det(seen[:, :2]) < 0
            if mirrored:
                seen = seen * [-1, 1, 1]
            placed = compose(inverse(seen), self.truth)
            answer = [*placed[:, 2], math.log(scale_of(placed)), float(turn_of(placed)), 5.0]
            answers.append([-answer[0], answer[1], answer[2], -answer[3], 5.0] if mirrored else answer)
        return np.array(answers, np.float32)


def coordinates(width, height):
    x, y = np.meshgrid((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)
    return (np.stack([x, y, 0 * x], -1) * 255).round().astype(np.uint8)


def test_views_are_brought_to_their_faces():
    truth = similarity(130, 90, math.log(50), 0.3)
    finder = FaceFinder(Oracle(truth, (256, 200)), FRAME, SEEN)
    start = similarity(np.array([110.0, 140]), np.array([100.0, 80]), np.log([60.0, 40]), np.zeros(2))
    found, logits, went = finder.refine(Pyramid(coordinates(256, 200)), start)
    assert logits == pytest.approx([5, 5]) and (went < 0.05).all()
    for view in found:
        assert moved(view, np.array([[-1, -1], [1, 1]])) == pytest.approx(
            moved(truth, np.array([[-1, -1], [1, 1]])), abs=1.5
        )


def test_a_search_finds_the_face_once_and_says_where():
    truth = similarity(130, 90, math.log(50), 0.3)
    finder = FaceFinder(Oracle(truth, (256, 200)), FRAME, UNSEEN)
    (face,) = finder.faces(coordinates(256, 200))
    assert face.centre == pytest.approx((130, 90), abs=1.5)
    assert face.degrees == pytest.approx(math.degrees(0.3), abs=1.5)
    assert face.scale == pytest.approx(50 / 89, rel=0.03) and face.whole
    aligned = finder.align_photograph(coordinates(256, 200))
    assert aligned.shape == (218, 178, 3)
    assert aligned[109, 89, :2] / 255 * (256, 200) == pytest.approx([130, 90], abs=2)
    assert FaceFinder(Oracle(truth, (256, 200)), FRAME, SEEN).align_photograph(coordinates(256, 200)) is None
    assert FaceFinder(Oracle(truth, (256, 200)), FRAME, SEEN).faces(coordinates(256, 200)) == []


@pytest.mark.parametrize("size", [(40, 40), (5000, 1), (1, 5000), (3, 3)])
def test_pictures_too_small_for_a_face_have_none(size):
    picture = texture(0, size, 0)
    finder = FaceFinder(as_function(Aligner(8).eval(), CPU), FRAME, SEEN)
    assert len(find_boxes(picture)) == 0 and finder.faces(picture) == []


def test_an_aligner_as_a_function_of_arrays():
    torch.manual_seed(0)
    network, views = Aligner(8).eval(), np.random.default_rng(0).random((3, 3, VIEW, VIEW), np.float32)
    answers = as_function(network, CPU)(views)
    assert answers.shape == (3, 5) and answers.dtype == np.float32
    with torch.no_grad():
        assert answers == pytest.approx(network(torch.from_numpy(views)).numpy(), abs=1e-5)


def test_views_are_means_of_the_photographs_pixels():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[::2] = 255
    view = Pyramid(stripes).views(similarity(128, 128, math.log(128), 0.0)[None])
    assert view == pytest.approx(0.5, abs=0.01)  # not 0 or 1, as every second row would have it


# --- framing


def frame_of(size=64):
    return PortraitFrame(FRAME, SquareFrame(178, size, "bilinear"))


class Given:
    """Finds these faces."""

    frame = FRAME

    def __init__(self, *faces):
        self.given = faces

    def faces(self, image):
        return list(self.given)


def face_at(x, y, scale=1.0, degrees=0.0, inside=1.0):
    centre = np.array([[1, 0, -89], [0, 1, -109]])
    return Face(compose(similarity(x, y, math.log(scale), math.radians(degrees)), centre), FRAME, 5.0, inside)


def framing(*faces, face="largest", way="aligned", has_aligner=True):
    return Framing(SimpleNamespace(frame=frame_of(), finder=Given(*faces), has_aligner=has_aligner), way, face)


PHOTO = texture(2, (600, 400), 0)


def test_the_largest_face_is_taken_and_said():
    (found,) = framing(face_at(300, 200, 2, 12), face_at(80, 90))(PHOTO, "x")
    assert found.words == "600x400, face 1 of 2 at 300, 200, turned 12 degrees clockwise"
    assert moved(found.matrix, np.array([[32, 32]]))[0] == pytest.approx([300, 200])
    assert scale_of(found.matrix) == pytest.approx(2 * 178 / 64)


def test_a_number_and_all(capsys):
    faces = [face_at(300, 200, 1), face_at(80, 90, 0.8), face_at(500, 100, 0.7, inside=0.5)]
    assert len(framing(*faces, face="all")(PHOTO, "x")) == 2, "the third is cut off"
    assert capsys.readouterr().err == "note: x: left out 1 of 3 faces, cut off by the border or too small\n"
    (second,) = framing(*faces, face="2")(PHOTO, "x")
    assert second.words.startswith("600x400, face 2 of 3 at 80, 90")
    with one_line("at least 4 faces", "for face 4", "found 3"):
        framing(*faces, face="4")(PHOTO, "x")


def test_no_face_half_a_face_and_a_tiny_one():
    with one_line("photo.jpg: expected a face, found none in 600x400 pixels", "frame centre"):
        framing()(PHOTO, "photo.jpg")
    with one_line("a whole face", "at 0, 200", "border cuts off"):
        framing(face_at(0, 200, inside=0.4))(PHOTO, "x")
    with one_line("at least 32 pixels", "of 18"):
        framing(face_at(300, 200, 0.1))(PHOTO, "x")


def test_auto_takes_what_is_framed_already():
    for size in ((64, 64), FRAME):
        (found,) = framing(way="auto")(texture(0, size, 0), "x")
        assert found.pixels.shape == (64, 64, 3)
    with one_line("expected a face"):
        framing(way="auto")(PHOTO, "x")
    assert "its centred" in framing(way="auto", has_aligner=False)(PHOTO, "x")[0].words


@pytest.mark.parametrize("face", ["0", "-1", "second", "1.5", "True", "²"])
def test_a_face_that_is_none(face):
    with one_line(f"face {face}: expected largest, all, or a number from 1 on"):
        framing(face_at(300, 200), face=face)


def test_a_way_that_is_none():
    with one_line("frame cover: expected auto, centre or aligned"):
        framing(way="cover")


def test_a_square_is_cut_as_training_images_are():
    """Of a photograph that is an aligned image, enlarged: nearly what crop_pad makes of that image."""
    aligned = texture(2, FRAME, 5)
    photograph = np.repeat(np.repeat(aligned, 3, 0), 3, 1)
    square = frame_of()
    matrix = compose(np.array([[3.0, 0, 0], [0, 3, 0]]), square.matrix(aligned))
    found = cut_out(Pyramid(photograph), matrix, (64, 64)).astype(float)
    assert np.abs(found - square(aligned, "x")).mean() < 3


# --- pictures, and the stages


def test_placed_faces_are_where_they_are_said_to_be():
    face = np.zeros((218, 178, 3), np.uint8)
    face[105:114, 85:94] = (255, 0, 0)
    for number in range(6):
        placed = place_face(face, number, (400, 300), 0, scales=(0.4, 1.0), degrees=25, oval=number % 2 == 0)
        assert placed.picture.shape == (300, 400, 3)
        x, y = moved(placed.matrix, np.array([[89.5, 109.5]]))[0]
        assert placed.picture[int(y), int(x)].tolist() == pytest.approx([255, 0, 0], abs=40)
    assert no_face(face[None], 0, (80, 60), 0).shape == (60, 80, 3)


def test_the_stages(tmp_path, monkeypatch):
    monkeypatch.setattr("facevae.training.views.PICTURES", 4)
    raw = make_raw(tmp_path / "raw", 20)
    files = {"archive": raw / "img_align_celeba.zip", "partitions": raw / "list_eval_partition.txt", "workers": 1}
    model = tmp_path / "models/aligner.safetensors"
    params = make_params(tmp_path)
    where = {"params": params, "device": "cpu", "model": model}
    train_aligner.main(**where, **files, results=tmp_path / "train", logs=tmp_path / "logs")
    first = model.read_bytes()
    train_aligner.main(**where, **files, results=tmp_path / "train", logs=tmp_path / "logs")
    assert model.read_bytes() == first
    assert load_finder(model, CPU).frame == FRAME
    with open(tmp_path / "train/history.csv", encoding="utf-8", newline="") as file:
        assert {"train_corner_error", "valid_corner_error"} <= set(next(csv.DictReader(file)))
    evaluate_aligner.main(**where, **files, results=tmp_path / "evaluate")
    assert 0 <= json.loads((tmp_path / "evaluate/metrics.json").read_text())["aligner"]["found"] <= 1
    assert (tmp_path / "evaluate/found.png").exists()
    with open(tmp_path / "evaluate/pictures.csv", encoding="utf-8", newline="") as file:
        assert [row["picture"] for row in csv.DictReader(file)] == ["with 0", "with 1", "without 0", "without 1"]
