"""Latent arithmetic: attribute directions and what is done with them. Pure functions on float tensors.

`latents`: (N, D) posterior means. `labels`: (N, A) of 0 or 1. A vector's unit is one attribute: adding it once goes
from a face without the attribute to one with it.
"""

import torch
from torch import Tensor


def has_both_kinds(labels: Tensor) -> Tensor:
    """Whether each attribute has images with and images without it: (N, A) -> (A,) bool."""
    positives = labels.long().sum(0)
    return (positives > 0) & (positives < len(labels))


def mean_differences(latents: Tensor, labels: Tensor) -> Tensor:
    """Mean latent of the images with each attribute minus that of the images without: (N, D), (N, A) -> (A, D).

    The report's smile vector; Hou et al. 2017 (arXiv 1610.00291), section 4.3. Takes along whatever is correlated
    with the attribute. Every attribute must have both kinds of images.
    """
    weights = labels.to(latents.dtype)
    positives = weights.sum(0)[:, None]
    total = latents.sum(0)
    with_it = weights.T @ latents
    return with_it / positives - (total - with_it) / (len(latents) - positives)


def regression(latents: Tensor, labels: Tensor, ridge: float) -> Tensor:
    """Least squares of the latents on all attributes at once: (N, D), (N, A) -> (A, D).

    Row a is what attribute a adds to a latent when the other attributes stay, the cure for correlated attributes that
    White 2016 (arXiv 1609.04468, section 3.1) sought by balancing. `ridge`: a weight on the squared coefficients of
    the standardised attributes relative to the number of images, 0 for none; attributes that imply each other need
    some (Hoerl & Kennard 1970), and ValueError is raised where there is too little for a solution.
    """
    x = labels.double()
    x = x - x.mean(0)
    scale = x.std(0, unbiased=False)
    x = x / scale
    y = latents.double()
    y = y - y.mean(0)
    gram = x.T @ x + ridge * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    if torch.linalg.matrix_rank(gram, hermitian=True) < len(gram):
        raise ValueError("a larger ridge, since some attributes determine others")
    coefficients = torch.linalg.solve(gram, x.T @ y)
    return (coefficients / scale[:, None]).to(latents.dtype)


def edit(z: Tensor, vector: Tensor, strength: float) -> Tensor:
    """z + strength * vector: (N, D), (D,) -> (N, D). `strength` is the report's smile factor; negative removes."""
    return z + strength * vector


def explained_change(edited: Tensor, before: Tensor, after: Tensor) -> float:
    """1 - sum |edited - after|^2 / sum |before - after|^2 over images, (N, ...) each.

    1: the edit is the truth `after`; 0: as far from it as doing nothing; negative: worse than nothing. The sums run
    over all images before the division, so an image on which little changes weighs little.
    """
    missed = (edited - after).double().square().sum()
    change = (before - after).double().square().sum()
    return float(1 - missed / change)
