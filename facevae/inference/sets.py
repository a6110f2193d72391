"""The sets of models that come with facevae, by name: where their files lie, and what their cards say."""

import hashlib
import json
from pathlib import Path
from typing import Any

from facevae.core.errors import FacevaeError

FOLDER = Path(__file__).parents[1] / "pretrained"

DEFAULT = "celeba"
"""The set that stands in where the pipeline has not made models."""


def set_names() -> list[str]:
    """The names of the sets, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob("*/card.json"))


def set_folder(name: str) -> Path | None:
    """Where a set's files lie; None if there is no set of that name."""
    return FOLDER / name if name in set_names() else None


def resolve(models: str | Path, where: str = "models") -> Path:
    """The folder of models that is meant: a folder as it is, else a set by its name.

    Raises FacevaeError, which calls what was given `where`, if there is neither.
    """
    if not isinstance(models, str | Path):
        raise FacevaeError(
            where=where, expected="the name of a set, or a folder", found=repr(models), fix=f"such as {DEFAULT}"
        )
    if Path(models).is_dir():
        return Path(models)
    named = set_folder(str(models))
    if named is None:
        raise FacevaeError(
            where=f"{where} {models}", expected=f"a folder with models, or one of {', '.join(set_names())}",
            found="a file" if Path(models).exists() else "no such folder",
            fix="run where `dvc repro` or `dvc pull` left models/, or name that folder",
        )  # fmt: skip
    return named


def read_card(name: str) -> dict[str, Any]:
    """What is known of a set: `data`, `licence`, `made_by`, and `figures`, each with its `value` and `unit`."""
    return json.loads((FOLDER / name / "card.json").read_text(encoding="utf-8"))


def file_rows(name: str) -> list[tuple[str, int, str]]:
    """The set's files: name, bytes, SHA-256 in hexadecimal."""
    paths = sorted(path for path in (FOLDER / name).iterdir() if path.suffix in (".onnx", ".safetensors"))
    return [(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]
