"""Views to train the aligner on: aligned faces turned, scaled, moved and put before something, and what is no face.

Everything is computed for a batch at once on its device, from a table of uniform numbers. The aligned image's
coordinates are those of models/aligner.py: (0, 0) its centre, 1 half its shorter side.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.alignment.textures import textures
from facevae.alignment.views import VIEW
from facevae.models.aligner import matrices

# Columns of the table of uniform numbers, (n,) each, one after the other.
Uniform = Iterator[Tensor]

NUMBERS = 40
"""Uniform numbers in [0, 1) that a view is made of, at least."""

PICTURES, GRAINS = 512, 64

# How far the placements go, (shift x, y in halves of a view's side; log scale): from a detector's box, or from a step
# of a search, to the face.
REACH = (0.5, 0.5, math.log(1.7))

# Of views: with a face; with one that is too far off, too large or too small to be its view; without any. The rest are
# faces whose features have been cut away.
FACES, _FAR, _BARE = 0.68, 0.78, 0.9


@dataclass(frozen=True)
class Views:
    """`images` (n, 3, VIEW, VIEW) in [0, 1], `placements` (n, 4) as the network gives them, `faces` (n,) 0 or 1."""

    images: Tensor
    placements: Tensor
    faces: Tensor


@dataclass(frozen=True)
class Surroundings:
    """What views are made with besides faces: `pictures` (K, h, w, 3) uint8, parts of which stand behind and before
    them, and `grain` (G, 3, VIEW, VIEW), standard normal: drawn once, which is cheaper than for each step."""

    pictures: Tensor
    grain: Tensor

    def to(self, device: torch.device) -> "Surroundings":
        """The same on a device."""
        return Surroundings(self.pictures.to(device), self.grain.to(device))


def surroundings(faces: np.ndarray, seed: int) -> Surroundings:
    """Half of them pictures without a face, half out of `faces` (n, H, W, 3) uint8, of which parts will be shown."""
    chosen = faces[np.unique(np.linspace(0, len(faces) - 1, PICTURES // 2).astype(int))]
    drawn = textures(PICTURES // 2, (faces.shape[2], faces.shape[1]), seed)
    generator = torch.Generator().manual_seed(seed)
    grain = torch.randn(GRAINS, 3, VIEW, VIEW, generator=generator)
    return Surroundings(torch.from_numpy(np.concatenate([drawn, chosen])), grain)


def make_views(faces: Tensor, around: Surroundings, numbers: Tensor, turn: float) -> Views:
    """A view of each aligned image (n, H, W, 3) uint8, by uniform numbers (n, NUMBERS).

    `turn`: the largest turn in radians.
    """
    u = iter(numbers.unbind(1))
    others = _picked(around.pictures, next(u))
    kind = next(u)
    is_face, is_far = kind < FACES, (kind >= FACES) & (kind < _FAR)
    is_bare, is_cut = (kind >= _FAR) & (kind < _BARE), kind >= _BARE
    # The nearer the view is to its place, the finer: as in the steps of an alignment. Large ones are the most.
    fine = 10 ** (-1.3 * next(u) ** 2)
    reach = torch.tensor([*REACH, turn], device=numbers.device)
    near = _stack(u, 4).mul(2).sub(1) * reach * fine[:, None]
    placements = torch.where(is_far[:, None], _far(u, near), near)

    q = _grid(numbers.device)
    a = _back(placements, q)
    size = torch.tensor([faces.shape[2], faces.shape[1]], device=numbers.device) / min(faces.shape[1:3])
    face = _sample(faces, a / size)
    zoom = 0.12 + 0.3 * next(u)
    behind = torch.stack([next(u) * 2 - 1, next(u) * 2 - 1, zoom.log(), next(u) * 2 * math.pi], 1)
    other = _sample(others, _forth(behind, q))

    # A window of any outline: where an aligned image ends says nothing about where its face is. Some have none: then
    # the image goes on as its own mirror image.
    window = _window(a, u, least=(0.55, 0.5, 0.72, 0.85), most=(1.0, 1.0, *[float(size[1])] * 2))
    whole = (next(u) < 0.3) & ~is_far
    window = torch.where(whole[:, None, None], 1.0, window) * (~is_bare[:, None, None])
    inside = ((a / size).abs().amax(-1) <= 1).float()
    image = other + (window * torch.where(whole[:, None, None], 1.0, inside))[:, None] * (face - other)
    # Something before a part of the face; and where it is cut away, before all its features.
    centre = torch.stack([next(u) * 2 - 1, next(u) * 2 - 1], 1)
    radius = (0.1 + 0.3 * next(u)) * (next(u) < 0.25)
    spot = ((a - centre[:, None, None]).norm(dim=-1) < radius[:, None, None]).float()
    cut = torch.stack([0.45 + 0.25 * next(u), 0.55 + 0.25 * next(u)], 1)
    hole = (((a - torch.tensor([0.0, 0.22], device=a.device)) / cut[:, None, None]).norm(dim=-1) < 1).float()
    hide = torch.where(is_cut[:, None, None], hole, spot * is_face[:, None, None])
    image = image + hide[:, None] * (other.flip(3) - image)
    return Views(_camera(image, _picked(around.grain, next(u)), u), placements, is_face.float())


def _picked(rows: Tensor, share: Tensor) -> Tensor:
    """The rows that lie at these shares, in [0, 1), of all."""
    return rows.index_select(0, (share * len(rows)).long().clamp_max(len(rows) - 1))


def _stack(u: Uniform, count: int) -> Tensor:
    return torch.stack([next(u) for _ in range(count)], 1)


def _far(u: Uniform, near: Tensor) -> Tensor:
    """A face at the view's edge or outside, or one far too large or small: (n, 4)."""
    way, distance, size, which = (next(u) for _ in range(4))
    radius, angle = 0.9 + 1.1 * distance, way * 2 * math.pi
    shifted = torch.stack([radius * angle.cos(), radius * angle.sin(), near[:, 2], near[:, 3]], 1)
    log_scale = math.log(2.2) + size * math.log(1.8)
    scaled = torch.stack([near[:, 0], near[:, 1], torch.where(distance < 0.6, -log_scale, log_scale), near[:, 3]], 1)
    return torch.where((which < 0.5)[:, None], shifted, scaled)


