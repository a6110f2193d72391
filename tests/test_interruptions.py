"""Each training stage killed with SIGKILL again and again: `dvc repro` ends in the same bits as if nothing had been."""

import hashlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from project_copy import commit, copy_project, dvc, git, killed_at, run_stage, shrink, stages_run

MODELS = {"train_dae": "dae", "train_vae": "vae", "train_judge": "judge"}
SECTIONS = {"train_dae": "dae", "train_vae": "vae", "train_judge": "train_judge"}
# A dozen steps each, a checkpoint after every one. The VAE's training begins with its classifier's.
CHANGES = {
    "dae": {"epochs": 8},
    "vae": {"epochs": 3, "batch_size": 16, "keep": "best", "classifier": {"epochs": 2, "batch_size": 24}},
    "train_judge": {"epochs": 5, "batch_size": 16},
}
CHECKPOINTS = {"FACEVAE_CHECKPOINT_SECONDS": "0"}
# All stages share one loop, the VAE's has two trainings in it. Below `dvc exp run` each kill costs a start of DVC.
# `make test-slow` kills every stage at every moment, and there too.
SLOW = bool(os.environ.get("FACEVAE_TEST_SLOW"))


def moments(stage: str) -> list[tuple[str, str, int, bool]]:
    """(event, file, how often it has to come, torn) of ten ends, from the first file made to the last that goes.

    A run goes on where the last one stopped, so the counts are those of this run.
    """
    model = model_of(stage)
    return [
        ("open", "lock", 1, False),
        ("open", ".state.pt.tmp", 1, False),  # the first step is done, and nothing of it is kept
        ("os.rename", "state.pt", 1, True),
        ("os.rename", "state.pt", 2, True),
        ("os.rename", "state.previous.pt", 2, False),
        ("os.rename", "state.pt", 3, False),  # the one before is kept under another name, the new one not yet
        ("open", f".{model}.tmp", 1, False),
        ("os.rename", model, 1, True),
        ("os.rename", "history.csv", 1, True),
        ("os.remove", "state.pt", 1, False),  # all is written
    ]


UNKEPT, UNWRITTEN = 4, 8  # runs from the first that find no checkpoint, and that leave no model


def few_moments(stage: str) -> list[tuple[str, str, int, bool]]:
    """Three of them, a training's middle and end; the first run finds no checkpoint, the first two leave no model."""
    every = moments(stage)
    return [every[3], every[7], every[9]]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small pipeline with its arrays, committed, in which nothing is trained yet."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    shrink(folder, CHANGES)
    dvc(folder, "repro", "cache_arrays_dae", "cache_arrays_vae")
    commit(folder, "arrays")
    return folder


def model_of(stage: str) -> str:
    return f"{MODELS[stage]}.safetensors"


def model_hash(folder: Path, stage: str) -> str:
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    return next(out["md5"] for out in lock["stages"][stage]["outs"] if out["path"].endswith(".safetensors"))


def forget(folder: Path, stage: str) -> None:
    """As if the stage had never run, in the workspace and in DVC's run cache."""
    for name in (f"models/{model_of(stage)}", f"results/{stage}/history.csv"):
        (folder / name).unlink(missing_ok=True)
    git(folder, "checkout", "--quiet", "dvc.lock")
    subprocess.run(["rm", "-rf", str(folder / ".dvc/cache/runs")], check=True)


@pytest.mark.parametrize("stage", MODELS)
def test_killed_again_and_again(project, stage):
    """The VAE's training; the others at three, and at ten with `make test-slow`."""
    whole = SLOW or stage == "train_vae"
    ends, unkept, unwritten = (moments(stage), UNKEPT, UNWRITTEN) if whole else (few_moments(stage), 1, 2)
    # Undisturbed, and through DVC: the hash to end with.
    dvc(project, "repro", "--single-item", stage, **CHECKPOINTS)
    expected = model_hash(project, stage)
    forget(project, stage)

    found, log = [], ""
    for moment in ends:
        code, printed = run_stage(project, stage, **CHECKPOINTS, **killed_at(stage, *moment))
        assert code == -signal.SIGKILL, printed
        log += printed
        model = project / "models" / model_of(stage)
        found.append(hashlib.md5(model.read_bytes()).hexdigest() if model.exists() else None)
        # Before the next run DVC takes away what is there.
        forget(project, stage)
    # A model that is there is a whole one.
    assert found == [None] * unwritten + [expected] * (len(ends) - unwritten)
    resumed = re.findall(rf"^{MODELS[stage]} resuming after epoch \d+ of \d+, step \d+", log, re.MULTILINE)
    assert len(resumed) == len(ends) - unkept, log
    output = dvc(project, "repro", "--single-item", stage, **CHECKPOINTS)
    assert stages_run(output) == {stage}
    assert model_hash(project, stage) == expected
    assert not list(project.glob(f".checkpoints/{stage}/*/*")), "forgotten when the training has ended"
    assert not list((project / "models").glob(".*.tmp")), "nothing half-written is left"
    forget(project, stage)


def test_killed_below_an_experiment_in_a_temporary_folder(project):
    """Each stage in an experiment of its own, killed and gone on with; then all of them in one."""
    kills = [(stage, moment) for stage in MODELS for moment in moments(stage)]
    kills = kills if SLOW else [("train_judge", moments("train_judge")[UNKEPT])]
    stages = list(dict.fromkeys(stage for stage, _ in kills))
    changes = [word for stage in stages for word in ("-S", f"{SECTIONS[stage]}.seed=7")]
    command = ["exp", "run", "--temp", *changes]
    for stage, moment in kills:  # alone: of several, DVC may run it before its turn
        output = dvc(project, *command, stage, fails=True, **CHECKPOINTS, **killed_at(stage, *moment))
        assert f"failed to reproduce '{stage}'" in output
    output = dvc(project, *command, *stages, **CHECKPOINTS)
    assert "resuming after epoch" in output
    references = git(project, "for-each-ref", "--sort=creatordate", "--format=%(refname)", "refs/exps").split()
    reference = [name for name in references if "/stash" not in name][-1]
    lock = yaml.safe_load(git(project, "show", f"{reference}:dvc.lock"))["stages"]

    # Undisturbed, with the same change made by hand.
    shrink(project, {section: {**CHANGES[section], "seed": 7} for section in SECTIONS.values()})
    for stage in stages:
        code, printed = run_stage(project, stage, **CHECKPOINTS)
        assert code == 0, printed
        found = next(out["md5"] for out in lock[stage]["outs"] if out["path"].endswith(".safetensors"))
        assert hashlib.md5((project / "models" / model_of(stage)).read_bytes()).hexdigest() == found
    git(project, "checkout", "--quiet", "params.yaml")
