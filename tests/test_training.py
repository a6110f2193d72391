"""The training loop: what it counts, what it refuses, and that stopping changes nothing."""

import errno
import itertools
import math
import os
import re
import shutil

import numpy as np
import pytest
import torch
from model_data import TRAINING
from raw_data import one_line
from torch import nn

from facevae.jobs import progress
from facevae.training.loop.batches import HostRows
from facevae.training.loop.checkpoint import Checkpoint
from facevae.training.loop.distributed import Processes
from facevae.training.loop.fit import evaluate, fit
from facevae.training.loop.log import RunLog
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings

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

    def __call__(self, model, batch, step):
        self.rows.append(batch[0].flatten().tolist())
        self.epochs.append(step.epoch)
        self.training.append((model.training, step.training))
        return {"loss": (model(batch[0]) - 2).square().flatten(), "row_number": batch[0].flatten()}


def train(terms, rows=(ROWS,), valid=NONE, model=None, log=None, checkpoint_file=None, observe=None, **changes):
    """A model and its history. With a checkpoint_file a checkpoint is saved after every step."""
    log, model = log or RunLog(None), model or network()
    run = Run(CPU, checkpoint_file=checkpoint_file, checkpoint_seconds=changes.pop("checkpoint_seconds", 0.0))
    section = "vae.classifier"
    return model, fit(model, terms, rows, valid, settings(**changes), run, log, section=section, observe=observe)


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
    found = [evaluate(model, Recorded(), HostRows((ROWS,), CPU), size, 1, Run(CPU)) for size in (1, 3, 11, 64)]
    expected = (model(torch.from_numpy(ROWS)) - 2).square().mean().item()
    assert all(row == {"loss": pytest.approx(expected), "row_number": 5.0} for row in found)


def test_validation_asks_the_other_processes_too():
    processes, asked = Processes(), []

    def terms(model, batch, step):
        asked.append(step.processes is processes)
        return {"loss": model(batch[0]).flatten()}

    evaluate(network(), terms, HostRows((ROWS,), CPU), 4, 1, Run(CPU, processes=processes))
    assert asked == [True] * 3


def test_no_valid_rows_no_valid_columns():
    _, history = train(Recorded())
    assert list(history[0]) == ["epoch", "learning_rate", "train_loss", "train_row_number"]
    _, history = train(Recorded(), valid=(ROWS,))
    assert list(history[0])[4:] == ["valid_loss", "valid_row_number"]


def test_rows_stay_together():
    pairs = []

    def terms(model, batch, step):
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


def test_every_step_draws_its_own_numbers():
    seeds = []

    def terms(model, batch, step):
        seeds.append(step.generator.initial_seed())
        return {"loss": model(batch[0]).flatten()}

    train(terms)
    train(terms, seed=1)
    assert len(set(seeds)) == len(seeds) == 2 * 3 * 3
    train(terms)
    assert seeds[18:] == seeds[:9]


def noisy_terms(model, batch, step):
    """Terms that draw, on images that a convolution sees."""
    x = batch[0].view(-1, 1, 1, 1).expand(-1, 3, 4, 4) / 11
    if step.training:
        x = x + step.randn(3, 4, 4)
    return {"loss": model(x).square().flatten(1).mean(1)}


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.SiLU(), nn.Conv2d(8, 3, 2))


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


class Stop(Exception):
    pass


class Lines(RunLog):
    """A log that keeps its lines."""

    def __init__(self):
        super().__init__(None)
        self.lines = []

    def line(self, text):
        self.lines.append(text)


def stopping_at(step):
    """Terms that draw, and a machine that goes down in the step of this number, counted over the run from 1."""
    count = itertools.count(1)

    def terms(model, batch, moment):
        if moment.training and next(count) == step:
            raise Stop
        return noisy_terms(model, batch, moment)

    return terms


