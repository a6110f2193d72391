"""What a machine computes with."""

import pytest
import torch
from raw_data import one_line

from facevae.nn.device import describe, pick_device, pick_precision, prepare

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "tpu0"])
def test_a_device_that_is_not_there(name):
    with one_line("--device", name, "auto, cpu"):
        pick_device(name)


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
        with one_line("--device", "cuda:3"):
            pick_device("cuda")


def test_a_forced_precision():
    assert pick_precision("float32", CPU) == torch.float32
    assert pick_precision("bfloat16", CPU) == torch.bfloat16


@pytest.mark.parametrize(
    ("amx", "limit", "expected"),
    [
        (True, "", torch.bfloat16),
        (True, "AVX512_CORE_AMX", torch.bfloat16),
        (True, "AVX512_CORE_BF16", torch.float32),
        (True, "avx2", torch.float32),
        (False, "", torch.float32),
        (False, "AVX512_CORE_AMX", torch.float32),
    ],
)
def test_bfloat16_where_the_processor_has_matrix_units(monkeypatch, amx, limit, expected):
    capabilities = {"avx512_bf16": True, "amx_bf16": amx}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    assert pick_precision("auto", CPU) == expected


def test_a_gpu_with_and_without_bfloat16(monkeypatch):
    for has_it, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has_it=has_it: has_it)
        assert pick_precision("auto", torch.device("cuda:0")) == expected


def test_an_older_pytorch_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_precision("auto", CPU) == torch.float32


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
