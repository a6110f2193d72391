"""Trained networks written as ONNX files that networks.py opens, and compared with PyTorch's own answers.

The same weights give the same bytes: what the exporter says of the machine and of the code it passed through is left
out.
"""

import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from facevae.alignment.onnx_runtime import FACTS
from facevae.core.files import atomic_write
from facevae.inference.networks import NAMES, open_network
from facevae.inference.pixels import unit_floats
from facevae.inference.small import store_small
from facevae.inference.torch_modules import load_module
from facevae.jobs.progress import track

if TYPE_CHECKING:
    import onnx

# The names of what goes in and what comes out; the axes that may have any length.
_PORTS = {
    "encoder": ("images", "latents", (0,)), "decoder": ("latents", "images", (0,)),
    "denoiser": ("noisy", "denoised", (0, 2, 3)), "aligner": ("views", "placements", (0,)),
    "judge": ("images", "probabilities", (0,)),
}  # fmt: skip

_OPSET = 20

_AT_ONCE = 64

LEAST_FACES_SHARE = 1.0
"""The percentile of validation faces' reconstruction PSNR below which a face is unlike all that a model knows."""


@dataclass(frozen=True)
class Difference:
    """How far a network's ONNX file is from PyTorch: `largest` and `mean` absolute difference over `images` images.

    `unit`: grey levels of 255, or what else the network answers in.
    """

    network: str
    unit: str
    images: int
    largest: float
    mean: float


COLUMNS = ("network", "unit", "images", "largest", "mean")


def export_models(source: Path, target: Path, valid: np.ndarray, *, small: bool = False) -> None:
    """Write NAME.onnx into `target` for each of networks.NAMES, of the safetensors in `source`, whole or not at all.

    `valid`: validation images (N, S, S, 3) uint8, of whose reconstructions' PSNR the first percentile is noted in the
    encoder's facts, where there are any. `small`: weights are stored as small.py says; everything is computed in
    float32 all the same. Raises FacevaeError if a model is missing or broken.
    """
    for name in track(NAMES, len(NAMES), "export", "networks"):
        module, facts, example = load_module(source, name)
        model = to_onnx(module.eval(), name, example)
        if small:
            store_small(model)
        _write(target / f"{name}.onnx", model, facts)
        if name == "encoder":
            encoder = model, facts
    if not len(valid):
        return
    least = np.percentile(_psnr_db(source, valid), LEAST_FACES_SHARE)
    _write(target / "encoder.onnx", encoder[0], encoder[1] | {"least_psnr_db": round(float(least), 2)})


def _psnr_db(source: Path, images: np.ndarray) -> np.ndarray:
    """PSNR of the reconstructions of images (N, S, S, 3) uint8, (N,)."""
    encoder, decoder = (load_module(source, name)[0].eval() for name in ("encoder", "decoder"))
    found = []
    for first in range(0, len(images), _AT_ONCE):
        part = unit_floats(images[first : first + _AT_ONCE])
        errors = np.square(_by_torch(decoder, _by_torch(encoder, part)) - part).mean((1, 2, 3), dtype=np.float64)
        found.append(-10 * np.log10(errors.clip(1e-10)))
    return np.concatenate(found)


def to_onnx(module: nn.Module, name: str, example: Tensor) -> "onnx.ModelProto":
    """A network of networks.NAMES as an ONNX model without facts; `example`: a batch of two."""
    import onnx

    given, answer, free = _PORTS[name]
    axes = dict.fromkeys(free, torch.export.Dim.DYNAMIC)
    if name == "denoiser" and _is_of_one_size(module):
        axes = {0: torch.export.Dim.DYNAMIC}
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter about its own future
            program = torch.onnx.export(
                module, (example,), dynamo=True, dynamic_shapes=(axes,), input_names=[given], output_names=[answer],
                opset_version=_OPSET, verbose=False,
            )  # fmt: skip
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    model = onnx.ModelProto()
    model.ParseFromString(program.model_proto.SerializeToString())
    return _bare(model)


def _is_of_one_size(module: nn.Module) -> bool:
    return any(isinstance(part, nn.Unflatten) for part in module.modules())


def _bare(model: "onnx.ModelProto") -> "onnx.ModelProto":
    """Without what the exporter notes of files, lines and shapes on its way."""
    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    model.graph.ClearField("value_info")
    model.graph.ClearField("metadata_props")
    model.graph.ClearField("doc_string")
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.ClearField("metadata_props")
        value.ClearField("doc_string")
    return model


def _write(path: Path, model: "onnx.ModelProto", facts: dict[str, Any]) -> None:
    from onnx import helper

    helper.set_model_props(model, {FACTS: json.dumps(facts, sort_keys=True, allow_nan=False)})
    with atomic_write(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def compare_with_torch(
    source: Path, exported: Path, faces: np.ndarray, noisy: Sequence[np.ndarray]
) -> list[Difference]:
    """Each network's answers by onnxruntime and by PyTorch, on the CPU.

    `faces`: test images (N, S, S, 3) uint8 of the autoencoder and the judge; `noisy`: images (H, W, 3) uint8 of the
    denoiser, one batch each. The decoder is asked for the reconstructions, each way through all of its networks; the
    aligner for the faces' views.
    """
    answers = {name: open_network(exported, name, "cpu") for name in NAMES}
    modules = {name: load_module(source, name)[0].eval() for name in NAMES}
    images = unit_floats(faces)
    latents = [_by_torch(modules["encoder"], images), answers["encoder"][0](images)]
    views = _views(images)
    multiple = answers["denoiser"][1]["multiple"]
    batches = [unit_floats(_cropped(image, multiple)[None]) for image in noisy]
    pairs = {
        "encoder": ("latent", *latents),
        "decoder": ("grey levels", 255 * _by_torch(modules["decoder"], latents[0]),
                    255 * answers["decoder"][0](latents[1])),
        "denoiser": ("grey levels", *(
            255 * np.concatenate([np.zeros(0), *(compute(batch).ravel() for batch in batches)])
            for compute in (partial(_by_torch, modules["denoiser"]), answers["denoiser"][0])
        )),
        "aligner": ("shift, log scale, radians, logit", _by_torch(modules["aligner"], views),
                    answers["aligner"][0](views)),
        "judge": ("probability", _by_torch(modules["judge"], images), answers["judge"][0](images)),
    }  # fmt: skip
    counts = dict.fromkeys(NAMES, len(faces)) | {"denoiser": len(noisy)}
    found = []
    for name, (unit, one, other) in pairs.items():
        apart = np.abs(one - other) if one.size else np.zeros(1)
        found.append(Difference(name, unit, counts[name], float(apart.max()), float(apart.mean())))
    return found


@torch.inference_mode()
def _by_torch(module: nn.Module, batch: np.ndarray) -> np.ndarray:
    return np.concatenate([module(part).numpy() for part in torch.from_numpy(batch).split(_AT_ONCE)])


def _views(images: np.ndarray) -> np.ndarray:
    """Images (N, 3, S, S) brought to the aligner's size."""
    from facevae.alignment.views import VIEW

    scaled = nn.functional.interpolate(torch.from_numpy(images), (VIEW, VIEW), mode="bilinear", antialias=True)
    return scaled.numpy()


def _cropped(image: np.ndarray, multiple: int) -> np.ndarray:
    height, width = (side // multiple * multiple for side in image.shape[:2])
    return image[:height, :width]
