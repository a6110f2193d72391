"""Paths as params.yaml has them."""

import os
from pathlib import Path


def resolve_path(text: str) -> Path:
    """The path that `text` names, `~` expanded; a relative one is looked for in the current folder first.

    `dvc exp run --temp` and `--queue` work in temporary copies of what Git tracks, from where `../faces` leads nowhere:
    there it is looked for from the project itself, which DVC names in DVC_ROOT.
    """
    path = Path(text).expanduser()
    original = Path(os.environ.get("DVC_ROOT", ".")) / path
    return original if not path.exists() and original.exists() else path
