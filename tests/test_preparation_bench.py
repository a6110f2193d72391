"""bench/preparation.py: what it measures is what the pipeline does, the memory is all of it, and the tables have it."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from raw_data import photo, write_entries

from bench import layouts, peaks, preparation, sets, stand_in
from bench.formats import FORMATS, Cost, decode_as, encode_as
from bench.preparing import DAE_STAGES, VAE_STAGES, WAYS, run_stage, usual_array
from bench.rooms import ROOT
from facevae.core.errors import FacevaeError
from facevae.core.params import load_section
from facevae.preparation.crop_settings import VaeCrop

PARAMS = ROOT / "params.yaml"
COUNT = 24


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return sets.drawn_faces(COUNT, tmp_path_factory.mktemp("work"), PARAMS, workers=1)


def rows(output: str) -> list[list[str]]:
    """The cells of a table's rows, headers and rules left out."""
    lines = [line for line in output.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = [number for number, line in enumerate(cells) if line[0].startswith("---")]
    return [line for number, line in enumerate(cells) if number not in rules and number + 1 not in rules]


@pytest.fixture
def here(monkeypatch):
    """Measure in this process: another would load its libraries first."""
    monkeypatch.setattr(preparation, "call", lambda function, *arguments: (function(*arguments), 1.0))
    monkeypatch.setattr(preparation, "settle", lambda _: None)


def test_a_small_run_has_all_rows(drawn, here, capsys):
    preparation.main(
        1, PARAMS, only=["speed", "memory", "formats"], celeba=None, drawn=[COUNT], work=drawn.folder.parent, rounds=1,
        size=32, dae_images=8, format_images=2, dvc_images=COUNT,
    )  # fmt: skip
    found = rows(capsys.readouterr().out)
    assert [row[0] for row in found] == [f"{COUNT} drawn"] * 3 + [*VAE_STAGES, *DAE_STAGES] + [*FORMATS] * 2
    speed, memory, formats = found[:3], found[3:8], found[8:]
    assert [row[1] for row in speed] == list(WAYS) and all(float(row[2]) > 0 for row in speed)
    assert all(float(cell) > 0 for cell in speed[0][5:7]) and speed[1][5:7] == ["", ""]
    assert [row[1] for row in memory] == [str(COUNT)] * 2 + ["8"] * 3
    assert all(float(row[3]) > 0 for row in formats)
    assert not (drawn.folder / "data/vae").exists() and not (drawn.folder / "data/dae").exists()


def test_both_ways_make_the_same_pixels(drawn):
    sets.write_params(PARAMS, drawn.folder / "params.yaml", {"crop_pad.vae.images": None})
    for stage in VAE_STAGES:
        assert run_stage(stage, drawn.folder, workers=1) > 0
    # Drawn faces are train, valid and test by their number: both arrays are in the order of the names.
    images = np.load(drawn.folder / "data/vae/arrays/images.npy")
    usual = usual_array(drawn.unpacked, load_section(PARAMS, "crop_pad.vae", VaeCrop))
    assert images.shape == usual.shape == (COUNT, 64, 64, 3)
    assert np.abs(images.astype(int) - usual).mean() < 0.01, "grey levels"


def test_a_part_of_the_photographs_is_evenly_spread(drawn, tmp_path, capsys):
    part, whole = sets.photographs(drawn.raw, tmp_path, PARAMS, 1, part=4)
    names = [path.name for path in sorted((part.unpacked / "celeba/img_align_celeba").iterdir())]
    assert names == ["000001.jpg", "000007.jpg", "000013.jpg", "000019.jpg"] and part.images == 4
    assert whole.images == COUNT and len(list((whole.unpacked / "celeba/img_align_celeba").iterdir())) == COUNT
    # All of the four would train: download has given some of them to the other splits.
    lines = (part.unpacked / "celeba/list_eval_partition.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == names and {line.split()[1] for line in lines} == {"0", "1", "2"}


def test_medians_and_ratios(drawn):
    def run(seconds: float, peak: float) -> preparation.Run:
        return preparation.Run(dict.fromkeys(VAE_STAGES, seconds / 2), peak)

    pipeline, usual, plain = WAYS
    runs = {pipeline: [run(2, 90), run(9, 80), run(1, 70)], usual: [run(3, 500)], plain: [run(1, 60)]}
    (first, second, third) = rows(preparation.speed_table({drawn: runs}))
    assert first[2:] == ["12", "", "2.00", "1.00", "1.00", "80 MB"]
    assert [second[3], third[3]] == ["1.50", "0.50"]
    (memory,) = rows(preparation.memory_table({"add_noise": [(2000, 100.0), (50_000, 110.0)]}))
    assert memory == ["add_noise", "2,000", "100 MB", "50,000", "110 MB", "1.10"]
    assert rows(preparation.format_table({"BMP": Cost(10.4, 20.6, 1.0)})) == [["BMP", "10 µs", "21 µs", "1.00"]]


def test_peak_is_that_of_the_largest_process():
    code = "import time; block = b'1' * 200_000_000; time.sleep(0.4)"
    _, peak = peaks.call(subprocess.run, [sys.executable, "-I", "-S", "-c", code])
    assert 200 < peak < 260


def test_a_refusal_is_told(tmp_path):
    with pytest.raises(FacevaeError, match="no such file"):
        peaks.call(load_section, tmp_path / "params.yaml", "crop_pad.vae", VaeCrop)


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_lossless(name):
    image = photo(3)
    assert np.array_equal(decode_as(name, encode_as(name, image), image.shape[:2]), image)


def test_parameters_that_are_not_there_are_not_written(tmp_path):
    with pytest.raises(KeyError, match=r"crop_pad\.vae\.width"):
        sets.write_params(PARAMS, tmp_path / "params.yaml", {"crop_pad.vae.width": 3})


def test_a_full_disk_is_told_first(drawn, monkeypatch):
    monkeypatch.setattr(preparation.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10**9}))
    # 50,000 images of 180x220 pixels, each in two archives and two arrays.
    with pytest.raises(FacevaeError, match=r"expected 23\.8 GB free, found 1\.0;"):
        preparation._require_space(drawn.folder, PARAMS, 50_000)


