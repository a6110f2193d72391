"""The finder that comes with facevae: CelebA's frame, of faces in photographs."""

import json
from functools import cache

from facevae.alignment.onnx_runtime import ALIGNER, FACTS, import_onnxruntime, session_options
from facevae.finding.finder import FaceFinder


@cache
def shipped_finder() -> FaceFinder:
    """The finder of this process. It computes in one thread: whoever wants more takes more processes."""
    options = session_options(threads=1)
    options.enable_cpu_mem_arena = False  # what one photograph needed most is not kept until the end
    session = import_onnxruntime().InferenceSession(ALIGNER, options, providers=["CPUExecutionProvider"])
    facts = json.loads(session.get_modelmeta().custom_metadata_map[FACTS])
    width, height = facts["frame"]
    (given,) = session.get_inputs()
    return FaceFinder(
        lambda views: session.run(None, {given.name: views})[0], (width, height), facts["boxed"], threads=1
    )
