"""Named settings: whole sets of parameters in settings/, and the command that brings one of them into params.yaml.

`default` is a whole params.yaml; each other file holds what it sets for itself, whatever the default is, and says why.
"""

import copy
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML

from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.core.params import read_parameters

DEFAULT = "default"

SOURCE = "download.source"

# Where a person's files lie and how they are read is no setting: these keep their values, unless the named settings
# have one of their own.
KEPT = (
    *(
        f"download.celeba.{name}"
        for name in ("path", "images", "attributes", "partitions", "identities", "landmarks", "on_bad_image")
    ),
    *(f"download.folder.{name}" for name in ("images", "attributes", "persons", "threshold", "align", "on_bad_image")),
    "vae.vgg19.weights",
)

# default.yaml begins with the words that stand at the top of every params.yaml.
_DEFAULT_SUMMARY = "The fast default: drawn faces, minutes on two cores."

_SHOWN = 3

ABSENT = object()

"""The value of a key that is not there."""


def main(
    name: Annotated[str | None, typer.Argument(help="Which settings; none: list what there is.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print what they set otherwise; write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace edits of your own as well.")] = False,
    params: Annotated[Path, typer.Option(help="The parameter file to write.")] = Path("params.yaml"),
    folder: Annotated[Path, typer.Option(help="The folder with the named settings.")] = Path("settings"),
) -> None:
    """Bring named settings into params.yaml: the default's values, but for those that NAME sets.

    Inputs: settings/default.yaml, settings/NAME.yaml, and of params.yaml the paths to files of yours, which stay:
    download.celeba, download.folder and vae.vgg19.weights.

    Output: params.yaml. Where it holds edits of your own, nothing is written but with --overwrite.
    """
    if name is None:
        if diff or overwrite:
            raise typer.BadParameter("--diff and --overwrite need a NAME")
        _print_names(params, folder)
        return
    settings = read_settings(folder)
    if name not in settings:
        raise FacevaeError(
            where=folder, expected=f"one of {', '.join(settings)}", found=name, fix="choose one of these"
        )
    if diff:
        _print_difference(name, settings)
        return
    before = load(params) if params.exists() else {}
    if before and not overwrite:
        _refuse_to_lose(before, params, settings, folder)
    _write(name, settings, before, params)


def names_of(folder: Path) -> dict[str, str]:
    """The named settings, sorted, each with the first line of its comment."""
    return {path.stem: _summary(path) for path in sorted(folder.glob("*.yaml"))}


def read_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """All sections of each of the named settings, sorted by name: the default's values and comments, with its changes.

    Raises FacevaeError if there is no default, or if a file sets what the default does not have.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if DEFAULT not in paths:
        fix = "run from the repository's top folder or give --folder"
        raise FacevaeError(where=folder, expected=f"{DEFAULT}.yaml", found="no such file", fix=fix)
    default = load(paths[DEFAULT])
    changes = {name: {} if name == DEFAULT else load(path, comments=False) for name, path in paths.items()}
    return {name: merge(default, changes[name], path) for name, path in paths.items()}


def merge(values: dict[str, Any], changes: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """A copy of `values` with the nested `changes`; lists are replaced whole.

    Raises FacevaeError, naming the key and `where` the changes come from, if one is unknown, or if a group stands where
    a value belongs or the other way round.
    """
    merged = copy.deepcopy(values)
    _change(merged, changes, where, "")
    return merged


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values; a list is one value."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def unlike(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values are not the same, with both; ABSENT for one that is on one side only."""
    left, right = dict(leaves(values)), dict(leaves(others))
    pairs = {key: (left.get(key, ABSENT), right.get(key, ABSENT)) for key in left | right}
    return {key: (one, other) for key, (one, other) in pairs.items() if one != other}


