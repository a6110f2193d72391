"""Stage download: three sources, one result; whatever is wrong is named, and the old files stay."""

import csv
import hashlib
import io
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_data import encoded, files_below, make_params, make_raw, one_line, photo, write_entries

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.forms import parse_attributes, parse_identities, parse_landmarks, parse_partitions
from facevae.celeba.pairs import read_pairs
from facevae.celeba.splits import partition_by_name
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    CHANGES,
    IDENTITY_FILE,
    IMAGES,
    LANDMARKS,
    LANDMARKS_FILE,
    PAIRS,
    PARTITION_FILE,
    SKIPPED,
    read_attributes,
    write_attributes,
    write_landmarks,
    write_numbers,
)
from facevae.imaging import unread
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode
from facevae.jobs import disk
from facevae.preparation import disk_needs
from facevae.sources import synthetic
from stages import download

OUTPUTS = {IMAGES, ATTRIBUTES_FILE, PARTITION_FILE, IDENTITY_FILE, LANDMARKS_FILE, SKIPPED, CHANGES, PAIRS}


def fetch(tmp_path: Path, workers: int = 1, **changes: object) -> Path:
    """Run the stage with these parameters into tmp_path/raw."""
    raw = tmp_path / "raw"
    params = make_params(tmp_path, **changes)
    download.main(workers=workers, params=params, output=raw, downloads=tmp_path / "downloads")
    return raw


# --- synthetic


def test_drawn_faces(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(synthetic, "DRAWN", ("Eyeglasses", "Smiling"))
    raw = fetch(tmp_path, download__synthetic={"images": 5, "seed": 3, "pairs": 2})
    assert capsys.readouterr().out.splitlines()[-1] == f"{raw / IMAGES}: 5 images, source synthetic"
    assert set(files_below(raw)) == OUTPUTS
    table = parse_attributes(raw / ATTRIBUTES_FILE, ATTRIBUTES)
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == table.images == [f"{number:06d}.jpg" for number in range(1, 6)]
        image = decode(archive.read("000002.jpg"), "x")
    has = synthetic.sample_attributes(3, 2)
    assert {name for name, value in zip(table.names, table.values[1], strict=True) if value == 1} == has
    # JPEG and its halved colour resolution change little on average.
    assert np.abs(image.astype(int) - synthetic.draw(3, 2, has)).mean() < 4
    assert parse_partitions(raw / PARTITION_FILE).by_stem() == {
        "000001": 0,
        "000002": 0,
        "000003": 0,
        "000004": 0,
        "000005": 1,
    }
    assert parse_identities(raw / IDENTITY_FILE).by_stem()["000004"] == 4
    for found in read_pairs(raw / PAIRS, lambda image: image, ATTRIBUTES):
        assert found.attribute in ("Eyeglasses", "Smiling") and set(found.identities) <= {6, 7}
        # Other pixels at all, but most of the face is the same.
        change = np.abs(found.without.astype(int) - found.having).mean()
        assert 0 < change < 20
    with zipfile.ZipFile(raw / PAIRS) as file:
        rows = list(csv.DictReader(io.StringIO(file.read("pairs.csv").decode())))
        assert rows and set(rows[0]) == {"identity", "attribute", "without", "with"}
        assert {row[side] for row in rows for side in ("without", "with")} | {"pairs.csv"} == set(file.namelist())


def test_drawing_gives_the_same_bytes_whatever_the_workers(tmp_path):
    made = [
        files_below(fetch(tmp_path, workers, download__synthetic={"images": 18, "seed": 3, "pairs": 0}))
        for workers in (1, 2)
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"download__source": "celebb"}, "'synthetic', 'celeba' or 'folder'"),
        ({"download__sintetic": {}}, "unknown key sintetic"),
        ({"download__synthetic": {"images": 0, "seed": 1, "pairs": 1}}, "download.synthetic.images"),
        ({"download__synthetic": {"images": "1e3", "seed": 1, "pairs": 1}}, "download.synthetic.images"),
        ({"download__synthetic": {"images": 1, "seed": 1}}, "download.synthetic.pairs"),
    ],
)
def test_parameters_are_checked(tmp_path, changes, part):
    with one_line("params.yaml", part):
        fetch(tmp_path, **changes)


