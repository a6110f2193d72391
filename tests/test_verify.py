"""bench/verify.py: what it compares, what it says of a difference, and that it runs from nothing."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
import typer
import yaml
from project_copy import ROOT, commit, copy_project, dvc, git, shrink

from bench import verify
from facevae.core.errors import FacevaeError
from facevae.core.files import write_json

# A pipeline without our stages: `letters` comes out the same each time, `dice` does not.
LETTERS = {"cmd": "echo ${word} > letters", "params": ["word"], "outs": ["letters"]}
DICE = {"cmd": "cat letters > dice; head -c 9 /dev/urandom | od >> dice", "deps": ["letters"], "outs": ["dice"]}


def lock(model: str = "m1", code: str = "c1", width: int = 8, data: str = "d1") -> dict:
    """The stages of a lock file: data, then a model of these data."""
    return {
        "prepare": {"cmd": "prepare", "outs": [{"path": "data", "md5": data}]},
        "train": {
            "cmd": "train",
            "deps": [{"path": "data", "md5": data}, {"path": "train.py", "md5": code}],
            "params": {"params.yaml": {"width": width}},
            "outs": [{"path": "model", "md5": model}],
        },
    }


def verdicts(first: dict, second: dict, committed: dict) -> dict[str, tuple[bool, str]]:
    return {row.output: (row.same, row.committed) for row in verify.compare(first, second, committed)}


def test_same_everywhere():
    assert verdicts(lock(), lock(), lock()) == {"data": (True, "as committed"), "model": (True, "as committed")}


def test_one_bit_of_one_output():
    rows = verify.compare(lock(), lock(model="m2"), lock())
    assert rows == [
        verify.Row("prepare", "data", True, "as committed"),
        verify.Row("train", "model", False, "as committed"),
    ]


def test_an_output_that_one_run_lacks():
    short = {"prepare": lock()["prepare"]}
    assert verdicts(lock(), short, lock())["model"] == (False, "as committed")
    assert verdicts(short, lock(), lock())["model"] == (False, "missing")


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (lock(model="m2"), "other processor or build"),
        (lock(model="m2", code="c2"), "other code or parameters"),
        (lock(model="m2", width=16), "other code or parameters"),
        (lock(model="m2", data="d2"), "other input"),
        (lock(model="m2", data="d2", width=16), "other code or parameters"),
        ({}, "not committed"),
    ],
)
def test_why_it_is_not_what_was_committed(committed, expected):
    assert verdicts(lock(), lock(), committed)["model"] == (True, expected)


def test_table_names_a_stage_once():
    rows = [verify.Row("train", "model", True, "as committed"), verify.Row("train", "history", False, "not committed")]
    lines = verify.table(rows, [{"train": 1.26}, {}]).splitlines()
    assert [re.split(" {2,}", line) for line in lines] == [
        ["stage", "output", "two runs", "dvc.lock", "first s", "second s"],
        ["train", "model", "same", "as committed", "1.3", "-"],
        ["", "history", "DIFFERENT", "not committed"],
    ]


def test_how_far_metrics_are_from_the_committed_ones(tmp_path):
    project, copy = tmp_path / "project", tmp_path / "copy"
    before = {"psnr_db": 20.0, "edits": {"Bald": 0.5, "Male": 0.25}, "gone": 1, "name": "x"}
    write_json(project / "metrics.json", before)
    write_json(copy / "metrics.json", {"psnr_db": 20.002, "edits": {"Bald": 0.51, "Male": 0.25}, "name": "y"})
    committed = {"evaluate": {"outs": [{"path": "metrics.json", "md5": md5(project / "metrics.json")}]}}
    row = verify.Row("evaluate", "metrics.json", True, "other input")
    (line,) = verify.distances(copy, project, [row], committed)
    assert line == (
        "metrics.json: 2 of 4 numbers differ, at most by 0.02 of the value: edits.Bald 0.5 -> 0.51, 1 are gone"
    )
    same = verify.Row("evaluate", "metrics.json", True, "as committed")
    assert verify.distances(copy, project, [same], committed) == []
    # What the workspace holds may come from an experiment: then it is not what dvc.lock speaks of.
    write_json(project / "metrics.json", before | {"psnr_db": 21.0})
    assert verify.distances(copy, project, [row], committed) == []


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


# --- runs


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Its `python -m dvc`, and what that starts, are the quick ones of nursery.py."""
    monkeypatch.setattr(sys, "executable", str(Path(os.environ["NURSERY_COMMANDS"], "python")))


