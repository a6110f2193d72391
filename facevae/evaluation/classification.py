"""Scores of classifiers whose classes are rare."""

import numpy as np


def balanced_accuracies(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean of the shares of right answers among positives and among negatives: (N, A) twice -> (A,).

    NaN for an attribute of which one kind is missing.
    """
    answers, truth = probabilities > 0.5, labels > 0.5
    with np.errstate(invalid="ignore"):
        hits = (answers & truth).sum(0) / truth.sum(0)
        rejections = (~answers & ~truth).sum(0) / (~truth).sum(0)
    return (hits + rejections) / 2
