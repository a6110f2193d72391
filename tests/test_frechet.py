"""Frechet distances that are known: of Gaussians whose moments are."""

import pytest
import torch

from facevae.evaluation.frechet import FrechetDistance
from facevae.models.classifier import Classifier


def distance(real, other):
    return FrechetDistance(real).to(other)


REAL = 0.5 + 0.1 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))


def test_a_set_and_itself():
    assert distance(REAL, REAL) == pytest.approx(0, abs=1e-6)
    assert distance(REAL, REAL.flip(0)) == pytest.approx(0, abs=1e-6)


def test_a_shifted_mean_by_hand():
    assert distance(REAL, REAL + torch.tensor([0.1, -0.2, 0.3])) == pytest.approx(0.01 + 0.04 + 0.09, rel=1e-4)


def test_a_stretched_covariance_by_hand():
    # Deviations three times as large: tr(C + 9 C - 2 * 3 C) = 4 tr C; the mean stays.
    stretched = REAL.mean(0) + 3 * (REAL - REAL.mean(0))
    assert distance(REAL, stretched) == pytest.approx(4 * REAL.var(0).sum().item(), rel=1e-3)


def test_covariances_that_differ_by_hand():
    # Mean 0 and covariances diag(1, 4, 0) and diag(9, 1, 0): (1 - 3)^2 + (2 - 1)^2.
    corners = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]) * (3 / 4) ** 0.5
    first, second = (
        torch.cat([corners * torch.tensor(scale), torch.zeros(4, 1)], 1) for scale in ([1.0, 2.0], [3.0, 1.0])
    )
    assert distance(first, second) == pytest.approx(4 + 1, rel=1e-4)
    assert distance(second, first) == pytest.approx(4 + 1, rel=1e-4)


def test_real_images_stay_and_others_go():
    found = FrechetDistance(REAL)
    shifted = [found.to(REAL + shift) for shift in (0.1, 0.2, 0.1)]
    assert shifted == pytest.approx([0.03, 0.12, 0.03], rel=1e-3)


def test_a_judges_own_embedding():
    torch.manual_seed(0)
    judge, images = Classifier(16, 8, 2).eval(), torch.rand(6, 3, 16, 16)
    with torch.no_grad():
        # Fewer images than numbers in the embedding: covariances that are singular.
        embeddings, darker = judge.embedding(images), judge.embedding(images / 2)
    assert embeddings.shape == (6, 32)
    found = FrechetDistance(embeddings)
    assert found.to(embeddings) == pytest.approx(0, abs=1e-4)
    assert found.to(darker) > 1e-3
