"""The networks of `networks.py` as PyTorch modules, out of the safetensors that the pipeline wrote."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facevae.alignment.views import VIEW
from facevae.core.params import only_fields
from facevae.inference.tiling import measured_reach, reach_of
from facevae.models import aligner, classifier, dae, vae
from facevae.nn.model_files import load_model


class MeanEncoder(nn.Module):
    """Images (N, 3, S, S) in [0, 1] -> the posterior means, (N, D)."""

    def __init__(self, encoder: vae.Encoder) -> None:
        super().__init__()
        self.body, self.mu = encoder.body, encoder.mu

    def forward(self, images: Tensor) -> Tensor:
        return self.mu(self.body(images).flatten(1))


class Decoder(nn.Module):
    """Latents (N, D) -> images (N, 3, S, S) in [0, 1]."""

    def __init__(self, decoder: vae.Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, latents: Tensor) -> Tensor:
        return self.decoder.body(self.decoder.first(latents))


class Denoiser(nn.Module):
    """Images (N, 3, H, W) in [0, 1], of sides that are multiples of the network's -> the same without noise."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = BlockedUnet(network) if isinstance(network, dae.UnetNetwork) else network

    def forward(self, images: Tensor) -> Tensor:
        return dae.denoise(self.network, images)


class Judge(nn.Module):
    """Images (N, 3, S, S) in [0, 1] -> probabilities (N, A); of no attributes (N, 0)."""

    def __init__(self, network: classifier.Classifier | None) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        if self.network is None:
            return images.flatten(1)[:, :0]
        return self.network(images).sigmoid()


def load_module(folder: Path, name: str) -> tuple[nn.Module, dict[str, Any], Tensor]:
    """One of networks.NAMES, to be evaluated; the facts that its ONNX file gets; and a batch of two to try it on.

    Raises FacevaeError if its safetensors are missing, broken, or another's.
    """
    if name in ("encoder", "decoder"):
        network, found = load_model(folder / "vae.safetensors", "vae", vae.from_metadata)
        size, dimensions = found["image_size"], network.settings.latent_dim
        facts = {"kind": name, "image_size": size, "latent_dim": dimensions}
        if name == "encoder":
            return MeanEncoder(network.encoder), facts | {"framing": found["framing"]}, torch.rand(2, 3, size, size)
        return Decoder(network.decoder), facts, torch.randn(2, dimensions)
    if name == "denoiser":
        network, found = load_model(folder / "dae.safetensors", "dae", dae.from_metadata)
        settings = network_settings(found)
        multiple, halo = reach_of(settings)
        dense = settings.report is not None and settings.report.latent_dim is not None
        size = {"height": found["height"], "width": found["width"]}
        if not dense:
            halo = measured_reach(Denoiser(network).eval(), multiple, halo)
        facts = {"kind": name, "dense": dense, "multiple": multiple, "reach": halo, **size}
        sides = size.values() if dense else (max(multiple, 32), max(multiple, 48))
        return Denoiser(network), facts, torch.rand(2, 3, *sides)
    if name == "aligner":
        network, found = load_model(folder / "aligner.safetensors", "aligner", aligner.from_metadata)
        return network, found, torch.rand(2, 3, VIEW, VIEW)
    network, found = load_model(folder / "judge.safetensors", "judge", classifier.from_metadata)
    size = found["image_size"]
    facts = {"kind": name, "image_size": size, "attributes": found["attributes"]}
    return Judge(network), facts, torch.rand(2, 3, size, size)


def network_settings(metadata: dict[str, Any]) -> dae.DaeArchitecture:
    """The architecture of a denoiser that says so in its metadata."""
    return only_fields(dae.DaeArchitecture, metadata["settings"])


class BlockedUnet(nn.Module):
    """A UnetNetwork's answers (N, 3, H, W) to images (N, 3, H, W), of sides that are multiples of its `multiple`.

    The same weights, and the same sums in other steps. onnxruntime keeps a convolution's channels in blocks that fill a
    vector register, and turns them back before every operation that has no such form. So what stands between two
    convolutions is written as convolutions, too.
    """

    def __init__(self, network: dae.UnetNetwork) -> None:
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
