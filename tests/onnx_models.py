"""ONNX files with known answers, built node by node, and variants of others: the exporter takes seconds for each."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from facevae.alignment.onnx_runtime import FACTS

Weights = dict[str, np.ndarray]


def write_network(
    path: Path, nodes: list[onnx.NodeProto], weights: Weights, sides: tuple[list[Any], list[Any]], facts: dict[str, Any]
) -> None:
    """A network from `given` to `answer`, float32 of these sides; a side without a number may have any length."""
    given, answer = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("given", "answer"), sides, strict=True)
    )
    tensors = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "network", [given], [answer], tensors),
        opset_imports=[helper.make_opsetid("", 20)], ir_version=10,
    )  # fmt: skip
    helper.set_model_props(model, {FACTS: json.dumps(facts)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def facts_of(path: Path) -> dict[str, Any]:
    """What an ONNX file says of itself."""
    (entry,) = onnx.load(path).metadata_props
    return json.loads(entry.value)


def with_facts(path: Path, facts: Any, target: Path | None = None) -> Path:
    """The network with other facts, as JSON or as a string, in place or as another file."""
    model = onnx.load(path)
    helper.set_model_props(model, {FACTS: facts if isinstance(facts, str) else json.dumps(facts)})
    return _saved(model, target or path)


def with_weights(path: Path, weights: Weights, target: Path | None = None) -> Path:
    """The network with other values for some of its weights, in place or as another file."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    return _saved(model, target or path)


