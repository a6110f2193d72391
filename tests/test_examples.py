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


def try_edits(*arguments: Path) -> subprocess.CompletedProcess:
    words = [sys.executable, str(EXAMPLES / "try_edits.py"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, encoding="utf-8", cwd=EXAMPLES, env={"PYTHONPATH": str(ROOT)})


def test_the_script_edits_what_has_a_face_and_names_what_has_none(tmp_path):
    photographs, results = tmp_path / "photographs", tmp_path / "results"
    photographs.mkdir()
    Image.fromarray(astronaut()).save(photographs / "astronaut.png")
    Image.fromarray(astronaut()[:, ::-1]).save(photographs / "astronaut.jpg")
    Image.new("RGB", (300, 200), "grey").save(photographs / "wall.png")
    (photographs / ".hidden").write_bytes(b"")
    done = try_edits(photographs, results)
    assert done.returncode == 0, done.stderr
    *edits, wall = done.stdout.splitlines()
    assert len(edits) == 6 and "expected a face" in wall
    assert edits[4].startswith("astronaut.png, glasses: Eyeglasses ")
    assert sorted(path.name for path in results.iterdir()) == [
        f"astronaut.{kind}_{edit}.png" for kind in ("jpg", "png") for edit in ("glasses", "older", "smile")
    ]
    changed = np.abs(np.asarray(Image.open(results / "astronaut.png_glasses.png")).astype(int) - astronaut()).max(2)
    assert changed.max() > 20 and (changed > 0).mean() < 0.2


def test_the_script_says_how_it_is_called(tmp_path):
    for arguments in ((), (tmp_path,), (tmp_path, tmp_path, tmp_path)):
        done = try_edits(*arguments)
        assert done.returncode == 1 and done.stderr.startswith("usage: python examples/try_edits.py ")
        assert done.stderr.count("\n") == 1
    done = try_edits(tmp_path / "none", tmp_path)
    assert done.returncode == 1 and done.stderr == f"{tmp_path / 'none'}: no such folder\n"


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
