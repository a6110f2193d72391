"""Attribute vectors found in the latents of the train split, and the tables about them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor

from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.data.labels import default_context
from facevae.latents.directions import (
    NothingLeftError,
    balanced,
    bootstrap_stability,
    classifier_normals,
    cosines,
    empirical_bayes,
    has_both_kinds,
    linear_classifier,
    mean_differences,
    project_out,
    regression,
)
from facevae.latents.kinds import kinds_of
from facevae.latents.known import of_known
from facevae.latents.vectors import METHODS, AttributeVectors, Method, Recommendation


class VectorSettings(Section):
    """Section `attribute_vectors`: the vectors, and how the recommended strengths are chosen.

    `method`: whose vectors edits use; `ridge`: of all that solve for all attributes; `conditional`: attributes
    that no edit shall move; `bootstrap`: replicates for the stability. Recommended is the smallest of `strengths` with
    which the judge sees the attribute on `success` of `faces` validation faces, none of a kind that no image with the
    attribute is of, by the attributes in `context`; null: Male where it is one of them.
    """

    method: Method
    ridge: float = Field(ge=0)
    conditional: list[str]
    bootstrap: int = Field(ge=0, le=1000)
    strengths: list[float] = Field(min_length=1, max_length=50)
    success: float = Field(gt=0, le=1)
    faces: int = Field(ge=1)
    context: list[str] | None
    seed: int = Field(ge=0, lt=2**63)

    @field_validator("strengths")
    @classmethod
    def _ascend(cls, strengths: list[float]) -> list[float]:
        if strengths[0] <= 0 or strengths != sorted(set(strengths)):
            raise ValueError("numbers above 0 in ascending order")
        return strengths

    @field_validator("conditional")
    @classmethod
    def _differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("each attribute once")
        return names


def find_vectors(
    latents: Tensor, labels: np.ndarray, names: Sequence[str], settings: VectorSettings
) -> AttributeVectors:
    """Vectors of all attributes that have both kinds of images: (N, D), (N, A), A names. By each method.

    `labels`: 0 or 1, or -1 where unknown, which tells nothing of that attribute. Where no attribute has both kinds
    there are no vectors. Raises FacevaeError if a method has no solution without a larger ridge, or if `conditional`
    names an attribute without a vector or leaves nothing of one.
    """
    kept, kept_names = _usable(labels, names)
    with _large_enough(settings.ridge):
        vectors = {method: of_known(partial(estimate, method, settings.ridge), latents, kept) for method in METHODS}
    for name in settings.conditional:
        if name not in kept_names:
            raise FacevaeError(
                where="attribute_vectors.conditional", found=name,
                expected=f"some of {', '.join(kept_names)}" if kept_names else "none, since there are no attributes",
                fix="correct it; an attribute that all or none of the train images have can't be held",
            )  # fmt: skip
    if settings.conditional:
        normals = of_known(classifier_normals, latents, kept)
        rows = [kept_names.index(name) for name in settings.conditional]
        try:
            vectors = {method: project_out(found, normals, rows) for method, found in vectors.items()}
        except NothingLeftError as error:
            raise FacevaeError(
                where="attribute_vectors.conditional", expected="conditions that leave something of each vector",
                found=f"nothing left of {kept_names[error.attribute]}", fix="name fewer attributes",
            ) from None  # fmt: skip
    context = default_context(labels, names) if settings.context is None else tuple(settings.context)
    found = {method: rows.numpy() for method, rows in vectors.items()}
    return AttributeVectors(kept_names, found, settings.method, context=context)


def find_kinds(
    latents: Tensor, labels: np.ndarray, names: Sequence[str], vectors: AttributeVectors, settings: VectorSettings
) -> dict[str, np.ndarray]:
    """Vectors (K, D) to the kinds of those attributes that have kinds, see `kinds`: (N, D), (N, A), A names.

    None where `conditional` holds attributes still: kinds would move them.
    """
    if settings.conditional or not vectors.names:
        return {}
    columns = [list(names).index(name) for name in vectors.names]
    found = kinds_of(latents.numpy(), labels[:, columns], vectors.vectors["empirical_bayes"])
    return {vectors.names[attribute]: rows for attribute, rows in found.items()}


def stability(latents: Tensor, labels: np.ndarray, names: Sequence[str], settings: VectorSettings) -> Tensor:
    """Bootstrap stability of the vectors that edits use, (A,), in the order of `find_vectors`; NaN where unknown.

    Of the vectors before conditions are projected out. Raises FacevaeError if a replicate needs a larger ridge.
    """
    kept, kept_names = _usable(labels, names)
    if settings.bootstrap == 0:
        return torch.full((len(kept_names),), float("nan"))
    ridge = max(settings.ridge, 1e-6)
    with _large_enough(settings.ridge):
        return bootstrap_stability(
            partial(of_known, partial(estimate, settings.method, ridge)),
            latents, kept, settings.bootstrap, settings.seed,
        )  # fmt: skip


VECTOR_COLUMNS = (
    "attribute", "images_with", "images_without", "stability", "strength", "success_rate", "leakage",
    *(f"length_{method}" for method in METHODS), "kind_strength", "kind_success_rate", "kind_leakage",
)  # fmt: skip

UNKNOWN = ("stability", "success_rate", "leakage", "kind_strength", "kind_success_rate", "kind_leakage")
"""Those that may be empty."""


def vector_table(vectors: AttributeVectors, labels: np.ndarray, names: Sequence[str], stable: Tensor) -> list[dict]:
    """A row for each attribute: how many images have it and have not; of the method that edits use the vector's
    stability, the recommended strength and what the judge said of it (empty where unknown); the length of the vector of
    every method in the latent space; and strength and verdict of the single kind that `one_kind` goes to, if it does.
    """
    rows = []
    for row, name in enumerate(vectors.names):
        column, choice = labels[:, list(names).index(name)], vectors.recommendation(name)
        found = {"attribute": name, "images_with": int((column == 1).sum()), "images_without": int((column == 0).sum())}
        found |= {"stability": float(stable[row]), **vars(choice)}
        found |= {f"length_{method}": float(np.linalg.norm(of[row])) for method, of in vectors.vectors.items()}
        kind = vars(vectors.kinds.get(name, Recommendation(None)))
        found |= {f"kind_{key}": value for key, value in kind.items()}
        rows.append({key: "" if value is None or value != value else value for key, value in found.items()})
    return rows


def cosines_of(vectors: AttributeVectors) -> np.ndarray:
    """Cosines between the vectors that edits use: (A, A)."""
    return cosines(torch.from_numpy(vectors.vectors[vectors.method])).numpy()


def cosine_table(vectors: AttributeVectors) -> list[dict[str, float | str]]:
    """A row for each attribute: the cosines to all others' vectors, Hou et al. 2017's correlation matrix (figure 8)."""
    matrix = cosines_of(vectors).tolist()
    return [
        {"attribute": name, **dict(zip(vectors.names, row, strict=True))}
        for name, row in zip(vectors.names, matrix, strict=True)
    ]


@contextmanager
def _large_enough(ridge: float) -> Iterator[None]:
    """What the estimates say of the ridge is the parameter's affair."""
    try:
        yield
    except ValueError as error:
        raise FacevaeError(
            where="attribute_vectors.ridge", expected=str(error), found=f"{ridge:g}", fix="raise it"
        ) from None


def _usable(labels: np.ndarray, names: Sequence[str]) -> tuple[Tensor, tuple[str, ...]]:
    """Labels and names of the attributes that have both kinds of images."""
    all_labels = torch.from_numpy(labels.copy())
    usable = has_both_kinds(all_labels)
    return all_labels[:, usable], tuple(name for name, use in zip(names, usable.tolist(), strict=True) if use)


def estimate(method: str, ridge: float, latents: Tensor, labels: Tensor) -> Tensor:
    """The vectors of all attributes by one method: (N, D), (N, A) of 0 or 1 -> (A, D).

    Raises ValueError if the ridge is too small for a solution.
    """
    if method in ("mean_difference", "linear_classifier"):
        return {"mean_difference": mean_differences, "linear_classifier": linear_classifier}[method](latents, labels)
    # Which kind the judge chooses: `evaluation.strengths.choose_kinds`. Until then it is the mean of all.
    with_ridge = {"one_kind": empirical_bayes, "empirical_bayes": empirical_bayes}
    with_ridge |= {"balanced": balanced, "regression": regression}
    return with_ridge[method](latents, labels, ridge)
