"""`dvc repro` with stages that do not need each other side by side: what `make repro` runs.

DVC reproduces one stage after the other, and leaves it to several of its processes to do more. That saves time where
each training has cores of its own, and costs much where it has not (docs/design.md, Training). What they make is the
same: a training has the threads that params.yaml gives it.
"""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Annotated

import typer

from facevae.app.parameters import check
from facevae.app.presets import leaves
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.machine import available_cores
from facevae.core.options import Device
from facevae.core.params import read_parameters
from facevae.nn.device import pick_device

# Each stage with those that it has to wait for.
Needs = Mapping[str, Set[str]]

PARAMS = Path("params.yaml")

# Stages also need memory and a disk.
_MOST_JOBS = 4

# Of DVC's lines those that say nothing about a stage: they would stand between the stages' own twenty times.
_SAID_BEFORE = ("> ", "Updating lock file", "To track the changes", "git add ", "To enable auto staging",
    "dvc config ", "Use `dvc push`")  # fmt: skip


def main(
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Stages at once. Not given: as many as have cores for their threads, up to 4; on a GPU 1."
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Check params.yaml and bring the pipeline up to date, like `dvc repro`, but with several stages at once.

    Input: dvc.yaml, params.yaml and all that the stages read.

    Output: what the stages write; their lines, each after the stage's name. Where stages run one at a time, DVC itself
    is started, with progress bars in a terminal.
    """
    check(PARAMS)
    os.environ["FACEVAE_DEVICE"] = device  # for the stages
    if jobs is None:
        jobs = usual_jobs(PARAMS) if pick_device(device).type == "cpu" else 1
    looked: set[str] = set()
    while jobs > 1 and not _is_chain(needs := outdated(looked)):
        ready = [stage for stage, needed in needs.items() if not needed]
        if len(ready) > 1:
            side_by_side(needs, jobs, _Output(needs).reproduce)
            return
        # One stage before all others: what they have to do depends on what it makes.
        _dvc_repro("--single-item", *ready)
        looked.update(ready)
    if not looked:
        _dvc_repro()
    elif needs:  # dvc repro would look outside once more
        side_by_side(needs, jobs, _Output(needs).reproduce)
    else:
        print("Data and pipelines are up to date.")


def outdated(looked: Set[str] = frozenset()) -> Needs:
    """The stages that DVC finds changed, and all that come after them; of what they need only those among them.

    Not those of `looked`, which have just run: one that looks outside of the project is never found unchanged. None
    where DVC can't say; `dvc repro` will tell why.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            # An edge leads from a stage to one that it needs.
            needs = {
                stage.addressing: {needed.addressing for needed in edges}
                for stage, edges in repo.index.graph.adjacency()
            }
            changed = (repo.status().keys() & needs.keys()) - looked
    except DvcException:
        return {}
    found = changed.union(*(_that_wait_for(stage, needs) for stage in changed))
    # A stage between two of them is one of them: it comes after the first.
    return {stage: needed & found for stage, needed in needs.items() if stage in found}


def usual_jobs(params: Path) -> int:
    """How many stages run at once on this processor if nobody says so: each has cores for the threads it may have."""
    threads = max(value for key, value in leaves(read_parameters(params)) if key.endswith(".threads"))
    return min(max(1, available_cores() // threads), _MOST_JOBS)


def side_by_side(needs: Needs, jobs: int, reproduce: Callable[[str], int]) -> None:
    """Call `reproduce` for each stage, in a thread, once it has returned 0 for all that the stage needs.

    `jobs` at once; first those that most others wait for. After a failure none is begun, and those that run are
    waited for. Raises FacevaeError, with the stages that failed.
    """
    waiting = {stage: len(_that_wait_for(stage, needs)) for stage in needs}
    sorter: TopologicalSorter[str] = TopologicalSorter(needs)
    sorter.prepare()
    ready: list[str] = []
    running: dict[Future[int], str] = {}
    failed: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        while True:
            ready = sorted([*ready, *sorter.get_ready()], key=lambda stage: (-waiting[stage], stage))
            while ready and len(running) < jobs and not failed:
                stage = ready.pop(0)
                running[pool.submit(reproduce, stage)] = stage
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                stage = running.pop(future)
                if future.result() == 0:
                    sorter.done(stage)
                    continue
                failed.append(stage)
                if running:
                    rest = ", ".join(sorted(running.values()))
                    advice = "Ctrl-C stops it; a training goes on next time"
                    print(f"{stage} failed. Still running: {rest}. {advice}.", flush=True)
    if failed:
        where, fix = f"stage {', '.join(failed)}", "its lines above say what to do; all that was made before is kept"
        raise FacevaeError(where=where, expected="an end without an error", found="one", fix=fix)


def _is_chain(needs: Needs) -> bool:
    """Whether there is one order only, or nothing."""
    sorter: TopologicalSorter[str] = TopologicalSorter(needs)
    sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        if len(ready) > 1:
            return False
        sorter.done(*ready)
    return True


def _that_wait_for(stage: str, needs: Needs) -> set[str]:
    """All that can't begin before the stage is done."""
    found: set[str] = set()
    latest = {stage}
    while latest:
        latest = {other for other, needed in needs.items() if needed & latest} - found
        found |= latest
    return found


def _dvc_repro(*arguments: str) -> None:
    with subprocess.Popen(["dvc", "repro", *arguments]) as process:
        while process.poll() is None:
            # The terminal has told DVC and the stage too, which takes the time to keep what it has.
            with suppress(KeyboardInterrupt):
                process.wait()
    if process.returncode:
        raise typer.Exit(process.returncode)


class _Output:
    """Where the stages' lines go."""

    def __init__(self, needs: Needs) -> None:
        self._width = max(map(len, needs))
        self._lock = threading.Lock()

    def reproduce(self, stage: str) -> int:
        """Run a stage in a `dvc` of its own, and show what it says; the exit code."""
        begin = time.monotonic()
        # DVC holds its lock while it looks at files, not while a stage runs.
        words = ["dvc", "--wait-for-lock", "repro", "--single-item", stage]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(words, encoding="utf-8", errors="replace", **pipes) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip() and not line.strip().startswith(_SAID_BEFORE):
                    self._show(stage, line.rstrip())
        self._show(stage, f"{'failed' if process.returncode else 'done'} after {time.monotonic() - begin:.0f} s")
        return process.returncode

    def _show(self, stage: str, line: str) -> None:
        with self._lock:
            print(f"{stage:<{self._width}} | {line}", flush=True)


if __name__ == "__main__":
    run(main)
