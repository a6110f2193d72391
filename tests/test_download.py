"""Stage download: three sources, one result; whatever is wrong is named, and the old files stay."""

import csv
import hashlib
import io
import shutil
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_data import encoded, files_below, make_params, make_raw, one_line, photo, write_entries

from facevae import drive, sources
from facevae.archives import open_archive
from facevae.attributes import ATTRIBUTES
from facevae.celeba import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGES,
    PAIRS,
    PARTITION_FILE,
    read_attributes,
    read_identities,
    read_partitions,
    write_attributes,
    write_numbers,
)
from facevae.images import decode
from facevae.pairs import read_pairs
from facevae.splits import partition_by_name
from stages import download

OUTPUTS = {IMAGES, ATTRIBUTES_FILE, PARTITION_FILE, IDENTITY_FILE, PAIRS}


def fetch(tmp_path: Path, workers: int = 1, **changes: object) -> Path:
    """Run the stage with these parameters into tmp_path/raw."""
    raw = tmp_path / "raw"
    download.main(workers=workers, params=make_params(tmp_path, **changes), output=raw)
    return raw


# --- synthetic


def test_drawn_faces(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources.faces, "DRAWN", ("Eyeglasses", "Smiling"))
    raw = fetch(tmp_path, download__synthetic={"images": 5, "seed": 3, "pairs": 2})
    assert capsys.readouterr().out.splitlines()[-1] == f"{raw / IMAGES}: 5 images, source synthetic"
    assert set(files_below(raw)) == OUTPUTS
    table = read_attributes(raw / ATTRIBUTES_FILE, ATTRIBUTES)
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == table.images == [f"{number:06d}.jpg" for number in range(1, 6)]
        image = decode(archive.read("000002.jpg"), "x")
    has = sources.faces.sample_attributes(3, 2)
    assert {name for name, value in zip(table.names, table.values[1], strict=True) if value == 1} == has
    # JPEG and its halved colour resolution change little on average.
    assert np.abs(image.astype(int) - sources.faces.draw(3, 2, has)).mean() < 4
    assert read_partitions(raw / PARTITION_FILE) == {"000001": 0, "000002": 0, "000003": 0, "000004": 0, "000005": 1}
    assert read_identities(raw / IDENTITY_FILE)["000004"] == 4
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
    fetch(tmp_path, download__synthetic=synthetic, download__celeba={"no": "matter"})


# --- celeba


@pytest.fixture
def official(tmp_path):
    """A directory as CelebA's users have it: four images, an annotation of six, CRLF partitions."""
    folder = tmp_path / "official"
    images = [f"{number:06d}.jpg" for number in range(1, 7)]
    write_entries(folder / IMAGES, {f"some/prefix/{name}": encoded(photo(1)) for name in images[:4]})
    write_attributes(folder / ATTRIBUTES_FILE, images, ATTRIBUTES, np.ones((6, 40), int))
    (folder / PARTITION_FILE).write_bytes(b"".join(b"%s 0\r\n" % name.encode() for name in images))
    write_numbers(folder / IDENTITY_FILE, images, range(6))
    return folder


def take(tmp_path: Path, folder: Path | None) -> Path:
    return fetch(
        tmp_path, download__source="celeba", download__celeba={"path": None if folder is None else str(folder)}
    )


def test_celebas_zip(tmp_path, official):
    raw = take(tmp_path, official)
    assert set(files_below(raw)) == OUTPUTS
    for name in (ATTRIBUTES_FILE, PARTITION_FILE, IDENTITY_FILE):
        assert (raw / name).read_bytes() == (official / name).read_bytes()
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
    assert (raw / IDENTITY_FILE).read_bytes() == b""


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda folder: shutil.rmtree(folder), ["official", "list_attr_celeba.txt"]),
        (lambda folder: (folder / IMAGES).unlink(), ["official", "img_align_celeba.zip or a folder", "neither"]),
        (lambda folder: cut(folder / IMAGES), [IMAGES, "a whole zip"]),
        (lambda folder: (folder / PARTITION_FILE).unlink(), ["no list_eval_partition.txt"]),
        (lambda folder: cut(folder / ATTRIBUTES_FILE), [ATTRIBUTES_FILE, "line 8", "40 values"]),
        (lambda folder: make_raw(folder, 4), [ATTRIBUTES_FILE, "line 2", "CelebA's 40"]),
        (
            lambda folder: write_attributes(
                folder / ATTRIBUTES_FILE, ["000001.jpg"], ATTRIBUTES, np.ones((1, 40), int)
            ),
            [ATTRIBUTES_FILE, "000002.jpg", "without annotation"],
        ),
        (
            lambda folder: write_numbers(folder / PARTITION_FILE, ["000001.jpg"], [0]),
            [PARTITION_FILE, "000002.jpg", "without partition"],
        ),
        (lambda folder: (folder / IDENTITY_FILE).write_text("000001.jpg x\n"), [IDENTITY_FILE, "line 1"]),
    ],
    ids=["folder", "images", "truncated", "partition", "row", "header", "annotation", "unpartitioned", "identity"],
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


# --- celeba over the network, its library played by a stand-in


def play_gdown(monkeypatch, download) -> None:
    module = types.ModuleType("gdown")
    module.download = download
    monkeypatch.setitem(sys.modules, "gdown", module)


