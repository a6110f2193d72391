"""How well the judge knows the attributes of unseen faces."""

import numpy as np
import torch

from facevae.core.errors import FacevaeError
from facevae.data.arrays import VaeArrays
from facevae.evaluation.classification import balanced_accuracies
from facevae.models.classifier import Classifier
from facevae.nn.layers import as_unit_floats


def judge_accuracies(judge: Classifier, arrays: VaeArrays, device: torch.device) -> dict[str, float]:
    """Balanced accuracy on the test split, of each attribute that has both kinds of test images.

    Raises FacevaeError if no attribute has.
    """
    answers = judge_answers(judge, arrays.images["test"], device)
    found = balanced_accuracies(answers, arrays.attributes["test"])
    named = {
        name: float(value) for name, value in zip(arrays.attribute_names, found, strict=True) if not np.isnan(value)
    }
    if not named:
        raise FacevaeError(
            where="the test split", expected="an attribute that some test images have and some have not",
            found="none", fix="provide or annotate more images",
        )  # fmt: skip
    return named


@torch.no_grad()
def judge_answers(judge: Classifier, images: np.ndarray, device: torch.device, batch_size: int = 64) -> np.ndarray:
    """Probability of each attribute: uint8 (N, S, S, 3) -> (N, A) in [0, 1]."""
    judge.eval()
    parts = (images[start : start + batch_size] for start in range(0, len(images), batch_size))
    batches = (as_unit_floats(torch.from_numpy(part.copy())).to(device) for part in parts)
    return torch.cat([judge(batch).sigmoid().cpu() for batch in batches]).numpy()
