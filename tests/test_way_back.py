"""A run is kept: no documented command loses one, even where dvc.lock is another machine's and nothing is committed."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from project_copy import ENVIRONMENT, ROOT, WATCHING, commit, copy_project, dvc, git, keep_stages
from stand_ins import STAGES, Pipeline, copy_with_stand_ins, quick_dvc

# DVC's own, of a library below it.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")
KEPT = ("fingerprint", "download", "crop_pad_vae", "cache_arrays_vae", "train_judge")
# What changes the workspace, by Git or by DVC, beside an experiment itself.
RISKY = re.compile(
    r"\bgit (?:checkout|clean|commit|reset|restore|rm|stash|switch)\b"
    r"|\bdvc (?:checkout|commit|gc|pull|remove|exp (?:apply|branch|remove|save)|repro -f)\b"
)


def documented() -> list[str]:
    """Each such command line of the README, of docs/ and of what `make repro` prints, whole."""
    found = set(re.findall(r"git commit [^\n']*\"", (ROOT / "Makefile").read_text(encoding="utf-8")))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found |= set(re.findall(r"`([^`\n]+)`", text)) | set(re.findall(r"^\$ (.+)$", text, re.MULTILINE))
    lines = {re.sub(r'(git commit -am) "[^"]*"', r'\1 "..."', line) for line in found if RISKY.search(line)}
    return sorted(lines - {"dvc commit", "dvc pull", "git commit"})


def made_by(folder: Path) -> dict[str, bytes]:
    """The content of every output."""
    entries = [out for body in STAGES.values() for out in body["outs"] + body.get("metrics", [])]
    names = [name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)]
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


class Clone:
    """A clone on another machine than the committed run's: a first run, then an experiment; nothing is committed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        outside = folder / "outside"
        outside.mkdir()
        self.log = outside / "log"
        origin, clone = folder / "origin", folder / "clone"
        origin.mkdir()
        copy_with_stand_ins(origin, self.log)
        keep_stages(origin, KEPT)
        with quick_dvc(origin) as patch:
            patch.setenv("MACHINE", "theirs")
            Pipeline(origin, self.log).run()
        commit(origin, "their run")
        git(folder, "clone", "--quiet", str(origin), str(clone))
        with quick_dvc(clone):
            assert Pipeline(clone, self.log).run() == set(KEPT) - WATCHING
        assert git(clone, "diff", "--stat", "--", "dvc.lock"), "the lock differs from the committed one"
        self.runs = {(clone / "params.yaml").read_bytes(): made_by(clone)}
        dvc(clone, "exp", "run", "--name", "wider", "-S", "train_judge.width=24")
        self.runs[(clone / "params.yaml").read_bytes()] = made_by(clone)
        assert len({tuple(sorted(run.items())) for run in self.runs.values()}) == 2

    def kept_after(self, command: str, folder: Path) -> bool:
        """Whether both runs are still to be had without training anew once a copy of the clone has seen `command`."""
        shutil.copytree(self.folder / "clone", folder, symlinks=True)
        command = re.sub(r"exp (apply|branch|save --name) [\w-]+", r"exp \1 wider", command)
        subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        with quick_dvc(folder):
            pipeline = Pipeline(folder, self.log)
            for params, outputs in self.runs.items():
                (folder / "params.yaml").write_bytes(params)
                if pipeline.run() or made_by(folder) != outputs:
                    return False
        return True


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return Clone(tmp_path_factory.mktemp("machine"))


@pytest.mark.parametrize("command", documented())
def test_no_command_of_the_readme_loses_a_run(command, clone, tmp_path):
    assert clone.kept_after(command, tmp_path / "copy")


def test_one_that_does_is_seen(clone, tmp_path):
    """What the README said once."""
    assert not clone.kept_after("git checkout . && dvc checkout", tmp_path / "copy")


def test_the_ways_back_are_among_them():
    assert {"dvc exp apply NAME", "git restore params.yaml"} <= set(documented())
    assert any(command.startswith("git commit -am") for command in documented())


def test_back_to_the_committed_parameters(clone, tmp_path):
    """The README's way: the first run's files are there again, though never committed, and nothing is trained."""
    copy = tmp_path / "copy"
    shutil.copytree(clone.folder / "clone", copy, symlinks=True)
    git(copy, "restore", "params.yaml")
    with quick_dvc(copy):
        assert Pipeline(copy, clone.log).run() == set()
    first, _ = clone.runs.values()
    assert made_by(copy) == first


# --- make repro


def test_make_repro_says_how_to_keep_a_run(tmp_path):
    """What it says at its end is a command that works; afterwards it does not say it again."""
    copy_project(tmp_path)
    keep_stages(tmp_path, ("fingerprint",))
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n", encoding="utf-8")
    commit(tmp_path, "theirs")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/.installed").touch()  # the environment of these tests will do
    said = re.search(r"not committed yet: (git commit -am \"First run\") keeps it", make(tmp_path, "repro"))
    assert said, "with where to look"
    git(tmp_path, *shlex.split(said[1])[1:])
    assert not git(tmp_path, "status", "--porcelain")
    last = make(tmp_path, "repro")
    assert "not committed" not in last and "results/" in last and "dvc metrics show" in last


def test_make_says_how_many_stages_at_once():
    words = ("--dry-run", "--old-file", ".venv/.installed", "repro")
    assert "python -m facevae.app.reproduce" in make(ROOT, *words).splitlines()
    assert "python -m facevae.app.reproduce --jobs 1" in make(ROOT, *words, "JOBS=1").splitlines()


def make(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=ENVIRONMENT, check=True, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip
