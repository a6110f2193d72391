"""The house: which rooms facevae has, who imports whom, and the code that each stage depends on.

`python -m bench.rooms` prints the rooms, bottom up, with the arrows between them; `--deps` writes each stage's code
into dvc.yaml (make deps). Sources are read, nothing is run.
"""

import ast
import re
import sys
import textwrap
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Annotated

import typer
import yaml

ROOT = Path(__file__).parents[1]
PACKAGES = ("facevae", "stages", "bench")
# Bottom up: a room imports from those before it alone. training/loop, app/page and app/cli are rooms inside a room.
ROOMS = (
    "core",
    "jobs",
    "imaging",
    "celeba",
    "drawing",
    "alignment",
    "finding",
    "sources",
    "data",
    "preparation",
    "nn",
    "models",
    "training/loop",
    "training",
    "latents",
    "inference",
    "evaluation",
    "figures",
    "app",
    "app/page",
    "app/cli",
)
# A training is listed file by file where it does not use all of a room, so that no change outside of it trains anew.
# Other stages are quick: they name a room of which they use more than this share.
MOST_OF_A_ROOM = 0.4


def modules(package: str) -> list[str]:
    """The package's modules at any depth, sorted, without packages themselves: `facevae.data.arrays`, ..."""
    paths = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / package).rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths if path.stem != "__init__")


def room_of(module: str) -> str:
    """The room of a module of facevae: `facevae.training.loop.fit` -> `training/loop`."""
    return "/".join(module.split(".")[1:-1])


def room_files(room: str) -> set[str]:
    """Modules of a room, as paths relative to the repository, without those of a room inside it."""
    return {path_of(name).relative_to(ROOT).as_posix() for name in modules("facevae") if room_of(name) == room}


@cache
def source_tree(module: str) -> ast.Module:
    """The syntax tree of a module of the project."""
    return ast.parse(path_of(module).read_text(encoding="utf-8"), str(path_of(module)))


@cache
def imported_names(path: Path) -> frozenset[str]:
    """Dotted names that a source file imports, anywhere in it; of `from a import b` both a and a.b.

    Raises ValueError at an import that can't be followed by reading: a relative one, in the project one by a computed
    name.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{path}, line {node.lineno}: a relative import; write the module's full name")
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("__import__", "import_module"):
            if node.args and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
            elif path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES:
                raise ValueError(f"{path}, line {node.lineno}: an import by a computed name; name the module")
    return frozenset(found)


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of the project that `module` imports; the packages themselves are not among them."""
    return frozenset(name for name in imported_names(path_of(module)) if is_module(name))


def is_module(name: str) -> bool:
    """Whether `name` is a module of the project with a file of its own, a package excluded."""
    return name.split(".")[0] in PACKAGES and path_of(name).exists()


def path_of(module: str) -> Path:
    """The source file of a module of the project."""
    return ROOT / (module.replace(".", "/") + ".py")


@cache
def closure(module: str) -> frozenset[str]:
    """The modules that `module` needs, itself included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports(name)
    return frozenset(seen)


def closure_files(module: str) -> set[str]:
    """Paths, relative to the repository, of all that `module` needs.

    Without the packages' __init__ files: they hold a docstring and nothing else, which a test keeps.
    """
    return {path_of(name).relative_to(ROOT).as_posix() for name in closure(module)}


def arrows() -> Counter[tuple[str, str]]:
    """How many imports lead from one room to another: (from, to) -> number."""
    pairs = ((room_of(name), room_of(other)) for name in modules("facevae") for other in imports(name))
    return Counter(pair for pair in pairs if pair[0] != pair[1])


def is_upward(start: str, end: str) -> bool:
    """Whether an import from one room to another points up the house."""
    return ROOMS.index(end) > ROOMS.index(start)


def code_deps(stage_module: str) -> list[str]:
    """What dvc.yaml lists of a stage's code: folders of rooms and single files over its import closure, sorted."""
    needed = closure_files(stage_module)
    training = stage_module.startswith("stages.train_")
    listed = set(needed)
    for room in ROOMS:
        files = room_files(room)
        nested = any(other.startswith(f"{room}/") for other in ROOMS)  # the folder would hold another room
        used = len(files & needed) / len(files)
        if not nested and len(files & needed) > 1 and (used == 1 if training else used > MOST_OF_A_ROOM):
            listed = listed - files | {f"facevae/{room}"}
    return sorted(listed)


def with_code_deps(text: str) -> str:
    """dvc.yaml's text with each stage's code deps as the imports have them; everything else as it was."""

    def write(stage: re.Match[str]) -> str:
        data = [dep for dep in yaml.safe_load(stage["deps"])["deps"] if not re.match(r"(facevae|stages)/", dep)]
        deps = ", ".join(sorted([*data, *code_deps(stage["module"])]))
        return stage["cmd"] + textwrap.fill(
            f"deps: [{deps}]", 120, initial_indent=4 * " ", subsequent_indent=6 * " ", break_on_hyphens=False
        )

    cmd = r"(?P<cmd>    cmd: python -m (?P<module>stages\.\w+).*\n)"
    return re.sub(cmd + r"(?P<deps>    deps: \[[^\]]*\])", write, text)


def main(
    deps: Annotated[bool, typer.Option("--deps", help="Write each stage's code into dvc.yaml.")] = False,
) -> None:
    """Print the rooms of facevae/, bottom up, and the imports between them; exit 1 if one points upwards."""
    if deps:
        path = ROOT / "dvc.yaml"
        path.write_text(with_code_deps(path.read_text(encoding="utf-8")), encoding="utf-8")
        return
    found, names = arrows(), modules("facevae")
    for room in ROOMS:
        inside = sum(room_of(name) == room for name in names)
        below = [f"{other} {found[room, other]}" for other in ROOMS if found[room, other]]
        print(f"{room:14} {inside:3} modules -> {', '.join(below) or 'nothing of the project'}")
    upward = [pair for pair in found if is_upward(*pair)]
    print(f"{len(names)} modules, {len(found)} arrows between rooms, {len(upward)} upwards")
    for start, end in upward:
        print(f"upwards: {start} -> {end}")
    sys.exit(1 if upward else 0)


if __name__ == "__main__":
    typer.run(main)