def test_the_groups_of_other_sources_are_not_read(tmp_path):
    synthetic = {"images": 1, "seed": 1, "pairs": 0}
    raw = fetch(tmp_path, download__synthetic=synthetic, download__celeba={"no": "matter"})
    with open_archive(raw / IMAGES) as archive:
        assert len(archive.names) == 1


# --- celeba


PARTED = {f"{number:06d}.jpg": (number - 1) % 3 for number in range(1, 7)}


@pytest.fixture
def official(tmp_path):
    """A directory as CelebA's users have it: four images, an annotation of six, CRLF partitions."""
    folder = tmp_path / "official"
    images = [f"{number:06d}.jpg" for number in range(1, 7)]
    write_entries(folder / IMAGES, {f"some/prefix/{name}": encoded(photo(1)) for name in images[:4]})
    write_attributes(folder / ATTRIBUTES_FILE, images, ATTRIBUTES, np.ones((6, 40), int))
    (folder / PARTITION_FILE).write_bytes(b"".join(b"%s %d\r\n" % (name.encode(), PARTED[name]) for name in images))
    write_numbers(folder / IDENTITY_FILE, images, range(6))
    return folder


def take(tmp_path: Path, folder: Path, on_bad_image: str = "error") -> Path:
    where = {"download__celeba__path": str(folder), "download__celeba__on_bad_image": on_bad_image}
    return fetch(tmp_path, download__source="celeba", **where)


def test_celebas_zip(tmp_path, official):
    raw = take(tmp_path, official)
    assert set(files_below(raw)) == OUTPUTS
    # A row for each image that is there, whatever the lines ended in.
    images = [f"{number:06d}.jpg" for number in range(1, 5)]
    assert parse_attributes(raw / ATTRIBUTES_FILE, ATTRIBUTES).images == images
    assert (raw / PARTITION_FILE).read_bytes() == b"".join(
        b"%s %d\n" % (image.encode(), PARTED[image]) for image in images
    )
    assert (raw / IDENTITY_FILE).read_text() == "".join(f"{image} {row}\n" for row, image in enumerate(images))
    with zipfile.ZipFile(raw / IMAGES) as file:
        assert file.namelist() == [f"img_align_celeba/{number:06d}.jpg" for number in range(1, 5)]
        assert file.read(file.namelist()[0]) == encoded(photo(1))
    assert list(read_pairs(raw / PAIRS, lambda image: image)) == []


def test_celebas_unpacked_folder_gives_the_same_bytes(tmp_path, official):
    packed = files_below(take(tmp_path, official))
    with zipfile.ZipFile(official / IMAGES) as file:
        (official / "img_align_celeba").mkdir()
        for name in file.namelist():
            (official / "img_align_celeba" / Path(name).name).write_bytes(file.read(name))
    (official / IMAGES).unlink()
    assert files_below(take(tmp_path, official)) == packed


