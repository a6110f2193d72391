"""All that the rest of a training depends on, through a checkpoint and back."""

import pytest
import torch
from model_data import TRAINING
from torch import nn

from facevae.training.loop.checkpoint import CheckpointFile, unpack
from facevae.training.loop.optimizer import make_average, make_optimizer
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.state import RunningMeans, TrainingState

CPU = torch.device("cpu")


def made(optimizer, steps, ema=None):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 1)).to(memory_format=torch.channels_last)
    model.register_buffer("seen", torch.tensor(0.0))
    settings = TrainingSettings.model_validate(TRAINING | {"optimizer": optimizer})
    average = None if ema is None else make_average(model, ema)
    state = TrainingState(model, make_optimizer(model, settings), average)
    for number in range(steps):
        step(state, number)
    return state


def step(state, number):
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(number))
    state.optimizer.zero_grad()
    state.model(x).square().mean().backward()
    state.optimizer.step()
    state.model.seen += 1
    if state.average is not None:
        state.average.update_parameters(state.model)


def same_tensors(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(first, second) for (a, first), (b, second) in pairs)


@pytest.mark.parametrize(("optimizer", "ema"), [("adam", None), ("adamw", None), ("adamw", 0.9)])
def test_training_goes_on_in_the_same_bits(tmp_path, optimizer, ema):
    state, kept = made(optimizer, 3, ema), CheckpointFile(tmp_path, "state")
    state.history, state.step = [{"epoch": 1, "valid_loss": 1 / 3}], 3
    state.means.add({"loss": torch.tensor([0.1, 0.2])})
    state.best = {"0.weight": torch.ones(4, 3, 3, 3)}
    kept.save(state.state_dict())
    again = made(optimizer, 0, ema)
    again.load_state_dict(unpack(kept.read()[0]), CPU)
    assert (again.history, again.step, again.means.means()) == (state.history, 3, state.means.means())
    assert torch.equal(again.best["0.weight"], torch.ones(4, 3, 3, 3))
    for number in (3, 4, 5):
        step(state, number)
        step(again, number)
    assert same_tensors(state.model, again.model) and same_tensors(state.result, again.result)
    assert again.model.seen == 6
    if ema is not None:
        assert again.average.n_averaged == 6 and not same_tensors(again.model, again.result)


def test_the_optimizers_state_is_laid_out_like_the_weights(tmp_path):
    """A fused optimizer reads both in the order of memory."""
    state, kept = made("adamw", 1, ema=0.9), CheckpointFile(tmp_path, "state")
    kept.save(state.state_dict())
    again = made("adamw", 0, ema=0.9)
    again.load_state_dict(unpack(kept.read()[0]), CPU)
    for weight, its_state in again.optimizer.state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            assert its_state[name].stride() == weight.stride()
    for model in (again.model, again.result):
        assert next(iter(model.parameters())).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("ema", [None, 0.9])
def test_the_best_epoch_is_the_first_of_the_lowest(ema):
    state = made("adam", 0, ema)
    kept = []
    for number, loss in enumerate([3.0, 1.0, 2.0, 1.0]):
        state.history.append({"valid_loss": loss})
        nn.init.constant_(state.model[2].bias, number if ema is None else -1)
        nn.init.constant_(state.result[2].bias, number)
        state.keep_best()
        kept.append((state.epochs_since_best(), state.best["2.bias"].item()))
    assert kept == [(0, 0), (0, 1), (1, 1), (2, 1)]


def test_means_weigh_each_image_once():
    means = RunningMeans()
    means.add({"loss": torch.tensor([1.0, 2.0, 3.0])})
    means.add({"loss": torch.tensor([10.0])})
    assert means.means() == {"loss": 4.0}
    means.clear()
    assert means.means() == {"loss": 0.0} and means.count == 0
