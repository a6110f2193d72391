"""The stages between the raw files and the arrays, through their commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from raw_data import (
    NAMES,
    REPOSITORY,
    SAMPLE,
    encoded,
    files_below,
    make_params,
    make_raw,
    one_line,
    photo,
    write_entries,
)

from facevae.celeba.tables import ATTRIBUTES_FILE, IMAGES, PARTITION_FILE, write_attributes, write_numbers
from facevae.data.arrays import open_dae, open_vae
from facevae.data.noise import Noise
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode
from facevae.imaging.frames import SquareFrame
from facevae.jobs import workers
from stages import add_noise, cache_arrays, crop_pad, download


class Project:
    """A folder with raw data and parameters in which the stages run in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.raw = folder, make_raw(folder / "data/raw")

    def crop(self, model: str, workers: int = 1, **changes: object) -> Path:
        output = self.folder / "data" / model / "images.zip"
        crop_pad.main(
            model=model,
            workers=workers,
            params=make_params(self.folder, **changes),
            archive=self.raw / IMAGES,
            output=output,
        )
        return output

    def noise(self, workers: int = 1, **changes: object) -> Path:
        clean, noisy = (self.folder / "data/dae" / name for name in ("images.zip", "noisy.zip"))
        add_noise.main(workers=workers, params=make_params(self.folder, **changes), archive=clean, output=noisy)
        return noisy

    def cache(self, model: str, workers: int = 1, **changes: object) -> Path:
        cache_arrays.main(
            model=model, workers=workers, params=make_params(self.folder, **changes), data=self.folder / "data"
        )
        return self.folder / "data" / model / "arrays"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def command(project: Project, stage: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "FACEVAE_WORKERS": "1"}
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *arguments],
        cwd=project.folder, env=environment, capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip


# --- what comes out


def test_crop_pad_dae(project, capsys):
    output = project.crop("dae", crop_pad__dae={"images": 4, "pad": 1})
    assert capsys.readouterr().out.splitlines()[-1] == f"{output}: 4 images of 180x220"
    with open_archive(output) as made, open_archive(project.raw / IMAGES) as raw:
        assert made.names == [f"{number:06d}.tif" for number in range(1, 5)]
        assert made.facts == {
            "images": 4, "width": 180, "height": 220, "source_width": 178, "source_height": 218, "pad": 1,
        }  # fmt: skip
        image = decode(made.read("000003.tif"), "x")
        assert np.array_equal(image[1:-1, 1:-1], decode(raw.read("000003.jpg"), "x"))


def test_crop_pad_vae_takes_evenly_spread_images(project):
    with open_archive(project.crop("vae", crop_pad__vae__images=5)) as made, open_archive(project.raw / IMAGES) as raw:
        assert made.names == [f"{number:06d}.tif" for number in (1, 3, 5, 7, 9)]
        expected = {"width": 32, "height": 32, "crop": 178, "size": 32, "resample": "bicubic"}
        assert expected.items() <= made.facts.items()
        frame = SquareFrame(178, 32, "bicubic")
        assert np.array_equal(decode(made.read("000005.tif"), "x"), frame(decode(raw.read("000005.jpg"), "x")))


def test_the_same_bytes_again_and_for_any_workers(tmp_path, monkeypatch):
    """Enough images, each taken long enough, that other processes take part."""
    project = Project(tmp_path)
    make_raw(project.raw, 300)
    monkeypatch.setattr(workers, "_SECONDS_WORTH_A_START", 0.0)
    made = []
    for count in (1, 3):
        project.crop("dae", workers=count)
        project.crop("vae", workers=count)
        project.noise(workers=count)
        project.cache("dae", workers=count)
        project.cache("vae", workers=count)
        made.append(files_below(project.folder / "data"))
    assert made[0] == made[1]


