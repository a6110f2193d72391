"""How strongly to edit: the smallest strength at which the judge sees the attribute, found on validation faces."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from facevae.evaluation.edits import Edit, Faces
from facevae.jobs.progress import track
from facevae.latents.attribute_vectors import VectorSettings
from facevae.latents.vectors import AttributeVectors, Recommendation

# A kind is chosen by its success less so many times its leakage: a few faces more are not worth twice the leakage.
_LEAKAGE_WEIGHS = 2.0

# By so much a kind must be better than the mean of all kinds, which serves for removing each of them, too.
_CLEARLY_BETTER = 0.02


def choose_kinds(
    faces: Faces, vectors: AttributeVectors, kinds: Mapping[str, np.ndarray], settings: VectorSettings
) -> AttributeVectors:
    """The vectors with those of `one_kind`: to the kind (K, D) of each attribute whose edits the judge finds best.

    Best is the one that flips most faces, up to the share `success`, and changes least besides; where none is clearly
    better than the mean of all kinds, that stays. They are compared on half of the faces, for there are up to eight.
    """
    settings = settings.model_copy(update={"faces": -(-settings.faces // 2)})
    rows, chosen = vectors.vectors["one_kind"].copy(), {}
    for name, candidates in track(kinds.items(), len(kinds), "kinds", "attributes"):
        row = vectors.names.index(name)
        best = _value(_recommend(faces, rows[row], name, settings), settings) + _CLEARLY_BETTER
        for candidate in candidates:
            advice = _recommend(faces, candidate, name, settings, at_least=best)
            if _value(advice, settings) > best:
                best, rows[row], chosen[name] = _value(advice, settings), candidate, advice
    return replace(vectors, vectors=vectors.vectors | {"one_kind": rows}, kinds=chosen)


def _value(advice: Recommendation, settings: VectorSettings) -> float:
    """What edits are worth to who chooses between vectors; as good as it gets where the judge cannot be asked."""
    if advice.success_rate is None:
        return np.inf
    return min(advice.success_rate, settings.success) - _LEAKAGE_WEIGHS * (advice.leakage or 0)


def recommend(faces: Faces, vectors: AttributeVectors, settings: VectorSettings) -> AttributeVectors:
    """The vectors with a recommended strength for each attribute.

    The smallest of `settings.strengths` with which at least the share `success` of the faces flips, since leakage grows
    with the strength; where none gets there, the one that flips most. Where no strength flips any face, or none can
    be asked, it is 1: as much as a typical face has.
    """
    chosen = tuple(
        _recommend(faces, vectors.of(name), name, settings)
        for name in track(vectors.names, len(vectors.names), "strengths", "attributes")
    )
    return replace(vectors, recommended=chosen)


def _recommend(
    faces: Faces, vector: np.ndarray, name: str, settings: VectorSettings, at_least: float = -np.inf
) -> Recommendation:
    """The strength for a vector (D,); the search ends early where leakage leaves it no way to be worth `at_least`."""
    best = None
    for strength in settings.strengths:
        verdict = faces.judge_edit(Edit(name, torch.from_numpy(vector), strength), settings.faces)
        if verdict is None:
            return Recommendation(1.0)
        if best is None or verdict.success_rate > best.success_rate:
            best = verdict
        if verdict.success_rate >= settings.success:
            break
        if settings.success - _LEAKAGE_WEIGHS * verdict.leakage <= at_least:
            break
    assert best is not None  # there is at least one strength
    if best.success_rate == 0:
        return Recommendation(1.0, 0.0)
    return Recommendation(best.strength, best.success_rate, best.leakage)
