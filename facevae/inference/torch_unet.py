"""The denoiser's U-Net as onnxruntime computes it fastest on a CPU: the same weights, and the same sums in other steps.

onnxruntime keeps a convolution's channels in blocks that fill a vector register, and turns them back before every
operation that has no such form. So what stands between two convolutions is written as convolutions, too.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facevae.models.dae import UnetNetwork


class BlockedUnet(nn.Module):
    """A UnetNetwork's answers (N, 3, H, W) to images (N, 3, H, W), of sides that are multiples of its `multiple`."""

    def __init__(self, network: UnetNetwork) -> None:
        super().__init__()
        self.network = network
        self.stem = _of_whole_pixels(network.stem)
        self.grow = nn.ModuleList(_to_four_pixels(layer) for layer in network.grow)
        self.placed = nn.ModuleList(_placed(layer) for layer in network.grow)

    def forward(self, noisy: Tensor) -> Tensor:
        network = self.network
        h = self.stem(noisy)
        skips = []
        for blocks, shrink in zip(network.down, network.shrink, strict=True):
            h = blocks(h)
            skips.append(h)
            h = shrink(h)
        h = network.middle(h)
        levels = zip(reversed(network.up), reversed(self.grow), reversed(self.placed), reversed(skips), strict=True)
        for blocks, grow, placed, skip in levels:
            h = blocks(placed(F.pixel_shuffle(grow(h), 2)) + skip)
        return noisy + F.pixel_shuffle(network.head(h), 2)


def _of_whole_pixels(stem: nn.Conv2d) -> nn.Conv2d:
    """Pixel-unshuffle by 2 and a 3x3 convolution as one of 6x6 with a stride of 2."""
    width, inputs = stem.weight.shape[:2]
    made = nn.Conv2d(inputs // 4, width, 6, 2, padding=2)
    # Of an unshuffled channel the two numbers that are its place in the cell of 2 x 2 go to rows and columns.
    cells = stem.weight.detach().reshape(width, inputs // 4, 2, 2, 3, 3)
    return _with(made, cells.permute(0, 1, 4, 2, 5, 3).reshape(made.weight.shape), stem.bias)


def _to_four_pixels(grow: nn.ConvTranspose2d) -> nn.Conv2d:
    """A transposed 2x2 convolution with a stride of 2, without its bias, as one of 1x1 before a pixel-shuffle by 2."""
    made = nn.Conv2d(grow.in_channels, 4 * grow.out_channels, 1, bias=False)
    weight = grow.weight.detach().permute(1, 2, 3, 0).reshape(made.weight.shape)
    return _with(made, weight, None)


def _placed(grow: nn.ConvTranspose2d) -> nn.Conv2d:
    """A 1x1 convolution that adds the bias alone: with the skip after it, it brings both into blocks in one step."""
    channels = grow.out_channels
    return _with(nn.Conv2d(channels, channels, 1), torch.eye(channels)[..., None, None], grow.bias)


def _with(convolution: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Conv2d:
    convolution.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    if bias is not None:
        convolution.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return convolution
