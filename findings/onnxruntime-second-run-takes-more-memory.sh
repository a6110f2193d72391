#!/bin/sh
# With onnxruntime 1.32, the second run on an input of the same size takes half as much memory again as the first.
#
# A network of convolutions is run on one image after another of the same size, with the default options. One would
# guess that the first run decides about memory: its buffers are there and are used again. But after the first run
# onnxruntime has learnt a pattern of the buffers (enable_mem_pattern, on by default, which its documentation calls an
# optimization of memory) and from the second run on takes one block for all of them, while the arena keeps those of the
# first run. The process stays that large to its end.
#
# What to do, where large images are run: SessionOptions.enable_mem_pattern = False. The answers are the same.
#
# Exits with 0 while this holds: three runs take at least a third more memory than one, and no more than a tenth without
# the pattern. Exits with 1 when either is otherwise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat > "$folder/peak.py" <<'PYTHON'
"""Megabytes that `runs` of a small residual network on 768 x 768 pixels add to the process, at their highest."""
import resource
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

pattern, runs = sys.argv[1] == "pattern", int(sys.argv[2])
nodes, weights = [], []


def convolution(given, made, inputs, outputs):
    kernel = np.full((outputs, inputs, 3, 3), 0.01, np.float32)
    weights.append(numpy_helper.from_array(kernel, f"{made}_kernel"))
    nodes.append(helper.make_node("Conv", [given, f"{made}_kernel"], [made], pads=[1, 1, 1, 1]))


convolution("image", "h0", 3, 32)
for block in range(4):
    convolution(f"h{block}", f"a{block}", 32, 32)
    nodes.append(helper.make_node("Relu", [f"a{block}"], [f"r{block}"]))
    convolution(f"r{block}", f"c{block}", 32, 32)
    nodes.append(helper.make_node("Add", [f"h{block}", f"c{block}"], [f"h{block + 1}"]))
convolution("h4", "answer", 32, 3)
image, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "h", "w"]) for name in ("image", "answer"))
graph = helper.make_graph(nodes, "network", [image], [answer], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)

options = onnxruntime.SessionOptions()
options.enable_mem_pattern, options.intra_op_num_threads = pattern, 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(runs):
    session.run(None, {"image": np.zeros((1, 3, 768, 768), np.float32)})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
PYTHON
"$folder/venv/bin/python" -c "import onnxruntime as o; print('onnxruntime', o.__version__)"
peak() { ORT_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" "$folder/peak.py" "$@"; }
one=$(peak pattern 1)
three=$(peak pattern 3)
plain_one=$(peak plain 1)
plain_three=$(peak plain 3)
echo "enable_mem_pattern (the default): one run $one MB, three runs $three MB"
echo "without it: one run $plain_one MB, three runs $plain_three MB"
[ $((3 * three)) -ge $((4 * one)) ] || exit 1
[ $((10 * plain_three)) -le $((11 * plain_one)) ] || exit 1
