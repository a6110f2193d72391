"""How strongly to edit: the smallest strength at which the judge sees the attribute, found on validation faces."""

from dataclasses import replace

import torch

from facevae.evaluation.edits import Edit, Faces
from facevae.jobs.progress import track
from facevae.latents.attribute_vectors import VectorSettings
from facevae.latents.vectors import AttributeVectors, Recommendation


def recommend(faces: Faces, vectors: AttributeVectors, settings: VectorSettings) -> AttributeVectors:
    """The vectors with a recommended strength for each attribute.

    The smallest of `settings.strengths` with which at least the share `success` of the faces flips, since leakage grows
    with the strength; where none gets there, the one that flips most. Where no strength flips any face, or none can
    be asked, it is 1: as much as a typical face has.
    """
    chosen = tuple(
        _recommend(faces, vectors, name, settings)
        for name in track(vectors.names, len(vectors.names), "strengths", "attributes")
    )
    return replace(vectors, recommended=chosen)


def _recommend(faces: Faces, vectors: AttributeVectors, name: str, settings: VectorSettings) -> Recommendation:
    best = None
    for strength in settings.strengths:
        verdict = faces.judge_edit(Edit(name, torch.from_numpy(vectors.of(name)), strength), settings.faces)
        if verdict is None:
            return Recommendation(1.0)
        if best is None or verdict.success_rate > best.success_rate:
            best = verdict
        if verdict.success_rate >= settings.success:
            break
    assert best is not None  # there is at least one strength
    if best.success_rate == 0:
        return Recommendation(1.0, 0.0)
    return Recommendation(best.strength, best.success_rate, best.leakage)
