"""The pipeline with stand-ins for its stages (stand_in.py): DVC's own verdict on what runs, in a fraction of a second.

A stage is ours in all but the command. In this process DVC calls the stand-ins, without a process for each, and reads
and writes YAML quickly. `dvc` from the command line takes the same project.
"""

import json
import os
import shlex
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import networkx
import pytest
import quick_yaml
import stand_in
import yaml
from dvc.repo import Repo
from dvc.stage import run as dvc_run
from dvc.utils.hydra import apply_overrides
from project_copy import WATCHING, copy_project

from bench.rooms import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def call_stand_in(executable, command, *, cwd, env, **_):
    """What DVC does with a command, for those that `copy_with_stand_ins` writes."""
    assert Path(cwd).samefile(os.curdir)
    *_, log, stage = shlex.split(command)
    params = quick_yaml.parse(Path("params.yaml").read_text(encoding="utf-8"), "params.yaml")
    stand_in.stand_in(Path(log), stage, env.get("MACHINE", ""), params)


@contextmanager
def quick_dvc(folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """DVC in this process, in `folder`, that calls the stand-ins, and reads and writes YAML quickly."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for place, name, quick in quick_yaml.PATCHES:
            patch.setattr(place, name, quick)
        patch.setattr(dvc_run, "_run", call_stand_in)
        yield patch


def copy_with_stand_ins(folder: Path, log: Path) -> None:
    """The project in a repository without a commit, with stand-ins that note in `log`, outside of it, that they ran."""
    copy_project(folder)
    # Not among the files that DVC looks at: what the stages declare.
    (folder / "stages.json").write_text(json.dumps(STAGES), encoding="utf-8")
    (folder / "dvc.lock").unlink(missing_ok=True)
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
    for name, body in pipeline["stages"].items():
        body["cmd"] = shlex.join([sys.executable, "-I", stand_in.__file__, str(log), name])
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
    def edited(self, *changes: str) -> Iterator[None]:
        """The project with each `key=value`, as -S takes it, and each edited file, in which nothing runs."""
        params = self.folder / "params.yaml"
        values, files = [change for change in changes if "=" in change], [name for name in changes if "=" not in name]
        kept = {file: file.read_bytes() for file in (params, *(self.folder / name for name in files))}
        try:
            if values:
                apply_overrides(params, values)
                assert params.read_bytes() != kept[params]
            for name in files:
                (self.folder / name).write_bytes(kept[self.folder / name] + b"\n# edited\n")
            yield
        finally:
            for file, content in kept.items():
                file.write_bytes(content)

    @contextmanager
    def changed(self, change: str) -> Iterator[None]:
        """The same, and what runs in it is brought back at the end too."""
        # DVC's checkout brings back the outputs that are in its cache: all but the metrics, which Git keeps.
        metrics = self.folder.glob("results/*/metrics.json")
        kept = {file: file.read_bytes() for file in (self.folder / "dvc.lock", *metrics)}
        try:
            with self.edited(change):
                yield
        finally:
            for file, content in kept.items():
                file.write_bytes(content)
            self.repo.checkout(force=True)

    def run_with(self, change: str) -> set[str]:
        """Names of the stages that start after the change."""
        with self.changed(change):
            return self.run()

    def affected_by(self, changes: Collection[str]) -> dict[str, set[str]]:
        """The same for each of many changes, without a run: what `dvc status` finds changed, and what depends on it.

        All are made at once: DVC says of each stage which of its dependencies and parameters are others. So none of
        them may change what another one of them means, as a choice does (`vae.architecture`).
        """
        found = {change: set() for change in changes}
        with self.edited(*changes):
            for stage, entries in self.repo.status().items():
                # What looks outside writes the same again, except for files there.
                others = set().union(*map(_names, entries)) if stage not in WATCHING else set()
                for change in changes:
                    if others & set(_and_above(change)):
                        found[change] |= {stage, *networkx.ancestors(self._needs, stage)}
        return found

    @cached_property
    def _needs(self) -> networkx.DiGraph:
        """An edge leads from a stage to one that it needs."""
        return networkx.relabel_nodes(self.repo.index.graph, lambda stage: stage.addressing)


def _names(entry: dict) -> Iterator[str]:
    """Files, folders and keys of params.yaml that are others, by an entry of DVC's for a stage."""
    ((kind, facts),) = entry.items()
    assert kind == "changed deps", entry
    for name, state in facts.items():
        yield from state if name == "params.yaml" else [name]


def _and_above(change: str) -> Iterator[str]:
    """A file and the folders that it is in; a key and the groups that it is in."""
    mark = "." if "=" in change else "/"
    parts = change.split("=")[0].split(mark)
    return (mark.join(parts[: count + 1]) for count in range(len(parts)))
