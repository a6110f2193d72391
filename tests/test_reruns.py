"""What reruns what, by DVC's own verdict: every line of the tables in docs/reruns.md, tried.

DVC works on a copy of the project whose stages are ours in all but the command: a stand-in hashes what the stage
declares (dependencies and parameters) into the outputs that it declares, and notes that it ran. DVC's YAML library,
written in Python, would take four fifths of the time; here libyaml reads and writes in its place.
"""

import os
import re
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
from project_copy import WATCHING, copy_project, leaves

from bench.rooms import ROOT
from facevae.core.params import _Yaml12Loader

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS = dict(leaves(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))))
STAND_IN = """
import hashlib, re, sys, yaml
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
for out in outs:
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"".join([out.encode(), *seen])).hexdigest()
    Path(out).write_text(f'{{"value": {int(digest[:8], 16)}}}' if out.endswith("json") else digest)
with open(LOG, "a") as log:
    print(stage, file=log)
"""


# DVC's own, of a library below it.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


class FastLoader(yaml.CSafeLoader):
    """libyaml with the numbers and booleans of YAML 1.2, as DVC reads them."""

    yaml_implicit_resolvers = _Yaml12Loader.yaml_implicit_resolvers


class FastDumper(yaml.CSafeDumper):
    """libyaml that writes every kind of mapping as a mapping."""


FastDumper.add_multi_representer(dict, lambda dumper, data: dumper.represent_dict(dict(data)))


def fast_parse(text, path, typ="safe"):
    return yaml.load(text, FastLoader) or {}


def fast_dump(data, stream):
    yaml.dump(data, stream, FastDumper, sort_keys=False)


def table() -> list[tuple[str, frozenset[str]]]:
    """(change, stages that run) of each line of the tables in docs/reruns.md."""
    rows = []
    for line in (ROOT / "docs/reruns.md").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\| `([^`]+)` \| (.+) \|", line):
            change, effect = match.groups()
            named = [] if effect.split(":")[0] == "none" else effect.split(", ")
            stages = STAGES.keys() - WATCHING if effect == "all" else named
            rows.append((change, frozenset(stage.strip("`") for stage in stages)))
    return rows


class Pipeline:
    """An up-to-date pipeline of stand-ins. `run` says which stages DVC starts after a change."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log = folder, log
        copy_project(folder)
        # Not among the files that DVC looks at: the stand-in itself, and what the stages declare.
        (log.parent / "stand_in.py").write_text(STAND_IN.replace("LOG", repr(str(log))), encoding="utf-8")
        (folder / "stages.yaml").write_text(yaml.safe_dump(STAGES), encoding="utf-8")
        (folder / "dvc.lock").unlink(missing_ok=True)
        pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))
        for name, body in pipeline["stages"].items():
            body["cmd"] = f"{sys.executable} -I {log.parent / 'stand_in.py'} {name}"
        (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
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


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder, outside = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DVC_")]:
            patch.delenv(name)
        patch.setenv("DVC_NO_ANALYTICS", "1")
        patch.setenv("DVC_SITE_CACHE_DIR", str(outside / "site"))
        patch.setenv("DVC_GLOBAL_CONFIG_DIR", str(outside / "config"))
        patch.chdir(folder)
        patch.setattr(dvc_yaml, "parse_yaml", fast_parse)
        patch.setattr(strictyaml, "parse_yaml", fast_parse)
        patch.setattr(dvc_yaml, "_dump", fast_dump)
        made = Pipeline(folder, outside / "log")
        assert made.run() == STAGES.keys() - WATCHING
        yield made
        made.repo.close()


def test_nothing_runs_again(pipeline):
    assert pipeline.run() == set()


@pytest.mark.parametrize(("change", "expected"), table(), ids=[change for change, _ in table()])
def test_what_reruns(pipeline, change, expected):
    assert expected <= set(STAGES)
    assert pipeline.run_with(change) == expected


def test_the_chosen_group_is_the_one_that_counts(pipeline):
    with pipeline.changed("dae.architecture=report"):
        pipeline.run()
        assert pipeline.run_with("dae.report.encoder_filters=[8,4]") == {"train_dae", "evaluate_dae"}
        assert pipeline.run_with("dae.unet.width=64") == set()


def test_the_way_back_is_free(pipeline):
    """A setting that was run before is not run again: DVC has the outputs in its cache."""
    with pipeline.changed("evaluate_dae.faces=5"):
        assert pipeline.run() == {"evaluate_dae"}
        with pipeline.changed("evaluate_dae.faces=8"):
            assert pipeline.run() == set()


def test_the_table_covers_the_parameters():
    changes = [change for change, _ in table()]
    parameters = [change.split("=")[0] for change in changes if "=" in change]
    assert len(changes) == len(set(changes)) and len(parameters) >= 20
    assert set(parameters) <= set(PARAMS)
    assert {key.split(".")[0] for key in parameters} == {key.split(".")[0] for key in PARAMS}, "a line for each section"
    assert sum(change.endswith(".py") for change in changes) >= 8
