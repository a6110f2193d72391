"""Attribute vectors as they are kept: a file with their names, methods and strengths. NumPy alone."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from facevae.celeba.attributes import SYNONYMS
from facevae.core.errors import FacevaeError
from facevae.core.tensor_files import load_arrays, readable, save_arrays
from facevae.latents.residual import place_mask

Method = Literal["mean_difference", "balanced", "regression", "linear_classifier", "empirical_bayes", "one_kind"]

METHODS: tuple[Method, ...] = get_args(Method)

# The maps' name in the file, beside the methods'.
_MAPS = "effect_maps"


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
    was decided which faces can have which attribute; `kinds`: the attributes of which the method `one_kind` has the
    vector to a single kind, how strongly to add it, and what the judge said of that; `maps`: where in an image each
    attribute shows, (A, G, G) float32 in [0, 1], see `effect_maps`; None in files of earlier versions.
    """

    names: tuple[str, ...]
    vectors: dict[str, np.ndarray]
    method: str
    recommended: tuple[Recommendation, ...] = ()
    context: tuple[str, ...] = ()
    kinds: dict[str, Recommendation] = field(default_factory=dict)
    maps: np.ndarray | None = None

    def of(self, attribute: str, method: str | None = None) -> np.ndarray:
        """The vector (D,) of an attribute. Raises FacevaeError if there is none of that name."""
        return self.vectors[method or self.method][self._row(attribute)]

    def recommendation(self, attribute: str) -> Recommendation:
        """The strength to edit with: 1 where none was chosen. Raises FacevaeError for an unknown attribute."""
        row = self._row(attribute)
        return self.recommended[row] if self.recommended else Recommendation(1.0)

    def places(self, attributes: Iterable[str], side: int) -> np.ndarray:
        """Where edits of these attributes may change an image: (S, S) float32 in [0, 1]; without maps everywhere.

        Raises FacevaeError for an unknown attribute.
        """
        rows = [self._row(attribute) for attribute in attributes]
        if self.maps is None or not rows:
            return np.ones((side, side), np.float32)
        return place_mask(self.maps[rows], side)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each attribute, the highest success rate first, what was not measured last."""
        found: list[dict[str, Any]] = []
        for name in self.names:
            advice = self.recommendation(name)
            measures = {"strength": advice.strength, "success_rate": advice.success_rate, "leakage": advice.leakage}
            found.append({"attribute": name, **measures, "method": self.method})
        return sorted(
            found, key=lambda row: (-_or(row["success_rate"], -1), _or(row["leakage"], math.inf), row["attribute"])
        )

    def summary(self) -> str:
        """What there is, or why nothing, for one line."""
        if not self.names:
            return "no vectors, since there is no attribute that some train images have and some have not"
        return f"{len(self.names)} attributes, edits use {self.method}"

    def named(self, attribute: str) -> str:
        """The attribute that is meant: in any case, with spaces or hyphens, or by a common word, `glasses`.

        Raises FacevaeError, which names the nearest three, if there is none.
        """
        if attribute in self.names:
            return attribute
        word = _folded(str(attribute))  # Python's callers may give anything
        words = {_folded(name): name for name in self.names}
        words |= {synonym: name for synonym, name in SYNONYMS.items() if name in self.names and synonym not in words}
        if word in words:
            return words[word]
        close = dict.fromkeys(words[near] for near in get_close_matches(word, words, 6, cutoff=0.3))
        raise FacevaeError(
            where=f"attribute {attribute}", expected="one of `facevae attributes`", found="no such vector",
            fix=f"nearest are {', '.join([*close][:3])}" if close else
            "choose one; an attribute that all or none of the train images have gets no vector",
        )  # fmt: skip

    def _row(self, attribute: str) -> int:
        return self.names.index(self.named(attribute))


def _folded(word: str) -> str:
    # A hyphen before the name is a sign: less of the attribute, which is no name for it.
    return " ".join(re.sub(r"(?<=\w)-", " ", word.lower().replace("_", " ")).split())


def _or(number: float | None, otherwise: float) -> float:
    return otherwise if number is None else number


def save_vectors(path: Path, vectors: AttributeVectors) -> None:
    """Write the vectors with their names, method and strengths, whole or not at all."""
    metadata = {"kind": "attribute_vectors", "names": list(vectors.names), "method": vectors.method}
    metadata["context"] = list(vectors.context)
    metadata["recommended"] = [vars(choice) for choice in vectors.recommended]
    metadata["kinds"] = {name: vars(choice) for name, choice in vectors.kinds.items()}
    save_arrays(path, vectors.vectors | ({} if vectors.maps is None else {_MAPS: vectors.maps}), metadata)


def load_vectors(path: Path) -> AttributeVectors:
    """Read what `save_vectors` wrote. Raises FacevaeError if the file is missing, broken or another's."""
    arrays, metadata = load_arrays(path, "attribute_vectors")
    with readable(path):
        recommended = tuple(Recommendation(**choice) for choice in metadata.get("recommended", []))
        context = tuple(metadata.get("context", []))
        kinds = {name: Recommendation(**choice) for name, choice in metadata.get("kinds", {}).items()}
        vectors = {method: array.astype(np.float32) for method, array in arrays.items()}
        maps = vectors.pop(_MAPS, None)
        return AttributeVectors(
            tuple(metadata["names"]), vectors, metadata["method"], recommended, context, kinds, maps
        )
