"""The models of a folder: each checked on its own and against the others, so that a wrong file ends in one line.

Sets that come with facevae are stored in half precision; all is computed in float32.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from facevae.app.portraits import PortraitFrame
from facevae.core.errors import FacevaeError
from facevae.latents.mixture import Mixture
from facevae.latents.mixture import load_mixture as read_mixture
from facevae.latents.vectors import AttributeVectors
from facevae.latents.vectors import load_vectors as read_vectors
from facevae.models import classifier, dae, vae
from facevae.models.classifier import Classifier
from facevae.models.vae import Vae
from facevae.nn.device import pick_device
from facevae.nn.model_files import load_model, readable


@dataclass(frozen=True)
class Judge:
    """The classifier that says which of the attributes `names` an image shows."""

    network: Classifier
    names: tuple[str, ...]


def load_vae(models: Path, device: str) -> tuple[torch.device, Vae, PortraitFrame]:
    """The device, the autoencoder on it, and how images are framed for it. Raises FacevaeError."""
    path = models / "vae.safetensors"
    with readable(path):
        model, metadata = load_model(path, "vae", vae.from_metadata)
        frame = PortraitFrame.from_facts(metadata["framing"])
        if frame.square.size != metadata["image_size"]:
            raise ValueError(f"framed for {frame.square.size} pixels, built for {metadata['image_size']}")
    chosen = pick_device(device)
    return chosen, model.to(chosen), frame


def load_judge(models: Path, image_size: int, device: torch.device) -> Judge | None:
    """The judge of images of this size, on the device; None without one in the folder. Raises FacevaeError."""
    path = models / "judge.safetensors"
    if not path.exists():
        return None
    with readable(path):
        network, metadata = load_model(path, "judge", classifier.from_metadata)
        names, found = tuple(metadata["attributes"]), metadata["image_size"]
    if found != image_size:
        raise FacevaeError(
            where=path, expected=f"a judge of {image_size}-pixel images, as vae.safetensors has",
            found=f"one of {found}-pixel images",
            fix="make both in one run of `dvc repro`",
        )  # fmt: skip
    return Judge(network.to(device), names)


def load_dae(models: Path, device: str) -> tuple[torch.device, nn.Module, dict[str, Any]]:
    """The device, the denoiser on it, and its metadata. Raises FacevaeError."""
    path = models / "dae.safetensors"
    network, metadata = load_model(path, "dae", dae.from_metadata)
    chosen = pick_device(device)
    return chosen, network.to(chosen), metadata


def load_vectors(models: Path, fitting: Vae | None = None) -> AttributeVectors:
    """The attribute vectors, of the latent space of `fitting`. Raises FacevaeError."""
    path = models / "attribute_vectors.safetensors"
    with readable(path):
        vectors = read_vectors(path)
        vectors = replace(vectors, vectors={name: found.float() for name, found in vectors.vectors.items()})
    if not vectors.names:
        raise FacevaeError(
            where=path, expected="attribute vectors", found="none: no attribute that some of the train images had and "
            "some had not", fix="train on images with such an attribute",
        )  # fmt: skip
    with readable(path):
        rows, dimensions = vectors.vectors[vectors.method].shape
        if rows != len(vectors.names) or len(vectors.recommended) not in (0, rows):
            raise ValueError(f"{rows} vectors, {len(vectors.names)} names, {len(vectors.recommended)} strengths")
        for name in vectors.names:
            _check_numbers(name, vars(vectors.recommendation(name)))
    if fitting is not None:
        _check_latents(path, dimensions, fitting)
    return vectors


def load_mixture(models: Path, fitting: Vae) -> Mixture:
    """The mixture of the latent space of `fitting`. Raises FacevaeError."""
    path = mixture_path(models)
    with readable(path):
        mixture = read_mixture(path)
        mixture = Mixture(mixture.weights.float(), mixture.means.float(), mixture.factors.float())
        count, dimensions = mixture.means.shape
        if mixture.weights.shape != (count,) or mixture.factors.shape != (count, dimensions, dimensions):
            raise ValueError("weights, means and factors of different sizes")
    _check_latents(path, dimensions, fitting)
    return mixture


def mixture_path(models: Path) -> Path:
    """Where the pipeline leaves the mixture."""
    return models / "mixture.safetensors"


def _check_numbers(name: str, numbers: dict[str, Any]) -> None:
    for key, value in numbers.items():
        if not isinstance(value, int | float) and not (value is None and key != "strength"):
            raise TypeError(f"{key} of {name} is {value!r}")


def _check_latents(path: Path, found: int, fitting: Vae) -> None:
    expected = fitting.settings.latent_dim
    if found != expected:
        raise FacevaeError(
            where=path, expected=f"{expected} latent dimensions, as vae.safetensors has", found=str(found),
            fix="make both in one run of `dvc repro`",
        )  # fmt: skip
