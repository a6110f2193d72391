"""How far a denoiser looks around: what the tiles of a large image must share."""

import math

import torch
from torch import nn

from facevae.models.dae import DaeArchitecture

# Grey levels that what lies farther away may change: beside a seam a value is now and then rounded to the next level.
_NOTICED = 0.5

_SIDE = 64


@torch.inference_mode()
def measured_reach(network: nn.Module, multiple: int, most: int) -> int:
    """How many pixels around one the network's answer depends on noticeably: a multiple of `multiple`, at most `most`.

    `network`: (1, 3, H, W) in [0, 1] -> the same. Seen on noise, which depends on its surroundings more than images do:
    the answer to a square and so much around it is that to a larger image, to half a grey level. One `multiple`
    more is added. By its architecture a network may look twice as far, through paths that carry next to nothing.
    """
    side = _SIDE // multiple * multiple or multiple
    noise = torch.rand(1, 3, 2 * most + side, 2 * most + side, generator=torch.Generator().manual_seed(0))
    whole = network(noise)[..., most : most + side, most : most + side]
    for around in range(multiple, most, multiple):
        seen = noise[..., most - around : most + side + around, most - around : most + side + around]
        found = network(seen)[..., around : around + side, around : around + side]
        if 255 * float((found - whole).abs().max()) < _NOTICED:
            return around + multiple
    return most


def reach_of(settings: DaeArchitecture) -> tuple[int, int]:
    """Of what the network's strides make a whole: (the multiple of pixels, how many around one its answer depends on).

    The second is a multiple of the first, and rather too large than too small.
    """
    if settings.unet is not None:
        # Going down and up again each level's blocks look `2 * blocks` of its pixels far; the stem and the head, one of
        # half the size.
        multiple, blocks = 2 ** (settings.unet.levels + 1), settings.unet.blocks
        around = 4 * blocks * (multiple - 2) + 2 * blocks * multiple + 4
    else:
        assert settings.report is not None  # select_group left exactly one
        lists, scale, around = settings.report, 1, settings.report.output_kernel_size
        multiple = lists.reduction
        for kernel, stride in zip(lists.encoder_kernel_sizes, lists.encoder_strides, strict=True):
            around, scale = around + kernel * scale, scale * stride
        for kernel, stride in zip(lists.decoder_kernel_sizes, lists.decoder_strides, strict=True):
            scale //= stride
            around += kernel * scale
    # A pixel's whole cell of `multiple` pixels hangs together.
    return multiple, math.ceil(around / multiple) * multiple + multiple
