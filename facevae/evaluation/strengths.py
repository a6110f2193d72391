"""How strongly to edit: the smallest strength at which the judge sees the attribute, found on validation faces."""

from dataclasses import replace

from facevae.evaluation.edits import Faces
from facevae.jobs.progress import track
from facevae.latents.vectors import AttributeVectors, Recommendation, VectorSettings


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
        judged = faces.judge_edit(name, vectors.of(name), strength, settings.faces)
        if judged is None:
            return Recommendation(1.0)
        verdict, _ = judged
        if best is None or verdict.flipped > best.flipped:
            best = verdict
        if verdict.flipped >= settings.success:
            break
    assert best is not None  # there is at least one strength
    if best.flipped == 0:
        return Recommendation(1.0, 0.0)
    return Recommendation(best.strength, best.flipped, best.leakage)
