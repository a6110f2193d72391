"""The pictures of an evaluation: which faces and columns they show, and legends that cover nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Pixels, directions, pictures
from model_data import vae_arrays
from test_vae_evaluation import CPU, mixture, settings

from facevae.evaluation.vae import Models, VaeReport
from facevae.figures import base
from facevae.figures import vae as module
from facevae.figures.vae import draw_pictures, shown_faces, strength_columns
from facevae.latents.posteriors import Posteriors
from facevae.latents.vectors import Recommendation


def test_the_recommended_strength_and_one_kind_have_the_last_columns():
    vectors = directions([Recommendation(2.5)], Red=[1, 0, 0])
    columns = strength_columns(vectors, "Red", [-1.0, 2.5])
    assert [title for title, *_ in columns] == ["strength -1", "strength 2.5", "recommended: 2.5"]
    assert all(np.array_equal(vector, vectors.of("Red")) for _, vector, _ in columns)
    title, vector, strength = strength_columns(replace(vectors, kinds={"Red": Recommendation(1.25)}), "Red", [1.0])[-1]
    assert (title, strength) == ("one kind: 1.25", 1.25)
    assert np.array_equal(vector, vectors.of("Red", "one_kind")) and not np.array_equal(vector, vectors.of("Red"))


def test_the_faces_shown_lack_it_and_can_have_it():
    labels, able = np.array([0, 1, 0, -1, 0, 0]), np.array([False, True, True, True, True, True])
    assert shown_faces(labels, able, 2).tolist() == [2, 4]
    assert shown_faces(labels, np.zeros(6, bool), 3).tolist() == [0, 2, 4], "better than no sheet"
    assert shown_faces(np.ones(6), able, 3).tolist() == []


def drawn(monkeypatch, folder, frechet=None):
    """The sheets by name: rows, row titles, column titles, title. Red faces are green ones, the first is not green."""
    images = pictures([0, 2, 2], [1, 2, 2], [4, 5, 0], [2, 2, 0])
    labels = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]], np.int8)
    splits = ("train", "test")
    arrays = vae_arrays(dict.fromkeys(splits, images), dict.fromkeys(splits, labels), COLOURS)
    mu = torch.from_numpy(images).flatten(1) / 255
    vectors = directions([Recommendation(2.0)], Red=[1, 0, 0])
    posteriors = Posteriors(dict.fromkeys(splits, mu), {}, mu, 1)
    models = Models(Pixels(), None, None, replace(vectors, context=("Green",)), mixture(3), posteriors)
    sheets = {}

    def image_sheet(path, rows, row_titles, column_titles=(), title=""):
        sheets[path.stem] = [np.stack(row) for row in rows], list(row_titles), list(column_titles), title

    monkeypatch.setattr(module, "image_sheet", image_sheet)
    report = VaeReport({"frechet": frechet} if frechet else {}, {"attributes": ((), [])}, [], np.zeros((0, 3)), [])
    draw_pictures(folder, models, arrays, report, settings(strengths=[1.0], faces=2, samples=9), CPU)
    return sheets


def test_a_sheet_of_strengths(monkeypatch, tmp_path):
    rows, _, columns, title = drawn(monkeypatch, tmp_path)["Red"]
    assert columns == ["unseen face", "reconstruction", "strength 1", "recommended: 2"]
    # The faces with 1 and 2 fifths of red; the first of all is not green, as all red ones are.
    assert [[int(cell[0, 0, 0]) // 51 for cell in row] for row in rows] == [[1, 1, 2, 3], [2, 2, 3, 4]]
    assert "Green" in title


def test_ways_are_shown_on_the_same_faces(monkeypatch, tmp_path):
    rows, *_ = drawn(monkeypatch, tmp_path)["ways"]
    assert [int(face[0, 0, 0]) // 51 for face in rows[0]] == [1, 2]


def test_samples_of_both_kinds_in_one_sheet(monkeypatch, tmp_path):
    rows, titles, _, title = drawn(monkeypatch, tmp_path)["samples"]
    assert titles == ["mixture", "mixture", "prior", "prior"] and [len(row) for row in rows] == [8, 1, 8, 1]
    assert "Frechet" not in title
    title = drawn(monkeypatch, tmp_path, {"mixture_samples": 0.5, "prior_samples": 1.25})["samples"][3]
    assert title.index("mixture (Frechet distance 0.50)") < title.index("prior (Frechet distance 1.25)")


@pytest.mark.parametrize("chart", ["bars", "lines"])
def test_a_legend_covers_nothing(chart, monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(base, "_save", lambda figure, path: figures.append(figure))
    if chart == "bars":
        names = [f"attribute {number}" for number in range(39)]
        base.bars(tmp_path / "b.png", names, {"detection rate": [1.0] * 39, "leakage": [0.1] * 39}, "title", "share")
    else:
        points = [(x / 10, y / 10, "1") for x in range(10) for y in range(10)]
        base.labelled_lines(tmp_path / "l.png", {"balanced": points, "mean difference": points}, "title", "x", "y")
    (axis,) = figures[0].axes
    legend, picture = axis.get_legend().get_window_extent(), figures[0].bbox
    assert not legend.overlaps(axis.get_window_extent())
    assert not legend.overlaps(axis.title.get_window_extent())
    assert picture.contains(legend.x0, legend.y0) and picture.contains(legend.x1, legend.y1)


@pytest.mark.parametrize(("value", "text"), [(-0.001, "0.00"), (0.004, "0.00"), (-0.25, "-0.25"), (0.996, "1.00")])
def test_a_bar_has_no_negative_nothing(value, text):
    assert base._two_digits(value) == text