def test_stand_in_makes_the_outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {"train": {"models/a.bin": 2**21 + 5, "results/metrics.json": 9}, "other": {"b": 1}}
    (tmp_path / "sizes.json").write_text(json.dumps(sizes))
    stand_in.main(tmp_path / "sizes.json", "train")
    assert (tmp_path / "models/a.bin").stat().st_size == 2**21 + 5 and not (tmp_path / "b").exists()
    assert json.loads((tmp_path / "results/metrics.json").read_text()) == {"value": 1}
    assert float((tmp_path / "seconds.txt").read_text()) > 0


def test_layout_is_the_whole_pipeline_in_proportion(drawn):
    from bench import overhead

    project = drawn.folder.parent / "project"
    project.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        (project / name).write_bytes((ROOT / name).read_bytes())
    sizes = overhead.layout_of(project, drawn, images=10 * COUNT, workers=1).sizes
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert set(sizes) == set(stages) and all(sizes.values())
    archive = "data/raw/img_align_celeba.zip"
    assert sizes["download"][archive] == 10 * (drawn.folder / archive).stat().st_size
    array = sizes["cache_arrays_vae"]["data/vae/arrays/images.npy"]
    assert array == pytest.approx(10 * COUNT * 64 * 64 * 3, rel=0.01)
    noisy = sizes["cache_arrays_dae"]["data/dae/arrays/noisy.npy"]
    assert noisy == pytest.approx(1000 * 220 * 180 * 3, rel=0.01), "as many as params.yaml says"
    timings = {"dvc status": {"full": [overhead.Timing(5.0, 2.0)], "empty": [overhead.Timing(1.0, 0.5)]}}
    assert rows(overhead.table(timings)) == [["dvc status", "5.00 s", "3.00 s", "1.00 s", "0.50 s", "2.50 s"]]


def test_two_layouts_of_the_same_faces(tmp_path):
    archive = write_entries(
        tmp_path / "a.zip", {f"img_align_celeba/{number}.jpg": b"%d" % number for number in range(5)}
    )
    flat, nested = layouts.unpack(archive, tmp_path / "made", persons=2)
    assert sorted(path.name for path in flat.iterdir()) == [f"{number}.jpg" for number in range(5)]
    assert sorted(path.relative_to(nested).as_posix() for path in nested.rglob("*.jpg")) == [
        "person_00000/0.jpg", "person_00000/2.jpg", "person_00000/4.jpg", "person_00001/1.jpg", "person_00001/3.jpg",
    ]  # fmt: skip
    one, many = layouts.LAYOUTS
    found = {("check", one): [2.0, 9.0, 1.0], ("check", many): [4.0, 4.0, 5.0]}
    assert rows(layouts.table(found)) == [["check", "2.00 s", "4.00 s", "0.50"]]
