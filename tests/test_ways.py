"""Ways of editing judged by hand, with models that see nothing but colours."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels, directions, pictures

from bench.ways import EQUAL, equal, judge_attribute, line, summary
from facevae.celeba.pairs import Pairs
from facevae.evaluation.counterfactual import WAY_SCORE_COLUMNS, score_counterfactuals
from facevae.evaluation.edits import Edit, Faces
from facevae.evaluation.ways import (
    COLUMNS,
    PER_FACE,
    PLAIN,
    RESIDUAL,
    Ways,
    psnr_outside_db,
    region_of,
    residual_metrics,
    ways_summary,
)
from facevae.latents.vectors import Recommendation

CPU = torch.device("cpu")
# In fifths. The decoder loses the blue.
IMAGES = pictures([0, 1, 4], [1, 1, 4], [0, 1, 2])
LABELS = np.array([[0, 1, 1], [0, 1, 1], [0, 1, 0]], np.int8)


class Squares(Pixels):
    """Its decoder squares: a change twice as strong is more than twice as large."""

    def decode(self, z):
        return super().decode(z) ** 2


def judged(strength, searched=0, regions=None, most=9, asked="Red", vector=(1.0, 0, 0), vae=Pixels, shows=1.0):
    seen = IMAGES[:, 0, 0] / 255
    latents, embeddings = torch.from_numpy(seen).float(), torch.from_numpy(seen).float()
    judge = Judge()
    faces = Faces(
        vae(), judge, latents, LABELS, COLOURS, CPU, embed=judge.embedding, persons=embeddings
    )  # fmt: skip
    vectors = replace(directions(Red=[5, 0, 0]), maps=np.full((1, 1, 1), shows))
    ways = Ways(faces, IMAGES, seen, regions or {}, vectors, most, searched)
    list(faces.judge_edits([Edit(asked, torch.tensor(vector), strength)], 9, observe=ways))
    return {verdict.way: verdict for verdict in ways.verdicts}


def test_the_residual_edit_keeps_what_the_decoder_loses():
    found = judged(0.6)
    # Red of 0, 0.2 and 0 becomes 0.6, 0.8 and 0.6, seen on all; the plain edit has no blue either.
    assert set(found) == {PLAIN, RESIDUAL}
    assert all(
        (verdict.faces, verdict.detection_rate, verdict.strength) == (3, 1, pytest.approx(0.6))
        for verdict in found.values()
    )
    lost = (0.8 + 0.8 + 0.4) / 3
    assert found[PLAIN].leakage == pytest.approx(lost / 2, abs=1e-4), "of green and blue, the blue is gone"
    assert found[RESIDUAL].leakage == pytest.approx(0, abs=1e-4)
    a, b = np.array([[0, 0.2, 0.8], [0.2, 0.2, 0.8], [0, 0.2, 0.4]]), np.array([[0.6, 0, 0]])
    cosines = [
        float(np.mean((a * edited).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(edited, axis=1)))
        for edited in ((a + b) * [1, 1, 0], a + b)
    ]
    assert [found[way].identity for way in (PLAIN, RESIDUAL)] == pytest.approx(cosines, abs=1e-4)


def test_the_residual_edit_is_half_of_one_twice_as_strong():
    """Of red 0, 0.2, 0 plain edits make 0.36, 0.64, 0.36; half of the change to 1.44, 1.96, 1.44 is above a half."""
    found = judged(0.6, searched=3, vae=Squares)
    assert found[PLAIN].detection_rate == pytest.approx(1 / 3) and found[RESIDUAL].detection_rate == 1
    # Clear above 0.8, in steps of 1.2 / 32: 2 s s is after 0.6325, 0.2 + ((0.2 + 2 s)^2 - 0.2^2) / 2 after 0.4568.
    assert found[PER_FACE].strength == pytest.approx((17 + 13 + 17) / 3 * 1.2 / 32, abs=1e-4)


def test_strengths_per_face():
    found = judged(0.6, searched=2)
    # Of the first two faces, in steps of 1.2 / 32: above 0.8 and above 0.6.
    step = 1.2 / 32
    expected = (np.ceil(0.8001 / step) + np.ceil(0.6001 / step)) * step / 2
    assert found[PER_FACE].faces == 2 and found[PER_FACE].detection_rate == 1
    assert found[PER_FACE].strength == pytest.approx(expected, abs=1e-4)
    assert found[RESIDUAL].faces == 3 and judged(0.6, most=2)[RESIDUAL].faces == 2


def test_residual_edits_change_only_where_the_attribute_shows():
    found = judged(0.6, shows=0.0)
    assert found[RESIDUAL].changed_pixels == 0 and found[RESIDUAL].detection_rate == 0
    assert found[PLAIN].changed_pixels == 1 and found[PLAIN].detection_rate == 1


def test_how_much_of_the_photograph_changes():
    found = judged(0.6)
    # Pictures of one pixel, which is the region: nothing is outside of it.
    assert all(verdict.changed_pixels == 1 and verdict.psnr_outside_db == 100 for verdict in found.values())
    still = judged(0.6, regions={"Red": np.zeros((1, 1), bool)}, vector=(0.0, 0, 0))
    assert still[RESIDUAL].changed_pixels == 0 and still[RESIDUAL].psnr_outside_db == 100
    assert still[PLAIN].changed_pixels == 1 and still[PLAIN].psnr_outside_db < 12


def test_regions():
    change = np.array([[0.0, 0.1], [0.24, 0.4]])
    assert region_of(change).tolist() == [[False, True], [True, True]] and not region_of(np.zeros((2, 2))).any()
    images = torch.zeros(1, 3, 2, 2)
    edits = images.clone()
    edits[..., 0, 0], edits[..., 1, 1] = 0.1, 0.9
    # An offset of 0.1 in one of the two pixels outside.
    outside = psnr_outside_db(edits, images, np.array([[False, True], [False, True]]))
    assert outside.tolist() == pytest.approx([10 * np.log10(2 / 0.01)], abs=1e-3)
    assert psnr_outside_db(edits, images, np.ones((2, 2), bool)).tolist() == [100]


def test_the_truth_by_way():
    """The plain edit, which has no blue, is farther from the drawing than the drawing without the attribute."""
    without = pictures([0, 1, 4], [2, 3, 2])
    pair = Pairs("Red", [0, 1], without, without + pictures([2, 0, 0]))
    found = score_counterfactuals(Pixels(), [pair], directions(Red=[2, 0, 0]), CPU)
    scores = {row["way"]: row["explained_change"] for row in found.way_scores}
    assert scores[RESIDUAL] == pytest.approx(1, abs=1e-4)
    assert scores[PLAIN] == pytest.approx(1 - (16 + 4) / (4 + 4), abs=1e-4)
    assert all(tuple(row) == WAY_SCORE_COLUMNS and row["identities"] == 2 for row in found.way_scores)
    assert found.regions["Red"].tolist() == [[True]]


def test_the_truth_is_met_by_half_of_an_edit_twice_as_strong():
    pair = Pairs("Red", [0], pictures([0, 2, 2]), pictures([0, 2, 2]) + np.array([round(0.32 * 255), 0, 0], np.uint8))
    found = score_counterfactuals(Squares(), [pair], directions(Red=[2, 0, 0]), CPU)
    scores = {row["way"]: row["explained_change"] for row in found.way_scores}
    assert scores[RESIDUAL] == pytest.approx(1, abs=1e-3), "0.8 squared, by two"


def test_in_figures():
    verdicts = list(judged(0.6, searched=1).values())
    scores = [{"way": RESIDUAL, "explained_change": value} for value in (0.25, 0.75)]
    metrics = residual_metrics(verdicts, scores)
    assert metrics["explained_change"] == 0.5 and metrics["identity"] == verdicts[1].identity
    assert "explained_change" not in residual_metrics(verdicts, [])
    rows = [vars(verdict) for verdict in verdicts]
    lines = ways_summary(rows, scores)
    assert [line.split(" edits")[0] for line in lines] == ["plain", "residual", "residual per face"]
    assert "0.500 of the drawn change" in lines[1] and "drawn" not in lines[0]
    assert tuple(rows[0]) == COLUMNS


def test_ways_that_are_seen_equally_often():
    """The first two faces need 0.5 and 0.3 of red; the plain edit at 0.35 is seen on one of three, as on one of 0.2."""
    seen = torch.from_numpy(IMAGES[:, 0, 0]).float() / 255
    faces = Faces(Pixels(), Judge(), seen, LABELS, COLOURS, CPU, embed=Judge().embedding, persons=seen)
    vectors = directions([Recommendation(0.35)], Red=[5, 0, 0])
    plain, residual, equally, per_face, plain_equally = judge_attribute(faces, IMAGES, seen.numpy(), vectors, "Red", 9)
    assert [way.detection_rate for way in (plain, residual, equally)] == pytest.approx([1 / 3] * 3)
    assert equally.strength == plain.strength and equally.way == EQUAL
    # Up to twice the recommended strength: 0.7 is clear on the second face alone, but seen on all.
    assert per_face.detection_rate == plain_equally.detection_rate == 1 and plain_equally.strength > 0.5
    assert judge_attribute(faces, IMAGES, seen.numpy(), directions(Green=[5, 0, 0]), "Green", 9) == []
    text = summary([plain, residual, equally, per_face, plain_equally])
    assert f"{EQUAL} and {PLAIN}, seen equally often (0.01): 1 of 1 attributes" in text
    gained = equally.identity - plain.identity
    assert f"mean of these: cosine {gained:+.3f}, leakage 0.00 of the plain one's" in text
    assert "psnr" not in text and "Red" in line(plain)
    assert equal(0.5, 0.51, 1000) and not equal(0.5, 0.52, 1000) and equal(0.5, 0.52, 50)


def test_faces_without_embeddings_are_refused():
    faces = Faces(Pixels(), Judge(), torch.zeros(3, 3), LABELS, COLOURS, CPU)
    with pytest.raises(ValueError, match="embeddings"):
        Ways(faces, IMAGES, np.zeros((3, 3)), {}, directions(Red=(1.0, 0, 0)), 1, 1)