@pytest.fixture(scope="module")
def diced(tmp_path_factory) -> Path:
    """A project of those two stages that has run, committed."""
    folder = tmp_path_factory.mktemp("diced") / "project"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    (folder / ".gitignore").write_text("/letters\n/dice\n", encoding="utf-8")
    (folder / "params.yaml").write_text("word: abc\n", encoding="utf-8")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"letters": LETTERS, "dice": DICE}}), encoding="utf-8")
    git(folder, "init", "--quiet")
    dvc(folder, "repro")
    commit(folder, "run")
    return folder


@pytest.fixture
def dicing(diced, tmp_path, monkeypatch) -> Path:
    """A copy of it, the current folder."""
    folder = shutil.copytree(diced, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def test_a_difference_between_two_real_runs(dicing, tmp_path, capsys):
    with pytest.raises(typer.Exit) as end:
        verify.main(keep=tmp_path / "kept")
    assert end.value.exit_code == 1
    printed = capsys.readouterr().out
    assert re.search(r"^letters +letters +same +as committed +\d", printed, re.MULTILINE)
    assert re.search(r"^dice +dice +DIFFERENT +other processor or build +\d", printed, re.MULTILINE)
    assert "1 of 2 outputs differ" in printed
    assert "beside dvc.lock: 1 as committed, 1 other processor or build\n" in printed
    assert (tmp_path / "kept/first/dice").read_bytes() != (tmp_path / "kept/second/dice").read_bytes()
    assert not git(dicing, "status", "--porcelain"), "the project itself is left alone"


def test_targets_and_parameters(dicing, capsys):
    verify.main(["letters"], set_param=["word=xyz"])
    printed = capsys.readouterr().out
    assert re.search(r"^letters +letters +same +other code or parameters", printed, re.MULTILINE)
    assert "all 1 outputs are the same, twice" in printed and "dice" not in printed


def test_another_processor_is_no_failure(dicing, monkeypatch, capsys):
    """Its models are others than the committed ones, the same twice: that is said, and the exit code is 0."""

    def run_pipeline(folder: Path, targets: list[str]) -> dict[str, float]:
        lock = (dicing / "dvc.lock").read_text(encoding="utf-8")
        (folder / "dvc.lock").write_text(
            re.sub("md5: [0-9a-f]{32}", f"md5: {'0' * 32}", lock, count=1), encoding="utf-8"
        )
        return {"letters": 1.0}

    monkeypatch.setattr(verify, "run_pipeline", run_pipeline)
    verify.main()
    printed = capsys.readouterr().out
    assert "beside dvc.lock: 1 other processor or build, 1 as committed\n" in printed
    assert "all 2 outputs are the same, twice" in printed


def test_a_failing_stage_ends_in_one_line(dicing, capsys):
    with pytest.raises(FacevaeError, match="dvc repro, first run: expected exit code 0, found 255 in letters"):
        verify.main(set_param=["word='>/no/such/folder/'"])
    assert "failed to reproduce 'letters'" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["sentence=xyz", "word"])
def test_a_wrong_parameter_ends_in_one_line(dicing, change):
    with pytest.raises(FacevaeError, match=f"-S {change}: expected key=value with a key of params.yaml"):
        verify.main(set_param=[change])


def test_our_data_are_the_same_twice(tmp_path, monkeypatch, capsys):
    """With tiny settings and one process; test_pipeline.py compares with two."""
    copy_project(tmp_path)
    shrink(tmp_path, {"download": {"synthetic": {"images": 20, "pairs": 1}}})
    monkeypatch.chdir(tmp_path)
    verify.main(["download"])
    printed = capsys.readouterr().out
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in ("fingerprint", "download"):
        for output in (next(iter(out)) if isinstance(out, dict) else out for out in stages[stage]["outs"]):
            assert re.search(rf"^({stage})? +{output} +same +(other|as)", printed, re.MULTILINE), output
    assert len(re.findall(r"^(first|second) run: \w+ [\d.]+ s$", printed, re.MULTILINE)) == 4
