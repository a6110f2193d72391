"""Stands in for a stage: hashes what the stage declares into the outputs that it declares, and notes that it ran.

With another `MACHINE` in the environment a training makes other bytes, as on another kind of processor. Started by DVC
in the project as `python -I stand_in.py LOG STAGE`, or called (stand_ins.py). The stages as they are declared stand in
the project as `stages.json`.
"""

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


def stand_in(log: Path, stage: str, machine: str, params: dict) -> None:
    """Be that stage, in the current folder."""
    body = json.loads(Path("stages.json").read_text(encoding="utf-8"))[stage]
    # Other files' parameters and outputs with options stand as mappings, {name: ...}.
    keys = [key for key in body.get("params", []) if isinstance(key, str)]
    outs = [name for out in body["outs"] + body.get("metrics", []) for name in ([out] if isinstance(out, str) else out)]
    seen = [content(Path(dep)) for dep in body["deps"]] + [repr(value(params, key)).encode() for key in keys]
    machine = machine if stage.startswith("train_") else ""
    for out in outs:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(b"".join([out.encode(), machine.encode(), *seen])).hexdigest()
        text = f'{{"value": {int(digest[:8], 16)}}}' if out.endswith("json") else digest
        Path(out).write_text(text, encoding="utf-8")
    with log.open("a", encoding="utf-8") as file:
        print(stage, file=file)


def value(params: dict, key: str) -> Any:
    """That of a dotted key, in which ${another.key} stands for its value."""
    node = params
    for part in re.sub(r"\$\{(.+)\}", lambda match: value(params, match[1]), key).split("."):
        node = node[part]
    return node


def content(dep: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(dep.rglob("*.py"))) if dep.is_dir() else dep.read_bytes()


if __name__ == "__main__":
    read = YAML(typ="safe").load(Path("params.yaml").read_text(encoding="utf-8"))
    stand_in(Path(sys.argv[1]), sys.argv[2], os.environ.get("MACHINE", ""), read)
