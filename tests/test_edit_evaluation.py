"""Judging edits of which the answer is known."""

import numpy as np
import pytest
import torch
from colour_models import COLOURS, Judge, Pixels, directions, pictures

from facevae.celeba.pairs import Pairs
from facevae.evaluation.counterfactual import SCORE_COLUMNS, score_counterfactuals
from facevae.evaluation.edits import Edit, Faces, embed_all, judge_strengths, judge_vectors
from facevae.latents.vectors import METHODS, Recommendation

CPU = torch.device("cpu")
IMAGES = pictures([0, 2, 2], [2, 2, 2], [4, 2, 2], [5, 0, 0])
LABELS = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 1], [1, 1, 1]], np.int8)


def faces(seen=IMAGES, labels=LABELS, **more):
    latents = torch.from_numpy(seen).flatten(1) / 255
    return Faces(Pixels(), Judge(), latents, labels, COLOURS, CPU, **more)


def judged(vectors, strength=0.5, most=9, images=IMAGES, labels=LABELS):
    return judge_vectors(faces(images, labels), vectors, strength, most)[0]


def test_a_verdict_by_hand():
    # Red 0, 0.4 and 0.8 become 0.25, 0.65 and 1.05: the last was red before, one of the others becomes it.
    # Green moves by 0.05 in each and blue, which the decoder loses, not at all.
    (verdict,), changes = judge_vectors(faces(), directions(Red=[2.5, 0.5, 1]), 0.5, 9)
    assert (verdict.attribute, verdict.faces, verdict.strength) == ("Red", 3, 0.5) and verdict.method == "regression"
    assert verdict.detection_rate_before == pytest.approx(1 / 3) and verdict.success_rate == pytest.approx(1 / 2)
    assert verdict.detection_rate == pytest.approx(2 / 3)
    assert verdict.leakage == pytest.approx((0.05 + 0) / 2, abs=1e-5)
    assert changes == pytest.approx(np.array([[(0.25 + 0.25 + 0.2) / 3, 0.05, 0]]), abs=1e-5)
    assert verdict.identity is None and verdict.identity_reconstruction is None


def test_only_the_first_faces_are_edited():
    (verdict,) = judged(directions(Red=[2.5, 0.5, 1]), most=1)
    assert (verdict.faces, verdict.success_rate, verdict.detection_rate_before) == (1, 0, 0)


def test_strength_counts():
    assert [judged(directions(Red=[2.5, 0, 0]), strength)[0].success_rate for strength in (-1, 0.1, 0.5, 1.1)] == [
        0, 0, 0.5, 1,
    ]  # fmt: skip


def test_without_a_strength_the_recommended_ones_count():
    vectors = directions([Recommendation(1.1), Recommendation(0.1)], Red=[2.5, 0, 0], Blue=[0, 0, 1])
    red, blue = judged(vectors, None)
    assert (red.strength, red.success_rate, blue.strength) == (1.1, 1, 0.1)


def test_an_attribute_that_every_face_has_is_left_out():
    assert [verdict.attribute for verdict in judged(directions(Green=[0, 1, 0], Blue=[0, 0, 1]))] == ["Blue"]
    assert judged(directions(Green=[0, 1, 0])) == []


def test_an_attribute_that_the_judge_sees_everywhere_is_left_out():
    images, labels = pictures((4, 0, 0), (5, 0, 0)), np.zeros((2, 3), np.int8)
    found = judged(directions(Red=[1, 0, 0], Green=[0, 1, 0]), images=images, labels=labels)
    assert [verdict.attribute for verdict in found] == ["Green"]


def test_every_method_and_strength_is_judged():
    found = judge_strengths(faces(), directions(Red=[2.5, 0, 0], Green=[0, 1, 0]), ["Red", "Green"], [0.5, 1.1], 9)
    # Green, which all have, is left out. The other methods' vectors are half as long.
    assert [(verdict.method, verdict.strength) for verdict in found] == [(m, s) for m in METHODS for s in (0.5, 1.1)]
    success = {(verdict.method, verdict.strength): verdict.success_rate for verdict in found}
    assert success["regression", 0.5] == success["balanced", 1.1] == 0.5 and success["regression", 1.1] == 1


