"""Learning rates and optimizers at steps computed by hand."""

import math

import pytest
import torch
from model_data import TRAINING
from torch import nn

from facevae.training.loop.optimizer import learning_rate_at, make_average, make_optimizer
from facevae.training.loop.settings import TrainingSettings


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


def test_halving_changes_with_the_epoch_alone():
    found = rates([0, 9, 10, 19, 20, 49], schedule="halving")
    assert found == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025, 0.1 / 16])


def test_halving_counts_the_warmups_epochs():
    found = rates([0, 3, 4, 9, 10], schedule="halving", warmup_epochs=0.4)
    assert found == pytest.approx([0.02, 0.08, 0.1, 0.1, 0.05])
    found = rates([0, 14, 15, 19, 20], schedule="halving", warmup_epochs=1.5)
    assert found == pytest.approx([0.1 / 16, 0.1 * 15 / 16, 0.05, 0.05, 0.025])


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


def averaged(weights, decay):
    """The average of weight and buffer after each step, of a model whose weight takes these values and ends as it was.

    The buffer is ten times the weight.
    """
    model = nn.Linear(1, 1, bias=False)
    model.register_buffer("seen", torch.tensor(0.0))
    average, found = make_average(model, decay), []
    for weight in weights:
        nn.init.constant_(model.weight, weight)
        model.seen.fill_(10 * weight)
        average.update_parameters(model)
        found.append([average.module.weight.item(), average.module.seen.item()])
        assert model.weight.item() == weight
    return found


def test_the_average_by_hand():
    # The first as it is; then 2/11, 3/12 and 4/13 of the old, as long as that is no more than the decay.
    found = averaged([5, 16, 6, 21], 0.999)
    assert found == [pytest.approx([value, 10 * value]) for value in (5, 14, 8, 17)]
    found = averaged([5, 16, 6, 16], 0.2)
    assert found == [pytest.approx([value, 10 * value]) for value in (5, 14, 0.2 * 14 + 0.8 * 6, 14.32)]
    assert averaged([5, 16, 6], 0.0) == [[5, 50], [16, 160], [6, 60]]


def test_after_many_steps_the_average_decays_as_asked():
    # 8.9 / 9.9: from the 80th step on less than 0.9 would be kept without the bound.
    before, after = averaged([0.0] * 100 + [1.0], 0.9)[-2:]
    assert before == [0, 0] and after == pytest.approx([0.1, 1.0])


def test_the_average_has_no_gradient_and_weights_of_its_own():
    model = nn.Linear(2, 1)
    average = make_average(model, 0.9)
    assert not any(weight.requires_grad for weight in average.parameters())
    assert all(weight.requires_grad for weight in model.parameters())
    average.update_parameters(model)
    assert all(weight.grad_fn is None for weight in average.parameters())
    nn.init.constant_(model.weight, 7.0)
    assert 7 not in average.module.weight


@pytest.mark.parametrize(
    "changes",
    [
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"epochs": 0},
        {"batch_size": 0},
        {"optimizer": "sgd"},
        {"seed": -1},
        {"schedule": "step"},
        {"ema": 1.0},
        {"ema": -0.1},
        {"gradient_clip": 0.0},
    ],
)
def test_settings_out_of_range(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        settings(**changes)
