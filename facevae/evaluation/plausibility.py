"""Which faces can have which attribute, as far as the train images know."""

from collections.abc import Sequence

import numpy as np

# A value of a context attribute that fewer of the images with an attribute have is one that it does not come with.
_LEAST_SHARE = 0.01


def possible(labels: np.ndarray, train_labels: np.ndarray, names: Sequence[str], context: Sequence[str]) -> np.ndarray:
    """Whether each face could be one that has each attribute: (N, A), (M, A) -> (N, A) bool.

    A face could not if it has a value of a context attribute that fewer than one in a hundred of the train images with
    the attribute have: 3 of CelebA's 8,417 mustaches are a woman's. A judge that was trained on such images has learnt
    that nobody of the kind has the attribute, and denies it whatever it sees. An attribute that no train image has is
    possible for everybody. `context` may name attributes that are not there. Labels are 0 or 1, or -1 where unknown,
    which speaks against nothing.
    """
    found = np.ones(labels.shape, bool)
    having = train_labels == 1
    for name in context:
        if name not in names:
            continue
        column = list(names).index(name)
        of_known = having & (train_labels[:, [column]] >= 0)
        with_value = (having & (train_labels[:, [column]] == 1)).sum(0) / of_known.sum(0).clip(1)
        shares = np.where(labels[:, [column]] == 1, with_value, 1 - with_value)
        impossible = (shares < _LEAST_SHARE) & (of_known.sum(0) > 0) & (labels[:, [column]] >= 0)
        impossible[:, column] = False
        found &= ~impossible
    return found
