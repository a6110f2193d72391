"""Frechet distance between sets of images, in the features of the pipeline's own judge."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance

from facevae.models.classifier import Classifier


class JudgeEmbedding(nn.Module):
    """The judge's `embedding` where torchmetrics expects an Inception network."""

    def __init__(self, judge: Classifier) -> None:
        super().__init__()
        self.judge = judge
        self.num_features = judge.head.in_features // 16

    def forward(self, images: Tensor) -> Tensor:
        return self.judge.embedding(images)


class FrechetDistance:
    """Distance of sets of images to the real ones that it is made with: batches (n, 3, S, S) in [0, 1].

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), with mean and covariance of the judge's embeddings (Heusel et al. 2017,
    arXiv 1706.08500, equation 6, with the judge in place of the Inception network). Not comparable with a published
    FID, nor between judges; it falls with the number of images, which must be the same for what is compared.
    """

    def __init__(self, judge: Classifier, real: Iterable[Tensor], device: torch.device) -> None:
        self.device = device
        embedding = JudgeEmbedding(judge).eval()
        self.metric = FrechetInceptionDistance(embedding, reset_real_features=False).to(device)
        self._add(real, real=True)

    def to(self, images: Iterable[Tensor]) -> float:
        """The distance of these images."""
        self._add(images, real=False)
        distance = float(self.metric.compute())
        self.metric.reset()
        # Rounding can take the distance of a set to itself a little below zero.
        return max(0.0, distance)

    @torch.no_grad()
    def _add(self, batches: Iterable[Tensor], real: bool) -> None:
        for batch in batches:
            self.metric.update(batch.to(self.device), real=real)
