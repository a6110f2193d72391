"""Models at work keep nothing of a person's on the disk and send nothing: what their libraries do unasked is off."""

import os
import subprocess
import sys

from bench.rooms import ROOT


def test_no_library_leaves_files(tmp_path):
    """onnxruntime's telemetry begins with a number for this machine and a database of what waits to be sent."""
    folders = {"HOME": tmp_path / "home", "TMPDIR": tmp_path / "tmp"}
    for folder in folders.values():
        folder.mkdir()
    env = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")}
    env |= {name: str(folder) for name, folder in folders.items()} | {"PYTHONPATH": str(ROOT)}
    code = "import facevae; print(facevae.load('celeba', device='cpu').sample(1).shape)"
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.stdout == "(1, 128, 128, 3)\n", done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
