"""What a linear model reads from the latents: a logistic regression per attribute, or its vector's dot product."""

import numpy as np
from threadpoolctl import threadpool_limits
from torch import Tensor

from facevae.data.labels import both_kinds, negatives, positives
from facevae.evaluation.classification import accuracies, balanced_accuracies


def linear_probe(
    latents: Tensor, labels: np.ndarray, test_latents: Tensor, test_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracies on the test images of logistic regressions on the train images' latents, by attribute.

    Hou et al. 2017 (arXiv 1610.00291), section 4.5, with an SVM. `latents` (N, D), `labels` (N, A) of 0 or 1, or -1
    where unknown, which counts in nothing; (M, D) and (M, A) of the test images. Returns `accuracy`,
    `balanced_accuracy`, `roc_auc` and `majority_accuracy`, what always answering the train images' more frequent kind
    scores, (A,) each; NaN for an attribute of which a kind is missing in either split. Latents are standardised,
    scikit-learn's defaults otherwise: no weights for rare attributes, so that the plain accuracy is as high as it gets.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, test = latents.double().numpy(), test_latents.double().numpy()
    probabilities, usable = np.full(test_labels.shape, np.nan), both_kinds(labels)
    with threadpool_limits(1):  # sums depend on how many threads share them
        for column in range(labels.shape[1]):
            if usable[column]:
                known = labels[:, column] >= 0
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
                probabilities[:, column] = model.fit(train[known], labels[known, column]).predict_proba(test)[:, 1]
    majority = np.broadcast_to(positives(labels) > negatives(labels), test_labels.shape)
    missing = np.isnan(probabilities[0]) | np.isnan(balanced_accuracies(probabilities, test_labels))
    found = {
        "accuracy": accuracies(probabilities, test_labels),
        "balanced_accuracy": balanced_accuracies(probabilities, test_labels),
        "roc_auc": _areas(probabilities, test_labels, missing),
        "majority_accuracy": accuracies(majority, test_labels),
    }
    return {name: np.where(missing, np.nan, values) for name, values in found.items()}


def classify_by_vectors(
    vectors: Tensor, latents: Tensor, labels: np.ndarray, test_latents: Tensor, test_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracies on the test images of dot products with attribute vectors: (A, D).

    White 2016 (arXiv 1609.04468), section 3.3, "AtDot". `latents` (N, D) and `labels` (N, A), as of `linear_probe`,
    choose each attribute's threshold, of the best balanced accuracy, and are the validation images'; (M, D), (M, A) of
    the test images. Returns `accuracy`, `balanced_accuracy` and `roc_auc`, (A,) each; NaN where a kind is missing in
    either split.
    """
    from sklearn.metrics import roc_curve

    scores = (latents.double() @ vectors.double().T).numpy()
    test_scores = (test_latents.double() @ vectors.double().T).numpy()
    answers, usable = np.full(test_labels.shape, np.nan), both_kinds(labels)
    for column in range(len(vectors)):
        if usable[column]:
            known = labels[:, column] >= 0
            false, true, thresholds = roc_curve(labels[known, column], scores[known, column])
            answers[:, column] = test_scores[:, column] >= thresholds[np.argmax(true - false)]
    balanced = balanced_accuracies(answers, test_labels)
    missing = np.isnan(answers[0]) | np.isnan(balanced)
    return {
        "accuracy": np.where(missing, np.nan, accuracies(answers, test_labels)),
        "balanced_accuracy": np.where(missing, np.nan, balanced),
        "roc_auc": _areas(test_scores, test_labels, missing),
    }


def _areas(scores: np.ndarray, labels: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Areas under the ROC curves, (A,): the probability that a positive scores above a negative. NaN where missing."""
    from sklearn.metrics import roc_auc_score

    found = np.full(len(missing), np.nan)
    for column in np.flatnonzero(~missing):
        known = labels[:, column] >= 0
        found[column] = roc_auc_score(labels[known, column], scores[known, column])
    return found
