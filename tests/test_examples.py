"""The examples run, with the models that come with facevae."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut

from bench.rooms import ROOT

EXAMPLES = ROOT / "examples"


def test_the_script_edits_what_has_a_face_and_names_what_has_none(tmp_path):
    photographs, results = tmp_path / "photographs", tmp_path / "results"
    photographs.mkdir()
    Image.fromarray(astronaut()).save(photographs / "astronaut.png")
    Image.new("RGB", (300, 200), "grey").save(photographs / "wall.png")
    words = [sys.executable, str(EXAMPLES / "try_edits.py"), str(photographs), str(results)]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", cwd=tmp_path, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    *edits, wall = done.stdout.splitlines()
    assert len(edits) == 3 and "expected a face" in wall
    assert edits[1].startswith("astronaut.png, glasses: Eyeglasses ")
    assert sorted(path.name for path in results.iterdir()) == [
        "astronaut_glasses.png", "astronaut_older.png", "astronaut_smile.png",
    ]  # fmt: skip
    changed = np.abs(np.asarray(Image.open(results / "astronaut_glasses.png")).astype(int) - astronaut()).max(2)
    assert changed.max() > 20 and (changed > 0).mean() < 0.2


def test_the_notebook_runs_from_top_to_bottom():
    cells = json.loads((EXAMPLES / "faces.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(sources) > 6 and not any(cell.get("outputs") for cell in cells), "committed without outputs"
    names: dict[str, object] = {}
    for source in sources:
        exec(compile(source, "faces.ipynb", "exec"), names)
    assert names["samples"].shape == (8, 128, 128, 3)
    assert names["after"]["Eyeglasses"] > 0.5 > names["before"]["Eyeglasses"]
    assert 20 < names["faces"].noise(names["noisy"]) < 30


def test_no_picture_is_committed_in_a_notebook():
    for path in Path(EXAMPLES).glob("*.ipynb"):
        assert "image/png" not in path.read_text(encoding="utf-8")
