"""What a linear model reads from the latents: one logistic regression per attribute."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from torch import Tensor

from facevae.judge_evaluation import balanced_accuracies


def linear_probe(
    latents: Tensor, labels: np.ndarray, test_latents: Tensor, test_labels: np.ndarray
) -> dict[str, np.ndarray]:
    """Accuracies on the test images of logistic regressions on the train images' latents, by attribute.

    `latents` (N, D), `labels` (N, A) of 0 or 1; (M, D) and (M, A) of the test images. Returns `accuracy`,
    `balanced_accuracy` and `majority_accuracy`, what always answering the train images' more frequent kind scores,
    (A,) each; NaN for an attribute of which a kind is missing in either split. Latents are standardised, scikit-learn's
    defaults otherwise: no weights for rare attributes, so that the plain accuracy is as high as it gets.
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
        "majority_accuracy": (truth == majority).mean(0),
    }
    return {name: np.where(missing, np.nan, values) for name, values in found.items()}
