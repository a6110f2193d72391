"""The pipeline with stand-ins for its stages: DVC's own verdict on what runs, in a fraction of a second.

A stage is ours in all but the command: a stand-in hashes what the stage declares (dependencies and parameters) into the
outputs that it declares, and notes that it ran. With another `MACHINE` in the environment a training makes other bytes,
as on another kind of processor. DVC's YAML writer, in Python, would take most of the time; here libyaml writes.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from dvc.utils import strictyaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import _yaml as dvc_yaml
from project_copy import WATCHING, copy_project
from ruamel.yaml import YAML

from bench.rooms import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAND_IN = """
import hashlib, os, re, sys, yaml
from pathlib import Path

stage = sys.argv[1]
body = yaml.safe_load(Path("stages.yaml").read_text())[stage]
params = yaml.safe_load(Path("params.yaml").read_text())

def value(key):
    node = params
    for part in re.sub(r"\\$\\{(.+)\\}", lambda match: value(match[1]), key).split("."):
        node = node[part]
    return node

def content(dep):
    return b"".join(file.read_bytes() for file in sorted(dep.rglob("*.py"))) if dep.is_dir() else dep.read_bytes()

# Other files' parameters and outputs with options stand as mappings, {name: ...}.
keys = [key for key in body.get("params", []) if isinstance(key, str)]
outs = [name for out in body["outs"] + body.get("metrics", []) for name in ([out] if isinstance(out, str) else out)]
seen = [content(Path(dep)) for dep in body["deps"]] + [repr(value(key)).encode() for key in keys]
machine = os.environ.get("MACHINE", "") if stage.startswith("train_") else ""
for out in outs:
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"".join([out.encode(), machine.encode(), *seen])).hexdigest()
    Path(out).write_text(f'{{"value": {int(digest[:8], 16)}}}' if out.endswith("json") else digest)
with open(LOG, "a") as log:
    print(stage, file=log)
"""


class FastDumper(yaml.CSafeDumper):
    """libyaml that writes every kind of mapping as a mapping."""


FastDumper.add_multi_representer(dict, lambda dumper, data: dumper.represent_dict(dict(data)))


def fast_parse(text, path, typ="safe"):
    """DVC's reader of data, also where it would keep comments and positions."""
    return YAML(typ="safe").load(text) or {}


def fast_dump(data, stream):
    yaml.dump(data, stream, FastDumper, sort_keys=False)


@contextmanager
def quick_dvc(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """DVC in this process, in `folder`, that reads and writes YAML quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(dvc_yaml, "parse_yaml", fast_parse)
        patch.setattr(strictyaml, "parse_yaml", fast_parse)
        patch.setattr(dvc_yaml, "_dump", fast_dump)
        yield patch


def copy_with_stand_ins(folder: Path, log: Path) -> None:
    """The project in a repository without a commit, with stand-ins that note in `log`, outside of it, that they ran."""
    copy_project(folder)
    # Not among the files that DVC looks at: the stand-in itself, and what the stages declare.
    (log.parent / "stand_in.py").write_text(STAND_IN.replace("LOG", repr(str(log))), encoding="utf-8")
    (folder / "stages.yaml").write_text(yaml.safe_dump(STAGES), encoding="utf-8")
    (folder / "dvc.lock").unlink(missing_ok=True)
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    for name, body in pipeline["stages"].items():
        body["cmd"] = f"{sys.executable} -I {log.parent / 'stand_in.py'} {name}"
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")


class Pipeline:
    """A pipeline of stand-ins. `run` says which stages DVC starts."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log = folder, log
        self.repo = Repo(str(folder))

    def run(self) -> set[str]:
        """Names of the stages that started, without the one that looks outside."""
        self.log.write_text("", encoding="utf-8")
        self.repo.reproduce()
        return set(self.log.read_text(encoding="utf-8").split()) - WATCHING

    @contextmanager
    def changed(self, change: str) -> Iterator[None]:
        """The project with `key=value`, as -S takes it, or with an edited file; all is brought back at the end."""
        path = self.folder / ("params.yaml" if "=" in change else change)
        # DVC's checkout brings back the outputs that are in its cache: all but the metrics, which Git keeps.
        metrics = self.folder.glob("results/*/metrics.json")
        kept = {file: file.read_bytes() for file in (path, self.folder / "dvc.lock", *metrics)}
        if "=" in change:
            apply_overrides(path, [change])
        else:
            path.write_bytes(kept[path] + b"\n# edited\n")
        assert path.read_bytes() != kept[path]
        try:
            yield
        finally:
            for file, content in kept.items():
                file.write_bytes(content)
            self.repo.checkout(force=True)

    def run_with(self, change: str) -> set[str]:
        """Names of the stages that start after the change."""
        with self.changed(change):
            return self.run()
