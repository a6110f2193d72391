"""The same networks by PyTorch, for a GPU that onnxruntime can't use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from facevae.core.errors import FacevaeError
from facevae.inference.torch_modules import load_module
from facevae.nn.device import pick_device

_WEIGHTS = {"encoder": "vae", "decoder": "vae", "denoiser": "dae"}


def open_with_torch(folder: Path, name: str, device: str) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, Any]]:
    """As networks.open_network. Raises FacevaeError without the pipeline's weights, or without that device."""
    chosen, path = pick_device(device), folder / f"{_WEIGHTS.get(name, name)}.safetensors"
    if not path.exists():
        raise FacevaeError(
            where=f"device {device}", expected="an onnxruntime for that device, or the weights as the pipeline wrote "
            "them, which PyTorch takes", found=f"onnxruntime for the CPU, and no {path}",
            fix="install onnxruntime-gpu in place of onnxruntime, or leave the device out",
        )  # fmt: skip
    module, metadata, _ = load_module(folder, name)
    module = module.eval().to(chosen)

    @torch.inference_mode()
    def compute(batch: np.ndarray) -> np.ndarray:
        return module(torch.from_numpy(batch).to(chosen)).float().cpu().numpy()

    return compute, metadata
