"""A step's random numbers and means: the same for any number of processes."""

import pytest
import torch

from facevae.training.loop.distributed import Processes
from facevae.training.loop.step import StepContext, generator_for


def test_random_numbers_are_keyed():
    draws = [torch.rand(4, generator=generator_for(*key)) for key in ((0, 1, 2), (0, 2, 1), (1, 1, 2), (0, 1, 2))]
    assert torch.equal(draws[0], draws[3])
    assert len({tuple(draw.tolist()) for draw in draws}) == 3


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_processes_draw_the_numbers_of_their_rows(count):
    def draw(step):
        return step.rand(), step.randn(2, 3), step.randint(1000)

    whole = draw(StepContext(0.0, (1, 2, 3), 10))
    assert [tuple(part.shape) for part in whole] == [(10,), (10, 2, 3), (10,)]
    shares = [Processes(rank, count).share(10) for rank in range(count)]
    parts = [draw(StepContext(0.0, (1, 2, 3), 10, rows=share)) for share in shares]
    for expected, found in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(torch.cat(found), expected)


def test_validation_draws_nothing():
    assert StepContext(0.0, (0, 0, 0), 4).training and not StepContext(0.0, None, 4).training


def test_the_mean_has_no_gradient_and_leaves_out_what_does_not_count():
    values = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    assert (
        StepContext(0.0, (0, 0, 0), 3).mean(values) == 3
        and not StepContext(0.0, (0, 0, 0), 3).mean(values).requires_grad
    )
    # Of a batch of six, three rows are here, of which two count.
    assert StepContext(0.0, (0, 0, 0), 6, rows=slice(0, 3), counted=2).mean(values) == 3 / 6


def test_the_mean_of_each_column():
    values = torch.tensor([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]], requires_grad=True)
    found = StepContext(0.0, (0, 0, 0), 3).mean(values)
    assert found.tolist() == [3, 30] and not found.requires_grad
    assert StepContext(0.0, (0, 0, 0), 6, rows=slice(0, 3), counted=2).mean(values).tolist() == [3 / 6, 30 / 6]
    assert StepContext(0.0, (0, 0, 0), 3).mean(values[:, :, None].expand(3, 2, 4)).shape == (2, 4)


def test_networks_compute_in_the_steps_precision():
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    for precision in (torch.float32, torch.bfloat16):
        with StepContext(0.0, None, 1, precision=precision).autocast():
            assert layer(x).dtype == precision
    assert layer(x).dtype == torch.float32
