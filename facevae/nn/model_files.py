"""Networks as safetensors files that carry what is needed to rebuild them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from facevae.core.tensor_files import load_arrays, readable, save_arrays

NetworkT = TypeVar("NetworkT", bound=nn.Module | None)


def save_weights(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write named tensors and the metadata to rebuild a model from (JSON-able), whole or not at all."""
    save_arrays(path, {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}, metadata)


def load_weights(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file of `save_weights` whose metadata say that it is a `kind`.

    Raises FacevaeError if the file is missing, broken or of another kind.
    """
    arrays, metadata = load_arrays(path, kind)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}, metadata


def load_model(path: Path, kind: str, build: Callable[[dict[str, Any]], NetworkT]) -> tuple[NetworkT, dict[str, Any]]:
    """A trained network, to be evaluated, and its metadata, from which `build` makes it; None where that makes none.

    Raises FacevaeError if the file is missing, broken, of another kind, or if its metadata and tensors don't fit.
    """
    tensors, metadata = load_weights(path, kind)
    with readable(path):
        network = build(metadata)
        if network is not None:
            network.load_state_dict(tensors)
            network.eval()
    return network, metadata
