"""bench/on_gpu.sh at its smallest, on a CPU and without what a bare machine lacks; and the packed sample."""

import csv
import json
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch
from model_data import NAMES, SPLITS, labels, make_vae_arrays
from raw_data import one_line

from bench import gpu_trainings, on_gpu, packing
from bench.gpu_sample import train_sample
from bench.gpu_work import Work
from bench.rooms import ROOT
from facevae.core.params import load_section
from facevae.data.arrays import UNKNOWN, open_vae
from facevae.training.vae import VaeSettings

CPU = torch.device("cpu")
SLOW = bool(os.environ.get("FACEVAE_TEST_SLOW"))
# Of the dependencies, what a machine with PyTorch, torchvision, Typer, pandas and pydantic need not have.
LACKING = (
    "dvc", "gdown", "matplotlib", "onnx", "onnxruntime", "onnxscript", "cv2", "pywt", "requests", "rich", "skimage",
    "sklearn", "scipy", "tensorboard", "tifffile", "torchmetrics",
)  # fmt: skip
REFUSE = f"import sys\nsys.modules.update(dict.fromkeys({LACKING}))\n"


pytestmark = pytest.mark.usefixtures("machine_as_it_was")


@pytest.fixture
def sample(tmp_path):
    packing.pack(make_vae_arrays(tmp_path / "project/data/vae/arrays"), tmp_path / "sample.zip", 10**7)
    return tmp_path / "sample.zip"


@pytest.fixture
def work(tmp_path, sample):
    for name in ("shared", "part", "output"):
        (tmp_path / name).mkdir()
    folders = (tmp_path / name for name in ("shared", "part", "output"))
    return Work(CPU, True, sample, *folders, time.monotonic() + 600, tmp_path / "found.json")


