"""Labels of attributes, (n, A) int8: 1 has it, 0 has it not, UNKNOWN where nobody said. What can be learned."""

from collections.abc import Sequence

import numpy as np

from facevae.data.arrays import UNKNOWN

_PREFERRED = ("Smiling", "Eyeglasses", "Mustache", "Wearing_Hat")


def positives(labels: np.ndarray) -> np.ndarray:
    """How many images have each attribute: (n, A) -> (A,)."""
    return (labels == 1).sum(0)


def negatives(labels: np.ndarray) -> np.ndarray:
    """How many images are known not to have each attribute: (n, A) -> (A,)."""
    return (labels == 0).sum(0)


def both_kinds(labels: np.ndarray) -> np.ndarray:
    """Whether some images have each attribute and some are known not to: (n, A) -> (A,) bool."""
    return (positives(labels) > 0) & (negatives(labels) > 0)


def any_unknown(labels: np.ndarray) -> bool:
    """Whether any label is unknown."""
    return bool((labels == UNKNOWN).any())


def most_balanced(labels: np.ndarray, names: Sequence[str], count: int) -> tuple[str, ...]:
    """Up to `count` of the attributes that have both kinds of images, (n, A), A names.

    Of CelebA's Smiling, Eyeglasses, Mustache and Wearing_Hat, which everybody knows and a picture shows, those there
    are; if there is none of them, those of which most nearly half of the known images have it.
    """
    usable = np.flatnonzero(both_kinds(labels))
    preferred = [name for name in _PREFERRED if name in [names[column] for column in usable]]
    if preferred:
        return tuple(preferred[:count])
    having = positives(labels)[usable]
    unevenness = np.abs(having / (having + negatives(labels)[usable]) - 0.5)
    return tuple(names[column] for column in usable[np.argsort(unevenness, kind="stable")[:count]])


def default_context(labels: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """The attributes by which it is decided who can have which: Male if it has both kinds of images, else none."""
    return tuple(name for name, usable in zip(names, both_kinds(labels), strict=True) if usable and name == "Male")


def explorable(labels: np.ndarray) -> np.ndarray:
    """Whether analogies can be made of each attribute: an image with it and two without, (n, A) -> (A,) bool."""
    return (positives(labels) >= 1) & (negatives(labels) >= 2)
