"""The training loop: what it counts, what it refuses, and that stopping changes nothing."""

import itertools

import numpy as np
import pytest
import torch
from model_data import TRAINING
from raw_data import one_line
from torch import nn

from facevae.checkpoints import Checkpoint
from facevae.logs import RunLog
from facevae.optimization import TrainingSettings
from facevae.runs import pick_device
from facevae.training import evaluate, fit, generator_for

CPU = torch.device("cpu")
ROWS = np.arange(11, dtype=np.float32)[:, None]
NONE = (ROWS[:0],)


def settings(**changes):
    return TrainingSettings.model_validate(TRAINING | {"batch_size": 4, "epochs": 3} | changes)


def network():
    torch.manual_seed(0)
    return nn.Linear(1, 1)


class Recorded:
    """Terms of a line through the rows, and what was asked for."""

    def __init__(self):
        self.rows, self.epochs, self.training = [], [], []

    def __call__(self, model, batch, epoch, generator):
        self.rows.append(batch[0].flatten().tolist())
        self.epochs.append(epoch)
        self.training.append((model.training, generator is not None))
        return {"loss": (model(batch[0]) - 2).square().flatten(), "row_number": batch[0].flatten()}


def train(terms, rows=(ROWS,), valid=NONE, model=None, log=None, checkpoint=None, **changes):
    log = log or RunLog(None)
    model = model or network()
    return model, fit(model, terms, rows, valid, settings(**changes), device=CPU, log=log, checkpoint=checkpoint)


def test_every_row_once_per_epoch_in_another_order():
    terms = Recorded()
    train(terms)
    assert [len(rows) for rows in terms.rows] == [4, 4, 3] * 3
    epochs = [list(itertools.chain(*terms.rows[start : start + 3])) for start in (0, 3, 6)]
    assert all(sorted(rows) == list(range(11)) for rows in epochs)
    assert len({tuple(rows) for rows in epochs}) == 3
    again, other = Recorded(), Recorded()
    train(again)
    train(other, seed=1)
    assert again.rows == terms.rows != other.rows


def test_the_epoch_that_terms_are_told():
    terms = Recorded()
    train(terms, valid=(ROWS[:5],), epochs=2)
    steps = [0, 1 / 3, 2 / 3]
    assert terms.epochs == pytest.approx([*steps, 1, 1, *(1 + step for step in steps), 2, 2])
    assert terms.training == ([(True, True)] * 3 + [(False, False)] * 2) * 2


def test_the_last_smaller_batch_weighs_right():
    _, history = train(Recorded(), valid=(ROWS[:5] + 100,))
    assert [(row["train_row_number"], row["valid_row_number"]) for row in history] == [(5.0, 102.0)] * 3
    assert [row["epoch"] for row in history] == [1, 2, 3]


def test_evaluation_does_not_depend_on_the_batch():
    model = network()
    found = [evaluate(model, Recorded(), (ROWS,), size, device=CPU, epoch=1) for size in (1, 3, 11, 64)]
    expected = (model(torch.from_numpy(ROWS)) - 2).square().mean().item()
    assert all(row == {"loss": pytest.approx(expected), "row_number": 5.0} for row in found)


def test_no_valid_rows_no_valid_columns():
    _, history = train(Recorded())
    assert list(history[0]) == ["epoch", "learning_rate", "train_loss", "train_row_number"]
    _, history = train(Recorded(), valid=(ROWS,))
    assert list(history[0])[4:] == ["valid_loss", "valid_row_number"]


def test_rows_stay_together():
    pairs = []

    def terms(model, batch, epoch, generator):
        pairs.extend(zip(batch[0].flatten().tolist(), batch[1].tolist(), strict=True))
        return {"loss": model(batch[0]).flatten()}

    train(terms, rows=(ROWS, np.arange(11) * 10), epochs=1)
    assert sorted(pairs) == [(row, row * 10) for row in range(11)]


def test_the_learning_rate_is_the_schedules():
    _, history = train(Recorded(), schedule="cosine", learning_rate=0.1, epochs=2)
    # The last of 3 steps of 6, and the last of all.
    assert [row["learning_rate"] for row in history] == pytest.approx([0.1 * 0.75, 0.1 * 0.0669873])


def test_the_loss_falls_to_nothing():
    _, history = train(Recorded(), epochs=150, learning_rate=0.05)
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 1000


def test_random_numbers_are_keyed():
    draws = [torch.rand(4, generator=generator_for(*key)) for key in ((0, 1, 2), (0, 2, 1), (1, 1, 2), (0, 1, 2))]
    assert torch.equal(draws[0], draws[3])
    assert len({tuple(draw.tolist()) for draw in draws}) == 3


