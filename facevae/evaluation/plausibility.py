"""Which faces can have which attribute, as far as the train images know."""

from collections.abc import Sequence

import numpy as np

# A value of a context attribute that fewer of the images with an attribute have is one that it does not come with.
_LEAST_SHARE = 0.01


def possible(labels: np.ndarray, train_labels: np.ndarray, names: Sequence[str], context: Sequence[str]) -> np.ndarray:
    """Whether each face could be one that has each attribute: (N, A), (M, A) of 0 or 1 -> (N, A) bool.

    A face could not if it has a value of a context attribute that fewer than one in a hundred of the train images with
    the attribute have: 3 of CelebA's 8,417 mustaches are a woman's. A judge that was trained on such images has learnt
    that nobody of the kind has the attribute, and denies it whatever it sees. An attribute that no train image has is
    possible for everybody. `context` may name attributes that are not there.
    """
    found = np.ones(labels.shape, bool)
    for name in context:
        if name not in names:
            continue
        column = list(names).index(name)
        having = train_labels.sum(0).clip(1)
        with_value = (train_labels * train_labels[:, [column]]).sum(0) / having
        shares = np.where(labels[:, [column]] == 1, with_value, 1 - with_value)
        impossible = (shares < _LEAST_SHARE) & (train_labels.sum(0) > 0)
        impossible[:, column] = False
        found &= ~impossible
    return found