def test_celebas_drive_folders_and_no_identities(tmp_path, official):
    for folder, name in (("Img", IMAGES), ("Anno", ATTRIBUTES_FILE), ("Eval", PARTITION_FILE)):
        (official / folder).mkdir()
        (official / name).rename(official / folder / name)
    (official / IDENTITY_FILE).unlink()
    raw = take(tmp_path, official)
    assert (raw / IDENTITY_FILE).read_bytes() == b"" and len(parse_landmarks(raw / LANDMARKS_FILE)) == 0
    # What a run leaves is a directory with CelebA's files itself.
    (tmp_path / "again").mkdir()
    for name in OUTPUTS - {PAIRS, SKIPPED, CHANGES}:
        shutil.copy(raw / name, tmp_path / "again" / name)
    before = files_below(raw)
    assert files_below(take(tmp_path, tmp_path / "again")) == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda folder: shutil.rmtree(folder), ["official", "CelebA's files", "no such folder"]),
        (lambda folder: (folder / IMAGES).unlink(), ["official", "img_align_celeba.zip or img_align_celeba", "none"]),
        (lambda folder: cut(folder / IMAGES), [IMAGES, "a whole zip"]),
        (lambda folder: cut(folder / ATTRIBUTES_FILE), [ATTRIBUTES_FILE, "line 8", "40 values"]),
        (lambda folder: make_raw(folder, 4), [ATTRIBUTES_FILE, "line 2", "CelebA's 40"]),
        (
            lambda folder: write_attributes(
                folder / ATTRIBUTES_FILE, ["000001.jpg"], ATTRIBUTES, np.ones((1, 40), int)
            ),
            [IMAGES, "000002.jpg", "no row in the annotation", "3 bad images in all"],
        ),
        (
            lambda folder: write_numbers(folder / PARTITION_FILE, ["000001.jpg"], [0]),
            [IMAGES, "000002.jpg", "no row in the partitions", "3 bad images in all"],
        ),
        (lambda folder: (folder / IDENTITY_FILE).write_text("000001.jpg x\n"), [IDENTITY_FILE, "line 1"]),
    ],
    ids=["folder", "images", "truncated", "row", "header", "annotation", "unpartitioned", "identity"],
)
def test_what_is_wrong_with_celebas_files(tmp_path, official, damage, parts):
    raw = take(tmp_path, official)
    before = files_below(raw)
    damage(official)
    with one_line(*parts):
        take(tmp_path, official)
    assert files_below(raw) == before


def test_an_empty_unpacked_folder(tmp_path, official):
    (official / IMAGES).unlink()
    (official / "img_align_celeba").mkdir()
    with one_line("img_align_celeba", "images", "none"):
        take(tmp_path, official)


# --- celeba, each file from its own places


def test_each_file_from_its_own_places(tmp_path, official):
    """Directories and addresses of files; what is not wanted is left out, what is missing is made."""
    (tmp_path / "images").mkdir()
    (official / IMAGES).rename(tmp_path / "images" / IMAGES)
    sum_of = hashlib.md5((official / ATTRIBUTES_FILE).read_bytes()).hexdigest()
    places = {
        "path": None, "images": ["/no/such/directory", str(tmp_path / "images")],
        "attributes": [f"file://{official / ATTRIBUTES_FILE}#md5={sum_of}"],
        "partitions": [], "identities": [str(official)], "landmarks": [], "on_bad_image": "error",
    }  # fmt: skip
    write_numbers(official / IDENTITY_FILE, [f"{number:06d}.jpg" for number in (1, 2, 3)], [7, 8, 7])
    raw = fetch(tmp_path, download__source="celeba", download__celeba=places)
    with open_archive(raw / IMAGES) as archive:
        assert len(archive.names) == 4
    partitions = parse_partitions(raw / PARTITION_FILE).by_stem()
    assert partitions["000001"] == partitions["000003"] and sorted(set(partitions.values())) == [0, 1, 2]
    assert parse_identities(raw / IDENTITY_FILE).by_stem() == {"000001": 7, "000002": 8, "000003": 7}
    places["identities"] = ["/no/such/directory"]
    with one_line("download.celeba.identities", "/no/such/directory", "download.celeba.identities=[]"):
        fetch(tmp_path, download__source="celeba", download__celeba=places)
    places["images"] = []
    with one_line("download.celeba.images", "a place", "an empty list"):
        fetch(tmp_path, download__source="celeba", download__celeba=places)


