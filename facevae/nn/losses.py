"""Losses, each per image: `prediction`, `target`: (N, 3, H, W) float32 in [0, 1] -> (N,)."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def binary_cross_entropy(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over an image's values of the cross-entropy in nats.

    Its smallest possible value is not 0 but the target's own `binary_entropy`. Like Keras, predictions are kept
    1e-7 away from 0 and 1, where the logarithm ends.
    """
    inside = prediction.clamp(1e-7, 1 - 1e-7)
    return F.binary_cross_entropy(inside, target, reduction="none").flatten(1).mean(1)


def binary_entropy(target: Tensor) -> Tensor:
    """The floor of `binary_cross_entropy`: mean over an image's values of H(t), nats, in [0, ln 2]."""
    return -(torch.xlogy(target, target) + torch.xlogy(1 - target, 1 - target)).flatten(1).mean(1)


def squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of each image."""
    return (prediction - target).square().flatten(1).mean(1)


def absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of each image."""
    return (prediction - target).abs().flatten(1).mean(1)


def charbonnier(prediction: Tensor, target: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + epsilon^2), a smooth absolute error (Charbonnier et al. 1994)."""
    return ((prediction - target).square() + epsilon**2).sqrt().flatten(1).mean(1)


def log_squared_error(prediction: Tensor, target: Tensor, epsilon: float = 1e-8) -> Tensor:
    """-PSNR in dB of each image: 10 log10(mean squared error + epsilon) (Chen et al. 2021, HINet, arXiv 2105.06086).

    Each image counts by how much its error shrinks, in proportion: strong noise does not outweigh weak noise.
    """
    return 10 * (squared_error(prediction, target) + epsilon).log10()


PIXEL_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bce": binary_cross_entropy,
    "mse": squared_error, "l1": absolute_error, "charbonnier": charbonnier,
    "psnr": log_squared_error,
}  # fmt: skip


def gaussian_nll(mse: Tensor, variance: Tensor, values: int) -> Tensor:
    """-log N(x; prediction, variance I) of images with `values` numbers each, in nats: (N,) -> (N,).

    With `variance` the mean of `mse` over the data this is the calibrated decoder with the optimal shared sigma
    (Rybkin et al. 2021, arXiv 2006.13202, equations 3 and 5).
    """
    return 0.5 * values * (math.log(2 * math.pi) + variance.log() + mse / variance)


def kl_divergence(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, 1)) of each latent dimension, in nats: (N, D) -> (N, D), never negative.

    Kingma & Welling 2014 (arXiv 1312.6114), appendix B. Sum over D for the image's KL.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).clamp_min(0)


def free_bits(kl: Tensor, batch_mean: Tensor, floor: float) -> Tensor:
    """The KL as the objective counts it with `floor` nats free per dimension: (N, D), (D,) -> (N,).

    Kingma et al. 2016 (arXiv 1606.04934), equation 15: the sum over dimensions of max(floor, mean over the batch), here
    by image, so that its mean over the batch is that. A dimension below the floor gets no gradient.
    """
    return torch.where(batch_mean > floor, kl, floor).sum(1)


def balanced_cross_entropy(logits: Tensor, labels: Tensor, positive_weight: Tensor) -> Tensor:
    """Cross-entropy over all attributes, positives weighted: (N, A), (N, A) of 0 or 1, (A,) -> (N,)."""
    return _cross_entropies(logits, labels, positive_weight).mean(1)


def known_cross_entropy(logits: Tensor, labels: Tensor, positive_weight: Tensor, known: Tensor) -> Tensor:
    """The same over each image's attributes that are `known`, (N, A) bool: their mean, 0 where there are none."""
    return known_mean(_cross_entropies(logits, labels.clamp_min(0), positive_weight), known)


def known_mean(values: Tensor, known: Tensor) -> Tensor:
    """Means over the values that are known, 0 of none: (N, A), (N, A) bool -> (N,)."""
    return (values * known).sum(1) / known.sum(1).clamp_min(1)


def _cross_entropies(logits: Tensor, labels: Tensor, positive_weight: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, labels, pos_weight=positive_weight, reduction="none")


def margin_cross_entropy(cosines: Tensor, persons: Tensor, scale: float, margin: float) -> Tensor:
    """-log softmax of s (cos - m [the right person]), in nats: (N, P), (N,) int64 in [0, P) -> (N,).

    CosFace (Wang et al. 2018, arXiv 1801.09414, equation 4); without a margin NormFace (Wang et al. 2017, arXiv
    1704.06369, equation 6). The margin asks of the right person's cosine to be larger than the others' by that much.
    """
    right = F.one_hot(persons, cosines.shape[1])
    return F.cross_entropy(scale * (cosines - margin * right), persons, reduction="none")