def test_the_person_is_compared_by_hand():
    # What is compared are red and green. The face without red: (0, 0.4), its edit by 1 red: (0.2, 0.4).
    def embed(images):
        return images.mean((2, 3))[:, :2]

    some = faces(IMAGES[:1], LABELS[:1], persons=embed_all(embed, IMAGES[:1], CPU), embed=embed)
    ((verdict, _),) = some.judge_edits([Edit("Red", torch.tensor([0.2, 0.0, 0.0]), 1.0)], 9)
    assert verdict.identity_reconstruction == pytest.approx(1, abs=1e-5)
    assert verdict.identity == pytest.approx(0.4 / (0.2**2 + 0.4**2) ** 0.5, abs=1e-5)
    assert verdict.identity_kept == pytest.approx(verdict.identity, abs=1e-5)
    assert torch.allclose(embed_all(embed, IMAGES, CPU, 3), torch.from_numpy(IMAGES).float().mean((1, 2))[:, :2] / 255)


def test_faces_that_cannot_have_an_attribute_are_not_edited():
    able = np.array([[0, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1]], bool)
    some = faces(possible=able)
    assert some.without("Red", 9).tolist() == [1, 2] and some.without("Red", 9, everyone=True).tolist() == [0, 1, 2]
    # The first, which can't be red, stays at 0.25; the second becomes 0.65, the third was red before.
    (verdict,), _ = judge_vectors(some, directions(Red=[2.5, 0, 0]), 0.5, 9)
    assert (verdict.faces, verdict.detection_rate) == (2, 1) and verdict.detection_rate_all == pytest.approx(2 / 3)
    (verdict,), _ = judge_vectors(faces(), directions(Red=[2.5, 0, 0]), 0.5, 9)
    assert verdict.detection_rate == verdict.detection_rate_all == pytest.approx(2 / 3)


def test_no_faces_at_all():
    nobody = faces(IMAGES[:0], LABELS[:0])
    assert nobody.before.shape == (0, 3) and nobody.judge_edit(Edit("Red", torch.zeros(3), 1.0), 9) is None


def test_edits_share_batches_and_keep_their_order():
    """Of many faces, more than are held at a time; those that are judged on no face in between."""
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 3, (400, 1, 1, 3), np.uint8) * np.uint8(51), np.zeros((400, 3), np.int8)
    labels[:, 1] = 1  # all are green
    able = random.integers(0, 2, labels.shape).astype(bool)
    crowd = faces(images, labels, possible=able)
    edits = [
        Edit(name, strength * torch.eye(3)[row], 1.0, f"{name} {strength}")
        for strength in (0.1, 0.2, 0.3)
        for row, name in enumerate(COLOURS)
    ]
    together = list(crowd.judge_edits(edits, 300, everyone=True))
    assert [pair is None for pair in together] == [False, True, False] * 3
    for asked, pair in zip(edits, together, strict=True):
        (alone,) = crowd.judge_edits([asked], 300, everyone=True)
        if pair is None:
            assert alone is None
            continue
        assert pair[0] == alone[0] and np.array_equal(pair[1], alone[1]) and pair[0].method == asked.method
    # By hand: red, and whether the judge sees more than half of it, of the first 300 who are not red.
    red = images[:300, 0, 0, 0] / 255 + 0.2 > 0.5
    assert together[3][0].detection_rate_all == pytest.approx(red.mean())


def test_where_the_judge_embeds_its_layers_are_computed_once():
    class Counting(Judge):
        calls = 0

        def embedding(self, images):
            Counting.calls += 1
            return super().embedding(images)

        def logits_and_embedding(self, images):
            found = super().embedding(images)
            return found.clamp(1e-6, 1 - 1e-6).logit(), found

        def forward(self, images):
            raise AssertionError("the judge is asked a second time")

    judge, latents = Counting(), torch.from_numpy(IMAGES).flatten(1) / 255
    some = Faces(Pixels(), judge, latents, LABELS, COLOURS, CPU, embed=judge.embedding, persons=latents)
    ((verdict, _),) = some.judge_edits([Edit("Red", torch.tensor([0.2, 0.0, 0.0]), 1.0)], 9)
    assert verdict.identity is not None and Counting.calls == 0