def test_noise_is_named_and_does_not_depend_on_the_other_images(project):
    project.crop("dae")
    with open_archive(project.noise()) as noisy, open_archive(project.folder / "data/dae/images.zip") as clean:
        assert noisy.names == clean.names and noisy.facts == {**clean.facts, "sigma": 25.0, "seed": 1}
        last = noisy.read("000004.tif")
        assert np.array_equal(decode(last, "x"), Noise(25.0, 1)("000004", decode(clean.read("000004.tif"), "x")))
    project.crop("dae", crop_pad__dae__images=4)
    with open_archive(project.noise()) as noisy:
        assert noisy.read("000004.tif") == last


def test_cache_arrays_dae(project):
    project.crop("dae")
    project.noise()
    arrays = open_dae(project.cache("dae", cache_arrays__dae={"images": 5, "train_share": 0.6, "same_images": "apart"}))
    assert arrays.images == {"train": [f"00000{n}.tif" for n in (1, 2, 3)], "test": ["000004.tif", "000005.tif"]}
    assert arrays.manifest["noise"] == {"sigma": 25.0, "seed": 1} and arrays.manifest["framing"]["pad"] == 1
    with open_archive(project.folder / "data/dae/images.zip") as clean:
        image = decode(clean.read("000004.tif"), "x")
    assert np.array_equal(arrays.clean["test"][0], image)
    assert np.array_equal(arrays.noisy["test"][0], Noise(25.0, 1)("000004", image))


def test_fewer_images_than_asked_for_are_all_taken(project, capsys):
    many = {f"{stage}__{model}__images": 11 for stage in ("crop_pad", "cache_arrays") for model in ("dae", "vae")}
    project.crop("dae", **many)
    project.crop("vae", **many)
    project.noise()
    assert sum(open_dae(project.cache("dae", **many)).manifest["splits"].values()) == 10
    assert sum(open_vae(project.cache("vae", **many)).counts.values()) == 10
    assert capsys.readouterr().out.count("10 images, all of which are taken; `images` asks for 11") == 4


def test_cache_arrays_vae(project):
    project.crop("vae")
    folder = project.cache("vae")
    arrays = open_vae(folder)
    # make_raw's partitions in order of number: 0 0 0 1 2 0 0 0 1 2
    assert {split: [int(name[:6]) for name in names] for split, names in arrays.names.items()} == {
        "train": [1, 2, 3, 6, 7, 8],
        "valid": [4, 9],
        "test": [5, 10],
    }
    assert arrays.attribute_names == NAMES
    # make_raw's values count through the table, every third being 1: row 3 (image 4) holds the values 6 and 7.
    assert arrays.attributes["valid"][0].tolist() == [1, 0]
    with open_archive(project.folder / "data/vae/images.zip") as images:
        assert np.array_equal(arrays.images["test"][1], decode(images.read("000010.tif"), "x"))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest["inputs"]) == {"images.zip", ATTRIBUTES_FILE, PARTITION_FILE}
    assert str(project.folder) not in (folder / "manifest.json").read_text()
    before = files_below(folder)
    assert files_below(project.cache("vae")) == before


def test_any_equal_size_will_do(project):
    entries = {f"{number:06d}.jpg": encoded(photo(number, 256, 256)) for number in range(1, 4)}
    write_entries(project.raw / IMAGES, entries)
    with open_archive(project.crop("dae")) as made:
        assert (made.facts["width"], made.facts["height"]) == (258, 258)


# --- what is wrong


def replace_image(project: Project, number: int, data: bytes) -> None:
    with open_archive(project.raw / IMAGES) as raw:
        entries = {name: raw.read(name) for name in raw.names}
    write_entries(project.raw / IMAGES, {**entries, f"{number:06d}.jpg": data})


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


