"""What a machine computes with."""

import pytest
import torch
from raw_data import one_line

from facevae.nn.device import describe, pick_device, prepare

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu0", "hpu"])
def test_a_device_that_is_not_there(name):
    with one_line("device", name, "auto, cpu") as caught:
        pick_device(name)
    assert len(str(caught.value)) < 220, "and not the two dozen kinds of device that PyTorch has heard of"


def test_devices_that_are_there():
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_gpu_has_its_number(monkeypatch):
    """A thread that copies batches to "cuda" is told which one by number: training on a GPU failed without."""
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    assert pick_device("cuda") == torch.device("cuda:1")
    assert pick_device("cuda:0") == torch.device("cuda:0")


def test_a_process_of_torchrun_takes_the_gpu_of_its_number(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert pick_device("cpu") == CPU
    if torch.cuda.device_count() < 4:
        with one_line("device", "cuda:3"):
            pick_device("cuda")


def test_deterministic_and_without_the_cost_of_filling_memory():
    try:
        prepare(CPU)
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.utils.deterministic.fill_uninitialized_memory
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("threads", "words"), [(1, "cpu with 1 thread"), (2, "cpu with 2 threads")])
def test_in_words(monkeypatch, threads, words):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert describe(CPU) == words
