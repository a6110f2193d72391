"""Several processes train one model: as one does it, each image once, one set of outputs, an end and not a hang."""

import csv
import os
import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from model_data import CLASSIFIER as FEATURES
from model_data import make_params, make_vae_arrays
from project_copy import ENVIRONMENT, ROOT
from raw_data import files_below

from facevae.nn.model_files import load_weights
from facevae.training.loop.distributed import ALONE, Processes

LEARNING_RATE = 1e-4  # Adam divides rounding errors by their own size: at high rates they grow in a few steps


@pytest.mark.parametrize("length", [0, 1, 2, 7, 16])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_shares_are_all_rows_once_and_even(length, count):
    shares = [Processes(rank, count).share(length) for rank in range(count)]
    assert [row for share in shares for row in range(length)[share]] == list(range(length))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_alone_nothing_is_asked_of_others():
    cpu, values = torch.device("cpu"), torch.tensor([1.0, 2.0])
    assert (
        ALONE.is_main and ALONE.sum(values) is values and ALONE.wrap_ddp(model := torch.nn.Linear(1, 1), cpu) is model
    )
    assert ALONE.all(flags := torch.tensor([True])) is flags
    assert ALONE.broadcast_flag(True, cpu) and ALONE.broadcast(b"x", cpu) == b"x" and ALONE.broadcast(None, cpu) is None


def project(folder, **vae):
    make_vae_arrays(folder / "data/vae/arrays")
    features = {**FEATURES, "learning_rate": LEARNING_RATE, "batch_size": 23}
    make_params(
        folder, vae={"learning_rate": LEARNING_RATE, "epochs": 3, "batch_size": 23, "classifier": features, **vae}
    )
    return folder


def command(processes):
    alone = ["python", "-m", "stages.train_vae"]  # by the quick python of nursery.py, as the launcher itself
    if processes == 1:
        return alone
    launcher = ["python", "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--no-python"]
    # A free port each time: tests run beside each other.
    return [*launcher, "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", *alone]


def train(folder, processes):
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command(processes), cwd=folder, env=environment, encoding="utf-8", capture_output=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    with open(folder / "results/train_vae/history.csv", encoding="utf-8", newline="") as file:
        return done.stdout, list(csv.DictReader(file))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A training by one process: its folder and its history."""
    folder = project(tmp_path_factory.mktemp("alone"))
    return folder, train(folder, 1)[1]


def test_the_same_curve_and_one_set_of_outputs(alone, tmp_path, processes=2):
    """Batches of 23 out of 24 rows: uneven shares, and a last batch of which one process has no row at all."""
    folder, expected = alone
    output, found = train(project(tmp_path), processes)
    assert f"{processes} processes" in output and output.count("vae epoch 3/3") == 1
    assert found[-1]["valid_loss"] != "" and len(found) == 3
    for row, its_row in zip(expected, found, strict=True):
        for name, value in row.items():
            assert float(its_row[name]) == pytest.approx(float(value), rel=1e-3, abs=1e-6), (row["epoch"], name)
    assert files_below(tmp_path / "models").keys() == files_below(folder / "models").keys() == {"vae.safetensors"}
    assert len(files_below(tmp_path / "logs")) == 1 and not files_below(tmp_path / ".checkpoints")
    weights, others = (load_weights(place / "models/vae.safetensors", "vae")[0] for place in (folder, tmp_path))
    assert all(torch.allclose(weights[name], others[name], atol=5e-3) for name in weights)


def test_a_killed_process_ends_the_run_with_a_line_and_the_next_run_goes_on(tmp_path, rank=1):
    folder = project(tmp_path, epochs=100_000)
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT), "FACEVAE_CHECKPOINT_SECONDS": "0.2"}
    running = subprocess.Popen(
        command(2), cwd=folder, env=environment, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for(lambda: list(folder.glob(".checkpoints/train_vae/*/state.pt")), running)
        os.kill(process_of_rank(rank, folder), signal.SIGKILL)
        output, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode != 0
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and f"process {1 - rank} of 2: expected all of them to run to the end" in lines[0]
    assert not files_below(folder / "models") and not files_below(folder / "results")

    running = subprocess.Popen(
        command(2), cwd=folder, env=environment, encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        for line in running.stdout:
            if re.search(r"vae resuming after epoch \d+ of 100000, step \d", line):
                break
        else:
            raise AssertionError("it did not go on")
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)


def wait_for(condition, process):
    for _ in range(12_000):
        if condition():
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError("not after two minutes")


def process_of_rank(rank, project):
    """Process number of a rank that trains in that folder, from its environment."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # not ours, or gone meanwhile
            ours = (folder / "cwd").readlink() == project
            if ours and f"RANK={rank}" in (folder / "environ").read_text().split("\0"):
                return int(folder.name)
    raise AssertionError(f"no process of rank {rank}")
