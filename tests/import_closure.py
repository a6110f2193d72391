"""Which files of the project a module imports, itself included, at any depth: read from the source, nothing is run."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("facevae", "stages")


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of the project that `module` names in an import, anywhere in its source."""
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if is_module(name) else node.module for name in names}
    return frozenset(name for name in found if is_module(name))


def is_module(name: str) -> bool:
    """Whether `name` is a module of the project, with a file of its own."""
    return name.split(".")[0] in PACKAGES and (
        (ROOT / (name.replace(".", "/") + ".py")).exists() or name in PACKAGES
    )


def path_of(module: str) -> Path:
    """The source file of a module of the project."""
    if module in PACKAGES:
        return ROOT / module / "__init__.py"
    return ROOT / (module.replace(".", "/") + ".py")


def closure(module: str) -> set[str]:
    """Paths, relative to the repository, of all that `module` needs: packages' __init__ files included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports(name)
    seen |= {name.split(".")[0] for name in seen}
    # An __init__ file here holds a docstring and nothing else (a test keeps that), so that it changes nothing.
    return {str(path_of(name).relative_to(ROOT)) for name in seen if name not in PACKAGES}
