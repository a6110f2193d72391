"""Each training stage killed with SIGKILL again and again: `dvc repro` ends in the same bits as if nothing had been."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from project_copy import ENVIRONMENT, commit, copy_project, dvc, git, shrink, stages_run

MODELS = {"train_dae": "dae", "train_vae": "vae", "train_judge": "judge"}
SECTIONS = {"train_dae": "dae", "train_vae": "vae", "train_judge": "train_judge"}
# A few dozen steps each, a checkpoint after every one: about as much time in checkpoints as between them.
CHANGES = {
    "dae": {"epochs": 15},
    "vae": {"epochs": 5, "batch_size": 4, "keep": "best", "classifier": {"epochs": 3, "batch_size": 8}},
    "train_judge": {"epochs": 10, "batch_size": 4},
}
CHECKPOINTS = {"FACEVAE_CHECKPOINT_SECONDS": "0"}
# Below `dvc exp run` each kill costs a start of DVC and of PyTorch: `make test-slow` kills every stage ten times there.
SLOW = bool(os.environ.get("FACEVAE_TEST_SLOW"))
KILLED_BELOW_DVC = [stage for stage in MODELS for _ in range(10)] if SLOW else ["train_judge"]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small pipeline with its arrays, committed, in which nothing is trained yet."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    shrink(folder, CHANGES)
    dvc(folder, "repro", "cache_arrays_dae", "cache_arrays_vae")
    commit(folder, "arrays")
    return folder


class Nursery:
    """A process that starts stages quickly."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log.txt"
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", env=ENVIRONMENT,
        )  # fmt: skip

    def start(self, stage: str, folder: Path) -> int:
        """Start `python -m stages.STAGE` as DVC would; its process number."""
        environment = {**CHECKPOINTS, "DVC_ROOT": str(folder), "DVC_STAGE": stage}
        order = {"module": f"stages.{stage}", "folder": str(folder), "environment": environment, "log": str(self.log)}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self) -> int:
        """The started process's signal, 0 if it ended by itself."""
        status = int(self.process.stdout.readline())
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, self.log.read_text()
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@pytest.fixture
def nursery(tmp_path):
    nursery = Nursery(tmp_path)
    yield nursery
    nursery.process.kill()
    nursery.process.communicate()


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


def killing_moments(seed: int, longest: float):
    """Ten moments: at random, while a checkpoint is being written, when the model is there or half there."""
    rng = random.Random(seed)
    kinds = ["random", "checkpoint"] * 4
    rng.shuffle(kinds)
    # The ends come last, since nothing is left after them; more than are needed, should a run end before it is killed.
    return [(kind, rng.uniform(0.0, longest)) for kind in [*kinds[:7], *["end"] * 9]]


def wait_until(kind: str, delay: float, folder: Path, stage: str, process: int) -> None:
    """Until the process is where it is to be killed, or has ended. What earlier ones left is not what is waited for."""
    began = time.time()
    while alive(process):
        if kind == "end":
            found = [(folder / "models" / name).exists() for name in (model_of(stage), f".{model_of(stage)}.tmp")]
            if any(found):
                return
            continue
        for checkpoint in (folder / ".checkpoints" / stage).glob("*"):
            with suppress(OSError):  # files come and go
                if (checkpoint / "lock").read_text() != str(process):
                    continue
                if kind == "random":
                    time.sleep(delay)
                    return
                while alive(process):
                    names = [name for name in os.listdir(checkpoint) if name.endswith(".tmp")]
                    if any((checkpoint / name).stat().st_mtime >= began for name in names):
                        return


def alive(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


@pytest.mark.parametrize("stage", MODELS)
def test_killed_at_ten_moments(project, nursery, stage):
    # Undisturbed, and through DVC: the hash to end with, and how long it takes.
    dvc(project, "repro", "--single-item", stage, **CHECKPOINTS)
    expected = model_hash(project, stage)
    forget(project, stage)
    began = time.monotonic()
    nursery.start(stage, project)
    assert nursery.wait() == 0
    longest = (time.monotonic() - began) / 4
    forget(project, stage)

    killed = 0
    for kind, delay in killing_moments(len(stage), longest):
        process = nursery.start(stage, project)
        wait_until(kind, delay, project, stage, process)
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        killed += nursery.wait() == signal.SIGKILL
        # A model that is there is a whole one; before the next run DVC takes it away.
        model = project / "models" / model_of(stage)
        assert not model.exists() or hashlib.md5(model.read_bytes()).hexdigest() == expected
        forget(project, stage)
        if killed == 10:
            break
    # How often a run is over before it is killed depends on the machine.
    assert killed >= 5
    log = nursery.log.read_text()
    assert len(re.findall(r"resuming after epoch \d+ of \d+, step \d+", log)) >= 3, log
    output = dvc(project, "repro", "--single-item", stage, **CHECKPOINTS)
    assert stages_run(output) == {stage}
    assert model_hash(project, stage) == expected
    assert not list(project.glob(f".checkpoints/{stage}/*/*")), "forgotten when the training has ended"
    assert not list((project / "models").glob(".*.tmp")), "nothing half-written is left"
    forget(project, stage)


def test_killed_below_an_experiment_in_a_temporary_folder(project, nursery):
    """All stages in one experiment, one after the other, killed and gone on with."""
    stages, rng = list(dict.fromkeys(KILLED_BELOW_DVC)), random.Random(7)
    changes = [word for stage in stages for word in ("-S", f"{SECTIONS[stage]}.seed=7")]
    command = ["exp", "run", "--temp", *changes, *stages]
    for stage in KILLED_BELOW_DVC:
        running = subprocess.Popen(
            ["dvc", *command], cwd=project, env={**ENVIRONMENT, **CHECKPOINTS}, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        process = process_that_trains(project, stage, running)
        time.sleep(rng.uniform(0.0, 0.3))
        os.kill(process, signal.SIGKILL)
        output, _ = running.communicate(timeout=60)
        assert running.returncode != 0 and f"failed to reproduce '{stage}'" in output
    output = dvc(project, *command, **CHECKPOINTS)
    assert "resuming after epoch" in output
    references = git(project, "for-each-ref", "--sort=creatordate", "--format=%(refname)", "refs/exps").split()
    reference = [name for name in references if "/stash" not in name][-1]
    lock = yaml.safe_load(git(project, "show", f"{reference}:dvc.lock"))["stages"]

    # Undisturbed, with the same change made by hand.
    shrink(project, {section: {**CHANGES[section], "seed": 7} for section in SECTIONS.values()})
    for stage in stages:
        nursery.start(stage, project)
        assert nursery.wait() == 0
        found = next(out["md5"] for out in lock[stage]["outs"] if out["path"].endswith(".safetensors"))
        assert hashlib.md5((project / "models" / model_of(stage)).read_bytes()).hexdigest() == found
    git(project, "checkout", "--quiet", "params.yaml")


def process_that_trains(folder: Path, stage: str, dvc_process: subprocess.Popen) -> int:
    """Number of the stage's process, once it has saved a checkpoint."""
    began = time.time()
    for _ in range(12_000):
        with suppress(OSError, ValueError):
            for state in folder.glob(f".checkpoints/{stage}/*/state.pt"):
                if state.stat().st_mtime >= began:
                    return int(state.with_name("lock").read_text())
        assert dvc_process.poll() is None, dvc_process.communicate()[0]
        time.sleep(0.005)
    raise AssertionError("no checkpoint after two minutes")