def scores(*pairs, **vectors):
    found = (Pairs(name, list(range(len(without))), without, having) for name, without, having in pairs)
    return score_counterfactuals(Pixels(), found, directions(**vectors), CPU).scores


WITHOUT = pictures([0, 1, 0], [2, 3, 0])


def explained(rows, reference):
    return {row["method"]: row["explained_change"] for row in rows if row["reference"] == reference}


def test_the_true_vector_scores_one_and_half_of_it_three_quarters():
    rows = scores(("Red", WITHOUT, WITHOUT + pictures([1, 1, 0])), Red=[1, 1, 0])
    assert all((row["attribute"], row["identities"], row["pixels"]) == ("Red", 2, 1) for row in rows)
    expected = {method: pytest.approx(1 if method == "regression" else 0.75, abs=1e-5) for method in METHODS}
    assert explained(rows, "reconstruction") == explained(rows, "truth") == expected


def test_what_the_decoder_loses_only_the_truth_knows():
    # The true change is 0.2 red and 0.4 blue, of which only the red can be decoded.
    rows = scores(("Red", WITHOUT, WITHOUT + pictures([1, 0, 2])), Red=[1, 0, 2])
    assert explained(rows, "reconstruction")["regression"] == pytest.approx(1, abs=1e-5)
    assert explained(rows, "truth")["regression"] == pytest.approx(1 - 0.16 / 0.2, abs=1e-5)


def test_the_wrong_way_is_negative_and_no_way_is_zero():
    pair = ("Red", WITHOUT, WITHOUT + pictures([1, 0, 0]))
    assert explained(scores(pair, Red=[-1, 0, 0]), "truth")["regression"] == pytest.approx(-3, abs=1e-5)
    assert explained(scores(pair, Red=[0, 0, 0]), "truth")["regression"] == pytest.approx(0, abs=1e-5)


def test_a_base_drawing_is_encoded_once():
    encoded = []

    class Recording(Pixels):
        def encode(self, images):
            encoded.append(len(images))
            return super().encode(images)

    found = [
        Pairs("Red", [3, 8], WITHOUT, WITHOUT + pictures([1, 0, 0])),
        # Of the second identity the base has the attribute; the first has none of this pair.
        Pairs("Green", [8], WITHOUT[1:] + pictures([0, 1, 0]), WITHOUT[1:]),
        Pairs("Blue", [3, 8, 9], WITHOUT[[0, 1, 1]], WITHOUT[[0, 1, 1]] + pictures([1, 0, 1])),
    ]
    vectors = directions(Red=[1, 0, 0], Green=[0, -1, 0], Blue=[1, 0, 1])
    rows = score_counterfactuals(Recording(), found, vectors, CPU).scores
    assert encoded == [4, 1, 4]
    for pair in found:
        alone = score_counterfactuals(Pixels(), [pair], vectors, CPU).scores
        assert [row for row in rows if row["attribute"] == pair.attribute] == alone


def test_pairs_that_cannot_be_scored_are_left_out():
    same, unseen = ("Red", WITHOUT, WITHOUT), ("Blue", WITHOUT, WITHOUT + pictures([0, 0, 1]))
    good = ("Green", WITHOUT, WITHOUT + pictures([0, 1, 0]))
    rows = scores(("Young", *good[1:]), same, unseen, good, Red=[1, 0, 0], Green=[0, 1, 0], Blue=[0, 0, 1])
    assert {row["attribute"] for row in rows} == {"Green"}


def test_pixels_that_an_attribute_draws_by_hand():
    # Of the first identity two of four pixels change by 17 grey levels or more, one of them in two colours; the others
    # by 16 in one and by 10 in all. Of the second one does, downwards, and another one by 16.
    without = np.full((2, 2, 2, 3), 100, np.uint8)
    having = without.copy()
    having[0, 0, 0], having[0, 0, 1, 1], having[0, 1, 0, 0], having[0, 1, 1] = (117, 117, 100), 200, 116, 110
    having[1, 1, 1, 2], having[1, 0, 1, 0] = 0, 84
    vectors = directions(Red=[1] * 12)
    row, *_ = score_counterfactuals(Pixels(), [Pairs("Red", [3, 8], without, having)], vectors, CPU).scores
    assert (row["pixels"], row["identities"]) == ((2 + 1) / 2, 2) and tuple(row) == SCORE_COLUMNS
