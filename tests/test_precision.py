"""In which precision each network computes, on processors that are not there."""

import pytest
import torch
from model_data import PARAMS

from bench import precision as measured
from bench.rooms import ROOT
from facevae.nn.precision import bfloat16_units, choose_precision, pick_precision
from facevae.training.aligner import AlignerSettings
from facevae.training.classifier import ClassifierSettings
from facevae.training.dae import DaeSettings
from facevae.training.identity import IdentitySettings
from facevae.training.loop.run import Options, start_run
from facevae.training.vae import VaeSettings

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
AMX = {"amx_bf16": True, "avx512_bf16": True, "cpu_name": "Intel Xeon Platinum 8481C"}
EPYC = {"amx_bf16": False, "avx512_bf16": True, "cpu_name": "AMD EPYC 9B14"}
COOPER_LAKE = {"amx_bf16": False, "avx512_bf16": True, "cpu_name": "Intel Xeon Gold 6348H"}
AVX512 = {"amx_bf16": False, "avx512_bf16": False, "avx512_f": True, "cpu_name": "Intel Xeon Gold 6138"}
AVX2 = {"amx_bf16": False, "avx512_bf16": False, "avx2": True, "cpu_name": "AMD EPYC"}

SETTINGS = {
    "dae-unet": (DaeSettings, "dae", {"architecture": "unet"}),
    "dae-report": (DaeSettings, "dae", {"architecture": "report", "crop": None}),
    "vae-deep": (VaeSettings, "vae", {"architecture": "deep"}),
    "vae-report": (VaeSettings, "vae", {"architecture": "report"}),
    "classifier": (ClassifierSettings, "train_judge", {}),
    "identity": (IdentitySettings, "train_identity", {}),
    "aligner": (AlignerSettings, "train_aligner", {}),
}


def settings(network, precision="auto"):
    kind, section, changes = SETTINGS[network]
    return kind.model_validate(PARAMS[section] | changes | {"precision": precision})


def processor(monkeypatch, capabilities, limit=""):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)


@pytest.mark.parametrize("network", SETTINGS)
def test_every_network_has_the_name_of_its_row(network):
    assert settings(network).network == network


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("capabilities", [AMX, EPYC, AVX2])
def test_a_precision_that_is_asked_for(monkeypatch, capabilities, precision):
    processor(monkeypatch, capabilities)
    choice = choose_precision(settings("vae-deep", precision), CPU)
    assert choice.dtype == getattr(torch, precision) and str(choice) == precision


@pytest.mark.parametrize(
    ("capabilities", "in_bfloat16"),
    [(AMX, set(SETTINGS)), (EPYC, {"dae-unet"}), (COOPER_LAKE, set()), (AVX512, set()), (AVX2, set()), ({}, set())],
    ids=["AMX", "EPYC", "Cooper Lake", "AVX512", "AVX2", "unknown"],
)
def test_what_auto_is(monkeypatch, capabilities, in_bfloat16):
    processor(monkeypatch, capabilities)
    found = {name: pick_precision(settings(name), CPU) for name in SETTINGS}
    assert {name for name, dtype in found.items() if dtype == torch.bfloat16} == in_bfloat16
    assert set(found.values()) <= {torch.float32, torch.bfloat16}


@pytest.mark.parametrize(
    ("capabilities", "limit", "expected"),
    [
        (AMX, "", "matrix"),
        (AMX, "ALL", "matrix"),
        (AMX, "default", "matrix"),
        (AMX, "AVX512_CORE_AMX", "matrix"),
        (AMX, "avx512_core_amx", "matrix"),
        (AMX, "AVX512_CORE_FP16", "vector"),
        (AMX, "AVX10_1_512", "vector"),
        (AMX, "AVX512_CORE_BF16", "vector"),
        (AMX, "AVX512_CORE_VNNI", "none"),
        (AMX, "avx2", "none"),
        (EPYC, "", "AMD vector"),
        (EPYC, "AVX512_CORE_AMX", "AMD vector"),
        (EPYC, "AVX512_CORE_BF16", "AMD vector"),
        (EPYC, "AVX512_CORE", "none"),
        (AVX2, "AVX512_CORE_AMX", "none"),
    ],
)
def test_held_down_by_the_environment(monkeypatch, capabilities, limit, expected):
    processor(monkeypatch, capabilities, limit)
    assert bfloat16_units(CPU) == expected


