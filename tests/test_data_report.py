"""The data in figures and pictures: rates, correlations, what two splits share, and the same faces in every archive."""

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import yaml
from metric_names import assert_listed
from PIL import Image
from raw_data import NAMES, SAMPLE, encoded, files_below, make_params, make_raw, one_line, write_entries

from facevae.celeba.forms import parse_identities, parse_partitions
from facevae.celeba.splits import PARTITIONS
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGES,
    LANDMARKS_FILE,
    PARTITION_FILE,
    SKIPPED,
    write_attributes,
    write_landmarks,
    write_numbers,
)
from facevae.figures import data as data_pictures
from facevae.figures.data import choose_faces, draw_contact_sheet, images_of, in_cell
from facevae.imaging.archive import Archive, open_archive
from facevae.imaging.codec import decode
from facevae.preparation import report_data as report_module
from facevae.preparation.report_data import (
    attribute_rates,
    brightness,
    digests,
    eye_distances,
    in_two,
    phi_coefficients,
)
from facevae.sources.inspection import Flaw, write_flaws
from stages import add_noise, cache_arrays, crop_pad, report_data

TEN = [f"{number:06d}.jpg" for number in range(1, 11)]


# --- figures with known answers


def test_rates_are_shares_of_all_and_of_each_split():
    values = np.array([[1, -1], [1, -1], [-1, -1], [1, 1], [-1, 1]], np.int8)
    rows = attribute_rates(("A", "B"), values, np.array([0, 0, 0, 2, -1]))
    assert rows[0] == {"attribute": "A", "rate": 0.6, "train_rate": pytest.approx(2 / 3), "test_rate": 1.0}
    assert rows[1] == {"attribute": "B", "rate": 0.4, "train_rate": 0.0, "test_rate": 1.0}


def test_phi_of_a_table_of_four():
    """Of both, of one alone, of the other alone and of neither: phi = (3 * 3 - 1 * 1) / sqrt(4 * 4 * 4 * 4)."""
    pairs = [(1, 1)] * 3 + [(1, -1)] + [(-1, 1)] + [(-1, -1)] * 3
    values = np.array([(a, b, -a, 1) for a, b in pairs], np.int8)
    expected = np.array([[1, 0.5, -1], [0.5, 1, -0.5], [-1, -0.5, 1]])
    assert np.array_equal(phi_coefficients(values)[:3, :3], expected)
    constant = phi_coefficients(values)
    assert np.isnan(constant[3]).all() and np.isnan(constant[:, 3]).all()


def test_phi_is_pearsons_coefficient_of_any_number_of_rows():
    values = np.where(np.random.default_rng(0).random((9000, 3)) < [0.02, 0.5, 0.9], 1, -1).astype(np.int8)
    values[:6000, 1] = values[:6000, 2]
    assert np.allclose(phi_coefficients(values), np.corrcoef(values, rowvar=False), atol=1e-12)


def test_eye_distance():
    landmarks = np.array([[69, 110, 72, 114, 0, 0, 0, 0, 0, 0], [60, 90, 48, 95, 7, 7, 7, 7, 7, 7]])
    assert eye_distances(landmarks).tolist() == [5.0, 13.0]


def test_brightness_is_each_images_mean():
    images = np.zeros((3, 2, 2, 3), np.uint8)
    images[1] = 255
    images[2, 0, 0] = [30, 60, 30]
    assert brightness(images).tolist() == [0, 255, 10]


def test_digests_tell_images_apart():
    images = np.zeros((4, 2, 3, 3), np.uint8)
    images[1, 0, 0, 0] = images[2, 1, 2, 2] = 1
    found = digests(images)
    assert found.dtype == np.uint64 and found[0] == found[3] and len(set(found.tolist())) == 3


def test_what_stands_in_two_parts():
    assert in_two([np.array([1, 1, 2, 5]), np.array([3, 5, 5]), np.array([2, 4, 5])]) == 2
    assert in_two([np.array([1, 1]), np.array([2, 3, 3])]) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc says how much memory is mapped")
