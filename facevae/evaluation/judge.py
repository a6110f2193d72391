"""The judge's probabilities and embeddings of images, and its balanced accuracies on unseen faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from facevae.data.arrays import VaeArrays
from facevae.evaluation.classification import balanced_accuracies
from facevae.models.classifier import Classifier
from facevae.nn.layers import as_unit_floats


@dataclass(frozen=True)
class Judgement:
    """Of N images, on the CPU: `probabilities` of attributes, (N, A) float32 in [0, 1], and `embeddings`, (N, E)."""

    probabilities: np.ndarray
    embeddings: Tensor


def judge_accuracies(judge: Classifier, arrays: VaeArrays, device: torch.device) -> dict[str, float]:
    """Balanced accuracy on the test split, of each attribute that has both kinds of test images."""
    answers = judge_images(judge, arrays.images["test"], device).probabilities
    found = balanced_accuracies(answers, arrays.attributes["test"])
    return {
        name: float(value) for name, value in zip(arrays.attribute_names, found, strict=True) if not np.isnan(value)
    }


def judge_summary(trained: Sequence[str], accuracies: Mapping[str, float]) -> str:
    """What came of the training on these attributes, or why there was none, for one line."""
    if not trained:
        return "no attribute that some train images have and some have not, so that nothing is trained"
    if not accuracies:
        return f"{len(trained)} attributes, none of them with both kinds of test images to measure it on"
    return f"mean balanced accuracy {sum(accuracies.values()) / len(accuracies):.3f}"


@torch.no_grad()
def judge_images(judge: Classifier, images: np.ndarray, device: torch.device, batch_size: int = 64) -> Judgement:
    """The judge's probabilities and its own embeddings: uint8 (N, S, S, 3) -> (N, A), (N, E)."""
    judge.eval()
    probabilities, embeddings = [], []
    for start in range(0, len(images), batch_size):
        batch = as_unit_floats(torch.from_numpy(images[start : start + batch_size].copy())).to(device)
        logits, embedded = judge.logits_and_embedding(batch)
        probabilities.append(logits.sigmoid().cpu())
        embeddings.append(embedded.cpu())
    return Judgement(torch.cat(probabilities).numpy(), torch.cat(embeddings))