WRONG = {
    "missing zip": (lambda p: (p.raw / IMAGES).unlink(), [IMAGES, "no such file"]),
    "truncated zip": (lambda p: shorten(p.raw / IMAGES), [IMAGES, "a whole zip"]),
    "corrupt JPEG": (
        lambda p: replace_image(p, 7, encoded(photo(6))[:900]),
        [IMAGES, "000007.jpg", "a whole image"],
    ),
    "other size": (
        lambda p: replace_image(p, 6, encoded(photo(6, 178, 217))),
        ["000006.jpg", "178x218 pixels, as 000001.jpg has", "178x217"],
    ),
    "empty archive": (lambda p: write_entries(p.raw / IMAGES, {}), [IMAGES, "images", "none"]),
}


@pytest.mark.parametrize("model", ["dae", "vae"])
@pytest.mark.parametrize("kind", WRONG)
def test_crop_pad_names_what_is_wrong_and_keeps_the_old(project, model, kind):
    damage, parts = WRONG[kind]
    output = project.crop(model)
    before = files_below(output.parent)
    damage(project)
    with one_line(*parts):
        project.crop(model)
    assert files_below(output.parent) == before


def test_images_not_asked_for_need_not_be_whole(project):
    replace_image(project, 7, b"")
    with open_archive(project.crop("dae", crop_pad__dae__images=6)) as made:
        assert made.names == [f"{number:06d}.tif" for number in range(1, 7)]


@pytest.mark.parametrize(
    ("model", "changes", "parts"),
    [
        ("vae", {"crop_pad__vae__crop": 179}, ["crop_pad.vae.crop", "at most 178", "179"]),
        ("dae", {"crop_pad__dae__pad": -1}, ["crop_pad.dae.pad", "-1"]),
        ("dae", {"crop_pad__dae__pad": 1.5}, ["crop_pad.dae.pad", "1.5"]),
        ("dae", {"crop_pad__dae__padding": 1}, ["unknown key padding", "pad"]),
        ("vae", {"crop_pad__vae__resample": "cubic"}, ["crop_pad.vae.resample", "'bicubic'", "'cubic'"]),
    ],
)
def test_crop_pad_checks_its_parameters(project, model, changes, parts):
    with one_line(*parts):
        project.crop(model, **changes)
    assert not (project.folder / "data" / model / "images.zip").exists()


def test_add_noise_checks(project):
    with one_line("data/dae/images.zip", "no such file"):
        project.noise()
    output = project.crop("dae")
    with one_line("add_noise.sigma", "-1"):
        project.noise(add_noise__sigma=-1)
    shorten(output)
    with one_line("data/dae/images.zip", "a whole zip"):
        project.noise()
    assert set(files_below(output.parent)) == {"images.zip"}


@pytest.mark.parametrize(
    ("damage", "changes", "parts"),
    [
        (None, {"cache_arrays__dae__train_share": 0.01}, ["one image in each split", "0 train, 10 test"]),
        (None, {"cache_arrays__dae__train_share": 1.0}, ["cache_arrays.dae.train_share", "1.0"]),
        (lambda p: (p.folder / "data/dae/noisy.zip").unlink(), {}, ["noisy.zip", "no such file"]),
        (lambda p: p.crop("dae", crop_pad__dae__pad=2), {}, ["noisy.zip", "another size", "stages.add_noise"]),
        (
            lambda p: (p.crop("dae", crop_pad__dae__images=3), p.noise(), p.crop("dae")),
            {},
            ["noisy.zip", "no 000004.tif"],
        ),
    ],
    ids=["no train", "share", "no noise", "other size", "other images"],
)
def test_cache_arrays_dae_checks(project, damage, changes, parts):
    project.crop("dae")
    project.noise()
    before = files_below(project.cache("dae"))
    if damage:
        damage(project)
    with one_line(*parts):
        project.cache("dae", **changes)
    assert files_below(project.folder / "data/dae/arrays") == before


IMAGES_OF_TEN = [f"{number:06d}.jpg" for number in range(1, 11)]


