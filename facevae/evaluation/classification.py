"""Scores of classifiers whose classes are rare."""

import numpy as np


def balanced_accuracies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean of the shares of right answers among positives and among negatives: (N, A) twice -> (A,).

    `labels`: 1, 0, or less where unknown, which counts nothing. NaN for an attribute of which one kind is missing.
    """
    answers, truth, lacking = probabilities > 0.5, labels > 0.5, labels == 0
    with np.errstate(invalid="ignore"):
        hits = (answers & truth).sum(0) / truth.sum(0)
        rejections = (~answers & lacking).sum(0) / lacking.sum(0)
    return (hits + rejections) / 2


def accuracies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of right answers on the images whose label is known: (N, A) twice -> (A,); NaN where none is."""
    known = labels >= 0
    with np.errstate(invalid="ignore"):
        return (((probabilities > 0.5) == (labels > 0.5)) & known).sum(0) / known.sum(0)
