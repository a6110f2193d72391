"""A trained denoiser on images of any size: what does not fit into memory at once goes through it in tiles."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from facevae.core.errors import FacevaeError
from facevae.core.params import only_fields
from facevae.jobs.progress import track
from facevae.models.dae import DaeArchitecture, denoise
from facevae.nn.layers import as_bytes, as_unit_floats

TILE = 512

"""Side of a tile in pixels, without what it sees of its neighbours."""


def check_size(facts: dict[str, Any], size: tuple[int, int], where: object) -> None:
    """Raise FacevaeError naming `where` if the denoiser of these facts can't take images of `size`, (width, height)."""
    settings = only_fields(DaeArchitecture, facts["settings"])
    if _is_dense(settings):
        if _border(facts, size) is None:
            raise FacevaeError(
                where=where,
                expected=f"{facts['width']}x{facts['height']} pixels or these without an even border, since the "
                "denoiser has a dense bottleneck", found=f"{size[0]}x{size[1]}",
                fix="bring the image to that size or train a denoiser with dae.architecture unet",
            )  # fmt: skip
        return
    multiple, _ = reach(settings)
    if min(size) < multiple:
        raise FacevaeError(
            where=where, expected=f"at least {multiple} pixels on each side", found=f"{size[0]}x{size[1]}",
            fix="take a larger image",
        )  # fmt: skip


@torch.no_grad()
def denoise_photo(
    network: nn.Module,
    facts: dict[str, Any],
    image: np.ndarray,
    device: torch.device,
    *,
    self_ensemble: bool = False,
    tile: int = TILE,
    what: str = "",
) -> np.ndarray:
    """The denoised image in its own size: (height, width, 3) uint8 -> the same, of a size that `check_size` accepts.

    Tiles see as much of their neighbours as the network looks around, so that they join without a seam. With `what`,
    progress is shown where there are several.
    """
    settings = only_fields(DaeArchitecture, facts["settings"])
    height, width = image.shape[:2]
    if _is_dense(settings):
        border = _border(facts, (width, height))
        assert border is not None  # check_size
        padded = np.pad(image, ((border, border), (border, border), (0, 0)), mode="edge")
        return _answer(network, padded, device, self_ensemble)[border : border + height, border : border + width]

    multiple, halo = reach(settings)
    padded = np.pad(image, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
    # Tiles begin where the network's strides do, else they would be computed on another grid.
    step = max(multiple, tile // multiple * multiple)
    corners = [(top, left) for top in range(0, height, step) for left in range(0, width, step)]
    shown: Iterable[tuple[int, int]] = track(corners, len(corners), what, "tiles") if what and corners[1:] else corners
    output = np.empty_like(padded)
    for top, left in shown:
        above, before = max(0, top - halo), max(0, left - halo)
        seen = padded[above : top + step + halo, before : left + step + halo]
        answer = _answer(network, seen, device, self_ensemble)
        output[top : top + step, left : left + step] = answer[top - above :, left - before :][:step, :step]
    return np.ascontiguousarray(output[:height, :width])


def reach(settings: DaeArchitecture) -> tuple[int, int]:
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


def _is_dense(settings: DaeArchitecture) -> bool:
    return settings.report is not None and settings.report.latent_dim is not None


def _border(facts: dict[str, Any], size: tuple[int, int]) -> int | None:
    """How wide a border around an image of `size` makes it the network's, as crop_pad put one around the training's.

    None if no even one does, or only one so wide that the network would see more border than it has learnt to.
    """
    across, down = facts["width"] - size[0], facts["height"] - size[1]
    fits = across == down and across % 2 == 0 and 0 <= across // 2 <= min(size) // 10
    return across // 2 if fits else None


def _answer(network: nn.Module, image: np.ndarray, device: torch.device, self_ensemble: bool) -> np.ndarray:
    batch = as_unit_floats(torch.from_numpy(image[None].copy())).to(device)
    return as_bytes(denoise(network, batch, self_ensemble=self_ensemble))[0]
