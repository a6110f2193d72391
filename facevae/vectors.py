"""Attribute vectors: found in the latents of the train split, kept as a file with their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from facevae.errors import FacevaeError
from facevae.latents import has_both_kinds, mean_differences, regression
from facevae.params import Section
from facevae.weights import load_weights, save_weights

Method = Literal["mean_difference", "regression"]
METHODS: tuple[Method, ...] = ("mean_difference", "regression")


class VectorSettings(Section):
    """Section `attribute_vectors`: which method's vectors edits use, and the regression's ridge."""

    method: Method
    ridge: float = Field(ge=0)


@dataclass(frozen=True)
class AttributeVectors:
    """`vectors`: (A, D) float32 of each method, rows in the order of `names`; `method` is the one that edits use."""

    names: tuple[str, ...]
    vectors: dict[str, Tensor]
    method: str

    def of(self, attribute: str, method: str | None = None) -> Tensor:
        """The vector (D,) of an attribute. Raises FacevaeError if there is none of that name."""
        if attribute not in self.names:
            raise FacevaeError(
                where=f"attribute {attribute}", expected=f"one of {', '.join(self.names)}", found="no such vector",
                fix="choose one of these; an attribute that all or none of the train images have gets no vector",
            )  # fmt: skip
        return self.vectors[method or self.method][self.names.index(attribute)]


def find_vectors(
    latents: Tensor, labels: np.ndarray, names: Sequence[str], settings: VectorSettings
) -> AttributeVectors:
    """Vectors of all attributes that have both kinds of images: (N, D), (N, A) of 0 or 1, A names.

    Raises FacevaeError if no attribute has both, or if the regression has no solution without a larger ridge.
    """
    all_labels = torch.from_numpy(labels.copy())
    usable = has_both_kinds(all_labels)
    if not usable.any():
        raise FacevaeError(
            where="attribute_vectors", expected="an attribute that some train images have and some have not",
            found="none", fix="annotate more images",
        )  # fmt: skip
    kept = all_labels[:, usable]
    try:
        by_regression = regression(latents, kept, settings.ridge)
    except ValueError as error:
        raise FacevaeError(
            where="attribute_vectors.ridge", expected=str(error), found=f"{settings.ridge:g}", fix="raise it"
        ) from None
    vectors = {"mean_difference": mean_differences(latents, kept), "regression": by_regression}
    kept_names = tuple(name for name, use in zip(names, usable.tolist(), strict=True) if use)
    return AttributeVectors(kept_names, vectors, settings.method)


def save_vectors(path: Path, vectors: AttributeVectors) -> None:
    """Write the vectors with their names and method, whole or not at all."""
    facts = {"kind": "attribute_vectors", "names": list(vectors.names), "method": vectors.method}
    save_weights(path, vectors.vectors, facts)


def load_vectors(path: Path) -> AttributeVectors:
    """Read what `save_vectors` wrote. Raises FacevaeError if the file is missing, broken or another's."""
    tensors, facts = load_weights(path, "attribute_vectors")
    return AttributeVectors(tuple(facts["names"]), tensors, facts["method"])


def vector_lengths(vectors: AttributeVectors) -> list[dict[str, float | str]]:
    """A row for each attribute: the length of its vector in the latent space, by each method."""
    return [
        {"attribute": name, **{method: float(found[row].norm()) for method, found in vectors.vectors.items()}}
        for row, name in enumerate(vectors.names)
    ]