def test_the_forms_of_kaggle(tmp_path, official):
    """CSV files, and the images in a folder in a folder: the same raw files as from CelebA's own."""
    landmarks = np.arange(60).reshape(6, 10)
    images = [f"{number:06d}.jpg" for number in range(1, 7)]
    write_landmarks(official / LANDMARKS_FILE, images, landmarks)
    expected = files_below(take(tmp_path, official))
    assert parse_landmarks(tmp_path / "raw" / LANDMARKS_FILE).values.tolist() == landmarks[:4].tolist()
    kaggle = tmp_path / "kaggle"
    (kaggle / "img_align_celeba/img_align_celeba").mkdir(parents=True)
    with zipfile.ZipFile(official / IMAGES) as file:
        for name in file.namelist():
            (kaggle / "img_align_celeba/img_align_celeba" / Path(name).name).write_bytes(file.read(name))
    tables = {
        ATTRIBUTES_FILE: (ATTRIBUTES, np.ones((6, 40), int)),
        PARTITION_FILE: (("partition",), [[number] for number in PARTED.values()]),
        LANDMARKS_FILE: (LANDMARKS, landmarks),
    }  # fmt: skip
    for name, (columns, values) in tables.items():
        rows = [",".join(["image_id", *columns])]
        rows += [",".join([image, *map(str, row)]) for image, row in zip(images, values, strict=True)]
        (kaggle / name).with_suffix(".csv").write_text("\n".join(rows))
    (kaggle / IDENTITY_FILE).write_bytes((official / IDENTITY_FILE).read_bytes())
    assert files_below(take(tmp_path, kaggle)) == expected


def test_unpacked_images_on_two_levels(tmp_path, official):
    """Some as Kaggle has them, the others beside that folder: all are taken."""
    expected = files_below(take(tmp_path, official))
    with zipfile.ZipFile(official / IMAGES) as file:
        for number, name in enumerate(file.namelist()):
            path = official / "img_align_celeba" / ("img_align_celeba" if number % 2 else "") / Path(name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read(name))
    (official / IMAGES).unlink()
    assert files_below(take(tmp_path, official)) == expected


def test_one_name_with_two_endings_in_an_unpacked_folder(tmp_path, official):
    """Refused where a zip with the same images is, and not by a later stage."""
    folder = official / "img_align_celeba"
    folder.mkdir()
    with zipfile.ZipFile(official / IMAGES) as file:
        for name in file.namelist():
            (folder / Path(name).name).write_bytes(file.read(name))
    (official / IMAGES).unlink()
    (folder / "000002.png").write_bytes((folder / "000002.jpg").read_bytes())
    with one_line("000002.jpg", "one of several images of this name", "2 bad images in all"):
        take(tmp_path, official)
    raw = take(tmp_path, official, "skip")
    with (raw / SKIPPED).open() as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["000002.jpg", "000002.png"]
    with open_archive(raw / IMAGES) as archive:
        assert len(archive.names) == 3


def test_what_the_data_will_take_is_told(tmp_path, official, capsys, monkeypatch):
    take(tmp_path, official)
    assert "images: the data take about" in capsys.readouterr().out
    monkeypatch.setattr(disk_needs, "free_space", lambda path: 1000)
    take(tmp_path, official)
    assert "warning: " in capsys.readouterr().out
    monkeypatch.setattr(disk, "free_space", lambda path: 1000)
    before = files_below(tmp_path / "raw")
    with one_line(IMAGES, "free for the images", "free some"):
        take(tmp_path, official)
    assert files_below(tmp_path / "raw") == before


def test_needs_of_all_of_celeba(tmp_path):
    """202,599 images of 128 pixels: 10 GB of arrays, as much of packed images, and all of it again in DVC's cache."""
    params = make_params(tmp_path, crop_pad__vae__size=128, crop_pad__dae__images=1)
    whole = disk_needs.data_needs(params, 202_599, 1_443_490_838, (178, 218))
    assert whole == pytest.approx(2 * (1.443e9 + 2 * 9.958e9), rel=0.001)


# --- folder


