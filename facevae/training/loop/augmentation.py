"""Random crops and flips of training images, as bytes, on the device: a batch becomes floats after them.

Several tensors of images are cut and mirrored alike, as pairs of clean and noisy ones have to be.
"""

import torch
from torch import Tensor

from facevae.nn.layers import as_unit_floats
from facevae.training.loop.step import StepContext


def random_flip(step: StepContext, *images: Tensor) -> tuple[Tensor, ...]:
    """Mirror each image left to right with probability one half: (n, H, W, C) -> (n, H, W, C)."""
    flips = (step.rand() < 0.5).view(-1, 1, 1, 1)
    return tuple(torch.where(flips, part.flip(2), part) for part in images)


def prepared(step: StepContext, images: Tensor, *, flip: bool) -> Tensor:
    """A batch's bytes as networks take them, mirrored at random in training where `flip` says so.

    uint8 (n, H, W, 3) -> (n, 3, H, W) in [0, 1].
    """
    if step.training and flip:
        (images,) = random_flip(step, images)
    return as_unit_floats(images)


def random_crop(step: StepContext, size: int, *images: Tensor) -> tuple[Tensor, ...]:
    """A square of `size` pixels out of each image, anywhere: (n, H, W, C) -> (n, size, size, C).

    A side that is smaller than `size` stays whole.
    """
    count, height, width, _ = images[0].shape
    # One indexing for the whole batch: slices would have to wait for the numbers to come back from the device.
    rows = _window(step, min(size, height), height)[:, :, None]
    columns = _window(step, min(size, width), width)[:, None, :]
    numbers = torch.arange(count, device=images[0].device)[:, None, None]
    return tuple(part[numbers, rows, columns] for part in images)


def _window(step: StepContext, size: int, length: int) -> Tensor:
    """`size` neighbouring numbers below `length`, elsewhere for each image: (n, size)."""
    return step.randint(length - size + 1)[:, None] + torch.arange(size, device=step.device)
