"""The models of a folder: each checked on its own and against the others, so that a wrong file ends in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
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
from facevae.models import dae, vae
from facevae.models.vae import Vae
from facevae.nn.device import pick_device
from facevae.nn.model_files import load_weights


def load_vae(models: Path, device: str) -> tuple[torch.device, Vae, PortraitFrame]:
    """The device, the autoencoder on it, and how images are framed for it. Raises FacevaeError."""
    path = models / "vae.safetensors"
    with _checked(path):
        weights, facts = load_weights(path, "vae")
        model = vae.rebuild(facts, weights)
        frame = PortraitFrame.from_facts(facts["framing"])
        if frame.square.size != facts["image_size"]:
            raise ValueError(f"framed for {frame.square.size} pixels, built for {facts['image_size']}")
    chosen = pick_device(device)
    return chosen, model.to(chosen), frame


def load_dae(models: Path, device: str) -> tuple[torch.device, nn.Module, dict[str, Any]]:
    """The device, the denoiser on it, and its facts. Raises FacevaeError."""
    path = models / "dae.safetensors"
    with _checked(path):
        weights, facts = load_weights(path, "dae")
        network = dae.rebuild(facts, weights)
    chosen = pick_device(device)
    return chosen, network.to(chosen), facts


def load_vectors(models: Path, fitting: Vae | None = None) -> AttributeVectors:
    """The attribute vectors, of the latent space of `fitting`. Raises FacevaeError."""
    path = models / "attribute_vectors.safetensors"
    with _checked(path):
        vectors = read_vectors(path)
        rows, dimensions = vectors.vectors[vectors.method].shape
        if not rows == len(vectors.names) > 0 or len(vectors.recommended) not in (0, rows):
            raise ValueError(f"{rows} vectors, {len(vectors.names)} names, {len(vectors.recommended)} strengths")
        for name in vectors.names:
            _check_numbers(name, vars(vectors.recommendation(name)))
    if fitting is not None:
        _check_latents(path, dimensions, fitting)
    return vectors


def load_mixture(models: Path, fitting: Vae) -> Mixture:
    """The mixture of the latent space of `fitting`. Raises FacevaeError."""
    path = mixture_path(models)
    with _checked(path):
        mixture = read_mixture(path)
        count, dimensions = mixture.means.shape
        if mixture.weights.shape != (count,) or mixture.factors.shape != (count, dimensions, dimensions):
            raise ValueError("weights, means and factors of different sizes")
    _check_latents(path, dimensions, fitting)
    return mixture


def mixture_path(models: Path) -> Path:
    """Where the pipeline leaves the mixture."""
    return models / "mixture.safetensors"


@contextmanager
def _checked(path: Path) -> Iterator[None]:
    """What a file that says nonsense of itself makes libraries raise, as one line."""
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise FacevaeError(
            where=path, expected="a model of this version of facevae", found=f"another ({why})",
            fix="train it again with `dvc repro`, or fetch it with `dvc pull`",
        ) from None  # fmt: skip


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
