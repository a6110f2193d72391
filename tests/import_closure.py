"""Which files of the project a module imports, itself included, at any depth: read from the source, nothing is run."""

import ast
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("facevae", "stages", "bench")


def modules(package: str) -> list[str]:
    """The package's modules, sorted, without the package itself: `facevae.arrays`, ..."""
    return sorted(f"{package}.{path.stem}" for path in (ROOT / package).glob("*.py") if path.stem != "__init__")


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
            elif path.parent.name in PACKAGES:
                raise ValueError(f"{path}, line {node.lineno}: an import by a computed name; name the module")
    return frozenset(found)


@cache
def imports(module: str) -> frozenset[str]:
    """Modules of the project that `module` imports; the packages themselves are not among them."""
    return frozenset(name for name in imported_names(path_of(module)) if is_module(name))


def third_party(path: Path) -> set[str]:
    """Top names of the packages from elsewhere that a source file imports."""
    tops = {name.split(".")[0] for name in imported_names(path)}
    beside = {neighbour.stem for neighbour in path.parent.glob("*.py")}  # tests import their helpers by bare names
    return tops - set(PACKAGES) - sys.stdlib_module_names - beside


def is_module(name: str) -> bool:
    """Whether `name` is a module of the project with a file of its own, a package excluded."""
    return name.split(".")[0] in PACKAGES and name not in PACKAGES and path_of(name).exists()


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