def _saved(model: onnx.ModelProto, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


class Autoencoder:
    """One matrix to the latents, and one back to the logits of the pixels; what its files compute, by NumPy too.

    Codes and pictures differ from image to image, though it has learnt nothing.
    """

    def __init__(self, size: int, dimensions: int, seed: int = 0) -> None:
        self.size, self.dimensions = size, dimensions
        random, values = np.random.default_rng(seed), 3 * size**2
        self.encoding = random.normal(0, 4 / np.sqrt(values), (values, dimensions)).astype(np.float32)
        # The logits of 4 x 4 squares, so that JPEG keeps what it is given.
        squares = random.normal(0, 1, (dimensions, 3, size // 4, size // 4))
        self.decoding = squares.repeat(4, 2).repeat(4, 3).reshape(dimensions, values).astype(np.float32)

    def encode(self, faces: np.ndarray) -> np.ndarray:
        """(N, S, S, 3) uint8 -> (N, D)."""
        images = faces.transpose(0, 3, 1, 2).reshape(len(faces), -1) / np.float32(255) - np.float32(0.5)
        return images @ self.encoding

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """(N, D) -> (N, 3, S, S) in [0, 1]."""
        return (1 / (1 + np.exp(-latents @ self.decoding))).reshape(-1, 3, self.size, self.size)

    def picture(self, latents: np.ndarray) -> np.ndarray:
        """`decode` as bytes: (N, D) -> (N, S, S, 3) uint8."""
        return (255 * self.decode(latents)).round().astype(np.uint8).transpose(0, 2, 3, 1)

    def write(self, folder: Path, framing: dict[str, Any], **facts: Any) -> None:
        """encoder.onnx and decoder.onnx."""
        image, latent = ["n", 3, self.size, self.size], ["n", self.dimensions]
        facts = {"image_size": self.size, "latent_dim": self.dimensions, **facts}
        nodes = [
            helper.make_node("Sub", ["given", "half"], ["centred"]),
            helper.make_node("Flatten", ["centred"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["answer"]),
        ]
        weights = {"half": np.array(0.5, np.float32), "weights": self.encoding}
        write_network(
            folder / "encoder.onnx", nodes, weights, (image, latent), {"kind": "encoder", "framing": framing, **facts}
        )
        nodes = [
            helper.make_node("MatMul", ["given", "weights"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], ["flat"]),
            helper.make_node("Reshape", ["flat", "shape"], ["answer"]),
        ]
        weights = {"weights": self.decoding, "shape": np.array([-1, 3, self.size, self.size])}
        write_network(folder / "decoder.onnx", nodes, weights, (latent, image), {"kind": "decoder", **facts})


def write_pixels(folder: Path, size: int, **facts: Any) -> None:
    """An autoencoder whose latent is the picture itself, red first, and whose decoder loses the blue."""
    values = 3 * size**2
    image, latent = ["n", 3, size, size], ["n", values]
    facts = {"image_size": size, "latent_dim": values, **facts}
    framing = {"crop": size, "size": size, "resample": "box"}
    flatten = [helper.make_node("Flatten", ["given"], ["answer"])]
    write_network(
        folder / "encoder.onnx", flatten, {}, (image, latent), {"kind": "encoder", "framing": framing, **facts}
    )
    nodes = [
        helper.make_node("Reshape", ["given", "shape"], ["whole"]),
        helper.make_node("Mul", ["whole", "colours"], ["answer"]),
    ]
    colours = np.array([1, 1, 0], np.float32).reshape(1, 3, 1, 1)
    weights = {"shape": np.array([-1, 3, size, size]), "colours": colours}
    write_network(folder / "decoder.onnx", nodes, weights, (latent, image), {"kind": "decoder", **facts})


def write_judge(folder: Path, size: int, names: tuple[str, ...], weights: np.ndarray, bias: np.ndarray) -> None:
    """A judge by the mean colour alone: its probabilities are weights (A, 3) @ red, green, blue + bias (A,)."""
    nodes = [
        helper.make_node("ReduceMean", ["given", "axes"], ["colour"], keepdims=0),
        helper.make_node("Gemm", ["colour", "weights", "bias"], ["likely"], transB=1),
        helper.make_node("Clip", ["likely", "least", "most"], ["answer"]),
    ]
    tensors = {
        "axes": np.array([2, 3]), "weights": np.asarray(weights, np.float32), "bias": np.asarray(bias, np.float32),
        "least": np.array(0, np.float32), "most": np.array(1, np.float32),
    }  # fmt: skip
    facts = {"kind": "judge", "image_size": size, "attributes": list(names)}
    write_network(folder / "judge.onnx", nodes, tensors, (["n", 3, size, size], ["n", len(names)]), facts)


def write_denoiser(folder: Path, kernel: np.ndarray, multiple: int = 4, **facts: Any) -> None:
    """A denoiser that is one convolution: a kernel (3, 3, 3, 3), as PyTorch has it, zeros around the image."""
    nodes = [
        helper.make_node("Conv", ["given", "kernel"], ["sums"], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["sums", "least", "most"], ["answer"]),
    ]
    tensors = {
        "kernel": kernel.astype(np.float32), "least": np.array(0, np.float32), "most": np.array(1, np.float32)
    }  # fmt: skip
    said = {"kind": "denoiser", "dense": False, "multiple": multiple, "reach": multiple, "height": 24, "width": 20}
    sides = ["n", 3, "height", "width"]
    write_network(folder / "denoiser.onnx", nodes, tensors, (sides, sides), said | facts)


def convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """What `write_denoiser`'s makes of an image (H, W, 3) uint8: floats in [0, 1], (H, W, 3)."""
    around = np.pad(image / 255, ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), (0, 1))
    return np.einsum("hwcij,ocij->hwo", windows, kernel).clip(0, 1)


UNCHANGED = np.zeros((3, 3, 3, 3), np.float32)
"""The kernel of a denoiser that changes nothing."""
UNCHANGED[range(3), range(3), 1, 1] = 1


def write_aligner(folder: Path, answers: list[float], frame: tuple[int, int], boxed: float = 0.0) -> None:
    """An aligner that says the same of every view: shift x and y, log scale, turn, the logit of a face."""
    nodes = [
        helper.make_node("ReduceMean", ["given", "axes"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "said"], ["answer"]),
    ]
    tensors = {
        "axes": np.array([1, 2, 3]), "last": np.array([1]), "zero": np.array(0, np.float32),
        "said": np.array([answers], np.float32),
    }  # fmt: skip
    facts = {"kind": "aligner", "frame": list(frame), "boxed": boxed}
    write_network(folder / "aligner.onnx", nodes, tensors, (["n", 3, 64, 64], ["n", 5]), facts)