def test_every_step_draws_its_own_numbers():
    seeds = []

    def terms(model, batch, epoch, generator):
        seeds.append(generator.initial_seed())
        return {"loss": model(batch[0]).flatten()}

    train(terms)
    train(terms, seed=1)
    assert len(set(seeds)) == len(seeds) == 2 * 3 * 3
    train(terms)
    assert seeds[18:] == seeds[:9]


def noisy_terms(model, batch, epoch, generator):
    """Terms that draw, on images that a convolution sees."""
    x = batch[0].view(-1, 1, 1, 1).expand(-1, 3, 4, 4) / 11
    if generator is not None:
        x = x + torch.randn(x.shape, generator=generator)
    return {"loss": model(x).square().flatten(1).mean(1)}


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 3, 2))


class Stop(Exception):
    pass


class Interrupted(RunLog):
    """A log at whose `last` epoch the machine goes down."""

    def __init__(self, last):
        super().__init__(None)
        self.last, self.lines = last, []

    def line(self, text):
        self.lines.append(text)

    def epoch(self, row, *_):
        if row["epoch"] == self.last:
            raise Stop


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_an_interrupted_training_ends_in_the_same_bits(tmp_path, optimizer):
    changes = {"optimizer": optimizer, "schedule": "cosine", "weight_decay": 0.1, "valid": (ROWS[:3],)}
    undisturbed, history = train(noisy_terms, model=convolutions(), **changes)

    for last in (2, 3, 1):  # after one epoch, after two, and then never again
        log = Interrupted(last)
        with Checkpoint(tmp_path / "c") as checkpoint:
            if last == 1:
                resumed, found = train(noisy_terms, model=convolutions(), checkpoint=checkpoint, **changes)
            else:
                with pytest.raises(Stop):
                    train(noisy_terms, model=convolutions(), log=log, checkpoint=checkpoint, **changes)
        assert log.lines == (["resuming after epoch 1 of 3"] if last == 3 else [])
    assert found == history
    assert all(torch.equal(a, b) for a, b in zip(undisturbed.parameters(), resumed.parameters(), strict=True))


def test_a_step_interrupted_in_the_middle_of_an_epoch(tmp_path):
    undisturbed, history = train(noisy_terms, model=convolutions())

    def breaks(model, batch, epoch, generator):
        if epoch > 1.5:
            raise Stop
        return noisy_terms(model, batch, epoch, generator)

    with Checkpoint(tmp_path / "c") as checkpoint:
        with pytest.raises(Stop):
            train(breaks, model=convolutions(), checkpoint=checkpoint)
        torch.rand(100)  # what else was drawn meanwhile is of no account
        resumed, found = train(noisy_terms, model=convolutions(), checkpoint=checkpoint)
    assert found == history
    assert all(torch.equal(a, b) for a, b in zip(undisturbed.parameters(), resumed.parameters(), strict=True))


def test_a_finished_training_is_not_trained_again(tmp_path):
    with Checkpoint(tmp_path / "c") as checkpoint:
        model, history = train(noisy_terms, model=convolutions(), checkpoint=checkpoint)
        again, found = train(None, model=convolutions(), checkpoint=checkpoint)
    assert found == history
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(value):
    model = network()

    def terms(model, batch, epoch, generator):
        loss = model(batch[0]).flatten()
        kl = torch.zeros(len(loss))
        kl[-1] = value if epoch > 1.5 else 0
        return {"loss": loss + kl, "mse": loss, "kl": kl}

    with one_line("epoch 2, step 3", "a finite loss", "kl not finite", "learning_rate (now 0.02)"):
        train(terms, model=model, learning_rate=0.02)
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_a_line_per_epoch(capsys):
    train(Recorded(), log=RunLog(None, "judge "), valid=(ROWS[:2],), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[1].startswith("judge epoch 2/2  train_loss ")
    assert "train_row_number 5" in lines[1] and "valid_row_number 0.5" in lines[1] and lines[1].endswith(" images/s")


def test_tensorboard_has_the_history(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = RunLog(tmp_path, "x ", lambda model: torch.zeros(3, 4, 4))
    _, history = train(Recorded(), log=log, valid=(ROWS[:2],), epochs=2)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert set(events.Tags()["scalars"]) == {
        "learning_rate",
        "loss/train",
        "loss/valid",
        "row_number/train",
        "row_number/valid",
    }
    assert [(event.step, event.value) for event in events.Scalars("loss/train")] == [
        (row["epoch"], pytest.approx(row["train_loss"])) for row in history
    ]
    assert events.Tags()["images"] == ["reconstructions"]


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu0"])
def test_a_device_that_is_not_there(name):
    with one_line("--device", name, "auto, cpu"):
        pick_device(name)


def test_devices_that_are_there():
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
