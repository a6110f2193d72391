"""The attributes that params.yaml names, against those that the data have: before anything is trained, in one line."""

from collections.abc import Callable, Sequence

import numpy as np
from pydantic import ConfigDict, Field

from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.data.arrays import VaeArrays
from facevae.data.labels import both_kinds, explorable, negatives, positives


class _Names(Section):
    """The part of a section that names attributes; the rest is its own stage's."""

    model_config = ConfigDict(extra="ignore")


class VectorNames(_Names):
    """Of section `attribute_vectors`; None where the data decide."""

    conditional: list[str] = Field(default_factory=list)
    context: list[str] | None = None


class ExploredName(_Names):
    """Of section `explore_latents`; None where the data decide."""

    attribute: str | None = None


class EditedNames(_Names):
    """Of section `evaluate_vae`; None where the data decide."""

    attributes: list[str] | None = None


def check_names(arrays: VaeArrays, *named: VectorNames | ExploredName | EditedNames) -> None:
    """Raise FacevaeError, naming the key, for a name that is none of the data's, or of which there are too few images.

    Vectors need train images with the attribute and without, analogies test images.
    """
    kinds = "train", both_kinds, "train images with it and without"
    for section in named:
        if isinstance(section, VectorNames):
            for name in section.context or ():
                _column("attribute_vectors.context", name, arrays.attribute_names)
            for name in section.conditional:
                _check("attribute_vectors.conditional", name, arrays, *kinds)
        elif isinstance(section, EditedNames):
            for name in section.attributes or ():
                _check("evaluate_vae.attributes", name, arrays, *kinds)
        elif section.attribute is not None:
            needed = "at least one test image with the attribute and two without"
            _check("explore_latents.attribute", section.attribute, arrays, "test", explorable, needed)


def _check(
    key: str, name: str, arrays: VaeArrays, split: str, usable: Callable[[np.ndarray], np.ndarray], needed: str
) -> None:
    column = _column(key, name, arrays.attribute_names)
    labels = arrays.attributes[split]
    if not usable(labels)[column]:
        found = f"{positives(labels)[column]} with {name} and {negatives(labels)[column]} without"
        raise FacevaeError(where=key, expected=needed, found=found, fix="choose another one or provide more images")


def _column(key: str, name: str, names: Sequence[str]) -> int:
    if name in names:
        return names.index(name)
    expected = f"one of {', '.join(names)}" if names else "no name, since the data have no attributes"
    decide = "" if key.endswith("conditional") else ", or set it to null: the data decide then"
    raise FacevaeError(where=key, expected=expected, found=name, fix=f"correct it{decide}")
