"""Several settings at once: experiments in DVC's queue, two workers that share them, and what is seen of them after."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from project_copy import ENVIRONMENT, copy_judged, dvc, git, leaves, stages_changed

WIDTHS = {"judge-1": 16, "judge-2": 24}  # by the name of the experiment; the committed run has 8
WRONG = {"judge-3": 12}  # not a multiple of 8: its training ends in one line


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A small pipeline, up to date and committed."""
    return copy_judged(tmp_path_factory)


@pytest.fixture(scope="module")
def queued(project) -> dict[str, str]:
    """Status of each experiment, by its name, after two workers have emptied the queue and ended."""
    widths = ",".join(str(width) for width in (WIDTHS | WRONG).values())
    dvc(project, "exp", "run", "--queue", "--name", "judge", "-S", f"train_judge.width={widths}")
    workers = start_workers(project)
    try:
        assert len(workers) == 2 and running(workers)
        wait_until(lambda: not running(workers), seconds=240, what="the workers to empty the queue and end")
    except BaseException:
        for group in workers:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        raise
    return dict(re.findall(r"^[0-9a-f]{7} +([\w-]+) .* (\w+)$", dvc(project, "queue", "status"), re.MULTILINE))


def start_workers(project: Path) -> set[int]:
    """The process group of each worker: its stages are in it. Of their number DVC leaves a file behind."""
    # Not by `dvc`, which reads what the command prints to its end: the workers keep that open for as long as they run.
    subprocess.run(
        ["dvc", "queue", "start", "--jobs", "2"], cwd=project, env=ENVIRONMENT, check=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    files = [project / f".dvc/tmp/exps/celery/dvc-exp-worker-{number}.pid" for number in (1, 2)]
    wait_until(lambda: all(file.exists() and file.stat().st_size for file in files), 30, what="two workers to start")
    return {os.getpgid(int(file.read_text(encoding="utf-8"))) for file in files}


def running(groups: set[int]) -> list[str]:
    """Command lines of the processes of these groups."""
    found = []
    for process in psutil.process_iter():
        # A process may end while it is looked at.
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) in groups and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
    return found


def wait_until(reached: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, f"waited {seconds} seconds for {what}"
        time.sleep(0.5)


def test_the_queue_is_emptied(queued):
    """A wrong setting fails by itself; the others succeed beside it."""
    assert queued == dict.fromkeys(WIDTHS, "Success") | dict.fromkeys(WRONG, "Failed")


def test_each_experiment_has_its_own_results(project, queued):
    (workspace, commits) = json.loads(dvc(project, "exp", "show", "--json"))
    results = {"committed": facts(workspace["data"])} | {
        experiment["name"]: facts(revision["data"])
        for experiment in commits["experiments"]
        for revision in experiment["revs"]
        if revision["data"] is not None
    }
    widths = {name: found["train_judge.width"] for name, found in results.items() if name not in WRONG}
    assert widths == WIDTHS | {"committed": 8}
    accuracies = [results[name]["judge.balanced_accuracy"] for name in widths]
    assert len(set(accuracies)) == len(accuracies), "three widths, three judges"


def facts(data: dict) -> dict[str, object]:
    """Parameters and metrics of a line of `dvc exp show`, by their dotted keys."""
    files = [*data["params"].values(), *data["metrics"].values()]
    return {key: value for file in files for key, value in leaves(file["data"])}


def test_a_failed_one_says_why(project, queued):
    printed = dvc(project, "queue", "logs", "judge-3")
    assert "error: params.yaml, train_judge.width: expected" in printed and "a multiple of 8, found 12" in printed
    assert "Traceback" not in printed


def test_the_workspace_is_left_alone(project, queued):
    assert not git(project, "status", "--porcelain")
    assert not stages_changed(project)


def test_an_experiment_can_be_taken_over(project, queued):
    dvc(project, "exp", "apply", "judge-2")
    assert not stages_changed(project), "its outputs are in the cache"
    assert "train_judge.width" in dvc(project, "params", "diff")