def own_edits(values: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What is another in `values` than in one of the named settings, with both; the source and the paths aside."""
    free = (SOURCE, *KEPT)
    return {key: both for key, both in unlike(values, settings).items() if key not in free}


def closest_settings(
    values: Mapping[str, Any], settings: Mapping[str, dict[str, Any]]
) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """The named settings from which `values` have the fewest edits, and these."""
    edits = {name: own_edits(values, whole) for name, whole in settings.items()}
    return min(edits.items(), key=lambda item: len(item[1]))


def with_paths_of(settings: dict[str, Any], values: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of one of the named settings with the paths of `values`, but for those that it has of its own."""
    own = unlike(settings, default)
    kept: dict[str, Any] = {}
    for key, value in leaves(values):
        if key in KEPT and key not in own:
            *groups, last = key.split(".")
            node = kept
            for group in groups:
                node = node.setdefault(group, {})
            node[last] = value
    return merge(settings, kept, Path("params.yaml"))


def load(path: Path, *, comments: bool = True) -> dict[str, Any]:
    """A YAML file as DVC reads it; with `comments` they are written again by `text_of`.

    Raises FacevaeError if the file is missing, or not YAML with keys and values.
    """
    values = read_parameters(path)
    if not isinstance(values, dict):
        raise FacevaeError(
            where=path, expected="keys and values", found=repr(values)[:60], fix="write `key: value` lines"
        )
    return YAML().load(path.read_text(encoding="utf-8")) if comments else values


def text_of(values: Mapping[str, Any]) -> str:
    """The values as DVC writes them, so that `dvc exp run -S` changes one line."""
    yaml, stream = YAML(), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump(values, stream)
    return stream.getvalue()


def _write(name: str, settings: dict[str, dict[str, Any]], before: Mapping[str, Any], params: Path) -> None:
    """Write params.yaml and say what it holds now."""
    default = settings[DEFAULT]
    values = with_paths_of(settings[name], before, default)
    with atomic_write(params) as temporary:
        temporary.write_text(text_of(values), encoding="utf-8")

    count = len(unlike(settings[name], default))
    print(f"{params}: {name}" + (f", {_values(count)} unlike the default" if count else ""))
    old, new = dict(leaves(before)), dict(leaves(values))
    turned = f" (was {_shown(old[SOURCE])})" if old.get(SOURCE, new[SOURCE]) != new[SOURCE] else ""
    paths = [f"{key} {_shown(path)}" for key, (path, _) in unlike(values, default).items() if key in KEPT]
    print("; ".join([f"{SOURCE} {_shown(new[SOURCE])}{turned}", *paths]))


def _refuse_to_lose(values: Mapping[str, Any], params: Path, settings: dict[str, dict[str, Any]], folder: Path) -> None:
    """Raise FacevaeError if the file holds a value or a comment that is of no named settings."""
    name, edits = closest_settings(values, settings)
    comments = _comments(params) - _comments(folder / f"{DEFAULT}.yaml")
    if edits:
        found = f"edits of your own, {_values(len(edits))} unlike {name}: {_listed(edits)}"
    elif comments:
        found = f"a comment of your own: # {min(comments)}"
    else:
        return
    raise FacevaeError(
        where=params, expected=f"one of the named settings ({', '.join(settings)})", found=found,
        fix="keep them with `git commit` or `dvc exp save`, then replace them with --overwrite",
    )  # fmt: skip


def _print_names(params: Path, folder: Path) -> None:
    settings, names = read_settings(folder), names_of(folder)
    width = max(map(len, names))
    for name, summary in names.items():
        print(f"{name:{width}}  {summary}")
    if params.exists():
        name, edits = closest_settings(load(params), settings)
        print(f"{params}: {name}" + (f", but for {_values(len(edits))}: {_listed(edits)}" if edits else ""))


def _print_difference(name: str, settings: dict[str, dict[str, Any]]) -> None:
    """A line per value that is another than the default's."""
    found = unlike(settings[DEFAULT], settings[name])
    rows = [("", DEFAULT, name), *((key, _shown(one), _shown(other)) for key, (one, other) in found.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows if found else []:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _change(values: dict[str, Any], changes: Mapping[str, Any], where: Path, prefix: str) -> None:
    for key, change in changes.items():
        place = f"{where}, {prefix}{key}"
        if key not in values:
            found = f"the unknown key {key}"
            raise FacevaeError(where=place, expected=f"one of {', '.join(values)}", found=found, fix="correct it")
        value = values[key]
        if isinstance(value, dict) != isinstance(change, Mapping):
            expected = f"a group of {', '.join(value)}" if isinstance(value, dict) else "a value"
            raise FacevaeError(where=place, expected=expected, found=_shown(change), fix="correct it")
        if isinstance(value, dict):
            _change(value, change, where, f"{prefix}{key}.")
        else:
            values[key] = change


def _summary(path: Path) -> str:
    if path.stem == DEFAULT:
        return _DEFAULT_SUMMARY
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip()
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _comments(path: Path) -> set[str]:
    """What stands after a # in the file's lines; a # inside a value counts as one, too."""
    return {line.partition("#")[2].strip() for line in path.read_text(encoding="utf-8").splitlines()}


def _listed(edits: Mapping[str, tuple[Any, Any]]) -> str:
    """The first few of a person's edits, with their values."""
    first = [f"{key} {_shown(own)}" for key, (own, _) in list(edits.items())[:_SHOWN]]
    return ", ".join([*first, "..."] if len(edits) > _SHOWN else first)


def _values(count: int) -> str:
    return f"{count} value{'' if count == 1 else 's'}"


def _shown(value: Any) -> str:
    """A value in a line, as YAML."""
    if value is ABSENT:
        return "missing"
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, Mapping):
        return f"a group of {', '.join(value)}"
    return json.dumps(value)


if __name__ == "__main__":
    run(main)
