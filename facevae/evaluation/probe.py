"""What a linear model reads from the latents: a logistic regression per attribute, or its vector's dot product."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from facevae.evaluation.classification import balanced_accuracies


def linear_probe(
    latents: Tensor, labels: np.ndarray, test_latents: Tensor, test_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracies on the test images of logistic regressions on the train images' latents, by attribute.

    Hou et al. 2017 (arXiv 1610.00291), section 4.5, with an SVM. `latents` (N, D), `labels` (N, A) of 0 or 1; (M, D)
    and (M, A) of the test images. Returns `accuracy`, `balanced_accuracy`, `roc_auc` and `majority_accuracy`, what
    always answering the train images' more frequent kind scores, (A,) each; NaN for an attribute of which a kind is
    missing in either split. Latents are standardised, scikit-learn's defaults otherwise: no weights for rare
    attributes, so that the plain accuracy is as high as it gets.
    """
    train, test = latents.double().numpy(), test_latents.double().numpy()
    probabilities = np.full(test_labels.shape, np.nan)
    with threadpool_limits(1):  # sums depend on how many threads share them
        for column in range(labels.shape[1]):
            if 0 < labels[:, column].sum() < len(labels):
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
                probabilities[:, column] = model.fit(train, labels[:, column]).predict_proba(test)[:, 1]
    truth, majority = test_labels > 0.5, labels.mean(0) > 0.5
    missing = np.isnan(probabilities[0]) | np.isnan(balanced_accuracies(probabilities, test_labels))
    found = {
        "accuracy": ((probabilities > 0.5) == truth).mean(0),
        "balanced_accuracy": balanced_accuracies(probabilities, test_labels),
        "roc_auc": _areas(probabilities, test_labels, missing),
        "majority_accuracy": (truth == majority).mean(0),
    }
    return {name: np.where(missing, np.nan, values) for name, values in found.items()}


def classify_by_vectors(
    vectors: Tensor, latents: Tensor, labels: np.ndarray, test_latents: Tensor, test_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracies on the test images of dot products with attribute vectors: (A, D).

    White 2016 (arXiv 1609.04468), section 3.3, "AtDot". `latents` (N, D) and `labels` (N, A) of 0 or 1 choose each
    attribute's threshold, of the best balanced accuracy, and are the validation images'; (M, D), (M, A) of the test
    images. Returns `accuracy`, `balanced_accuracy` and `roc_auc`, (A,) each; NaN where a kind is missing in either
    split.
    """
    scores = (latents.double() @ vectors.double().T).numpy()
    test_scores = (test_latents.double() @ vectors.double().T).numpy()
    answers = np.full(test_labels.shape, np.nan)
    for column in range(len(vectors)):
        if 0 < labels[:, column].sum() < len(labels):
            false, true, thresholds = roc_curve(labels[:, column], scores[:, column])
            answers[:, column] = test_scores[:, column] >= thresholds[np.argmax(true - false)]
    balanced = balanced_accuracies(answers, test_labels)
    missing = np.isnan(answers[0]) | np.isnan(balanced)
    return {
        "accuracy": np.where(missing, np.nan, ((answers > 0.5) == (test_labels > 0.5)).mean(0)),
        "balanced_accuracy": np.where(missing, np.nan, balanced),
        "roc_auc": _areas(test_scores, test_labels, missing),
    }


def _areas(scores: np.ndarray, labels: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Areas under the ROC curves, (A,): the probability that a positive scores above a negative. NaN where missing."""
    columns = range(labels.shape[1])
    return np.array([np.nan if missing[c] else roc_auc_score(labels[:, c], scores[:, c]) for c in columns])