@pytest.mark.parametrize(
    ("optimizer", "keep", "ema"),
    [
        *itertools.product(["adam", "adamw"], ["last", "best"], [None]),
        ("adamw", "last", 0.9),
        ("adam", "best", 0.2),
    ],
)
def test_a_training_interrupted_anywhere_ends_in_the_same_bits(tmp_path, optimizer, keep, ema):
    changes = {"optimizer": optimizer, "schedule": "cosine", "weight_decay": 0.1, "valid": (ROWS[:3],), "keep": keep}
    changes["ema"] = ema
    undisturbed, history = train(noisy_terms, model=convolutions(), **changes)
    # Three steps an epoch. Each try gets so far and then goes down: in the middle and at both ends of an epoch.
    for stop, resumed_at in ((2, None), (2, "0 of 3, step 1"), (3, "0 of 3, step 2"), (1, "1 of 3, step 1")):
        log, model = Lines(), convolutions()
        with Checkpoint(tmp_path / "c") as checkpoint, pytest.raises(Stop):
            train(stopping_at(stop), model=model, log=log, checkpoint_file=checkpoint.file("state"), **changes)
        torch.rand(100)  # what else was drawn meanwhile is of no account
        assert ("resuming after epoch" in log.lines[0]) == (resumed_at is not None)
        assert resumed_at is None or resumed_at in log.lines[0]
    with Checkpoint(tmp_path / "c") as checkpoint:
        resumed, found = train(noisy_terms, model=convolutions(), checkpoint_file=checkpoint.file("state"), **changes)
    assert found == history and same_weights(undisturbed, resumed)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_a_finished_training_is_not_trained_again(tmp_path, ema):
    with Checkpoint(tmp_path / "c") as checkpoint:
        model, history = train(noisy_terms, model=convolutions(), checkpoint_file=checkpoint.file("state"), ema=ema)
        again, found = train(None, model=convolutions(), checkpoint_file=checkpoint.file("state"), ema=ema)
    assert found == history and same_weights(model, again)


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    undisturbed, history = train(noisy_terms, model=convolutions())
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint_file = checkpoint.file("state")
        with pytest.raises(Stop):
            train(stopping_at(6), model=convolutions(), checkpoint_file=checkpoint_file)
        checkpoint_file.file.write_bytes(checkpoint_file.file.read_bytes()[:-1])
        log = Lines()
        resumed, found = train(noisy_terms, model=convolutions(), log=log, checkpoint_file=checkpoint_file)
    assert "state.pt is damaged" in log.lines[0] and "epoch 1 of 3, step 1" in log.lines[1]
    assert found == history and same_weights(undisturbed, resumed)


def test_a_disk_that_is_full_is_said_and_the_training_goes_on(tmp_path, monkeypatch):
    undisturbed, _ = train(noisy_terms, model=convolutions())

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Checkpoint(tmp_path / "c") as checkpoint:
        monkeypatch.setattr(os, "fsync", full)
        log = Lines()
        model, _ = train(noisy_terms, model=convolutions(), log=log, checkpoint_file=checkpoint.file("state"), epochs=3)
    assert [line for line in log.lines if "No space left on device" in line and "there is none yet" in line]
    assert same_weights(undisturbed, model)


def test_a_checkpoint_is_saved_when_it_is_due(tmp_path, monkeypatch):
    saves = []
    with Checkpoint(tmp_path / "c") as checkpoint:
        checkpoint_file = checkpoint.file("state")
        monkeypatch.setattr(checkpoint_file, "save", lambda state: saves.append((len(state["history"]), state["step"])))
        train(noisy_terms, model=convolutions(), checkpoint_file=checkpoint_file, checkpoint_seconds=1e9)
    assert saves == [(3, 0)]  # what follows the training may be interrupted too


def test_a_run_that_is_asked_to_stop_saves_and_says_so(tmp_path):
    undisturbed, history = train(noisy_terms, model=convolutions())
    with Checkpoint(tmp_path / "c") as checkpoint:
        run = Run(CPU, checkpoint_file=checkpoint.file("state"))

        def asked(model, batch, step):
            if step.epoch > 1:
                run.stopping.set()
            return noisy_terms(model, batch, step)

        with one_line("epoch 2, step 2", "a signal to stop", "it goes on from here"):
            fit(convolutions(), asked, (ROWS,), NONE, settings(), run, RunLog(None), section="dae")
        resumed, found = train(noisy_terms, model=convolutions(), checkpoint_file=run.checkpoint_file)
    assert found == history and same_weights(undisturbed, resumed)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite(value):
    model = network()

    def terms(model, batch, step):
        loss = model(batch[0]).flatten()
        kl = torch.zeros(len(loss))
        kl[-1] = value if step.epoch > 1.5 else 0
        return {"loss": loss + kl, "mse": loss, "kl": kl}

    with one_line("epoch 2, step 3", "finite losses", "kl not finite", "vae.classifier.learning_rate (now 0.02)"):
        train(terms, model=model, learning_rate=0.02)
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_a_gradient_that_is_not_finite_though_the_loss_is():
    model = network()

    def terms(model, batch, step):
        return {"loss": (model(batch[0]).flatten() * (0.0 if step.epoch > 0.3 else 1.0)).abs().sqrt()}

    with one_line("epoch 1, step 2", "gradient not finite", "lower vae.classifier.learning_rate"):
        train(terms, model=model)
    assert all(weight.isfinite().all() for weight in model.parameters())


