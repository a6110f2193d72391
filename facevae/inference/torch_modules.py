"""The networks of `networks.py` as PyTorch modules, out of the safetensors that the pipeline wrote."""

from pathlib import Path
from typing import Any

import torch
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
    """Images (N, 3, H, W) in [0, 1] -> the same without noise."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

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
