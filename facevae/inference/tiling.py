"""How far a denoiser looks around, by its architecture: what the tiles of a large image must share."""

import math

from facevae.models.dae import DaeArchitecture


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