@pytest.fixture
def photos(tmp_path):
    """Three images of two modes and one size, and their CSV."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "b.png").write_bytes(encoded(photo(1, 200, 230), "PNG"))
    (folder / "a a.jpg").write_bytes(encoded(photo(2, 200, 230)))
    Image.new("L", (200, 230), 90).save(folder / "c.bmp")
    (folder / ".hidden.png").write_bytes(b"")
    write_csv(folder, "image,Smiling,Has Hat", "b.png,1,0", "a a.jpg,0,1", "c.bmp,0,0")
    return folder


def write_csv(folder: Path, *lines: str) -> None:
    (folder / "attributes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def take_photos(tmp_path: Path, on_bad_image: str = "error") -> Path:
    photos = tmp_path / "photos"
    folder = {"images": str(photos), "attributes": str(photos / "attributes.csv"), "on_bad_image": on_bad_image}
    return fetch(tmp_path, download__source="folder", download__folder=folder)


def test_a_folder_of_images(tmp_path, photos):
    raw = take_photos(tmp_path)
    assert set(files_below(raw)) == OUTPUTS
    table = parse_attributes(raw / ATTRIBUTES_FILE)
    assert table.names == ("Smiling", "Has_Hat")
    assert dict(zip(table.images, table.values.tolist(), strict=True)) == {
        "a_a.jpg": [-1, 1],
        "b.png": [1, -1],
        "c.jpg": [-1, -1],
    }
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == sorted(table.images)
        assert archive.read("b.png") == (photos / "b.png").read_bytes(), "as it is"
        assert decode(archive.read("c.jpg"), "x").shape == (230, 200, 3)
    with (raw / CHANGES).open() as file:
        assert {row["image"]: (row["name"], row["change"]) for row in csv.DictReader(file)} == {
            "a a.jpg": ("a_a.jpg", "renamed"), "c.bmp": ("c.jpg", "converted from BMP (L)"),
        }  # fmt: skip
    partitions = parse_partitions(raw / PARTITION_FILE).by_stem()
    assert sorted(partitions.values()) == [0, 1, 2], "a few are dealt out, so that no split is empty"
    assert len(parse_identities(raw / IDENTITY_FILE)) == 3


def test_images_of_different_sizes_become_celebas(tmp_path, photos):
    (photos / "b.png").write_bytes(encoded(photo(1, 400, 300), "PNG"))
    with open_archive(take_photos(tmp_path) / IMAGES) as archive:
        assert {decode(archive.read(name), "x").shape for name in archive.names} == {(218, 178, 3)}
    (photos / "b.png").write_bytes(encoded(photo(1, 177, 300), "PNG"))
    with one_line("b.png", "177x300", "178 on each side", "the only bad image"):
        take_photos(tmp_path)


def test_a_partition_column(tmp_path, photos):
    write_csv(photos, "partition,image,Smiling", "0,b.png,1", "valid,a a.jpg,1", "2,c.bmp,0")
    assert parse_partitions(take_photos(tmp_path) / PARTITION_FILE).by_stem() == {"b": 0, "a_a": 1, "c": 2}


def test_reserved_names_in_any_letter_case(tmp_path, photos):
    """As attributes they would be learned, and held-out images would train."""
    write_csv(photos, "Partition,IMAGE,Person,Smiling", "0,b.png,Ann,1", "test,a a.jpg,Ann,1", "2,c.bmp,NA,0")
    raw = take_photos(tmp_path)
    assert parse_attributes(raw / ATTRIBUTES_FILE).names == ("Smiling",)
    assert parse_partitions(raw / PARTITION_FILE).by_stem() == {"b": 0, "a_a": 2, "c": 2}
    assert len(set(parse_identities(raw / IDENTITY_FILE).numbers.tolist())) == 2


@pytest.mark.parametrize("names", [["1990"], ["0", "1", "2"], ["-1"], ["1"], ["a,b", '"q"']])
def test_attributes_of_any_name(tmp_path, photos, names):
    """A year, one-hot numbers as UTKFace's users write them, commas and quotes: what is written is read."""
    with (photos / "attributes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", *names], *([name, *[1] * len(names)] for name in ("b.png", "c.bmp"))])
    (photos / "a a.jpg").unlink()
    raw = take_photos(tmp_path)
    for read in (parse_attributes, read_attributes):
        table = read(raw / ATTRIBUTES_FILE)
        assert table.names == tuple(names) and table.values.tolist() == [[1] * len(names)] * 2