def scripted(losses):
    """Terms whose validation loss is `losses`, epoch by epoch; training moves the weights all the same."""

    def terms(model, batch, step):
        loss = (model(batch[0]) - 2).square().flatten()
        return {"loss": loss if step.training else 0 * loss + losses[int(step.epoch) - 1]}

    return terms


def test_early_stopping():
    log = Lines()
    _, history = train(scripted([3, 2, 2, 2.5, 1]), valid=(ROWS,), epochs=5, patience=2, log=log)
    # The lowest loss came first in epoch 2; two epochs later none was lower.
    assert [row["valid_loss"] for row in history] == [3, 2, 2, 2.5]
    assert log.lines[-1] == "stopping early: no lower valid_loss for 2 epochs"


def test_the_best_epochs_weights_are_kept():
    two, _ = train(scripted([3, 2]), valid=(ROWS,), epochs=2)
    log = Lines()
    best, history = train(scripted([3, 2, 2, 4]), valid=(ROWS,), epochs=4, keep="best", log=log)
    last, _ = train(scripted([3, 2, 2, 4]), valid=(ROWS,), epochs=4)
    assert len(history) == 4 and log.lines[-1] == "keeping the weights after epoch 2"
    assert same_weights(best, two) and not same_weights(last, two)


@pytest.mark.parametrize(
    ("clip", "share"), [(None, 1), (20.3961, 1), (20.0, 20 / math.sqrt(416)), (0.25, 0.25 / math.sqrt(416))]
)
def test_a_gradient_that_is_too_long_is_shortened(monkeypatch, clip, share):
    def descent(model, settings):
        return torch.optim.SGD(model.parameters(), settings.learning_rate)

    monkeypatch.setattr("facevae.training.loop.fit.make_optimizer", descent)
    model = network()
    for weight in model.parameters():
        nn.init.zeros_(weight)
    train(line, model=model, gradient_clip=clip, learning_rate=0.01, epochs=1, batch_size=11)
    # Of (w x + b - 2)^2 at w = b = 0, with x from 0 to 10: -4 x and -4, on average -20 and -4.
    assert weights_of(model).tolist() == pytest.approx([0.2 * share, 0.04 * share], rel=1e-4)


def line(model, batch, step):
    """The terms of a line, whichever way the model is meant to be used."""
    assert model.training == step.training
    return {"loss": (model(batch[0]) - 2).square().flatten()}


