#!/bin/sh
# onnxruntime 1.32 brings weights in half precision to float32 once, when it loads a model, and weights in 8 bits anew in
# each run.
#
# A model's weights can be stored smaller: in half precision before a Cast, or in bytes before a DequantizeLinear. Both
# are nodes whose inputs are constants, and one would guess that onnxruntime computes both when it optimizes the graph
# ("constant folding"). It does so with the Cast. The DequantizeLinear stays, in case it is part of a quantized operator,
# also where there is none that it could be part of, and runs each time.
#
# What to do, where bytes are only how weights are stored: the session's entry session.disable_quant_qdq = 1. Then both
# are computed at loading; the price is the memory of the float32 weights.
#
# Exits with 0 while this holds; with 1 when the optimized graphs are others.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/look.py" <<'PYTHON'
"""What is left of a dense layer's graph after optimization, by how its weights are stored."""
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

folder = Path(sys.argv[1])
values = np.random.default_rng(0).integers(-127, 128, (64, 32)).astype(np.int8)
half = (values * np.float16(0.01)).astype(np.float16)
STORED = {
    "half precision, Cast": (
        [numpy_helper.from_array(half, "stored")],
        helper.make_node("Cast", ["stored"], ["weight"], to=TensorProto.FLOAT),
    ),
    "bytes, DequantizeLinear": (
        [
            numpy_helper.from_array(values, "stored"),
            numpy_helper.from_array(np.full(64, 0.01, np.float32), "scales"),
        ],
        helper.make_node("DequantizeLinear", ["stored", "scales"], ["weight"], axis=0),
    ),
}


def optimized(weights, node, entries):
    dense = helper.make_node("Gemm", ["given", "weight"], ["answer"], transB=1)
    given = helper.make_tensor_value_info("given", TensorProto.FLOAT, ["n", 32])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 64])
    graph = helper.make_graph([node, dense], "dense", [given], [answer], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    for name, value in entries.items():
        options.add_session_config_entry(name, value)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    session.run(None, {"given": np.ones((1, 32), np.float32)})
    return [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]


found = {}
for name, (weights, node) in STORED.items():
    for entries in ({}, {"session.disable_quant_qdq": "1"}):
        nodes = optimized(weights, node, entries)
        found[name, bool(entries)] = node.op_type in nodes
        print(f"{name}{', session.disable_quant_qdq=1' if entries else ''}: {nodes}")
sys.exit(list(found.values()) != [False, False, True, False])
PYTHON
"$folder/venv/bin/python" -c "import onnxruntime as o; print('onnxruntime', o.__version__)"
ORT_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" "$folder/look.py" "$folder"
