"""Training the aligner on aligned images alone: turned, scaled and moved at random, their place is known."""

import math

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from facevae.data.aligned import AlignedImages
from facevae.models.aligner import Aligner, matrices
from facevae.nn.losses import balanced_cross_entropy
from facevae.training.loop.augmentation import random_flip
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext
from facevae.training.views import FACES, NUMBERS, Surroundings, make_views, surroundings

SHORT_SIDE = 89
"""Pixels of the images' shorter side in training: half of CelebA's, finer than the views that are cut out of them."""


class AlignerSettings(TrainingSettings):
    """The network and its training.

    `images`: at most so many of the train and valid splits, evenly spaced, are held in memory; null: all. `width`:
    channels of the first stage; 32 makes a million weights. `turn`: the largest turn of a face in degrees.
    """

    images: int | None = Field(ge=2)
    width: int = Field(ge=8, le=128, multiple_of=8)
    turn: float = Field(ge=0, le=90)

    @property
    def network(self) -> str:
        """What the table of precisions calls it."""
        return "aligner"


def aligner_terms(
    network: nn.Module, images: Tensor, placements: Tensor, faces: Tensor, corners: Tensor, step: StepContext
) -> dict[str, Tensor]:
    """Loss, corner error and whether a face is rightly seen or not, of each view, (n,).

    `images` (n, 3, VIEW, VIEW) in [0, 1], `placements` (n, 4), `faces` (n,) 0 or 1, `corners` (4, 2) of the aligned
    image in its own coordinates. The corner error is the mean distance of the corners from where they belong, measured
    in the aligned image's coordinates; what is no face has none, and the others' count as much more.
    """
    with step.autocast():
        found = network(images).float()
    apart = _moved(found, corners) - _moved(placements, corners)
    # The small constant keeps the gradient of the root finite where nothing is wrong.
    distance = apart.square().sum(-1).add(1e-6).sqrt().mean(1) * (-placements[:, 2]).exp()
    seen = balanced_cross_entropy(found[:, 4:], faces[:, None], torch.ones(1, device=found.device))
    return {
        "loss": 4 * distance * faces + seen,
        "corner_error": distance.detach() * faces / FACES,
        "accuracy": ((found[:, 4] > 0) == (faces > 0.5)).float(),
    }


def _moved(placements: Tensor, points: Tensor) -> Tensor:
    """Where the points (k, 2) go: (n, k, 2)."""
    m = matrices(placements)
    return points @ m[:, :, :2].transpose(1, 2) + m[:, None, :, 2]


def train_aligner(data: AlignedImages, settings: AlignerSettings, run: Run) -> tuple[Aligner, list[dict[str, float]]]:
    """Train on the train split, watch the valid split; return the network and its history.

    The history's corner errors are in pixels of the aligned images, after one step from a random view.
    """
    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    network = Aligner(settings.width)
    around = surroundings(data.images["train"], settings.seed)
    numbers = np.random.default_rng((settings.seed, 1)).random((len(data.images["valid"]), NUMBERS), np.float32)
    short = min(data.frame)

    def observe(_: nn.Module, row: dict[str, float]) -> None:
        for name in [name for name in row if name.endswith("corner_error")]:
            row[name] *= short / 2

    history = fit(
        network, aligner_terms_of(settings, around.to(run.device), data.frame), (data.images["train"],),
        (data.images["valid"], numbers), settings, run, run.log("aligner "), section="train_aligner", observe=observe,
    )  # fmt: skip
    return network, history


def aligner_terms_of(settings: AlignerSettings, around: Surroundings, frame: tuple[int, int]) -> Objective:
    """The objective for a batch of images' bytes: of random views in training, else of those that numbers say."""
    width, height = (side / min(frame) for side in frame)
    corners = torch.tensor([[-width, -height], [width, -height], [width, height], [-width, height]])
    corners = corners.to(around.grain.device)

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        images = batch[0]
        if step.training:
            numbers = step.rand(NUMBERS)
            if settings.flip:
                (images,) = random_flip(step, images)
        else:
            numbers = batch[1]
        views = make_views(images, around, numbers, math.radians(settings.turn))
        return aligner_terms(model, views.images, views.placements, views.faces, corners, step)

    return terms_of
