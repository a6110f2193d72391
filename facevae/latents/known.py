"""Estimates of attribute directions where some labels are unknown: each attribute's, of the images known of it.

`labels`: (N, A), 1, 0, or -1 where unknown.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from facevae.latents.directions import has_both_kinds

# (latents (N, D), labels (N, A)) -> (A, D).
Estimate = Callable[[Tensor, Tensor], Tensor]


def of_known(estimate: Estimate, latents: Tensor, labels: Tensor) -> Tensor:
    """What `estimate` makes of latents and labels, (A, D): each attribute's row of the images that are known of it.

    Of these another attribute's unknown labels are its share among its known ones: for an estimate that holds the
    other attributes such an image is as most are. Attributes that are known of the same images share one estimate;
    where all are known of all it is `estimate` itself, and none of no attributes.
    """
    known = labels >= 0
    if known.all() and labels.shape[1]:
        return estimate(latents, labels)
    found = latents.new_zeros(labels.shape[1], latents.shape[1])
    if not labels.shape[1]:
        return found
    masks, groups = known.unique(dim=1, return_inverse=True)
    for group, rows in enumerate(masks.T):
        columns = (groups == group).nonzero()[:, 0]
        theirs = labels[rows]
        # Those that vary among these images, of which this group's are all.
        used = has_both_kinds(theirs).nonzero()[:, 0]
        values = estimate(latents[rows], _with_shares(theirs[:, used]))
        places = torch.isin(used, columns)
        found[used[places]] = values[places]
    return found


def _with_shares(labels: Tensor) -> Tensor:
    """The labels with each attribute's share in place of its unknown ones."""
    known = labels >= 0
    if known.all():
        return labels
    shares = (labels * known).sum(0).double() / known.sum(0)
    return torch.where(known, labels.double(), shares)
