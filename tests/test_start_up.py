"""What a command loads before it works: slow packages only where they are used."""

import json
import os
import subprocess
import sys

import pytest

from bench.rooms import ROOT, modules

# Where the tests keep it (conftest.py): compiling all of PyTorch anew takes longer than what is looked at here.
BYTECODE = {"PYTHONPYCACHEPREFIX": os.environ["PYTHONPYCACHEPREFIX"]}
# Each takes from a tenth of a second to several to import.
SLOW = {
    "PIL", "cv2", "matplotlib", "numpy", "onnx", "onnxruntime", "onnxscript", "pandas", "pydantic", "requests", "scipy",
    "skimage", "sklearn", "sympy", "tensorboard", "torch", "torch._dynamo", "torchmetrics", "torchvision", "yaml",
}  # fmt: skip
READING_PARAMETERS = {"numpy", "pydantic", "yaml"}
LEARNING = READING_PARAMETERS | {"torch"}
# What each stage may have loaded when its work begins: when all that its `main` imports is imported.
MAY_LOAD = {
    "fingerprint": READING_PARAMETERS | {"PIL"},
    "download": READING_PARAMETERS | {"PIL", "requests"},
    "crop_pad": READING_PARAMETERS | {"PIL"},
    "add_noise": READING_PARAMETERS | {"PIL"},
    "cache_arrays": READING_PARAMETERS | {"PIL"},
    "report_data": READING_PARAMETERS | {"PIL"},
    "train_dae": LEARNING,
    "train_vae": LEARNING,
    "train_judge": LEARNING,
    "train_identity": LEARNING,
    "train_aligner": LEARNING | {"PIL"},
    "encode": LEARNING,
    "fit_mixture": LEARNING,
    "explore_latents": LEARNING | {"PIL"},
    "attribute_vectors": LEARNING | {"PIL"},
    "evaluate_aligner": LEARNING | {"PIL"},
    "evaluate_dae": LEARNING | {"PIL", "scipy", "skimage"},
    "evaluate_vae": LEARNING | {"PIL"},
    "export": LEARNING | {"PIL"},  # what writes and runs ONNX files comes when the first network is written
}

# Imports what the functions called `main` of some stages import, and says after each what is there.
LOAD = """
import ast, importlib, json, sys
for name in sys.argv[1:]:
    module = importlib.import_module(f"stages.{name}")
    for node in ast.walk(ast.parse(open(module.__file__, encoding="utf-8").read())):
        if isinstance(node, ast.ImportFrom):
            importlib.import_module(node.module)
    print(json.dumps([name, list(sys.modules)]))
"""

# One step of the VAE's training, and the classifier's that it begins with.
STEP = """
import json, sys
from pathlib import Path
from model_data import make_params, make_vae_arrays
from stages import train_vae
from facevae.training.loop.log import RunLog

def first_epoch_is_over(*_):
    print(json.dumps(["step", list(sys.modules)]))
    sys.exit()

RunLog.epoch = first_epoch_is_over
folder = Path(sys.argv[1])
files = {"arrays": make_vae_arrays(folder / "arrays"), "model": folder / "model", "results": folder / "results"}
train_vae.main(params=make_params(folder), device="cpu", logs=folder / "logs", **files)
"""


def loaded(code: str, *arguments: str, **environment: str) -> dict[str, set[str]]:
    """The slow packages that a program has loaded by each of its lines."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, encoding="utf-8",
        env={"PATH": "", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **BYTECODE, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    return {name: SLOW & set(found) for name, found in lines}


def test_a_stage_answers_before_it_loads_anything_slow():
    """`--help` needs the command alone."""
    names = modules("stages")
    found = loaded(f"import json, sys, {', '.join(names)}; print(json.dumps(['all', list(sys.modules)]))")
    assert found == {"all": set()}


def test_every_stage_is_listed():
    assert {f"stages.{name}" for name in MAY_LOAD} == set(modules("stages"))


@pytest.mark.parametrize(
    "chosen",
    [
        ("fingerprint", "crop_pad", "add_noise", "cache_arrays", "download", "report_data"),
        ("encode", "train_judge", "train_dae", "train_vae", "train_identity", "fit_mixture", "train_aligner",
         "export", "evaluate_aligner", "explore_latents", "attribute_vectors", "evaluate_dae", "evaluate_vae"),
    ],
    ids=["without PyTorch", "with PyTorch"],
)  # fmt: skip
def test_a_stage_loads_what_it_uses(chosen):
    """In one process, those first that may load least: what one has loaded, the next ones have as well."""
    allowed = set()
    for name, slow in loaded(LOAD, *chosen).items():
        allowed |= MAY_LOAD[name]
        assert slow <= allowed, f"{name} loads {sorted(slow - allowed)} before it uses them"


def test_checking_the_parameters_waits_for_pytorch_alone():
    found = loaded("import json, sys, facevae.app.reproduce; print(json.dumps(['all', list(sys.modules)]))")["all"]
    assert found <= LEARNING | {"PIL", "requests"}


def test_a_trainings_first_step_waits_for_pytorch_alone(tmp_path):
    assert loaded(STEP, str(tmp_path), DVC_ROOT=str(tmp_path))["step"] - LEARNING <= {"PIL"}  # of the tests' data
