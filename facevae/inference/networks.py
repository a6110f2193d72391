"""Networks as functions from arrays to arrays: ONNX files that stage export wrote, computed by onnxruntime.

| name | input | output, all float32 |
|---|---|---|
| encoder | images (N, 3, S, S) in [0, 1] | latents (N, D), the posterior means |
| decoder | latents (N, D) | images (N, 3, S, S) in [0, 1] |
| denoiser | images (N, 3, H, W) in [0, 1], H and W multiples of its `multiple` | the same without noise |
| aligner | views (N, 3, 64, 64) in [0, 1] | (N, 5): shift x and y, log scale, turn, the logit of a face |
| judge | images (N, 3, S, S) in [0, 1] | probabilities (N, A) |

Unlike PyTorch's, an image's result is the same to the bit in any batch.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from facevae.alignment.onnx_runtime import FACTS, import_onnxruntime, session_options
from facevae.core.errors import FacevaeError
from facevae.core.machine import available_cores
from facevae.core.tensor_files import readable

NAMES = ("encoder", "decoder", "denoiser", "aligner", "judge")

Network = Callable[[np.ndarray], np.ndarray]

_MAKE_IT = "make it with `dvc repro export` or python -m stages.export"


def open_network(folder: Path, name: str, device: str = "auto") -> tuple[Network, dict[str, Any]]:
    """One of NAMES out of a folder, and what its file says of itself.

    `device`: `auto` is a GPU where this onnxruntime has one, else the CPU; or `cpu`, `cuda`, `cuda:1`, ... A GPU that
    onnxruntime can't use is used by PyTorch, if the folder has its weights as the pipeline wrote them (safetensors).
    Raises FacevaeError if the file is missing or broken, or if there is no such device.
    """
    if device not in ("auto", "cpu"):
        if not _onnxruntime_has_a_gpu():
            return _with_torch(folder, name, device)
        if not re.fullmatch(r"cuda(:\d+)?", device):
            raise no_device(device, "another word")
    path = folder / f"{name}.onnx"
    if not path.exists():
        raise FacevaeError(where=path, expected=f"the {name} as ONNX", found="no such file", fix=_MAKE_IT)
    onnxruntime = import_onnxruntime()

    try:
        session = onnxruntime.InferenceSession(path, _options(name), providers=_providers(device))
    except Exception as error:  # onnxruntime's own have no common class below it
        found = f"another ({_in_short(error)})"
        raise FacevaeError(where=path, expected="an ONNX file", found=found, fix=_MAKE_IT) from None
    with readable(path):
        metadata = dict(json.loads(session.get_modelmeta().custom_metadata_map.get(FACTS, "{}")))
    if metadata.get("kind") != name:
        raise FacevaeError(
            where=path, expected=f"the {name} as ONNX", found=f"facts of kind {metadata.get('kind')!r}", fix=_MAKE_IT
        )
    (given,) = session.get_inputs()
    options = onnxruntime.RunOptions()
    if name == "denoiser":
        # A large image's memory goes back when it is free, and not when the process ends.
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def compute(batch: np.ndarray) -> np.ndarray:
        try:
            return session.run(None, {given.name: batch}, options)[0]
        except Exception as error:
            raise FacevaeError(
                where=path, expected="a network that takes what its facts say, and memory enough for it",
                found=f"neither of {batch.shape} ({_in_short(error)})", fix=_MAKE_IT,
            ) from None  # fmt: skip

    return compute, metadata


def no_device(device: str, why: str, fix: str = "leave it out to let the machine decide") -> FacevaeError:
    """The error of a device that is not there."""
    return FacevaeError(
        where="device", expected="auto, cpu or a GPU that this machine has, such as cuda:0",
        found=f"{device} ({why})", fix=fix,
    )  # fmt: skip


def _with_torch(folder: Path, name: str, device: str) -> tuple[Network, dict[str, Any]]:
    try:
        from facevae.inference.torch_networks import open_with_torch
    except ImportError:  # the light package has no PyTorch
        why, fix = "onnxruntime is that for the CPU", "install onnxruntime-gpu in its place, or leave the device out"
        raise no_device(device, why, fix) from None
    return open_with_torch(folder, name, device)


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _options(name: str):
    options = session_options()
    # Weights in bytes are scaled once, when they are loaded, instead of in each run.
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    if name == "denoiser":
        # Two tiles at once, each on half of the cores, take less time than one on all. The arena packs a tile's
        # activations, of up to 90 MB each, into a third of the memory that malloc takes for them.
        options.intra_op_num_threads = max(1, available_cores() // 2)
    else:
        # Memory goes back when it is free.
        options.enable_cpu_mem_arena = False
    return options


def _onnxruntime_has_a_gpu() -> bool:
    onnxruntime = import_onnxruntime()

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _providers(device: str) -> list[Any]:
    if device == "cpu" or not _onnxruntime_has_a_gpu():
        return ["CPUExecutionProvider"]
    _, _, number = device.partition(":")
    return [("CUDAExecutionProvider", {"device_id": int(number or 0)}), "CPUExecutionProvider"]
