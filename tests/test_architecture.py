"""The house: which rooms there are, who may import whom, and what is declared of the world outside."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import distributions as installed_distributions
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from bench.rooms import (
    PACKAGES,
    ROOMS,
    ROOT,
    arrows,
    closure,
    imported_names,
    imports,
    is_upward,
    modules,
    path_of,
    room_of,
)

TORCH_FREE_ROOMS = ("core", "jobs", "imaging", "celeba", "drawing", "sources", "data", "preparation")
TORCH_FREE = {module for module in modules("facevae") if room_of(module) in TORCH_FREE_ROOMS}
TORCH = {"torch", "torchvision", "torchmetrics", "tensorboard"}
DATA_STAGES = {
    f"stages.{name}" for name in ("fingerprint", "download", "crop_pad", "add_noise", "cache_arrays", "report_data")
}

# Stages whose module is named by what it makes.
ELSEWHERE = {
    "download": ("sources", "source"),
    "encode": ("latents", "encoding"),
    "explore_latents": ("figures", "latents"),
    "train_judge": ("training", "classifier"),
}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What imports them says in one line that they are missing: facevae/sources/kaggle.py and parquet.py,
# facevae/imaging/unread.py, facevae/app/page/server.py, bench/training.py.
OPTIONAL = {"gradio", "kagglehub", "pillow-heif", "pyarrow", "pythae", "selenium", "starlette"}  # constraints-page.txt
OPTIONAL |= {"sitecustomize"}  # a hook of Python's
NOT_IMPORTED = {
    "dvc": "runs the stages",
    "ruamel-yaml": "facevae/core/params.py; its parts share a name, and the next one is found",
    "ruamel-yaml-clib": "its parser, which DVC reads its files with",
    "pywavelets": "the wavelets of scikit-image",
    "onnxscript": "torch.onnx writes with it",
    "tensorboard": "torch.utils.tensorboard imports it",
    "dvc-s3": "dvc push to the S3 of tests/test_remote.py",
    "flask": "moto's server",
    "flask-cors": "moto's server",
    "ruff": "make lint",
    "pytest-xdist": "pytest -n 2",
}


def test_every_folder_is_a_room():
    folders = {path.parent.relative_to(ROOT / "facevae").as_posix() for path in (ROOT / "facevae").rglob("*.py")}
    assert folders - {"."} == set(ROOMS), "name each folder of facevae/ once in bench/rooms.py"
    assert [path.name for path in (ROOT / "facevae").glob("*.py")] == ["__init__.py"], "every module lives in a room"


@pytest.mark.parametrize("module", modules("facevae"))
def test_imports_go_down(module):
    wrong = {
        name for name in imports(module) if not name.startswith("facevae.") or is_upward(room_of(module), room_of(name))
    }
    assert not wrong, f"{module} imports {wrong} from a room above its own"


@pytest.mark.parametrize("package", ["facevae", "stages"])
def test_no_import_comes_back(package):
    TopologicalSorter({module: imports(module) for module in modules(package)}).prepare()  # raises CycleError


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_imports(room):
    """The last sentence of a package's docstring names the rooms that it may import from."""
    docstring = ast.get_docstring(ast.parse((ROOT / "facevae" / room / "__init__.py").read_text(encoding="utf-8")))
    said = re.search(r"Imports (?:no other room|([\w.,\s]+))\.[^.]*$", docstring)
    names = {"training.loop" if name == "training.loop" else name for name in re.findall(r"[\w.]+", said[1] or "")}
    allowed = {name.replace(".", "/") for name in names - {"and"}}
    found = {end for start, end in arrows() if start == room}
    assert found == allowed - {room}, f"facevae/{room}/__init__.py"


@pytest.mark.parametrize("module", modules("facevae"))
def test_a_name_does_not_repeat_its_room(module):
    name = module.split(".")[-1]
    words = {room.split("/")[-1] for room in (room_of(module),)}
    assert not any(name.startswith(f"{word}_") or name.endswith(f"_{word}") for word in words)


def test_a_stages_code_lives_in_a_module_of_its_name():
    """crop_pad in preparation/crop_pad.py, train_dae in training/dae.py, evaluate_vae in evaluation/vae.py."""
    names = {tuple(module.split(".")[-2:]) for module in modules("facevae")}
    rooms = {"train": "training", "evaluate": "evaluation"}
    for stage in (module.split(".")[1] for module in modules("stages")):
        verb, _, noun = stage.partition("_")
        named = [room for room, name in names if name == stage]
        assert named or (rooms.get(verb), noun) in names or stage in ELSEWHERE, stage
    assert all((room, name) in names for room, name in ELSEWHERE.values())


def test_the_rooms_can_be_printed():
    done = subprocess.run([sys.executable, "-m", "bench.rooms"], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and "0 upwards" in done.stdout, done.stdout


@pytest.mark.parametrize("module", sorted(TORCH_FREE | DATA_STAGES))
def test_data_floors_do_not_know_torch(module):
    found = {name: third_party(path_of(name)) & TORCH for name in closure(module)}
    assert not {name: packages for name, packages in found.items() if packages}


def test_data_floors_do_not_load_torch():
    """Nor does a package from elsewhere do it for them."""
    names = sorted(TORCH_FREE | DATA_STAGES)
    code = f"import sys, {', '.join(names)}; sys.exit(' '.join({TORCH} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", modules("stages"))
