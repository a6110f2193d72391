"""Frechet distances that are known: of Gaussians whose moments are."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from facevae.evaluation.frechet import FrechetDistance, JudgeEmbedding
from facevae.models.classifier import Classifier

CPU = torch.device("cpu")


class Colours(nn.Module):
    """A judge whose embedding is the picture's mean colour."""

    head = SimpleNamespace(in_features=3 * 16)

    def embedding(self, images):
        return images.mean((2, 3))


def plain(colours):
    """Pictures of 2 x 2 pixels of one colour each: (N, 3) -> (N, 3, 2, 2)."""
    return colours[:, :, None, None].expand(-1, -1, 2, 2)


def distance(real, other):
    return FrechetDistance(Colours(), [plain(real)], CPU).to([plain(other)])


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
    found = FrechetDistance(Colours(), [plain(REAL)], CPU)
    shifted = [found.to([plain(REAL + shift)]) for shift in (0.1, 0.2, 0.1)]
    assert shifted == pytest.approx([0.03, 0.12, 0.03], rel=1e-3)


def test_batches_make_no_difference():
    images = plain(REAL.flip(1) ** 2)
    whole = FrechetDistance(Colours(), [plain(REAL)], CPU).to([images])
    parts = FrechetDistance(Colours(), plain(REAL).split(7), CPU).to(images.split([1, 20, 29]))
    assert whole > 0.01 and parts == pytest.approx(whole, rel=1e-4)


def test_a_judges_own_embedding():
    torch.manual_seed(0)
    judge, images = Classifier(16, 8, 2).train(), torch.rand(6, 3, 16, 16)
    found = FrechetDistance(judge, images.split(4), CPU)
    assert found.to([images]) == pytest.approx(0, abs=1e-4) and not judge.training
    assert found.to([images / 2]) > 1e-3
    # Fewer images than numbers in the embedding: covariances that are singular.
    assert JudgeEmbedding(judge)(images).shape == (6, JudgeEmbedding(judge).num_features) == (6, 32)