def weights_of(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def averages(decay, **changes):
    """The running averages of the weights after each step of a training without them, by hand."""
    before = []

    def terms(model, batch, step):
        before.append(weights_of(model))
        return line(model, batch, step)

    model, _ = train(terms, **changes)
    first, *others = [*before[1:], weights_of(model)]
    found = [first]
    for step, weights in enumerate(others, start=1):
        share = min(decay, (1 + step) / (10 + step))
        found.append(share * found[-1] + (1 - share) * weights)
    return found


class Watched(RunLog):
    """A log that keeps the weights that it is shown."""

    def __init__(self):
        super().__init__(None)
        self.shown = []

    def epoch(self, row, epochs, rate, model):
        self.shown.append(weights_of(model))


def close(ones, others):
    return all(torch.allclose(one, other, atol=1e-6) for one, other in zip(ones, others, strict=True))


def test_with_ema_the_average_is_the_result_and_what_is_looked_at():
    expected = averages(0.3, learning_rate=0.1)
    after_epochs = expected[2::3]
    observed, log = [], Watched()
    model, history = train(
        line, valid=(ROWS[:5],), log=log, observe=lambda model, _: observed.append(weights_of(model)), ema=0.3,
        learning_rate=0.1,
    )  # fmt: skip
    assert close([weights_of(model)], after_epochs[-1:])
    assert close(observed, after_epochs) and close(log.shown, after_epochs)
    rows = torch.from_numpy(ROWS[:5])
    losses = [float((weight * rows + bias - 2).square().mean()) for weight, bias in after_epochs]
    assert [row["valid_loss"] for row in history] == pytest.approx(losses, rel=1e-5)


def test_ema_does_not_change_the_training():
    plain, history = train(Recorded())
    model, found = train(Recorded(), ema=0.99)
    assert found == history and not same_weights(model, plain)
    assert same_weights(train(Recorded(), ema=0.0)[0], plain)


def test_the_best_epochs_average_is_kept():
    model, _ = train(scripted([3, 2, 2, 4]), valid=(ROWS,), epochs=4, keep="best", ema=0.3, learning_rate=0.1)
    expected = averages(0.3, epochs=4, learning_rate=0.1)
    assert close([weights_of(model)], expected[5:6]) and not close([weights_of(model)], expected[-1:])


@pytest.mark.parametrize("changes", [{"keep": "best"}, {"patience": 1}])
def test_what_looks_at_the_validation_needs_one(changes):
    with one_line("vae.classifier", "validation images", "found none"):
        train(Recorded(), **changes)


def test_what_is_wrong_with_a_model_is_said_after_each_epoch():
    log = Lines()

    def observe(model, row):
        assert not model.training
        row["seen"] = 7.0
        return None if row["epoch"] == 2 else "it has collapsed"

    _, history = train(Recorded(), log=log, observe=observe, epochs=3)
    assert [row["seen"] for row in history] == [7.0] * 3
    assert log.lines.count("warning: it has collapsed") == 2


def test_the_choices_are_said_in_one_line():
    log = Lines()
    train(Recorded(), log=log, precision="bfloat16", threads=1)
    assert log.lines[0] == "on cpu with 1 thread, bfloat16; arrays read from disk, 11 images, 3 steps an epoch"


def test_compiled_and_not_are_the_same_but_for_rounding():
    """torch.compile needs a C++ compiler at run time."""
    if not shutil.which(os.environ.get("CXX", "g++")):
        pytest.skip("no C++ compiler on this machine")
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("without vector instructions PyTorch writes C++ that does not compile")
    plain, _ = train(Recorded(), epochs=1)
    log, model = Lines(), network()
    fit(model, Recorded(), (ROWS,), NONE, settings(epochs=1), Run(CPU, compile="on"), log, section="dae")
    assert "compiled" in log.lines[0]
    for one, other in zip(plain.parameters(), model.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_the_loop_waits_for_no_number(monkeypatch):
    """On a GPU reading a number waits for the device. Within an epoch, without a bar, none is read."""
    reads = []
    whole = torch.Tensor.__float__
    monkeypatch.setattr(torch.Tensor, "__float__", lambda tensor: reads.append(1) or whole(tensor))
    monkeypatch.setattr(torch.Tensor, "item", lambda tensor: pytest.fail("item() in the loop"))
    train(Recorded(), epochs=2)
    assert len(reads) == 2 * 2  # an epoch's means of two terms


def test_a_line_per_epoch(capsys):
    train(Recorded(), log=RunLog(None, "judge "), valid=(ROWS[:2],), epochs=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[2].startswith("judge epoch 2/2  train_loss ")
    assert "train_row_number 5" in lines[2] and "valid_row_number 0.5" in lines[2] and lines[2].endswith(" images/s")
    assert lines[1].endswith(" left")


def test_a_long_epoch_says_where_it_is(capsys, monkeypatch):
    """Without a terminal; a line per step where ten seconds are none."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    train(Recorded(), log=RunLog(None, "judge "), epochs=1)
    _, *lines, last = capsys.readouterr().out.splitlines()
    assert [re.sub(r"[\d.]+ (images/s|s left)", r"N \1", line).partition("  loss ")[0] for line in lines] == [
        "judge epoch 1/1: 1 of 3 steps, N images/s",
        "judge epoch 1/1: 2 of 3 steps, N images/s",
    ]
    assert all("row_number" in line and line.endswith(" s left") for line in lines) and "epoch 1/1  train_loss" in last


def test_tensorboard_has_the_history(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = RunLog(tmp_path, "x ", lambda model: torch.zeros(2, 5, 3, 4, 6), settings={"seed": 3})
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
    assert {(image.height, image.width) for image in events.Images("reconstructions")} == {(2 * 4, 5 * 6)}
    (parameters,) = events.Tensors("parameters/text_summary")
    assert parameters.tensor_proto.string_val == [b"    seed: 3\n"]
