"""`make repro`'s way through the pipeline: stages that do not need each other run side by side, and nothing is lost."""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer
import yaml
from project_copy import ENVIRONMENT, ROOT, UNAIDED, dvc, git, stages_changed
from raw_data import one_line

from facevae.app import reproduce

# A stage: notes that it begins, waits for notes of others, fails or writes its output. Notes lie outside the project.
STAGE = """
import sys, time
from pathlib import Path

notes, name, fails, *awaited = sys.argv[1:]
log = Path(notes, "log")
log.open("a").write(f"{name} ")
Path(notes, name).touch()
end = time.monotonic() + 30
try:
    while not all(Path(notes, other).exists() for other in awaited):
        time.sleep(0.02)
        assert time.monotonic() < end, f"{name} waits in vain"
    if any(other.endswith(".over") for other in awaited):
        time.sleep(3)  # until DVC's process of that stage has ended, too
except KeyboardInterrupt:
    time.sleep(0.5)  # keeps what it has
    Path(notes, f"{name}.stopped").touch()
    sys.exit(f"{name} is interrupted")
print(f"{name} works")
Path(notes, f"{name}.over").touch()
if fails == "fails":
    sys.exit(f"error: {name} can not")
Path(f"{name}.out").write_text(name + Path("params.yaml").read_text()[:1])
"""
# DVC's own, of a library below it.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
# begin -> left, right -> end; right2 comes after right.
NEEDS = {"begin": [], "left": ["begin"], "right": ["begin"], "right2": ["right"], "end": ["left", "right2"]}


class Project:
    """A DVC project of such stages."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder / "project", folder / "notes"
        self.folder.mkdir()
        self.notes.mkdir()
        for name in ("params.yaml", "params.schema.json"):
            (self.folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / "stage.py").write_text(STAGE, encoding="utf-8")
        self.script = folder / "stage.py"
        git(self.folder, "init", "--quiet")
        dvc(self.folder, "init", "--quiet")

    def write(self, *, needs=NEEDS, fails=(), awaits=None, always=()) -> None:
        """Write dvc.yaml. `awaits`: for a stage what others have to have noted before it goes on."""
        stages = {}
        for name, needed in needs.items():
            words = [sys.executable, "-I", self.script, self.notes, name, "fails" if name in fails else "works"]
            command = " ".join(f"'{word}'" for word in [*words, *(awaits or {}).get(name, [])])
            stages[name] = {"cmd": command, "deps": [f"{other}.out" for other in needed]}
            stages[name] |= {"always_changed": True} if name in always else {"outs": [f"{name}.out"]}
        (self.folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False), encoding="utf-8")

    def ran(self) -> list[str]:
        """The stages in the order in which they began, since the last call."""
        log = self.notes / "log"
        names = log.read_text(encoding="utf-8").split() if log.exists() else []
        for note in self.notes.iterdir():
            note.unlink()
        return names


@pytest.fixture
def project(tmp_path, monkeypatch):
    found = Project(tmp_path)
    monkeypatch.chdir(found.folder)
    monkeypatch.setenv("FACEVAE_DEVICE", "cpu")  # what a run sets goes with the test
    monkeypatch.setenv("PATH", ENVIRONMENT["PATH"])
    return found


def test_what_does_not_need_each_other_runs_at_once(project, capfd):
    # Neither ends before the other has begun.
    project.write(awaits={"left": ["right2"], "right": ["left"]})
    reproduce.main(jobs=2, device="cpu")
    names = project.ran()
    assert names[0] == "begin" and set(names[1:3]) == {"left", "right"} and names[3:] == ["right2", "end"]
    assert not stages_changed(project.folder)
    lines = capfd.readouterr().out.splitlines()
    assert "left   | left works" in lines and "right2 | right2 works" in lines
    assert any(line.startswith("left   | done after ") for line in lines)
    # What stands before the others is DVC's own, as nothing runs beside it.
    assert "begin works" in lines
    reproduce.main(jobs=2, device="cpu")
    assert not project.ran() and "up to date" in capfd.readouterr().out


def test_only_what_has_changed_and_what_comes_after(project):
    project.write()
    reproduce.main(jobs=2, device="cpu")
    project.ran()
    (project.folder / "left.out").unlink()
    project.write(awaits={"right2": ["right2"]})
    assert reproduce.outdated() == {"left": set(), "right2": set(), "end": {"left", "right2"}}
    assert reproduce.outdated({"left"}) == {"right2": set(), "end": {"right2"}}
    reproduce.main(jobs=2, device="cpu")
    # Of left DVC had what the same command made of the same.
    assert project.ran() == ["right2"], "end has what it had"


def test_a_failure_ends_the_run_after_what_is_running(project, capfd):
    project.write(fails=["left"], awaits={"left": ["right"], "right": ["left.over"]})
    with one_line("stage left", "lines above"):
        reproduce.main(jobs=2, device="cpu")
    assert set(project.ran()) == {"begin", "left", "right"}
    assert stages_changed(project.folder) == {"left", "right2", "end"}, "what was made is kept"
    lines = capfd.readouterr().out.splitlines()
    assert "left   | error: left can not" in lines
    project.write(awaits={"right": ["left.over"]})
    reproduce.main(jobs=2, device="cpu")
    assert set(project.ran()) == {"left", "right2", "end"}


def test_what_still_runs_after_a_failure_is_named(monkeypatch):
    lines, told = [], threading.Event()

    def run(stage):
        return 1 if stage == "left" else 0 if told.wait(30) else 2

    def show(line, **_):
        lines.append(line)
        told.set()

    monkeypatch.setattr(reproduce, "print", show, raising=False)
    with one_line("stage left:", "lines above"):
        reproduce.side_by_side({"left": set(), "right": set(), "last": set()}, 2, run)
    assert lines == ["left failed. Still running: last. Ctrl-C stops it; a training goes on next time."]


def test_one_at_a_time_is_dvc_itself(project, capfd):
    project.write()
    reproduce.main(jobs=1, device="cpu")
    assert set(project.ran()) == NEEDS.keys()
    assert "left works" in capfd.readouterr().out.splitlines()
    project.write(fails=["right"], awaits={"right": []})
    with pytest.raises(typer.Exit):
        reproduce.main(jobs=1, device="cpu")


def test_what_looks_outside_each_time_runs_once(project):
    """As `fingerprint` does where the images are not the project's."""
    needs = {"look": [], **NEEDS}
    project.write(needs=needs, always=["look"])
    reproduce.main(jobs=2, device="cpu")
    assert sorted(project.ran()) == sorted(needs)
    reproduce.main(jobs=2, device="cpu")
    assert project.ran() == ["look"]