@pytest.mark.parametrize(
    ("capabilities", "limit", "network", "words"),
    [
        (AMX, "", "aligner", "bfloat16 (auto: matrix units)"),
        (AMX, "AVX2", "aligner", "float32 (auto: no units for bfloat16, ONEDNN_MAX_CPU_ISA=AVX2)"),
        (AVX2, "", "dae-unet", "float32 (auto: no units for bfloat16)"),
        (EPYC, "", "dae-unet", "bfloat16 (auto: faster for dae-unet with AMD vector instructions)"),
        (
            EPYC, "", "dae-report",
            "float32 (auto: bfloat16 not known to be faster for dae-report with AMD vector instructions)",
        ),
    ],
)  # fmt: skip
def test_why_in_words(monkeypatch, capabilities, limit, network, words):
    processor(monkeypatch, capabilities, limit)
    assert str(choose_precision(settings(network), CPU)) == words


def test_a_gpu_with_and_without_bfloat16(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    for has_it, expected in ((True, "bfloat16 (auto: matrix units)"), (False, "float32 (auto: no units for bfloat16)")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, has_it=has_it: has_it)
        assert {str(choose_precision(settings(name), GPU)) for name in SETTINGS} == {expected}


def test_an_older_pytorch_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert pick_precision(settings("dae-unet"), CPU) == torch.float32


def test_an_interrupted_training_does_not_go_on_in_another_precision(monkeypatch, tmp_path):
    """Its checkpoint is looked for in another place, whatever the network, where auto could be another."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))

    def folder(capabilities, limit=""):
        processor(monkeypatch, capabilities, limit)
        with start_run("train_x", Options(device="cpu"), {"rate": 0.1}, {}) as run:
            assert run.checkpoint is not None
            return run.checkpoint.folder

    try:
        folders = [folder(AMX), folder(EPYC), folder(COOPER_LAKE), folder(AVX2)]
        assert len(set(folders)) == 4
        assert folder(EPYC, "AVX2") == folder(AVX2) and folder(AVX512) == folder(AVX2)
    finally:
        torch.use_deterministic_algorithms(False)


def test_medians_ratio_and_what_is_wrong_with_the_table(monkeypatch):
    processor(monkeypatch, EPYC)
    slow = measured.Result("dae-unet", 16, [70.0, 1.0, 71.0], [35.0], choose_precision(settings("dae-unet"), CPU))
    fast = measured.Result("vae-deep-64", 16, [50.0, 9.0, 60.0], [100.0], choose_precision(settings("vae-deep"), CPU))
    right = measured.Result("dae-unet", 16, [68.0], [118.0], choose_precision(settings("dae-unet"), CPU))
    near = measured.Result("judge-128", 32, [100.0], [109.0], choose_precision(settings("classifier"), CPU))
    alone = measured.Result("aligner", 32, [10.0], [], choose_precision(settings("aligner"), CPU))
    assert [result.wrong for result in (slow, fast, right, near, alone)] == [True, True, False, False, False]
    *_, first, second, third = measured.table([slow, fast, alone]).splitlines()
    assert first.startswith("| dae-unet | 16 | 70 | 35 | 0.50 | bfloat16 (auto: faster ")
    assert second.startswith("| vae-deep-64 | 16 | 50 | 100 | 2.00 | float32 (auto: ")
    assert third.startswith("| aligner | 32 | 10 | - | - | float32 (auto: ")


@pytest.mark.parametrize("name", ["judge-128", "identity-128", "aligner"])
@pytest.mark.usefixtures("machine_as_it_was")
def test_a_network_trains_in_both_in_turns(monkeypatch, tmp_path, name):
    """Both of its precisions are float32: without units for it, a step in bfloat16 takes minutes."""
    processor(monkeypatch, EPYC)
    monkeypatch.setattr(measured, "_PRECISIONS", dict.fromkeys(("float32", "bfloat16"), torch.float32))
    drawn = measured.draw_faces(2, tmp_path / "jpegs")
    changes = {"precision": "auto", "batch_size": 2, "threads": 1}
    subject = measured.make_subject(name, ROOT / "params.yaml", changes, drawn, tmp_path, CPU)
    result = measured.measure(name, subject, 2, 0.0, CPU)
    assert len(result.float32) == len(result.bfloat16) == 2 and min(result.float32) > 0
    assert name.startswith(subject.settings.network.replace("classifier", "judge"))
