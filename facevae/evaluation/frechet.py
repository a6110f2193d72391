"""Frechet distance between sets of images, in the features of the pipeline's own judge."""

import torch
from torch import Tensor, nn


class FrechetDistance:
    """Distance of sets of embeddings, (n, E) each, to those of the real images that it is made with.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with mean and covariance of the judge's embeddings (Heusel et al. 2017,
    arXiv 1706.08500, equation 6, with the judge in place of the Inception network). Not comparable with a published
    FID, nor between judges; it falls with the number of images, which must be the same for what is compared.
    """

    def __init__(self, real: Tensor) -> None:
        from torchmetrics.image.fid import FrechetInceptionDistance  # takes seconds

        # torchmetrics expects the network; the embeddings are here already.
        embedding = nn.Identity()
        embedding.num_features = real.shape[1]
        self.metric = FrechetInceptionDistance(embedding, reset_real_features=False)
        with torch.no_grad():
            self.metric.update(real, real=True)

    @torch.no_grad()
    def to(self, embeddings: Tensor) -> float:
        """The distance of the images of these embeddings, (n, E): at least 0."""
        self.metric.update(embeddings, real=False)
        distance = float(self.metric.compute())
        self.metric.reset()
        # Rounding can take the distance of a set to itself a little below zero.
        return max(0.0, distance)
