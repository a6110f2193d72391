"""onnxruntime, imported when it is needed, with nothing sent to anybody; the networks that it is given here."""

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnxruntime

_FOLDER = Path(__file__).parents[1] / "pretrained"

YUNET = _FOLDER / "yunet/face_detection_yunet_2023mar.onnx"

ALIGNER = _FOLDER / "celeba/aligner.onnx"
"""Of the models for real faces: it learned CelebA's frame."""

FACTS = "facts"
"""The key of an ONNX file's metadata under which its facts stand as JSON, as in our safetensors files."""


def import_onnxruntime() -> ModuleType:
    """The package onnxruntime, without its telemetry.

    Its official builds send Microsoft what they run on, the path of Python among it, and keep a number of this machine
    in ~/.cache, unless ORT_DISABLE_TELEMETRY is set before the first import. Whoever wants that sets it to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def session_options(threads: int = 0) -> "onnxruntime.SessionOptions":
    """Options of a network that says errors alone and computes in so many threads; 0: one for each core."""
    options = import_onnxruntime().SessionOptions()
    options.log_severity_level = 3  # errors
    # Threads that spin while they wait take twice the processor's time, and beside other work twice the time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.intra_op_num_threads = threads
    return options
