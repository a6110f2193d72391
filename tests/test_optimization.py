"""Learning rates and optimizers at steps computed by hand."""

import math

import pytest
import torch
from model_data import TRAINING
from torch import nn

from facevae.optimization import TrainingSettings, learning_rate_at, make_optimizer


def settings(**changes):
    return TrainingSettings.model_validate(TRAINING | {"learning_rate": 0.1, "epochs": 5} | changes)


def rates(steps, **changes):
    return [learning_rate_at(step, 10, settings(**changes)) for step in steps]


def test_constant():
    assert rates([0, 1, 30, 49]) == [0.1] * 4


def test_warmup_rises_linearly_and_reaches_the_rate():
    found = rates(range(6), warmup_epochs=0.4)
    assert found == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1])


def test_cosine_falls_to_zero():
    # 50 steps: the middle is half, the last stands one step before zero.
    found = rates([0, 25, 49, 50], schedule="cosine")
    assert found == pytest.approx([0.1, 0.05, 0.05 * (1 + math.cos(math.pi * 49 / 50)), 0])


def test_cosine_begins_after_the_warmup():
    found = rates([9, 10, 30, 50], schedule="cosine", warmup_epochs=1.0)
    assert found == pytest.approx([0.1 * 10 / 11, 0.1, 0.05, 0])


def test_warmup_longer_than_the_run():
    found = rates([0, 49], schedule="cosine", warmup_epochs=10.0)
    assert found == pytest.approx([0.1 / 101, 0.1 * 50 / 101])


def one_step(gradient, **changes):
    """The weight 2 after one step with this gradient."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimizer = make_optimizer(model, settings(**changes))
    model.weight.grad = torch.full((1, 1), gradient)
    optimizer.step()
    return model.weight.item()


def test_adams_first_step_is_the_learning_rate():
    assert one_step(123.0) == pytest.approx(1.9) and one_step(-1e-3) == pytest.approx(2.1)


def test_weight_decay():
    # AdamW shrinks by rate times decay; Adam takes the decay for a gradient and makes its step of it.
    assert one_step(0.0, optimizer="adamw", weight_decay=0.5) == pytest.approx(2 * (1 - 0.1 * 0.5))
    assert one_step(0.0, optimizer="adam", weight_decay=0.5) == pytest.approx(1.9)
    assert one_step(0.0) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"optimizer": "sgd"},
        {"seed": -1},
    ],
)
def test_settings_out_of_range(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        settings(**changes)