def test_without_gdown(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with one_line("download.celeba.path", "pip install gdown", "by hand"):
        take(tmp_path, None)
    assert files_below(tmp_path / "raw") == {}


def test_fetching_checks_every_sum(tmp_path, monkeypatch, official):
    names = {identifier: name for name, (identifier, _) in drive.OFFICIAL.items()}
    play_gdown(monkeypatch, lambda id, output, quiet: shutil.copyfile(official / names[id], output))
    with one_line(ATTRIBUTES_FILE, "MD5 75e246fa4810816ffd6ee81facbd244c"):
        take(tmp_path, None)
    sums = {
        name: (identifier, hashlib.md5((official / name).read_bytes()).hexdigest())
        for name, (identifier, _) in drive.OFFICIAL.items()
    }
    monkeypatch.setattr(drive, "OFFICIAL", sums)
    fetched = files_below(take(tmp_path, None))
    assert fetched == files_below(take(tmp_path, official))


def test_a_quota_page_and_a_failed_download(tmp_path, monkeypatch):
    play_gdown(monkeypatch, lambda id, output, quiet: Path(output).write_text("<!DOCTYPE html><html>Quota exceeded"))
    with one_line(ATTRIBUTES_FILE, "web page", "quota", "tomorrow"):
        take(tmp_path, None)

    def fail(id, output, quiet):
        raise ConnectionError("no route\nto host")

    for download_ in (fail, lambda id, output, quiet: None):
        play_gdown(monkeypatch, download_)
        with one_line("Google Drive", ATTRIBUTES_FILE):
            take(tmp_path, None)
    assert files_below(tmp_path / "raw") == {}


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
    write_csv(folder, "image,Smiling,Has Hat", "b.png,1,0", "a a.jpg,-1,1", "c.bmp,0,-1")
    return folder


def write_csv(folder: Path, *lines: str) -> None:
    (folder / "attributes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def take_photos(tmp_path: Path) -> Path:
    folder = {"images": str(tmp_path / "photos"), "attributes": str(tmp_path / "photos/attributes.csv")}
    return fetch(tmp_path, download__source="folder", download__folder=folder)


def test_a_folder_of_images(tmp_path, photos):
    raw = take_photos(tmp_path)
    assert set(files_below(raw)) == OUTPUTS
    table = read_attributes(raw / ATTRIBUTES_FILE)
    assert table.names == ("Smiling", "Has_Hat")
    assert dict(zip(table.images, table.values.tolist(), strict=True)) == {
        "a_a.jpg": [-1, 1],
        "b.jpg": [1, -1],
        "c.jpg": [-1, -1],
    }
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == sorted(table.images)
        image = decode(archive.read("b.jpg"), "x")
        assert image.shape == (230, 200, 3) and np.abs(image.astype(int) - photo(1, 200, 230)).mean() < 2
    partitions = read_partitions(raw / PARTITION_FILE)
    assert partitions == {
        "a_a": partition_by_name("a a.jpg"),
        "b": partition_by_name("b.png"),
        "c": partition_by_name("c.bmp"),
    }
    assert len(read_identities(raw / IDENTITY_FILE)) == 3


def test_images_of_different_sizes_become_celebas(tmp_path, photos):
    (photos / "b.png").write_bytes(encoded(photo(1, 400, 300), "PNG"))
    with open_archive(take_photos(tmp_path) / IMAGES) as archive:
        assert {decode(archive.read(name), "x").shape for name in archive.names} == {(218, 178, 3)}
    (photos / "b.png").write_bytes(encoded(photo(1, 177, 300), "PNG"))
    with one_line("b.png", "at least 178", "177x300"):
        take_photos(tmp_path)


def test_a_partition_column(tmp_path, photos):
    write_csv(photos, "partition,image,Smiling", "0,b.png,1", "valid,a a.jpg,1", "2,c.bmp,0")
    assert read_partitions(take_photos(tmp_path) / PARTITION_FILE) == {"b": 0, "a_a": 1, "c": 2}


@pytest.mark.parametrize(
    ("lines", "parts"),
    [
        (["file,Smiling", "b.png,1"], ["line 1", "a header image,", "file,Smiling"]),
        (["image", "b.png"], ["line 1"]),
        (["image,A,A", "b.png,1,1"], ["line 1", "different names"]),
        (["image,A B,A_B", "b.png,1,1"], ["line 1", "different names"]),
        (["image,A", "b.png,1", "a a.jpg,2"], ["line 3, A", "'2'"]),
        (["image,A", "b.png,1", "a a.jpg"], ["line 3", "2 cells", "1"]),
        (["image,A,partition", "b.png,1,3"], ["line 2, partition", "'3'"]),
        (["image,A", "b.png,1", "b.png,1"], ["line 3", "b.png again"]),
        (["image,A", "b.png,1", "z.png,1"], ["unknown image z.png"]),
        (["image,A", "b.png,1", "../photos/a a.jpg,1"], ["unknown image ../photos"]),
        (["image,A", "b.png,1", "a a.jpg,1"], ["c.bmp", "image without annotation"]),
        (["image,A"], ["only a header"]),
        ([""], ["line 1", "nothing"]),
    ],
)
def test_a_wrong_csv(tmp_path, photos, lines, parts):
    write_csv(photos, *lines)
    with one_line("attributes.csv", *parts):
        take_photos(tmp_path)
    assert files_below(tmp_path / "raw") == {}


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
    (photos / "b.png").rename(photos / "c.png")
    write_csv(photos, "image,A", "c.png,1", "a a.jpg,1", "c.bmp,1")
    with one_line("photos", "c.bmp and c.png"):
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