def on_a_bare_machine(tmp_path):
    """The environment of a process in which the packages that are lacking can't be imported."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(REFUSE, encoding="utf-8")
    return os.environ | {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}", "PYTHON": sys.executable}


# --- the sample


def test_what_was_packed_is_what_is_unpacked(tmp_path, sample):
    packed, found = open_vae(tmp_path / "project/data/vae/arrays"), packing.unpack(sample, tmp_path / "again")
    assert found.counts == SPLITS and found.attribute_names == NAMES and found.names == packed.names
    for split, images in packed.images.items():
        assert (found.attributes[split] == packed.attributes[split]).all()
        assert np.abs(found.images[split].astype(int) - images).mean() < 4, "but for what JPEG loses"


def test_labels_that_are_not_known_stay_so(tmp_path):
    values = labels()
    values[:, 0] = UNKNOWN
    packing.pack(make_vae_arrays(tmp_path / "arrays", values), tmp_path / "s.zip", 10**7)
    found = packing.unpack(tmp_path / "s.zip", tmp_path / "again")
    assert (found.attributes["train"][:, 0] == UNKNOWN).all() and (found.attributes["train"][:, 1] >= 0).all()


def test_a_part_of_every_split_where_not_all_fit(tmp_path):
    arrays = make_vae_arrays(tmp_path / "arrays")
    packing.pack(arrays, tmp_path / "whole.zip", 10**7)
    most = (tmp_path / "whole.zip").stat().st_size // 2
    assert "train" in packing.pack(arrays, tmp_path / "half.zip", most)
    assert (tmp_path / "half.zip").stat().st_size <= most
    found = packing.unpack(tmp_path / "half.zip", tmp_path / "again")
    assert all(0 < found.counts[split] < count for split, count in SPLITS.items())
    names = found.names["train"]
    assert names[0] == "0.png" and int(names[-1].removesuffix(".png")) > SPLITS["train"] / 2, "evenly spaced"
    with one_line("room for an image of each split", "0.001 MB"):
        packing.pack(arrays, tmp_path / "none.zip", 1000)


def test_a_file_that_is_no_sample(tmp_path):
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    with one_line("text.zip", "a file that pack has written"):
        packing.unpack(tmp_path / "text.zip", tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
    with one_line("other.zip", "facts.json"):
        packing.unpack(tmp_path / "other.zip", tmp_path / "b")


# --- the parts


def test_the_loop_is_tried_in_every_way(work):
    gpu_trainings.check_loop(work)
    assert set(work.figures) == {"judge-128", "vae-deep-128", "dae-unet"}
    for ways in work.figures.values():
        assert set(ways) == {"arrays in device memory", "the same again", "arrays read from disk"}
        assert len({way["sha256"] for way in ways.values()}) == 1, "on a CPU nothing depends on where rows come from"
    assert json.loads(work.found.read_text())["figures"] == work.figures


def test_a_way_that_fails_is_a_line_and_the_others_go_on(work, monkeypatch):
    class Broken(gpu_trainings.HostRows):
        def batches(self, indices):
            raise RuntimeError("CUDA error: out of luck\nand more")

    ways = [("good", gpu_trainings.DeviceRows, "off"), ("bad", Broken, "off")]
    monkeypatch.setattr(gpu_trainings, "_WAYS", ways)
    monkeypatch.setattr(gpu_trainings, "CASES_OF", {"train_judge": "judge-128"})
    with one_line("judge-128, bad"):
        gpu_trainings.check_loop(work)
    assert any("bad: failed: RuntimeError: CUDA error: out of luck" in line for line in work.lines)
    assert "loss" in work.figures["judge-128"]["good"]


def test_an_epoch_is_measured_by_the_images_that_there_was_time_for(work):
    gpu_trainings.time_epochs(work)
    for figures in work.figures.values():
        assert figures["images"] == 16
        assert figures["seconds_of_an_epoch"] == pytest.approx(162_770 / figures["images_per_second"])
    assert all("an epoch of 162,770 images" in line and "by 16 images" in line for line in work.lines)


def test_a_clock_stops_an_epoch(work):
    work.ends = time.monotonic()
    gpu_trainings.time_epochs(work)
    assert {figures["images"] for figures in work.figures.values()} == {4}, "one batch"


def test_the_sample_is_trained_on(work):
    train_sample(work)
    assert set(work.figures) == {"train_judge", "vae", "dae"}
    for section, figures in work.figures.items():
        assert figures["epochs"] == 1 and figures["last"]["valid_loss"] > 0
        with (work.output / f"history_{section}.csv").open(encoding="utf-8") as file:
            (row,) = csv.DictReader(file)
        assert float(row["valid_loss"]) == figures["last"]["valid_loss"]


def test_epochs_fit_into_the_time(work, monkeypatch):
    """Of the time that is left the VAE, after the judge, gets 0.6, and steps 0.7 of that."""
    tried = {}
    parts = {
        "vae": (0.6, VaeSettings, lambda arrays, settings, run: tried.setdefault("vae", settings) and [{"a": 1.0}])
    }
    monkeypatch.setattr("bench.gpu_sample._TRAININGS", parts)
    work.small = False
    rates = {"vae-deep-128": {"medians": {"b": 24 * 5 / (0.6 * 0.7 * 600) * 1.05}}}
    (work.shared / "training.json").write_text(json.dumps({"cases": rates}), encoding="utf-8")
    work.ends = time.monotonic() + 600
    train_sample(work)
    assert tried["vae"].epochs == 5 and load_section(work.params(), "vae", VaeSettings).epochs == 20


def test_the_parameters_are_those_of_celeba(work):
    work.small = False
    settings = load_section(work.params(), "vae", VaeSettings)
    assert settings.deep.width == 64 and settings.batch_size == 128


# --- the script


def test_what_is_missing_is_said_in_a_line(monkeypatch, capsys):
    monkeypatch.setattr(on_gpu, "NEEDED", ("torch", "no_such_package", "ruamel.no_such", "nor_this.one"))
    monkeypatch.setattr(sys, "argv", ["on_gpu"])
    assert on_gpu.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: missing: no_such_package, ruamel.no_such, nor_this.one; ")


def test_nothing_else_is_needed(tmp_path):
    code = "import bench.gpu_parts, bench.training, pandas, sys; print(sys.modules['dvc'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=on_a_bare_machine(tmp_path), cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.strip() == "None", done.stderr


def test_a_part_that_fails_or_takes_too_long_is_a_line_and_the_rest_goes_on(tmp_path, monkeypatch):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/__init__.py").touch()
    (tmp_path / "bench/gpu_parts.py").write_text(
        "import json, pathlib, sys, time\n"
        "part = json.loads(pathlib.Path(sys.argv[1]).read_text())['part']\n"
        "print('noise')\n"
        "pathlib.Path(sys.argv[2]).write_text(json.dumps({'lines': [part + ' known'], 'figures': {}}))\n"
        "if part == 'loop': sys.exit('error: no luck')\n"
        "if part == 'table': time.sleep(100)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(on_gpu, "ROOT", tmp_path)
    monkeypatch.setattr(on_gpu, "PARTS", {"machine": 30, "loop": 30, "table": 3, "epoch": 30, "train": 30})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["on_gpu", "--output", str(tmp_path / "out"), "--minutes", "1.5"])
    assert on_gpu.main() == 1
    report = (tmp_path / "out/report.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split(" (")[0] for line in report] == [
        "machine: done", "  machine known", "loop: failed: error: no luck", "  loop known",
        "table: failed: not done after 3 s", "  table known", "epoch: done", "  epoch known", "train: done",
        "  train known",
    ]  # fmt: skip
    assert json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))["loop"]["failed"] == "error: no luck"


def test_parts_for_which_no_time_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["on_gpu", "--output", str(tmp_path), "--minutes", "0", "--parts", "machine"])
    assert on_gpu.main() == 1 and "machine: failed: no time left" in capsys.readouterr().out


def test_parts_take_less_than_eight_minutes():
    assert sum(on_gpu.PARTS.values()) + 2 * on_gpu._GRACE < 8 * 60


@pytest.mark.skipif(not SLOW, reason="minutes: set FACEVAE_TEST_SLOW=1")
def test_the_whole_script_on_a_bare_machine(tmp_path, sample):
    words = ["--small", "--sample", sample, "--output", tmp_path / "out", "--device", "cpu", "--minutes", "20"]
    done = subprocess.run(
        ["bash", ROOT / "bench/on_gpu.sh", *words], env=on_a_bare_machine(tmp_path), capture_output=True,
        encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + (tmp_path / "out/log.txt").read_text(encoding="utf-8")
    for part in on_gpu.PARTS:
        assert f"{part}: done" in done.stdout
    assert "| judge-128 |" in done.stdout and "vae: 1 of 1 epochs" in done.stdout
