"""The aligner: a network that sees a square cut out of a picture and says how a face in it is placed.

What it looks at, a view, is a square of VIEW pixels whose own coordinates go from -1 to 1. The view of a perfectly
aligned image is its centred square. For another view the network gives the similarity transform that takes the aligned
image's coordinates to the view's: cutting the next view by it comes closer (an inverse compositional step as in
spatial transformer networks, Lin & Lucey 2017, arXiv 1612.03897, equation 7).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facevae.alignment.views import VIEW
from facevae.nn.layers import ResidualBlock


class Aligner(nn.Module):
    """Views (N, 3, VIEW, VIEW) in [0, 1] -> (N, 5) float32: shift x, y, log scale, turn in radians; logit of a face.

    The shift is in halves of a view's side. Folded 2 x 2 into channels, then halved three times, by residual blocks.
    Places are read from maps of the last but one stage as their centres of mass, a spatial softmax (Finn et al. 2016,
    arXiv 1509.06113, section IV-C), which learns them from far fewer views than a dense layer alone.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = (2 * width, 4 * width, 4 * width)
        self.stem = nn.Conv2d(12, width, 3, padding=1)
        self.stages = nn.ModuleList()
        previous = width
        for channels in widths:
            down = nn.Conv2d(previous, channels, 3, stride=2, padding=1)
            self.stages.append(nn.Sequential(nn.GroupNorm(8, previous), nn.SiLU(), down, ResidualBlock(channels)))
            previous = channels
        self.squeeze = nn.Conv2d(previous, 2 * width, 1)
        self.maps = nn.Conv2d(widths[1], width, 1)
        self.hidden = nn.Linear(2 * width * (VIEW // 16) ** 2 + 2 * width, 4 * width)
        self.head = nn.Linear(4 * width, 5)

    def forward(self, views: Tensor) -> Tensor:
        h = self.stages[0](self.stem(F.pixel_unshuffle(views * 2 - 1, 2)))
        h = self.stages[1](h)
        places = centres(self.maps(F.silu(h)).float())
        h = F.silu(self.squeeze(F.silu(self.stages[2](h)))).flatten(1)
        h = F.silu(self.hidden(torch.cat([h, places.flatten(1).to(h.dtype)], 1)))
        return self.head(h).float()


def centres(maps: Tensor) -> Tensor:
    """The centre of mass of each map's softmax: (N, K, H, W) -> (N, K, 2), x and y from -1 to 1."""
    shares = maps.flatten(2).softmax(2).view(maps.shape)
    down, across = (
        (torch.arange(side, device=maps.device, dtype=maps.dtype) + 0.5) * (2 / side) - 1 for side in maps.shape[2:]
    )
    return torch.stack([(shares.sum(2) * across).sum(2), (shares.sum(3) * down).sum(2)], 2)


def matrices(placement: Tensor) -> Tensor:
    """Similarity matrices (n, 2, 3) of shift, log scale and turn, (n, 4) or more columns."""
    x, y, log_scale, turn = placement[:, :4].unbind(1)
    a, b = log_scale.exp() * turn.cos(), log_scale.exp() * turn.sin()
    return torch.stack([torch.stack([a, -b, x], 1), torch.stack([b, a, y], 1)], 1)


def metadata_of(width: int, frame: tuple[int, int], images: int, boxed: float) -> dict[str, Any]:
    """What `from_metadata` needs, and what it learned from: JSON-able.

    `frame`: the (width, height) of the aligned images, `images` their number; `boxed`: the share of them in which a
    detector of faces finds one.
    """
    return {"kind": "aligner", "width": width, "frame": list(frame), "images": images, "boxed": boxed}


def from_metadata(metadata: dict[str, Any]) -> Aligner:
    """The network, untrained, that `metadata_of` describes. Raises ValueError if it says no frame."""
    frame = metadata["frame"]
    if not (len(frame) == 2 and all(isinstance(side, int) and side > 0 for side in frame)):
        raise ValueError(f"a frame of {frame}")
    return Aligner(metadata["width"])