def test_stages_are_thin(module):
    assert third_party(path_of(module)) == {"typer"}
    assert not {name for name in imports(module) if name.startswith("stages")}, "a stage does not know another"
    assert len(path_of(module).read_text(encoding="utf-8").splitlines()) <= 80


@pytest.mark.parametrize("package", ["stages", *(f"facevae/{room}" for room in ROOMS)])
def test_packages_hold_a_docstring_only(package):
    (only,) = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and isinstance(only.value.value, str)


def test_the_package_offers_its_python_interface_and_loads_nothing_for_it():
    code = "import sys, facevae; assert not [name for name in sys.modules if name.startswith('facevae.')]; "
    code += "print([getattr(facevae, name).__name__ for name in facevae.__all__])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.stdout.strip() == "['Faces', 'FacevaeError', 'Portrait', 'load']", done.stderr


@pytest.mark.parametrize("module", [*modules("facevae"), *modules("stages")])
def test_modules_say_what_they_are(module):
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"), feature_version=oldest_python())
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("folder", ["facevae", "stages", "tests", "bench"])
def test_imported_packages_are_declared(folder):
    declared = requirements(PROJECT["dependencies"] + EXTRAS["pipeline"])
    if folder in ("tests", "bench"):
        declared |= requirements(EXTRAS["dev"])
    undeclared = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (names := distributions(third_party(path)) - declared - OPTIONAL)
    }
    assert not undeclared, "declare them in pyproject.toml"


# Of the room inference: what works with PyTorch by its nature.
WITH_TORCH = {f"facevae.inference.{name}" for name in ("export", "tiling", "torch_modules", "torch_networks")}


@pytest.mark.parametrize("module", [name for name in modules("facevae") if room_of(name) in ("inference", "app/cli")])
def test_the_light_install_is_enough(module):
    """What `pip install facevae` brings is all that models at work on photographs load, before they are asked more."""
    if module in WITH_TORCH:
        pytest.skip("works with PyTorch")
    code = f"import sys, {module}; print(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    only_pipeline = requirements(EXTRAS["pipeline"]) - requirements(PROJECT["dependencies"])
    assert not distributions(set(done.stdout.split()) - sys.stdlib_module_names) & only_pipeline


def test_declared_packages_are_used():
    used = {name for path in python_files() for name in distributions(third_party(path))} | set(NOT_IMPORTED)
    declared = requirements(PROJECT["dependencies"] + EXTRAS["pipeline"] + EXTRAS["dev"])
    assert declared <= used, f"nothing imports {declared - used}"


def test_declared_packages_are_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert not [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)]
    declared = requirements(PROJECT["dependencies"] + EXTRAS["pipeline"] + EXTRAS["dev"])
    assert declared <= requirements(pins), "pin them in constraints.txt"


def test_python_3_11_is_enough():
    """Any 3.11: Debian 12 has 3.11.2 (findings/soupsieve-needs-a-patch-release-of-python.sh)."""
    assert PROJECT["requires-python"] == ">=3.11"
    asking = {
        f"{package.name} {package.version} asks for {package.metadata['Requires-Python']}"
        for package in installed_distributions()
        if re.search(r">=?\s*3\.(11\.[1-9]|1[2-9])", package.metadata["Requires-Python"] or "")
    }
    assert not asking, "pin another version in constraints.txt"


def test_no_registry_address():
    """Which registry serves the packages is the machine's business, not the project's."""
    for name in ("pyproject.toml", "constraints.txt", "Makefile"):
        assert not re.search(r"find-links|https?://", (ROOT / name).read_text(encoding="utf-8")), name


def python_files():
    return [path for folder in ("facevae", "stages", "tests", "bench") for path in (ROOT / folder).rglob("*.py")]


def oldest_python() -> tuple[int, int]:
    major, minor = re.findall(r"\d+", PROJECT["requires-python"])[:2]
    return int(major), int(minor)


def requirements(lines: list[str]) -> set[str]:
    """Normalised names of the packages in requirement lines."""
    return {normalised(re.match(r"[A-Za-z0-9._-]+", line).group()) for line in lines}


def third_party(path: Path) -> set[str]:
    """Top names of the packages from elsewhere that a source file imports."""
    tops = {name.split(".")[0] for name in imported_names(path)}
    beside = {neighbour.stem for neighbour in path.parent.glob("*.py")}  # tests import their helpers by bare names
    return tops - set(PACKAGES) - sys.stdlib_module_names - beside


known_distributions = cache(packages_distributions)


def distributions(names: set[str]) -> set[str]:
    """What the package that provides each imported name is called in the registry."""
    known = known_distributions()
    return {normalised(known.get(name, [name])[0]) for name in names}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
