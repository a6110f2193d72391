"""The memory of an interrupted training: whole, locked, found again, gone at the end."""

import errno
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest
import torch
from raw_data import one_line

from facevae.training.loop import checkpoint
from facevae.training.loop.checkpoint import Checkpoint, CheckpointFile, checkpoint_folder, remove_abandoned, unpack


def state(value=1.0):
    history = [{"epoch": 1, "learning_rate": 0.1, "train_loss": 1 / 3}]
    return {"tensors": tensors(value), "history": history, "step": 2, "best": None}


def tensors(value=1.0):
    return {
        "weight": torch.full((4, 3, 3, 3), value).to(memory_format=torch.channels_last),
        "count": torch.tensor(value, dtype=torch.float64),
        "half": torch.full((3,), value, dtype=torch.bfloat16),
    }


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[name], other[name]) and one[name].dtype == other[name].dtype for name in one
    )


def test_what_is_saved_is_read(tmp_path):
    kept = CheckpointFile(tmp_path / "c", "state")
    assert kept.read() == (None, [])
    for value in (1.0, 2.0):
        assert kept.save(state(value)) is None
    content, lines = kept.read()
    found = unpack(content)
    assert same(found.pop("tensors"), tensors(2.0)) and not lines
    assert found == {name: value for name, value in state().items() if name != "tensors"}
    assert sorted(os.listdir(tmp_path / "c")) == ["state.previous.pt", "state.pt"]
    kept.delete()
    kept.delete()
    assert kept.read() == (None, [])


def cut(content):
    return content[:-1]


def one_bit(content):
    """As a disk that lies: the right length and another content."""
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


def zeros(content):
    """As after a power cut: the length was written, the content was not."""
    return bytes(len(content))


@pytest.mark.parametrize("damage", [cut, one_bit, zeros, lambda _: b"", lambda _: b"nonsense"])
def test_damage_is_noticed_and_the_one_before_taken(tmp_path, damage):
    kept = CheckpointFile(tmp_path, "state")
    for value in (1.0, 2.0):
        kept.save(state(value))
    kept.file.write_bytes(damage(kept.file.read_bytes()))
    content, (line,) = kept.read()
    assert same(unpack(content)["tensors"], tensors(1.0)) and f"{kept.file} is damaged" in line and "\n" not in line
    kept.previous.write_bytes(damage(kept.previous.read_bytes()))
    content, lines = kept.read()
    assert content is None and len(lines) == 2


def test_killed_between_the_two_renames(tmp_path):
    kept = CheckpointFile(tmp_path, "state")
    kept.save(state())
    os.replace(kept.file, kept.previous)
    content, lines = kept.read()
    assert same(unpack(content)["tensors"], tensors()) and not lines


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_full_disk_keeps_the_last_good_one(tmp_path, monkeypatch, when):
    kept = CheckpointFile(tmp_path, "state")
    kept.save(state(1.0))

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, when, full)
        trouble = kept.save(state(2.0))
    assert "No space left on device" in trouble and "the one before stays" in trouble and "\n" not in trouble
    assert same(unpack(kept.read()[0])["tensors"], tensors(1.0))
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    assert kept.save(state(2.0)) is None


def test_a_folder_that_went_away_is_made_again(tmp_path):
    kept = CheckpointFile(tmp_path / "c", "state")
    kept.save(state(1.0))
    shutil.rmtree(tmp_path / "c")
    assert kept.save(state(2.0)) is None
    assert same(unpack(kept.read()[0])["tensors"], tensors(2.0))


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "c").write_text("a file stands here")
    assert "checkpoint not written, there is none yet" in CheckpointFile(tmp_path / "c", "state").save(state())


def test_the_folder_stays_with_a_checkpoint_and_goes_without(tmp_path):
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint.file("state").save(state())
        checkpoint.file("features").save(state())
        (tmp_path / "c/.state.pt.tmp").write_bytes(b"half")
        assert checkpoint.lock.exists()
        started = checkpoint.started()
    assert sorted(os.listdir(tmp_path / "c")) == [".state.pt.tmp", "features.pt", "started", "state.pt"]
    with Checkpoint(tmp_path / "c") as checkpoint:
        assert checkpoint.started() == started
        checkpoint.delete()
        checkpoint.delete()
    assert not (tmp_path / "c").exists()


def test_a_living_process_of_its_own_is_refused(tmp_path):
    code = (
        "import sys, pathlib; from facevae.training.loop.checkpoint import Checkpoint\n"
        f"with Checkpoint(pathlib.Path({str(tmp_path)!r})): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    ) as other:
        assert other.stdout.readline() == "held\n"
        with one_line(f"process {other.pid}"), Checkpoint(tmp_path):
            pass
        other.kill()
        other.wait()
    # It was killed and left its file; that is no reason to refuse, whichever process has its number now.
    (tmp_path / "lock").write_text(str(os.getppid()))
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
    monkeypatch.setattr(checkpoint, "__file__", str(copy))
    others.append(checkpoint_folder("train_x", {"rate": 0.1, "size": 1}, ["a"]))
    assert len({folder, *others}) == 4
    monkeypatch.delenv("DVC_ROOT")
    assert not checkpoint_folder("train_x").is_absolute()


def test_what_was_given_up_is_removed_after_four_weeks(tmp_path):
    week, folders = 7 * 24 * 3600, {}
    for name, weeks in (("train_vae/old", 5), ("train_dae/held", 5), ("train_vae/recent", 3)):
        folders[name] = tmp_path / name
        CheckpointFile(folders[name], "state").save(state())
        for path in (*folders[name].iterdir(), folders[name]):
            os.utime(path, (time.time() - weeks * week,) * 2)
    held = os.open(folders["train_dae/held"] / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    os.utime(folders["train_dae/held"] / "lock", (time.time() - 5 * week,) * 2)
    os.utime(folders["train_dae/held"], (time.time() - 5 * week,) * 2)
    assert remove_abandoned(tmp_path) == [folders["train_vae/old"]]
    assert {name for name, folder in folders.items() if folder.exists()} == {"train_dae/held", "train_vae/recent"}
    assert (
        CheckpointFile(folders["train_dae/held"], "state").read()[0]
        and CheckpointFile(folders["train_vae/recent"], "state").read()[0]
    )
    os.close(held)


def test_a_folder_without_checkpoints_has_none_to_remove(tmp_path):
    assert remove_abandoned(tmp_path / "nowhere") == []


def test_a_start_that_came_to_nothing_leaves_nothing(tmp_path):
    with Checkpoint(tmp_path / "0123456789abcdef") as checkpoint:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_0123", checkpoint.started())
    assert not list(tmp_path.iterdir())


def test_a_state_that_runs_code_is_refused(tmp_path):
    kept = CheckpointFile(tmp_path, "state")
    kept.save({"history": pathlib.PurePosixPath("a")})
    content, (line,) = kept.read()
    assert content is None and "is damaged" in line and "can't read it" in line
