"""The sets of models that come with facevae, by name: where their files lie, and what their cards say."""

import hashlib
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "pretrained"

DEFAULT = "celeba"
"""The set that stands in where the pipeline has not made models."""


def set_names() -> list[str]:
    """The names of the sets, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob("*/card.json"))


def set_folder(name: str) -> Path | None:
    """Where a set's files lie; None if there is no set of that name."""
    return FOLDER / name if name in set_names() else None


def read_card(name: str) -> dict[str, Any]:
    """What is known of a set: `data`, `licence`, `made_by`, and `figures` with what was measured and on what."""
    return json.loads((FOLDER / name / "card.json").read_text(encoding="utf-8"))


def file_rows(name: str) -> list[tuple[str, int, str]]:
    """The set's files: name, bytes, SHA-256 in hexadecimal."""
    paths = sorted((FOLDER / name).glob("*.safetensors"))
    return [(path.name, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths]
