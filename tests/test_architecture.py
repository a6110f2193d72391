"""The house: who stands on which floor, who may import whom, and what is declared of the world outside.

Imports only go down. Two modules of one floor don't know each other.
"""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest
from import_closure import ROOT, closure, imports, modules, path_of, third_party

# From the ground up. Of what a floor holds, a line says it.
FLOORS_WITHOUT_TORCH = {
    "names, errors": "attributes errors face_canvas memory names progress",
    "whole files, room on the disk; places on the network": "disk files places",
    "typed parameters, processes, file formats": (
        "arrays classical command face_attributes face_looks params plots tables transfers workers zips"
    ),
    "one image; parts of a drawn face; who trains; who can have what; files fetched": (
        "drive face_features face_scene images kaggle noise options plausibility settings splits"
    ),
    "images of one size, CelebA's tables": "celeba face_hair needs pairs tiffs",
    "packed images, CelebA's files": "acquisition archives",
    "whole drawn faces; images framed, cached, inspected, described": (
        "caching data_pictures data_report faces framing inspection noisy_copies photos"
    ),
    "each source of faces; one's own images for the models": "celeba_source drawn_source folder_source portraits",
    "the three sources of faces": "sources",
}
FLOORS_WITH_TORCH = {
    "arithmetic on tensors; the machine and its processes; weights, checkpoints, logs": (
        "batches checkpoints directions hardware latents layers logs losses metrics processes vgg weights"
    ),
    "settings of every training; a step, a state, a run; what is made of latents": (
        "mixture optimization runs states steps vae_networks vectors"
    ),
    "augmentation; the training loop": "augmentation training",
    "the denoiser, the classifier": "classifier dae",
    "their training and measures; the autoencoder": (
        "dae_evaluation dae_training feature_losses frechet identity judge_evaluation judge_training "
        "photo_denoising vae"
    ),
    "the denoiser at several noise levels; persons; the autoencoder trained; its latents": (
        "dae_sweep identity_evaluation posteriors probe vae_training"
    ),
    "one side of the autoencoder measured each; latents arranged; persons trained": (
        "edit_evaluation identity_training latent_maps reconstruction_evaluation sample_evaluation"
    ),
    "edits in figures, and how strong they are": "edit_metrics latent_pictures strengths",
    "the autoencoder measured": "vae_evaluation",
    "the autoencoder's pictures; one's own faces edited": "editing vae_pictures",
    "the command facevae": "cli",
}
FLOORS = [
    {f"facevae.{name}" for name in names.split()}
    for names in (*FLOORS_WITHOUT_TORCH.values(), *FLOORS_WITH_TORCH.values())
]
TORCH_FREE = set().union(*FLOORS[: len(FLOORS_WITHOUT_TORCH)])
TORCH = {"torch", "torchvision", "torchmetrics", "tensorboard", "safetensors"}
DATA_STAGES = {f"stages.{name}" for name in ("download", "crop_pad", "add_noise", "cache_arrays", "report_data")}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = {"kagglehub", "pythae"}  # facevae/kaggle.py and bench/training.py say in one line that they are missing
NOT_IMPORTED = {
    "dvc": "runs the stages",
    "ruamel-yaml": "facevae/settings.py; its parts share a name, and the next one is found",
    "ruamel-yaml-clib": "its parser, which DVC reads its files with",
    "pywavelets": "the wavelets of scikit-image",
    "tensorboard": "torch.utils.tensorboard imports it",
    "dvc-s3": "dvc push to the S3 of tests/test_remote.py",
    "flask": "moto's server",
    "flask-cors": "moto's server",
    "ruff": "make lint",
    "pytest-xdist": "pytest -n 2",
}


def floor_of(module: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if module in floor)


def test_every_module_stands_on_one_floor():
    placed = sorted(module for floor in FLOORS for module in floor)
    assert placed == modules("facevae"), "name each module of facevae/ once in the floors above"


@pytest.mark.parametrize("module", modules("facevae"))
def test_imports_go_down(module):
    wrong = {name for name in imports(module) if name.startswith("stages") or floor_of(name) >= floor_of(module)}
    assert not wrong, f"{module}, on floor {floor_of(module)}, imports {wrong} from its own floor or above"


@pytest.mark.parametrize("module", sorted(TORCH_FREE | DATA_STAGES))
def test_data_floors_do_not_know_torch(module):
    found = {name: third_party(path_of(name)) & TORCH for name in closure(module)}
    assert not {name: packages for name, packages in found.items() if packages}


def test_data_floors_do_not_load_torch():
    """Nor does a package from elsewhere do it for them."""
    names = sorted(TORCH_FREE | DATA_STAGES)
    code = f"import sys, {', '.join(names)}; sys.exit(' '.join({TORCH} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", modules("stages"))
def test_stages_are_thin(module):
    assert third_party(path_of(module)) == {"typer"}
    assert not {name for name in imports(module) if name.startswith("stages")}, "a stage does not know another"
    assert len(path_of(module).read_text(encoding="utf-8").splitlines()) <= 80


@pytest.mark.parametrize("package", ["facevae", "stages"])
def test_packages_hold_a_docstring_only(package):
    (only,) = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and isinstance(only.value.value, str)


@pytest.mark.parametrize("module", [*modules("facevae"), *modules("stages")])
def test_modules_say_what_they_are(module):
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"), feature_version=oldest_python())
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("folder", ["facevae", "stages", "tests", "bench"])
def test_imported_packages_are_declared(folder):
    declared = requirements(PROJECT["dependencies"])
    if folder in ("tests", "bench"):
        declared |= requirements(PROJECT["optional-dependencies"]["dev"])
    undeclared = {
        path.name: names
        for path in sorted((ROOT / folder).glob("*.py"))
        if (names := distributions(third_party(path)) - declared - OPTIONAL)
    }
    assert not undeclared, "declare them in pyproject.toml"


def test_declared_packages_are_used():
    used = {name for path in python_files() for name in distributions(third_party(path))} | set(NOT_IMPORTED)
    declared = requirements(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert declared <= used, f"nothing imports {declared - used}"


def test_declared_packages_are_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert not [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)]
    declared = requirements(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert declared <= requirements(pins), "pin them in constraints.txt"


def test_python_3_11_is_enough():
    assert PROJECT["requires-python"] == ">=3.11"


def test_no_registry_address():
    """Which registry serves the packages is the machine's business, not the project's."""
    for name in ("pyproject.toml", "constraints.txt", "Makefile"):
        assert not re.search(r"find-links|https?://", (ROOT / name).read_text(encoding="utf-8")), name


def python_files():
    return [path for folder in ("facevae", "stages", "tests", "bench") for path in (ROOT / folder).glob("*.py")]


def oldest_python() -> tuple[int, int]:
    major, minor = re.findall(r"\d+", PROJECT["requires-python"])[:2]
    return int(major), int(minor)


def requirements(lines: list[str]) -> set[str]:
    """Normalised names of the packages in requirement lines."""
    return {normalised(re.match(r"[A-Za-z0-9._-]+", line).group()) for line in lines}


known_distributions = cache(packages_distributions)


def distributions(names: set[str]) -> set[str]:
    """What the package that provides each imported name is called in the registry."""
    known = known_distributions()
    return {normalised(known.get(name, [name])[0]) for name in names}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