@pytest.mark.parametrize(
    ("damage", "changes", "parts"),
    [
        (None, {"cache_arrays__vae__images": 2}, ["one image in each split", "2 train, 0 valid, 0 test"]),
        (
            lambda p: write_numbers(p.raw / PARTITION_FILE, IMAGES_OF_TEN[:9], [0] * 9),
            {},
            [PARTITION_FILE, "000010.tif", "without partition"],
        ),
        (lambda p: rewrite(p.raw / PARTITION_FILE, " 1", " 3"), {}, [PARTITION_FILE, "line 4", "'000004.jpg 3'"]),
        (lambda p: (p.raw / PARTITION_FILE).unlink(), {}, [PARTITION_FILE, "no such file"]),
        (
            lambda p: write_attributes(p.raw / ATTRIBUTES_FILE, IMAGES_OF_TEN[:9], NAMES, np.ones((9, 2), int)),
            {},
            [ATTRIBUTES_FILE, "000010.tif", "without annotation"],
        ),
        (
            lambda p: write_entries(
                p.folder / "data/vae/images.zip", {name: encoded(photo(1)) for name in IMAGES_OF_TEN}
            ),
            {},
            ["images.zip", "facts.json", "stages.crop_pad"],
        ),
    ],
    ids=["no valid", "no partition", "wrong partition", "no file", "no annotation", "foreign archive"],
)
def test_cache_arrays_vae_checks(project, damage, changes, parts):
    project.crop("vae")
    before = files_below(project.cache("vae"))
    if damage:
        damage(project)
    with one_line(*parts):
        project.cache("vae", **changes)
    assert files_below(project.folder / "data/vae/arrays") == before


# --- through the command line


def test_commands_end_in_one_line(project):
    make_params(project.folder)
    done = command(project, "crop_pad", "vae")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1] == "data/vae/images.zip: 10 images of 32x32"
    shorten(project.raw / IMAGES)
    failed = command(project, "crop_pad", "vae")
    assert failed.returncode == 1 and failed.stdout == ""
    assert failed.stderr.startswith("error: data/raw/img_align_celeba.zip: expected a whole zip")
    assert failed.stderr.count("\n") == 1
    assert set(files_below(project.folder / "data/vae")) == {"images.zip"}


@pytest.mark.parametrize("stage", ["download", "crop_pad", "add_noise", "cache_arrays"])
def test_help_names_inputs_outputs_and_parameters(project, stage):
    done = command(project, stage, "--help")
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("Input", "Output", "Parameters:", "--params", "--workers"))


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the CelebA sample is not at {SAMPLE}")
def test_real_files(tmp_path):
    """A part of CelebA's images, unpacked, beside the whole annotation."""
    part = tmp_path / "part"
    (part / "img_align_celeba").mkdir(parents=True)
    for name in (ATTRIBUTES_FILE, PARTITION_FILE):
        (part / name).symlink_to(SAMPLE / name)
    with open_archive(SAMPLE / IMAGES) as sample:
        for name in sample.names[::30]:
            (part / "img_align_celeba" / name).write_bytes(sample.read(name))
    project = Project(tmp_path)
    celeba = {"download__source": "celeba", "download__celeba__path": str(part)}
    download.main(workers=1, params=make_params(tmp_path, **celeba), output=project.raw, downloads=None)
    project.crop("vae", crop_pad__vae__images=200)
    arrays = open_vae(project.cache("vae"))
    # Every partition is met in proportion, though CelebA's first 162,770 images are all of train.
    assert {split: len(images) for split, images in arrays.images.items()} == {"train": 160, "valid": 21, "test": 19}
    assert len(arrays.attribute_names) == 40
    # About 48% of CelebA smiles: 0.35 and 0.61 are nearly four standard deviations away.
    smiling = arrays.attribute_names.index("Smiling")
    assert 0.35 < np.concatenate(list(arrays.attributes.values()))[:, smiling].mean() < 0.61
