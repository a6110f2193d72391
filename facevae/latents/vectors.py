"""Attribute vectors: found in the latents of the train split, kept as a file with their names and strengths."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Literal, get_args

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
from facevae.latents.known import of_known
from facevae.nn.model_files import load_weights, readable, save_weights

Method = Literal["mean_difference", "balanced", "regression", "linear_classifier", "empirical_bayes"]

METHODS: tuple[Method, ...] = get_args(Method)


class VectorSettings(Section):
    """Section `attribute_vectors`: the vectors, and how the recommended strengths are chosen.

    `method`: whose vectors edits use; `ridge` of balanced, regression and empirical_bayes; `conditional`: attributes
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


@dataclass(frozen=True)
class Recommendation:
    """How strongly to add an attribute, and what the judge said of that on validation faces without it.

    `success_rate`: share of the faces on which it saw no such attribute before and sees it then; `leakage`: mean
    absolute change of its other probabilities. None where it could not be asked.
    """

    strength: float
    success_rate: float | None = None
    leakage: float | None = None


@dataclass(frozen=True)
class AttributeVectors:
    """`vectors`: (A, D) float32 of each method, rows in the order of `names`; `method` is the one that edits use.

    `recommended`: for each name the strength to edit with, of `method`'s vector; `context`: the attributes by which it
    was decided which faces can have which attribute.
    """

    names: tuple[str, ...]
    vectors: dict[str, Tensor]
    method: str
    recommended: tuple[Recommendation, ...] = ()
    context: tuple[str, ...] = ()

    def of(self, attribute: str, method: str | None = None) -> Tensor:
        """The vector (D,) of an attribute. Raises FacevaeError if there is none of that name."""
        return self.vectors[method or self.method][self._row(attribute)]

    def recommendation(self, attribute: str) -> Recommendation:
        """The strength to edit with: 1 where none was chosen. Raises FacevaeError for an unknown attribute."""
        row = self._row(attribute)
        return self.recommended[row] if self.recommended else Recommendation(1.0)

    def summary(self) -> str:
        """What there is, or why nothing, for one line."""
        if not self.names:
            return "no vectors, since there is no attribute that some train images have and some have not"
        return f"{len(self.names)} attributes, edits use {self.method}"

    def _row(self, attribute: str) -> int:
        if attribute in self.names:
            return self.names.index(attribute)
        folded = {name.lower(): name for name in self.names}
        close = get_close_matches(attribute.lower(), folded, 1)
        raise FacevaeError(
            where=f"attribute {attribute}", expected=f"one of {', '.join(self.names)}", found="no such vector",
            fix=f"perhaps {folded[close[0]]} is meant" if close else
            "choose one of these; an attribute that all or none of the train images have gets no vector",
        )  # fmt: skip


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
    return AttributeVectors(kept_names, vectors, settings.method, context=context)


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
    *(f"length_{method}" for method in METHODS),
)  # fmt: skip


def vector_table(vectors: AttributeVectors, labels: np.ndarray, names: Sequence[str], stable: Tensor) -> list[dict]:
    """A row for each attribute: how many images have it and have not; of the method that edits use the vector's
    stability, the recommended strength and what the judge said of it (empty where unknown); the length of the vector of
    every method in the latent space.
    """
    rows = []
    for row, name in enumerate(vectors.names):
        column, choice = labels[:, list(names).index(name)], vectors.recommendation(name)
        found = {"attribute": name, "images_with": int((column == 1).sum()), "images_without": int((column == 0).sum())}
        found |= {"stability": float(stable[row]), **vars(choice)}
        found |= {f"length_{method}": float(of[row].norm()) for method, of in vectors.vectors.items()}
        rows.append({key: "" if value is None or value != value else value for key, value in found.items()})
    return rows


def cosines_of(vectors: AttributeVectors) -> np.ndarray:
    """Cosines between the vectors that edits use: (A, A)."""
    return cosines(vectors.vectors[vectors.method]).numpy()


def cosine_table(vectors: AttributeVectors) -> list[dict[str, float | str]]:
    """A row for each attribute: the cosines to all others' vectors, Hou et al. 2017's correlation matrix (figure 8)."""
    matrix = cosines_of(vectors).tolist()
    return [
        {"attribute": name, **dict(zip(vectors.names, row, strict=True))}
        for name, row in zip(vectors.names, matrix, strict=True)
    ]


def save_vectors(path: Path, vectors: AttributeVectors) -> None:
    """Write the vectors with their names, method and strengths, whole or not at all."""
    metadata = {"kind": "attribute_vectors", "names": list(vectors.names), "method": vectors.method}
    metadata["context"] = list(vectors.context)
    metadata["recommended"] = [vars(choice) for choice in vectors.recommended]
    save_weights(path, vectors.vectors, metadata)


def load_vectors(path: Path) -> AttributeVectors:
    """Read what `save_vectors` wrote. Raises FacevaeError if the file is missing, broken or another's."""
    tensors, metadata = load_weights(path, "attribute_vectors")
    with readable(path):
        recommended = tuple(Recommendation(**choice) for choice in metadata.get("recommended", []))
        context = tuple(metadata.get("context", []))
        return AttributeVectors(tuple(metadata["names"]), tensors, metadata["method"], recommended, context)


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
    with_ridge = {"balanced": balanced, "regression": regression, "empirical_bayes": empirical_bayes}
    return with_ridge[method](latents, labels, ridge)
