"""The memory of an interrupted training: whole, locked, found again, gone at the end."""

import os
import subprocess
import sys

import pytest
import torch
from raw_data import one_line
from torch import nn

from facevae import checkpoints
from facevae.checkpoints import Checkpoint, checkpoint_folder

HISTORY = [{"epoch": 1, "learning_rate": 0.1, "train_loss": 1 / 3}]


def trained(kind=torch.optim.AdamW, steps=3):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 1)).to(memory_format=torch.channels_last)
    model.register_buffer("seen", torch.tensor(0.0))
    optimizer = kind(model.parameters(), lr=0.1)
    step(model, optimizer, steps)
    return model, optimizer


def step(model, optimizer, steps):
    for number in range(steps):
        x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(number))
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        model.seen += 1


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_training_goes_on_in_the_same_bits(tmp_path, kind):
    model, optimizer = trained(kind)
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint.save(model, optimizer, HISTORY)
    again, its_optimizer = trained(kind, steps=0)
    with Checkpoint(tmp_path / "c") as checkpoint:
        assert checkpoint.load(again, its_optimizer) == HISTORY
    step(model, optimizer, 3)
    step(again, its_optimizer, 3)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert again.seen == 6


def test_no_checkpoint_is_an_empty_history(tmp_path):
    model, optimizer = trained()
    with Checkpoint(tmp_path / "c") as checkpoint:
        assert checkpoint.load(model, optimizer) == []


def test_the_folder_stays_with_a_checkpoint_and_goes_without(tmp_path):
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint.save(*trained(), HISTORY)
        assert checkpoint.lock.exists()
    assert os.listdir(tmp_path / "c") == ["state.safetensors"]
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint.delete()
        checkpoint.delete()
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_a_damaged_checkpoint(tmp_path, content):
    model, optimizer = trained()
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint.save(model, optimizer, HISTORY)
        checkpoint.file.write_bytes(checkpoint.file.read_bytes()[:-1] if content is None else content)
        with one_line(checkpoint.file, "a whole checkpoint", f"delete {tmp_path / 'c'}"):
            checkpoint.load(model, optimizer)


def test_one_training_at_a_time(tmp_path):
    (tmp_path / "lock").write_text(str(os.getppid()))
    with one_line(tmp_path / "lock", f"process {os.getppid()}", "no other training"), Checkpoint(tmp_path):
        pass
    assert (tmp_path / "lock").read_text() == str(os.getppid())


def test_a_living_process_of_its_own_is_refused(tmp_path):
    code = (
        "import sys, pathlib; from facevae.checkpoints import Checkpoint\n"
        f"with Checkpoint(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with one_line(f"process {other.pid}"), Checkpoint(tmp_path):
            pass
        other.kill()
        other.wait()
    # It was killed and left its lock; that is no reason to refuse.
    assert (tmp_path / "lock").exists()
    with Checkpoint(tmp_path) as checkpoint:
        assert checkpoint.lock.read_text() == str(os.getpid())


@pytest.mark.parametrize("content", ["", "not a number"])
def test_a_lock_without_an_owner_is_taken_over(tmp_path, content):
    (tmp_path / "lock").write_text(content)
    with Checkpoint(tmp_path) as checkpoint:
        assert checkpoint.lock.read_text() == str(os.getpid())


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), Checkpoint(tmp_path / "c"):
        raise RuntimeError
    assert not (tmp_path / "c").exists()


def test_the_folder_depends_on_settings_and_code(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = checkpoint_folder("train_x", {"rate": 0.1, "size": 1}, ["a"])
    assert folder.parent == tmp_path / ".checkpoints/train_x"
    assert folder == checkpoint_folder("train_x", {"size": 1, "rate": 0.1}, ["a"])
    others = [
        checkpoint_folder("train_x", {"rate": 0.2, "size": 1}, ["a"]),
        checkpoint_folder("train_x", {"rate": 0.1, "size": 1}, ["b"]),
    ]
    copy = tmp_path / "checkpoints.py"
    copy.write_text("# other code\n")
    monkeypatch.setattr(checkpoints, "__file__", str(copy))
    others.append(checkpoint_folder("train_x", {"rate": 0.1, "size": 1}, ["a"]))
    assert len({folder, *others}) == 4
    monkeypatch.delenv("DVC_ROOT")
    assert not checkpoint_folder("train_x").is_absolute()