def _grid(device: torch.device) -> Tensor:
    """The centres of a view's pixels: (VIEW, VIEW, 2) in [-1, 1]."""
    line = (torch.arange(VIEW, device=device) + 0.5) * (2 / VIEW) - 1
    return torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)


def _forth(placements: Tensor, points: Tensor) -> Tensor:
    """Where each placement, (n, 4), takes the points (h, w, 2): (n, h, w, 2)."""
    m = matrices(placements)
    return torch.einsum("nij,hwj->nhwi", m[:, :, :2], points) + m[:, None, None, :, 2]


def _back(placements: Tensor, points: Tensor) -> Tensor:
    """Where the points (h, w, 2) come from: (n, h, w, 2)."""
    away = points - placements[:, None, None, :2]
    turned = matrices(torch.cat([torch.zeros_like(placements[:, :2]), -placements[:, 2:4]], 1))[:, :, :2]
    return torch.einsum("nij,nhwj->nhwi", turned, away)


def _sample(images: Tensor, places: Tensor) -> Tensor:
    """Images (n, H, W, 3) uint8 at places (n, h, w, 2), -1 to 1 from edge to edge, mirrored beyond: (n, 3, h, w)."""
    floats = images.permute(0, 3, 1, 2).float().div(255)
    return F.grid_sample(floats, places, padding_mode="reflection", align_corners=False)


def _window(a: Tensor, u: Uniform, least: tuple[float, ...], most: tuple[float, ...]) -> Tensor:
    """1 inside, 0 outside of a super-ellipse whose left, right, upper and lower radii lie between two bounds."""
    radii = [low + (high - low) * next(u) for low, high in zip(least, most, strict=True)]
    left, right, upper, lower = (radius[:, None, None] for radius in radii)
    power = (2 + 18 * next(u) ** 2)[:, None, None]
    soft = (0.02 + 0.3 * next(u) ** 2)[:, None, None]
    turn = (next(u) - 0.5) * 0.7
    cosine, sine = turn.cos()[:, None, None], turn.sin()[:, None, None]
    x, y = cosine * a[..., 0] - sine * a[..., 1], sine * a[..., 0] + cosine * a[..., 1]
    x, y = torch.where(x < 0, -x / left, x / right), torch.where(y < 0, -y / upper, y / lower)
    # Of the larger one, so that no power overflows.
    high = torch.maximum(x, y).clamp_min(1e-6)
    norm = high * ((x / high) ** power + (y / high) ** power) ** (1 / power)
    return ((1 - norm) / soft + 0.5).clamp(0, 1)


def _camera(image: Tensor, grain: Tensor, u: Uniform) -> Tensor:
    """Colours, contrast, a light from one side, a lack of sharpness, grain: (n, 3, h, w) in [0, 1]."""
    contrast = (0.5 + 0.8 * next(u))[:, None, None, None]
    light = ((next(u) - 0.5) * 0.4)[:, None, None, None]
    gains = (_stack(u, 3) - 0.5).mul(0.3).add(1)[:, :, None, None]
    slope = (_stack(u, 2) - 0.5)[:, None, :, None, None] * 0.5
    grid = _grid(image.device).permute(2, 0, 1)
    grey = ((next(u) < 0.12).float())[:, None, None, None]
    image = image + grey * (image.mean(1, keepdim=True) - image)
    image = (image - 0.45) * contrast * gains + 0.45 + light + (slope * grid).sum(2)
    blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
    blurred = F.avg_pool2d(F.pad(blurred, (1, 1, 1, 1), mode="replicate"), 3, 1)
    blur = ((next(u) - 0.5).clamp_min(0) * 2)[:, None, None, None]
    noise = (0.06 * next(u) ** 2)[:, None, None, None]
    return (image + blur * (blurred - image) + noise * grain).clamp(0, 1)