def test_images_that_are_left_out_are_listed(tmp_path, photos, monkeypatch):
    """Without a row, in a folder below too, or of a format that is not read: not one is lost without a word."""
    (photos / "below/deeper").mkdir(parents=True)
    (photos / "below/deeper/d.jpg").write_bytes(encoded(photo(3, 200, 230)))
    (photos / "e.HEIC").write_bytes(b"ftypheic")
    (photos / "f.jp2").write_bytes(b"jP  ")
    lines = ["image,Smiling", "b.png,1", "a a.jpg,1", "c.bmp,0", "e.HEIC,1"]
    write_csv(photos, *lines)
    monkeypatch.setattr(unread, "has_heic", lambda: False)
    with one_line("below/deeper/d.jpg", "no row in attributes.csv", "3 bad images in all"):
        take_photos(tmp_path)
    raw = take_photos(tmp_path, "skip")
    with (raw / SKIPPED).open() as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["below/deeper/d.jpg", "e.HEIC", "f.jp2"]
    assert len(parse_attributes(raw / ATTRIBUTES_FILE)) == 3


def test_an_avif_photo_and_a_turned_tiff(tmp_path, photos):
    """Upright all have one size, and keep it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo(1, 200, 230))).save(photos / "b.tif", exif=exif)
    Image.fromarray(photo(3, 200, 230)).save(photos / "d.avif")
    (photos / "b.png").unlink()
    write_csv(photos, "image,Smiling", "b.tif,1", "a a.jpg,1", "c.bmp,0", "d.avif,1")
    with open_archive(take_photos(tmp_path) / IMAGES) as archive:
        assert archive.names == ["a_a.jpg", "b.jpg", "c.jpg", "d.jpg"]
        assert {decode(archive.read(name), "x").shape for name in archive.names} == {(230, 200, 3)}
        assert np.abs(decode(archive.read("b.jpg"), "x").astype(int) - photo(1, 200, 230)).mean() < 2


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["photo,Smiling", "b.png,1"], ["line 1", "a header image,", "photo,Smiling"]),
        (["image", "b.png"], ["line 1"]),
        (["image,A,A", "b.png,1,1"], ["line 1", "different names"]),
        (["image,A B,A_B", "b.png,1,1"], ["line 1", "different names"]),
        (["image,A", "b.png,1", "a a.jpg,2"], ["line 3, A", "'2'"]),
        (["image,A", "b.png,1", "a a.jpg"], ["line 3", "2 cells", "1"]),
        (["image,A,partition", "b.png,1,3"], ["line 2, partition", "'3'"]),
        (["image,A", "b.png,1", "b.png,1"], ["line 3", "b.png again"]),
        (["image,A", "b.png,1", "z.png,1"], ["unknown image z.png"]),
        (["image,A", "b.png,1", "../photos/a a.jpg,1"], ["unknown image ../photos"]),
        (["image,A", "b.png,1", "", "a a.jpg"], ["line 4", "2 cells", "1"]),
        (["image,A", "b.png,1", "a a.jpg,1,0"], ["line 3", "2 cells", "3"]),
        (["image,A", "b.png,1,"], ["line 2", "2 cells", "3"]),
        (["image,A,partition", "b.png,1,"], ["line 2, partition", "''"]),
        (["image,A", "b.png,1.0"], ["line 2, A", "'1.0'", "download.folder.threshold"]),
        (["image,A", "b.png,0.3"], ["line 2, A", "'0.3'", "download.folder.threshold"]),
        (["image,A", "b.png,NA"], ["line 2, A", "'NA'"]),
        (["image,A", '"b.png,1'], ["attributes.csv", "a CSV"]),
        (["image,A,Split", "b.png,1,0"], ["line 1", "Split", "perhaps the partition"]),
        (["image,A,set", "b.png,1,0"], ["line 1", "set", "perhaps the partition"]),
        (["image,Fold,A", "b.png,1,0"], ["line 1", "Fold", "perhaps the partition"]),
        (["image,A,IDENTITY", "b.png,1,0"], ["line 1", "IDENTITY", "perhaps the person"]),
        (["image,Person,person,A", "b.png,x,y,1"], ["line 1", "different names"]),
        (["image"], ["line 1", "different names"]),
        (["image,A"], ["only a header"]),
        ([""], ["line 1", "nothing"]),
    ],
)
def test_a_wrong_csv(tmp_path, photos, lines, parts):
    write_csv(photos, *lines)
    with one_line("attributes.csv", *parts):
        take_photos(tmp_path)
    assert files_below(tmp_path / "raw") == {}


def test_photos_that_can_not_be_used(tmp_path, photos):
    """One is no image, one has no row, one is cut off: named and counted, or left out and listed."""
    (photos / "b.png").write_bytes(b"text")
    (photos / "d.jpg").write_bytes(encoded(photo(3, 200, 230)))
    (photos / "e.jpg").write_bytes(encoded(photo(3, 200, 230))[:2000])
    write_csv(photos, "image,Smiling", "b.png,1", "a a.jpg,1", "c.bmp,0", "e.jpg,1")
    with one_line("photos, b.png", "of no known format", "3 bad images in all", "on_bad_image: skip"):
        take_photos(tmp_path)
    assert files_below(tmp_path / "raw") == {}
    raw = take_photos(tmp_path, "skip")
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == ["a_a.jpg", "c.jpg"] == parse_attributes(raw / ATTRIBUTES_FILE).images
    with (raw / SKIPPED).open() as file:
        reasons = {row["image"]: row["reason"] for row in csv.DictReader(file)}
    assert list(reasons) == ["b.png", "d.jpg", "e.jpg"] and "no row in attributes.csv" in reasons["d.jpg"]
    for name in ("a a.jpg", "c.bmp"):
        (photos / name).write_bytes(b"text")
    with one_line("a a.jpg", "5 bad images in all"):
        take_photos(tmp_path, "skip")


def test_a_persons_photos_stay_together(tmp_path, photos):
    write_csv(photos, "image,person,Smiling", "b.png,Ann,1", "a a.jpg,Bob,1", "c.bmp,Ann,0")
    raw = take_photos(tmp_path)
    persons = parse_identities(raw / IDENTITY_FILE).by_stem()
    assert persons["b"] == persons["c"] != persons["a_a"]
    partitions = parse_partitions(raw / PARTITION_FILE).by_stem()
    assert partitions == {"b": partition_by_name("Ann"), "c": partition_by_name("Ann"), "a_a": partition_by_name("Bob")}


def test_a_csv_that_is_none(tmp_path, photos):
    (photos / "attributes.csv").write_bytes(b"image,A\n\xff\xfe,1\n")
    with one_line("attributes.csv", "UTF-8"):
        take_photos(tmp_path)
    (photos / "attributes.csv").unlink()
    with one_line("attributes.csv", "no such file"):
        take_photos(tmp_path)


def test_wrong_folders_and_images(tmp_path, photos):
    before = files_below(take_photos(tmp_path))
    (photos / "b.png").write_bytes(encoded(photo(1, 200, 230), "PNG")[:9000])
    with one_line("b.png", "a whole image"):
        take_photos(tmp_path)
    (photos / "b.png").write_bytes(b"text")
    with one_line("b.png", "a whole image"):
        take_photos(tmp_path)
    (photos / "b.png").unlink()
    (photos / "c.png").write_bytes(encoded(photo(1, 200, 230), "PNG"))
    write_csv(photos, "image,A", "c.png,1", "a a.jpg,1", "c.bmp,1")
    with one_line("photos, c.bmp", "one of several images of this name, c.png another"):
        take_photos(tmp_path)
    for path in photos.iterdir():
        if path.suffix != ".csv":
            path.unlink()
    with one_line("photos", "images", "none"):
        take_photos(tmp_path)
    shutil.rmtree(photos)
    with one_line("photos", "no such folder"):
        take_photos(tmp_path)
    assert files_below(tmp_path / "raw") == before
