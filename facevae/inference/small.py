"""Weights of ONNX models in fewer bits, each brought to float32 again before it is used.

Large dense layers, half of an autoencoder's weights, take 8 bits for a weight and a scale for each output; everything
else takes 16.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

# Smaller tensors are shapes and the like: not worth a cast.
_LEAST_HALVED = 256

# Bytes save as many more bytes than half precision: not worth a coarser step in smaller layers.
_LEAST_IN_BYTES = 200_000

_LARGEST = 127


def store_small(model: "onnx.ModelProto") -> None:
    """Keep a model's large weights in half precision, and those of its largest dense layers in bytes."""
    from onnx import TensorProto, helper, numpy_helper

    dense = {node.input[1] for node in model.graph.node if node.op_type == "Gemm" and _by_outputs(node)}
    added = []
    for tensor in list(model.graph.initializer):
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LEAST_HALVED:
            continue
        if name in dense and values.size >= _LEAST_IN_BYTES:
            quantized, scales = in_bytes(values)
            tensor.CopyFrom(numpy_helper.from_array(quantized, f"{name}.bytes"))
            model.graph.initializer.append(numpy_helper.from_array(scales, f"{name}.scales"))
            inputs = [f"{name}.bytes", f"{name}.scales"]
            added.append(helper.make_node("DequantizeLinear", inputs, [name], f"scaled_{name}", axis=0))
        else:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
            added.append(helper.make_node("Cast", [f"{name}.half"], [name], f"cast_{name}", to=TensorProto.FLOAT))
    nodes = [*added, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def in_bytes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A dense layer's weights (outputs, inputs) as int8 in [-127, 127] and what to multiply each row by, (outputs,).

    Each is off by at most half of its row's scale, 1/254 of the row's largest weight.
    """
    scales = np.abs(weights).max(1) / _LARGEST
    scales = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.rint(weights / scales[:, None]).clip(-_LARGEST, _LARGEST).astype(np.int8), scales


def _by_outputs(node: "onnx.NodeProto") -> bool:
    """Whether a Gemm's weights are (outputs, inputs)."""
    return any(attribute.name == "transB" and attribute.i == 1 for attribute in node.attribute)
