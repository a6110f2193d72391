"""The benchmarks run, say what they should, and count FLOPs right."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from bench import reading, spread, training
from bench.cases import CASES, load_cases
from bench.measuring import Stopwatch, flops_per_image
from bench.rooms import ROOT
from facevae.core.errors import FacevaeError

PARAMS = ROOT / "params.yaml"
CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("machine_as_it_was")


def test_a_small_run_measures_each_way(tmp_path, capsys):
    training.main(
        PARAMS, cases=["judge-128"], ways=["a", "b", "c"], rounds=1, seconds=0.05, images=8, device="cpu",
        precision="float32", threads=1, batch_size=2, output=tmp_path / "found.json", folder=tmp_path,
    )  # fmt: skip
    header, _, row = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| "))
    cells = dict(
        zip((cell.strip() for cell in header.split("|")), (cell.strip() for cell in row.split("|")), strict=True)
    )
    assert cells["case"] == "judge-128" and cells["batch"] == "2"
    assert all(float(cells[way]) > 0 for way in ("a", "b", "c1", "c2", "b/a", "b/c1", "b/c2", "GFLOP"))
    assert cells["d"] == cells["b'/d"] == "-"
    found = json.loads((tmp_path / "found.json").read_text())["cases"]["judge-128"]
    assert {way: len(rates) for way, rates in found["images_per_second"].items()} == {"a": 1, "b": 1, "c1": 1, "c2": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"], "the images are gone"


def test_flops_are_those_of_paper_and_pencil():
    """Forward and backward of a 3x3 convolution, its input without gradient, and of a linear layer after it."""
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Flatten(), nn.Linear(5 * 8 * 8, 7))
    convolution = 2 * 8 * 8 * 5 * 3 * 3 * 3
    linear = 2 * 5 * 8 * 8 * 7

    def terms_of(model, batch, _):
        return {"loss": model(batch[0]).mean(1)}

    # Once forwards, and backwards once for the weights and once for the input, where that has a gradient.
    assert flops_per_image(network, terms_of, (torch.rand(4, 3, 8, 8),), CPU) == 2 * convolution + 3 * linear


def test_medians_and_ratios():
    (case,) = load_cases(PARAMS, ["vae-deep-64"], {})
    rates = {"matrix": [4e9], "a": [200.0, 90.0, 100.0], "b": [50.0], "d": [25.0], "b'": [75.0]}
    *_, row = training.table([training.Result(case, 2e7, rates)]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "vae-deep-64", str(case.settings.batch_size), "100", "50.0", "0.50", "-", "-", "-", "-", "25.0", "75.0", "3.00",
        "0.02", "25%",
    ]  # fmt: skip


def test_cases_follow_the_parameters():
    cases = {case.name: case for case in load_cases(PARAMS, CASES, {"batch_size": 3})}
    assert {case.settings.batch_size for case in cases.values()} == {3}
    assert cases["dae-report"].size == (220, 180) and cases["vae-deep-64"].size == (64, 64)
    assert cases["dae-report"].settings.crop is None and cases["dae-unet"].settings.crop is not None
    assert cases["vae-report-128"].settings.report is not None and cases["vae-report-128"].settings.deep is None
    with pytest.raises(FacevaeError, match=r"vae-deep-128, .* found vae-deep;"):
        load_cases(PARAMS, ["vae-deep"], {})


def test_stopwatch_leaves_out_the_first_steps(monkeypatch):
    clock = iter(np.cumsum([0.0] + [10.0] * 4 + [0.0] + [1.0] * 20))
    monkeypatch.setattr("bench.measuring.time.perf_counter", lambda: next(clock))
    watch = Stopwatch(4.0, CPU)
    while not watch.tick():
        pass
    assert watch.rate(16) < 16 * 1.01


def test_reading_measures_both_ways_and_leaves_nothing_behind(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "_in_own_process", reading._measure)
    reading.main(gigabytes=0.01, batches=3, batch_size=2, rounds=2, folder=tmp_path)
    _, _, *rows = (line for line in capsys.readouterr().out.splitlines() if line.startswith("| "))
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [name for name, *_ in cells] == ["numpy's memory map", "HostRows"]
    assert all(float(rate) > 0 and peak.endswith(" MiB") for _, rate, peak, _ in cells)
    assert not list(tmp_path.iterdir())


def test_sparse_file_is_an_array_of_zeros(tmp_path):
    reading.write_sparse(tmp_path / "a.npy", 3)
    array = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert array.shape == (3, 128, 128, 3) and not array.any()


def test_what_two_framings_have_in_common_by_numbers():
    """Each is CelebA's own displacement and an error of its own; a constant offset is no spread."""
    rng = np.random.default_rng(0)
    own, *errors = (rng.normal(0, std, (20_000, 8)) for std in (3, 1, 5))
    one, other, common = spread.shared(own + errors[0] + 7, own + errors[1])
    # Of a corner, in x and y.
    assert (one, other) == pytest.approx((math.sqrt(2 * 10), math.sqrt(2 * 34)), rel=0.02)
    assert common == pytest.approx(math.sqrt(2) * 3, rel=0.03)
    assert spread.shared(errors[0], -errors[0])[2] == 0


def test_frames_by_points_by_hand():
    face = np.array([[69, 111], [108, 111], [88, 135], [72, 152], [105, 152.0]])
    # Faces that were put 4 pixels to the left and to the right: so were their frames.
    way = np.array([4, 0])
    found = spread.by_points(np.stack([face - way, face + way]), (178, 218))
    assert found == pytest.approx(np.array([[-4, 0] * 4, [4, 0] * 4]), abs=1e-6)
    assert spread.corner_ways(found) == pytest.approx([4, 4])


def test_points_are_brought_back_from_their_views():
    """A detector that sees a face's eyes and mouth by their colours, in views turned, enlarged and mirrored."""

    class Detector:
        def detect(self, image, details):
            where = [np.argwhere((image[..., ::-1] == colour).all(-1)).mean(0)[::-1] + 0.5 for colour in marks]
            left_to_right = sorted(where[:2], key=lambda place: place[0]), sorted(where[3:], key=lambda place: place[0])
            points = [*left_to_right[0], where[2], *left_to_right[1]]
            return np.array([[0.0] * 4 + [value for point in points for value in point]])

    marks = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]], np.uint8)
    truth = np.array([[69, 111], [108, 115], [88, 135], [72, 152], [105, 150]])
    face = np.zeros((218, 178, 3), np.uint8)
    for (x, y), mark in zip(truth, marks, strict=True):
        face[y - 3 : y + 3, x - 3 : x + 3] = mark
    points, turn = spread.five_points(Detector(), face)
    assert points == pytest.approx(truth, abs=0.3) and turn == pytest.approx(1, abs=0.03)
