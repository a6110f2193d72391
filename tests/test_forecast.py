"""What is said of a training's time and memory, by its first steps."""

import pytest
import torch

from facevae.training.loop import forecast
from facevae.training.loop.forecast import Forecast, peak_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(("seconds_a_step", "said"), [(0.5, 1), (0.059, 0)])
def test_long_trainings_are_forecast_once(monkeypatch, seconds_a_step, said):
    """1,000 steps of half a second, after three that took longer: 500 s. Below a minute nothing is said."""
    lines, now = [], [0.0]
    monkeypatch.setattr(forecast.time, "perf_counter", lambda: now[0])
    told = Forecast(1000, CPU, lines.append)
    for step in range(40):
        now[0] += 20 if step < 3 else seconds_a_step
        told.step()
    assert len(lines) == said
    if said:
        assert lines[0].startswith("about 0:08:20 for 1,000 steps, by the first 13; memory so far ")


def test_memory_is_in_bytes():
    before = peak_memory(CPU)
    held = torch.ones(50_000_000)
    assert peak_memory(CPU) >= before and 50e6 < peak_memory(CPU) < 1e12 and held[0] == 1