def test_what_comes_first_is_what_most_wait_for():
    order = []
    needs = {"a": set(), "b": set(), "c": set(), "d": {"c"}, "e": {"d", "b"}}
    reproduce.side_by_side(needs, 1, lambda stage: order.append(stage) or 0)
    assert order == ["c", "b", "d", "a", "e"] or order == ["c", "b", "d", "e", "a"]


def test_a_mistake_in_the_parameters_ends_it_before_anything_runs(project):
    project.write()
    path = project.folder / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("latent_dim: 100", "latent_dim: abc"), encoding="utf-8")
    with one_line("params.yaml", "vae.latent_dim"):
        reproduce.main(jobs=2, device="cpu")
    assert not project.ran()


def test_ctrl_c_stops_all_stages_and_waits_for_them(project):
    project.write(awaits={"left": ["never"], "right": ["never"]})
    words = [sys.executable, "-m", "facevae.app.reproduce", "--jobs", "2"]
    begun = [project.notes / "left", project.notes / "right"]
    output = interrupted(words, begun, cwd=project.folder, env=ENVIRONMENT | UNAIDED | {"PYTHONPATH": str(ROOT)})
    assert all(note.with_suffix(".stopped").exists() for note in begun) and "Traceback" not in output, output
    assert {"left   | left is interrupted", "right  | right is interrupted"} <= set(output.splitlines())
    project.ran()
    project.write()
    dvc(project.folder, "repro")  # no lock is left
    assert set(project.ran()) == {"left", "right", "right2", "end"}


def test_ctrl_c_waits_for_dvc_where_one_stage_runs_after_the_other(project, tmp_path):
    """Python's own subprocess.call kills what has not ended a quarter of a second later."""
    tool = tmp_path / "dvc"
    arguments = (project.script, project.notes, "whole", "works", "never")
    tool.write_text(f"#!/bin/sh\nexec {shlex.join(map(str, (sys.executable, '-I', *arguments)))}\n", encoding="utf-8")
    tool.chmod(0o755)
    words = [sys.executable, "-m", "facevae.app.reproduce", "--jobs", "1"]
    path = f"{tmp_path}{os.pathsep}{UNAIDED['PATH']}"
    note = project.notes / "whole"
    interrupted(words, [note], cwd=project.folder, env=ENVIRONMENT | {"PATH": path, "PYTHONPATH": str(ROOT)})
    assert note.with_suffix(".stopped").exists()


def interrupted(words, notes, **options):
    """What a command says that is told to stop, as by Ctrl-C in a terminal, as soon as there are `notes`."""
    with subprocess.Popen(
        words, encoding="utf-8", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
    ) as started:  # fmt: skip
        end = time.monotonic() + 60
        while not all(note.exists() for note in notes):
            time.sleep(0.05)
            assert time.monotonic() < end and started.poll() is None
        os.killpg(started.pid, signal.SIGINT)
        assert started.wait(timeout=60) != 0
        return started.stdout.read()


@pytest.mark.parametrize(
    ("cores", "threads", "jobs"),
    [(1, 2, 1), (2, 2, 1), (3, 2, 1), (4, 2, 2), (7, 2, 3), (64, 2, 4), (2, 1, 2), (4, 8, 1)],
)
def test_stages_at_once_have_cores_for_their_threads(cores, threads, jobs, monkeypatch, tmp_path):
    """Two trainings of two threads on two cores took five to eight times as long as one after the other."""
    (tmp_path / "params.yaml").write_text(
        f"dae: {{threads: 1}}\nvae: {{threads: {threads}, classifier: {{threads: 1}}}}\n"
    )
    monkeypatch.setattr(reproduce, "available_cores", lambda: cores)
    assert reproduce.usual_jobs(tmp_path / "params.yaml") == jobs
