"""onnxruntime, imported when it is needed, with nothing sent to anybody."""

import os
from types import ModuleType


def import_onnxruntime() -> ModuleType:
    """The package onnxruntime, without its telemetry.

    Its official builds send Microsoft what they run on, the path of Python among it, and keep a number of this machine
    in ~/.cache, unless ORT_DISABLE_TELEMETRY is set before the first import. Whoever wants that sets it to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
