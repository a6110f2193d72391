"""A small convolutional classifier of attributes.

Trained twice, apart: as the judge, which only evaluates, and as the feature network inside the VAE's training,
which only trains. Neither is ever the other.
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class Classifier(nn.Module):
    """Three stages of convolutions over (N, 3, S, S) in [0, 1]; logits (N, A).

    The stem folds images of 128 pixels 4 x 4 into channels, smaller ones 2 x 2, so that the first stage is S / 4 or
    S / 2 wide; a convolution right after it sees every pixel.
    Raises ValueError, saying what would be right, if S does not fold.
    """

    def __init__(self, image_size: int, width: int, attributes: int) -> None:
        super().__init__()
        self.fold = 4 if image_size >= 128 else 2
        if image_size % self.fold:
            raise ValueError(f"images of a multiple of {self.fold} pixels, these have {image_size}")
        widths = (width, 2 * width, 4 * width)
        self.stem = nn.Conv2d(3 * self.fold**2, width, 3, padding=1)
        self.stages = nn.ModuleList()
        previous = width
        for index, channels in enumerate(widths):
            self.stages.append(
                nn.Sequential(
                    nn.GroupNorm(8, previous),
                    nn.SiLU(),
                    nn.Conv2d(previous, channels, 3, stride=1 if index == 0 else 2, padding=1),
                    nn.GroupNorm(8, channels),
                    nn.SiLU(),
                    nn.Conv2d(channels, channels, 3, padding=1),
                )
            )
            previous = channels
        # Average over quarters of the face, not over all of it: a beard and a hat are known by their place.
        self.head = nn.Linear(widths[-1] * 16, attributes)

    def features(self, images: Tensor) -> list[Tensor]:
        """Output of each of the three stages: (N, C, H, W) each."""
        h = self.stem(F.pixel_unshuffle(images * 2 - 1, self.fold))
        outputs = []
        for stage in self.stages:
            h = stage(h)
            outputs.append(h)
        return outputs

    def embedding(self, images: Tensor) -> Tensor:
        """Mean over the last stage's places: (N, 3, S, S) -> (N, 4 width), to compare sets of images by."""
        return F.silu(self.features(images)[-1]).mean((2, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self._logits(F.silu(self.features(images)[-1]))

    def logits_and_embedding(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` and `embedding` return, of a single pass: (N, 3, S, S) -> (N, A), (N, 4 width)."""
        h = F.silu(self.features(images)[-1])
        return self._logits(h), h.mean((2, 3))

    def _logits(self, h: Tensor) -> Tensor:
        # The same as the adaptive one where the sides are multiples of 4, and deterministic on a GPU.
        side = h.shape[2]
        pooled = F.adaptive_avg_pool2d(h, 4) if side % 4 else F.avg_pool2d(h, side // 4)
        return self.head(pooled.flatten(1))


def metadata_of(image_size: int, width: int, attributes: Sequence[str]) -> dict[str, Any]:
    """What `from_metadata` needs: JSON-able. Without attributes there is no classifier."""
    return {"kind": "judge", "image_size": image_size, "width": width, "attributes": list(attributes)}


def from_metadata(metadata: dict[str, Any]) -> Classifier | None:
    """The classifier, untrained, that `metadata_of` describes; None if that is one of no attributes."""
    if not metadata["attributes"]:
        return None
    return Classifier(metadata["image_size"], metadata["width"], len(metadata["attributes"]))