def test_a_memory_map_is_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(report_module, "_BYTES_AT_ONCE", 1_000_000)
    images = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (4000, 64, 64, 3))
    images[::7] = 1
    images.flush()
    del images
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")[:-1]
    before = resident_file_bytes()
    found = digests(mapped)
    # All that was read would be 49 MB.
    assert resident_file_bytes() - before < 10_000_000
    assert np.array_equal(found, np.where(np.arange(3999) % 7 == 0, found[0], found[1])) and found[0] != found[1]


def resident_file_bytes() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile"))


# --- the stage


# Whoever names no attribute.
UNNAMED: dict[str, dict] = {"attribute_vectors": {}, "explore_latents": {}, "evaluate_vae": {}}


class Project:
    """A folder in which the data stages have run on ten images of one colour each."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.folder, self.data, self.raw = folder, folder / "data", make_raw(folder / "data/raw")
        self.results = folder / "results"
        write_entries(self.raw / IMAGES, {name: encoded(plain(number)) for number, name in enumerate(TEN)})
        self.prepare(**changes)

    def prepare(self, **changes: object) -> None:
        params = make_params(self.folder, **changes)
        for model in ("dae", "vae"):
            images = self.data / model / "images.zip"
            crop_pad.main(model, 1, params, self.raw / IMAGES, images)
            if model == "dae":
                add_noise.main(1, params, images, self.data / "dae/noisy.zip")
            cache_arrays.main(model, 1, params, self.data)

    def report(self, faces: int = 3, **sections: object) -> dict:
        params = self.folder / "report.yaml"
        params.write_text(yaml.safe_dump({"report_data": {"faces": faces}, **UNNAMED, **sections}))
        report_data.main(params, self.data, self.results)
        return json.loads((self.results / "metrics.json").read_text())["data"]

    def summary(self) -> dict[str, float]:
        return {row["quantity"]: float(row["value"]) for row in self.table("summary.csv")}

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.results / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


def plain(number: int, width: int = 178, height: int = 218) -> np.ndarray:
    return np.full((height, width, 3), colour(number), np.uint8)


def colour(number: int) -> tuple[int, int, int]:
    return 20 * number, 200 - 20 * number, 90 + 10 * (number % 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Project:
    return Project(tmp_path_factory.mktemp("report"))


@pytest.fixture
def project(made, tmp_path) -> Project:
    """A copy that a test may damage."""
    copy = object.__new__(Project)
    copy.folder, copy.data, copy.raw, copy.results = (tmp_path / part for part in ("", "data", "data/raw", "results"))
    shutil.copytree(made.data, copy.data)
    return copy


@pytest.fixture
def undrawn(project, monkeypatch) -> Project:
    """The same, of which no picture is drawn."""
    for name in ("draw_correlations", "draw_contact_sheet", "draw_rates"):
        monkeypatch.setattr(data_pictures, name, lambda *_: None)
    return project


def test_the_report(project, capsys):
    metrics = project.report()
    # Brightness: of the colours above, to within what JPEG changes.
    means = [np.mean(colour(number)) for number in range(10)]
    summary = project.summary()
    measured = summary.pop("brightness_mean"), summary.pop("brightness_std")
    assert measured == pytest.approx((np.mean(means), np.std(means)), abs=1)
    assert metrics == {
        "images": 10, "images_skipped": 0, "persons": 10, "images_in_two_splits": 0, "persons_in_two_splits": 0,
    }  # fmt: skip
    assert summary == {
        "images_with_landmarks": 0,
        "annotated_rows": 10,
        "attributes": 2,
        # Of make_raw's values, both 3 times, Smiling 4, Young 3, never together: (0 * 3 - 4 * 3) / sqrt(4 * 6 * 3 * 7).
        "strongest_correlation": pytest.approx(-12 / np.sqrt(504)),
        "dae_train_images": 6,
        "dae_test_images": 4,
        "vae_train_images": 6,
        "vae_valid_images": 2,
        "vae_test_images": 2,
        **{f"{model}_{what}_in_two_splits": 0 for model in ("dae", "vae") for what in ("images", "persons")},
    }
    assert project.table("sizes.csv") == [
        {"what": what, "width": width, "height": height, "images": "10"}
        for what, width, height in [
            ("raw", "178", "218"), ("padded", "180", "220"), ("noisy", "180", "220"), ("cropped", "32", "32"),
        ]
    ]  # fmt: skip
    # Smiling: images 1, 4, 7 and 10, by make_raw's splits train, valid, train, test.
    smiling, young = project.table("attributes.csv")
    found = [float(smiling[column]) for column in ("rate", "train_rate", "valid_rate", "test_rate")]
    assert smiling["attribute"] == "Smiling" and found == pytest.approx([0.4, 2 / 6, 1 / 2, 1 / 2])
    assert young["attribute"] == "Young" and float(young["rate"]) == 0.3
    matrix = project.table("correlations.csv")
    assert [row["attribute"] for row in matrix] == list(NAMES)
    assert [[float(row[name]) for name in NAMES] for row in matrix] == [
        [1.0, summary["strongest_correlation"]],
        [summary["strongest_correlation"], 1.0],
    ]
    assert_listed(project.results / "metrics.json", "report_data")
    assert str(project.results) in capsys.readouterr().out
    before = files_below(project.results)
    assert set(before) == {
        "attributes.csv", "correlations.csv", "metrics.json", "pictures/attributes.png", "pictures/correlations.png",
        "pictures/faces.png", "repeated.csv", "sizes.csv", "skipped.csv", "summary.csv",
    }  # fmt: skip
    project.report()
    assert files_below(project.results) == before


def test_a_person_in_two_splits_is_counted(undrawn):
    # Of the VAE's splits in order of number, train train train valid test twice; of the DAE's, six train and four test.
    write_numbers(undrawn.raw / IDENTITY_FILE, TEN, [5, 5, 6, 6, 6, 7, 8, 9, 9, 7])
    metrics, summary = undrawn.report(), undrawn.summary()
    assert metrics["persons"] == 5 and metrics["persons_in_two_splits"] == 3 + 1
    assert summary["vae_persons_in_two_splits"] == 3 and summary["dae_persons_in_two_splits"] == 1


def test_an_image_in_two_splits_is_counted(undrawn, capsys):
    """1, 2 and 7, which train both models but that 7 tests the DAE; 3 and 9; 4 and 10, valid and test of the VAE."""
    like = [0, 0, 2, 3, 4, 5, 0, 7, 2, 3]
    write_entries(undrawn.raw / IMAGES, {name: encoded(plain(number)) for name, number in zip(TEN, like, strict=True)})
    undrawn.prepare()
    metrics, summary = undrawn.report(), undrawn.summary()
    assert metrics["images_in_two_splits"] == 2 + 3
    assert summary["vae_images_in_two_splits"] == 2 and summary["dae_images_in_two_splits"] == 3
    groups: dict[tuple[str, str], set[tuple[str, int]]] = {}
    for row in undrawn.table("repeated.csv"):
        groups.setdefault((row["arrays"], row["content"]), set()).add((row["split"], int(row["image"][:6])))
    assert sorted(map(sorted, groups.values())) == sorted(
        [
            [("test", 7), ("train", 1), ("train", 2)], [("test", 9), ("train", 3)], [("test", 10), ("train", 4)],
            [("train", 3), ("valid", 9)], [("test", 10), ("valid", 4)],
        ]
    )  # fmt: skip
    line = "5 images stand in two splits, pixel by pixel"
    assert line in capsys.readouterr().out
    undrawn.prepare(cache_arrays__dae__same_images="together", cache_arrays__vae__same_images="together")
    assert undrawn.report()["images_in_two_splits"] == 0 and undrawn.table("repeated.csv") == []
    assert line not in capsys.readouterr().out


def test_labels_that_nobody_knows(undrawn, capsys):
    """Of all that is known; two attributes that are never known of the same image are not said to go together."""
    values = np.array([[1, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [0, 1], [-1, 0], [0, 0], [0, 0], [0, 0]])
    write_attributes(undrawn.raw / ATTRIBUTES_FILE, TEN, NAMES, values)
    undrawn.prepare()
    undrawn.report()
    smiling, young = undrawn.table("attributes.csv")
    assert (float(smiling["rate"]), smiling["known"]) == (0.5, "4")
    assert float(young["rate"]) == pytest.approx(2 / 3) and young["known"] == "3"
    assert young["valid_rate"] == "1.0" and young["test_rate"] == "0.0", "images 4 and 5"
    assert [row["Young"] for row in undrawn.table("correlations.csv")] == ["0.0", "1.0"]
    assert "13 of 20 labels are unknown" in capsys.readouterr().out


def test_the_picture_says_of_how_many_images_an_attribute_is_known(monkeypatch):
    drawn = []
    monkeypatch.setattr(data_pictures, "bars", lambda *arguments: drawn.append(arguments[1:3]))
    rows = [{"attribute": name, "rate": rate, "known": known} for name, rate, known in (("a_b", 0.1, 9), ("c", 0.5, 4))]
    data_pictures.draw_rates(Path("x.png"), [*rows, {"attribute": "d", "rate": float("nan"), "known": 0}], 9)
    data_pictures.draw_rates(Path("x.png"), [{"attribute": "a_b", "rate": 0.1}], 9)
    data_pictures.draw_rates(Path("x.png"), [], 9)
    assert drawn == [(["c (of 4)", "a b"], {"share": [0.5, 0.1]}), (["a b"], {"share": [0.1]})]


@pytest.mark.parametrize(
    ("names", "line"),
    [((), "the images have no attributes"), (NAMES[:1], f"{NAMES[0]} is the same for all train images")],
)
def test_nothing_to_learn(project, capsys, names, line):
    """Without attributes, or with one that all have: a line, empty tables, pictures of what there is."""
    write_attributes(project.raw / ATTRIBUTES_FILE, TEN, names, np.ones((10, len(names)), int))
    project.prepare()
    project.report()
    assert f"{line}: no judge" in capsys.readouterr().out
    assert project.table("correlations.csv") == [] and len(project.table("attributes.csv")) == len(names)
    drawn = {path.name for path in (project.results / "pictures").iterdir()}
    assert drawn == {"faces.png", "correlations.png"} | ({"attributes.png"} if names else set())


def test_names_that_are_not_in_the_data_end_here(undrawn):
    with one_line("evaluate_vae.attributes", "one of Smiling, Young", "found Happy", "null"):
        undrawn.report(evaluate_vae={"attributes": ["Happy"]})
    assert not undrawn.results.exists()


def test_nobody_and_nothing_known(undrawn):
    write_numbers(undrawn.raw / IDENTITY_FILE, [], [])
    metrics = undrawn.report()
    assert not any("persons" in name for name in (*metrics, *undrawn.summary()))
    assert "eye_distance_mean" not in undrawn.summary()


def test_landmarks_of_some_images(undrawn):
    values = np.zeros((3, 10), int)
    values[:, 2] = [30, 40, 50]
    write_landmarks(undrawn.raw / LANDMARKS_FILE, ["000002.jpg", "000003.jpg", "elsewhere.jpg"], values)
    undrawn.report()
    summary = undrawn.summary()
    assert summary["images_with_landmarks"] == 2
    assert (summary["eye_distance_mean"], summary["eye_distance_std"]) == (35, 5)


def test_skipped_images_are_counted_and_listed(undrawn):
    write_flaws(undrawn.raw / SKIPPED, [Flaw("a,b.jpg", 'broken, "quoted"'), Flaw("c.jpg", "two\nlines")])
    assert undrawn.report()["images_skipped"] == 2
    assert (undrawn.results / SKIPPED).read_bytes() == (undrawn.raw / SKIPPED).read_bytes()


def test_annotation_of_more_images_than_there_are(undrawn):
    names = [f"{number:06d}.jpg" for number in range(1, 13)]
    values = np.array([[1, -1, 1]] * 6 + [[-1, -1, 1]] * 4 + [[-1, 1, -1]] * 2)
    write_attributes(undrawn.raw / ATTRIBUTES_FILE, names, ("A", "B", "C"), values)
    undrawn.report()
    summary = undrawn.summary()
    assert summary["annotated_rows"] == 12 and summary["attributes"] == 3
    assert [float(row["rate"]) for row in undrawn.table("attributes.csv")] == [0.6, 0.0, 1.0]
    # All or none of the ten images have B and C: A has nothing to go with.
    assert "strongest_correlation" not in summary and undrawn.table("correlations.csv") == [
        {"attribute": "A", "A": "1.0"}
    ]


def test_the_strongest_correlation_has_its_sign(undrawn):
    """B is what A is not, and C is A but for one image: 1 of 6 with C lacks A, none of the 4 without has it."""
    values = np.array([[1, -1, 1]] * 5 + [[-1, 1, 1]] + [[-1, 1, -1]] * 4)
    write_attributes(undrawn.raw / ATTRIBUTES_FILE, TEN, ("A", "B", "C"), values)
    undrawn.report()
    assert undrawn.summary()["strongest_correlation"] == -1
    first = undrawn.table("correlations.csv")[0]
    assert float(first["C"]) == pytest.approx((5 * 4 - 0 * 1) / np.sqrt(5 * 5 * 6 * 4))


# A map of nothing would be drawn with a warning.
@pytest.mark.filterwarnings("error")
def test_attributes_without_variance(project):
    write_attributes(project.raw / ATTRIBUTES_FILE, TEN, ("A", "B"), np.array([[1, -1]] * 10))
    assert "strongest_correlation" not in project.report()
    assert (project.results / "correlations.csv").read_text() == "attribute\n"
    with Image.open(project.results / "pictures/correlations.png") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda p: (p.raw / SKIPPED).unlink(), [SKIPPED, "no such file", "stages.download"]),
        (lambda p: (p.raw / SKIPPED).write_text("name,why\n"), [SKIPPED, "image and reason", "name, why"]),
        (lambda p: (p.raw / SKIPPED).write_bytes(b"image,reason\n\xff,x\n"), [SKIPPED, "0xff"]),
        (lambda p: write_entries(p.raw / IMAGES, dict.fromkeys(TEN, b"x")), [IMAGES, "000001.jpg", "a whole image"]),
        (lambda p: (p.data / "dae/noisy.zip").unlink(), ["dae/noisy.zip", "no such file"]),
        (lambda p: (p.raw / PARTITION_FILE).write_text("000001.jpg 3\n"), [PARTITION_FILE, "line 1", "'3'"]),
    ],
    ids=["no list", "another list", "not text", "damaged image", "no archive", "wrong partition"],
)
def test_what_is_wrong_is_said_before_anything_is_written(project, damage, parts):
    damage(project)
    with one_line(*parts):
        project.report()
    assert not project.results.exists()


def test_faces_must_be_some(project):
    with one_line("report_data.faces", "greater than or equal to 1", "found 0"):
        project.report(faces=0)


# --- the contact sheet


def test_the_sheet_shows_each_face_below_itself(project):
    """Cells of 225x275 pixels, one and a quarter times the padded images, 4 between them, titles before and above."""
    project.report(faces=3)
    with Image.open(project.results / "pictures/faces.png") as image:
        picture = np.array(image.convert("RGB")).astype(int)
    assert picture.shape == (26 + 4 * 279, 30 + 3 * 229, 3)
    for column, number in enumerate((0, 3, 6)):
        for row in range(4):
            y, x = 26 + row * 279 + 137, 30 + column * 229 + 112
            cell = picture[y - 50 : y + 50, x - 50 : x + 50]
            assert np.abs(cell.mean((0, 1)) - colour(number)).max() < 12, (row, column)
            # The third row is the noisy one.
            assert (cell.std((0, 1)).mean() > 5) == (row == 2)


@pytest.fixture
def archives(made) -> Iterator[dict[str, Archive]]:
    paths = {
        "raw": made.raw / IMAGES,
        "padded": made.data / "dae/images.zip",
        "noisy": made.data / "dae/noisy.zip",
        "cropped": made.data / "vae/images.zip",
    }
    with ExitStack() as stack:
        yield {what: stack.enter_context(open_archive(path)) for what, path in paths.items()}


def test_cells_hold_the_archives_pixels(archives, monkeypatch, tmp_path):
    sheets = []
    monkeypatch.setattr(data_pictures, "image_sheet", lambda *arguments: sheets.append(arguments))
    draw_contact_sheet(tmp_path / "s.png", archives, 2)
    ((_, rows, titles, faces),) = sheets
    assert faces == ["000001", "000006"] and [row.shape for row in rows] == [(2, 220, 180, 3)] * 4
    assert titles == ["raw, 178x218", "padded, 180x220", "noisy, 180x220", "cropped, 32x32, at 500%"]
    raw, padded, noisy, cropped = (row[1] for row in rows)
    pixels = {what: decode(archive.read(name_of(archive, "000006")), "x") for what, archive in archives.items()}
    assert np.array_equal(raw[1:-1, 1:-1], pixels["raw"]) and (raw[[0, -1]] == 255).all() and (raw[:, 0] == 255).all()
    assert np.array_equal(padded, pixels["padded"]) and np.array_equal(noisy, pixels["noisy"])
    # 32 pixels five times are 160: ten columns and thirty rows stay free on either side.
    inner = cropped[30:-30, 10:-10]
    assert np.array_equal(inner[2::5, 2::5], pixels["cropped"]) and np.array_equal(inner[::5, 4::5], pixels["cropped"])
    cropped[30:-30, 10:-10] = 255
    assert (cropped == 255).all()


def name_of(archive: Archive, face: str) -> str:
    return next(name for name in archive.names if name.startswith(face))


def test_an_absent_image_leaves_its_cell_white():
    assert (in_cell(None, 3, 2) == np.full((2, 3, 3), 255)).all()


def test_faces_stand_in_all_archives(tmp_path):
    folder = write_sets(tmp_path, raw=range(1, 11), padded=range(1, 8), cropped=(1, 4, 6, 7, 9))
    assert chosen(folder, 9) == ["000001", "000004", "000006", "000007"]
    assert chosen(folder, 2) == ["000001", "000006"]


def test_faces_without_a_cropped_one(tmp_path):
    folder = write_sets(tmp_path, raw=range(1, 11), padded=range(2, 6), cropped=(1, 7))
    assert chosen(folder, 2) == ["000002", "000004"]
    with open_archive(folder / "cropped.zip") as cropped:
        absent, present = images_of(cropped, ["000002", "000007"])
    assert absent is None and present.shape == (8, 8, 3)
    with opened_sets(folder) as archives:
        draw_contact_sheet(tmp_path / "s.png", archives, 2)
    with Image.open(tmp_path / "s.png") as image:
        assert np.array(image.convert("RGB"))[-15:, 40:].min() == 255


def test_archives_of_different_images(tmp_path):
    folder = write_sets(tmp_path, raw=(1, 2), padded=(3,), cropped=(1,))
    with one_line("padded.zip", "images of", "raw.zip", "none of them"):
        chosen(folder, 2)


def write_sets(folder: Path, **numbers) -> Path:
    for name, chosen_numbers in numbers.items():
        suffix = "jpg" if name == "raw" else "png"
        entries = {
            f"{number:06d}.{suffix}": encoded(plain(number, 8, 8), "JPEG" if suffix == "jpg" else "PNG")
            for number in chosen_numbers
        }
        write_entries(folder / f"{name}.zip", entries)
    return folder


@contextmanager
def opened_sets(folder: Path) -> Iterator[dict[str, Archive]]:
    with ExitStack() as stack:
        names = ("raw", "padded", "cropped")
        yield {name: stack.enter_context(open_archive(folder / f"{name}.zip")) for name in names}


def chosen(folder: Path, count: int) -> list[str]:
    with opened_sets(folder) as archives:
        return choose_faces(list(archives.values()), count)


# --- the real data


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the CelebA sample is not at {SAMPLE}")
def test_the_real_splits_share_no_image_and_no_person():
    with open_archive(SAMPLE / IMAGES) as archive:
        contents = np.array([int.from_bytes(blake2b(archive.read(name), digest_size=8).digest())
                             for name in archive.names], np.uint64)  # fmt: skip
        splits = parse_partitions(SAMPLE / PARTITION_FILE).find(archive.names)
        persons = parse_identities(SAMPLE / IDENTITY_FILE).find(archive.names)
    assert (splits >= 0).all() and (persons >= 0).all()
    parts = [splits == number for number in range(len(PARTITIONS))]
    assert all(part.sum() > 900 for part in parts)
    assert in_two(persons[part] for part in parts) == 0
    assert in_two(contents[part] for part in parts) == 0
