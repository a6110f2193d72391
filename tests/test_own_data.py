"""One's own faces as they come: folders in folders, no attributes, parquet, HEIC, odd names and labels; the check."""

import csv
import re
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_data import encoded, files_below, make_params, one_line, photo

from facevae.app.cli import main as cli
from facevae.app.cli.check import check
from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.splits import complete_split, partition_by_name, split_by_keys
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    CHANGES,
    IDENTITY_FILE,
    IMAGES,
    PARTITION_FILE,
    SKIPPED,
    read_attributes,
    read_identities,
    read_partitions,
    write_attributes,
    write_numbers,
)
from facevae.core.params import load_section
from facevae.imaging import codec, unread
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode
from facevae.inference import image_files
from facevae.sources.folder import FolderSettings
from facevae.sources.parquet import ParquetImages
from stages import cache_arrays, crop_pad, download

PIXELS = encoded(photo(1, 178, 218))


def put(folder: Path, *names: str, data: bytes = PIXELS) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def table(folder: Path, *lines: str) -> Path:
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def take(tmp_path: Path, images: Path, attributes: Path | None = None, **more: object) -> Path:
    """Run the stage; the parameters that are not given have their defaults."""
    folder = {"images": str(images), "attributes": attributes and str(attributes), "on_bad_image": "error", **more}
    params = make_params(tmp_path, download__source="folder", download__folder=folder)
    download.main(workers=1, params=params, output=tmp_path / "data/raw", downloads=tmp_path / "downloads")
    return tmp_path / "data/raw"


def changes(raw: Path) -> dict[str, str]:
    with (raw / CHANGES).open() as file:
        return {row["image"]: row["change"] for row in csv.DictReader(file)}


def labels_of(raw: Path) -> dict[str, list[int]]:
    found = read_attributes(raw / ATTRIBUTES_FILE)
    return dict(zip(found.images, found.values.tolist(), strict=True))


def run_check(monkeypatch, capsys, *arguments: object) -> list[str]:
    """The lines of `facevae check`."""
    monkeypatch.setattr(sys, "argv", ["facevae", "check", *map(str, arguments), "--workers", "1"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    return capsys.readouterr().out.splitlines()


# --- no attributes, folders, persons


def test_images_without_any_attribute(tmp_path):
    raw = take(tmp_path, put(tmp_path / "faces", "a.jpg", "b.jpg", "c.jpg", "d.jpg"))
    assert (raw / ATTRIBUTES_FILE).read_text() == "4\n\na.jpg\nb.jpg\nc.jpg\nd.jpg\n"
    assert set(read_partitions(raw / PARTITION_FILE).numbers.tolist()) == {0, 1, 2}
    with open_archive(raw / IMAGES) as archive:
        assert all(archive.read(name) == PIXELS for name in archive.names)


def test_null_on_the_command_line(tmp_path):
    """What `-S download.folder.attributes=null` leaves in params.yaml; an older file without the new keys is read."""
    params = make_params(tmp_path, download__folder__attributes=None)
    settings = load_section(params, "download.folder", FolderSettings)
    assert (settings.attributes, settings.persons, settings.threshold) == (None, None, None)


@pytest.fixture
def people(tmp_path):
    """LFW's layout: a folder for each of six persons, whose images have the same names; one with spaces."""
    names = ["Ann", "Bob B", "Cy", "Di", "Ed", "Flo"]
    return put(tmp_path / "lfw", *(f"{name}/{number:04d}.jpg" for name in names for number in (1, 2)))


def test_a_folder_for_each_person(tmp_path, people):
    raw = take(tmp_path, people, persons="folder")
    with open_archive(raw / IMAGES) as archive:
        assert len(archive.names) == 12 and archive.names[:3] == ["Ann/0001.jpg", "Ann/0002.jpg", "Bob_B/0001.jpg"]
        assert archive.read("Bob_B/0002.jpg") == PIXELS
    persons = read_identities(raw / IDENTITY_FILE).by_stem()
    assert persons["Ann/0001"] == persons["Ann/0002"] and len(set(persons.values())) == 6
    partitions = read_partitions(raw / PARTITION_FILE).by_stem()
    assert all(partitions[f"{name}/0001"] == partitions[f"{name}/0002"] for name in ("Ann", "Bob_B", "Cy", "Di"))
    assert set(partitions.values()) == {0, 1, 2} and changes(raw)["Bob B/0001.jpg"] == "renamed"


def test_folders_through_the_next_stages(tmp_path, people):
    """Names keep their folders, up to the rows of the arrays: no two are one."""
    take(tmp_path, people, persons="folder")
    crop_pad.main("vae", workers=1, params=tmp_path / "params.yaml", archive=tmp_path / "data/raw" / IMAGES,
                  output=tmp_path / "data/vae/images.zip")  # fmt: skip
    cache_arrays.main("vae", workers=1, params=tmp_path / "params.yaml", data=tmp_path / "data")
    with (tmp_path / "data/vae/arrays/rows.csv").open() as file:
        found = [row["image"] for row in csv.DictReader(file)]
    assert len(set(found)) == 12 and "Ann/0002.tif" in found and "Bob_B/0002.tif" in found


def test_without_persons_the_images_decide(tmp_path, people):
    partitions = read_partitions(take(tmp_path, people) / PARTITION_FILE)
    expected = split_by_keys([f"{name}/{number:04d}.jpg" for name in ("Ann", "Bob B", "Cy", "Di", "Ed", "Flo")
                              for number in (1, 2)])  # fmt: skip
    assert partitions.numbers.tolist() == expected


def test_a_folder_that_holds_all_is_nobody(tmp_path, people, capsys):
    """As an archive is unpacked: raw/lfw/Ann/0001.jpg."""
    (tmp_path / "raw").mkdir()
    people.rename(tmp_path / "raw/lfw")
    raw = take(tmp_path, tmp_path / "raw", persons="folder")
    assert len(set(read_identities(raw / IDENTITY_FILE).numbers.tolist())) == 6
    assert "all images lie in lfw" in capsys.readouterr().out


def test_folders_called_as_splits_are_these(tmp_path, capsys):
    """Held-out images do not train; persons are the folders below."""
    faces = put(tmp_path / "faces", "train/Ann/1.jpg", "train/Ann/2.jpg", "Val/Bob/1.jpg", "test/Cy/1.jpg")
    raw = take(tmp_path, faces, persons="folder")
    assert read_partitions(raw / PARTITION_FILE).by_stem() == {
        "Val/Bob/1": 1, "test/Cy/1": 2, "train/Ann/1": 0, "train/Ann/2": 0,
    }  # fmt: skip
    assert len(set(read_identities(raw / IDENTITY_FILE).numbers.tolist())) == 3
    assert "Val, test, train are taken for the splits" in capsys.readouterr().out


def test_a_split_without_valid(tmp_path, capsys):
    """A training and a test set, as most have it: persons of the training are set aside, the test stays as it is."""
    names = [f"train/p{number}/{image}.jpg" for number in range(4) for image in (1, 2)]
    raw = take(tmp_path, put(tmp_path / "faces", *names, "test/q/1.jpg", "test/q/2.jpg"), persons="folder")
    found = read_partitions(raw / PARTITION_FILE).by_stem()
    assert [found["test/q/1"], found["test/q/2"]] == [2, 2]
    of_persons = [{found[f"train/p{number}/{image}"] for image in (1, 2)} for number in range(4)]
    assert sorted(map(tuple, of_persons)) == [(0,), (0,), (0,), (1,)]
    assert "2 of the train images are valid" in capsys.readouterr().out


def test_partitions_of_others_are_completed():
    keys = [f"{number}.jpg" for number in range(100)]
    found, note = complete_split([0] * 80 + [2] * 20, keys)
    assert found[80:] == [2] * 20 and found.count(1) == 9 and "9 of the train images" in note
    found, note = complete_split([0] * 80 + [1] * 20, keys)
    assert found[80:] == [2] * 20 and found.count(1) == 9 and "no test images" in note
    found, note = complete_split([2] * 100, keys)
    assert found == split_by_keys(keys) and "all are test" in note
    for whole in ([0, 1, 2], [1, 2, 2]):
        assert complete_split(whole, keys[:3]) == (whole, "")


def test_a_column_of_persons_that_is_missing(tmp_path, people):
    with one_line("labels.csv", "a column person", "folder or null"):
        take(tmp_path, people, table(tmp_path, "image,A", "Ann/0001.jpg,1"), persons="column", on_bad_image="skip")


def test_rows_that_name_images_in_their_own_way(tmp_path, people):
    """From a folder above, with the other slash, without the ending, by the file name where only one has it."""
    put(people, "Cy/only.jpg")
    rows = ["image_id,A", "lfw/Ann/0001.jpg,1", "Ann\\0002.jpg,0", "./Cy/0001.jpg,1", "Cy/0002,0", "only.jpg,1"]
    raw = take(tmp_path, people, table(tmp_path, *rows), on_bad_image="skip")
    assert labels_of(raw) == {
        "Ann/0001.jpg": [1], "Ann/0002.jpg": [-1], "Cy/0001.jpg": [1], "Cy/0002.jpg": [-1], "Cy/only.jpg": [1],
    }  # fmt: skip
    for wrong, parts in (("0001.jpg,1", ["line 2", "unknown image 0001.jpg"]),
                         ("lfw/Ann/0001.jpg,1\nAnn/0001,1", ["line 3", "Ann/0001.jpg again"])):  # fmt: skip
        with one_line("labels.csv", *parts):
            take(tmp_path, people, table(tmp_path, "image,A", wrong))


@pytest.mark.skipif(sys.getfilesystemencoding() != "utf-8", reason="this locale's files have no accents")
def test_accents_composed_otherwise(tmp_path):
    """A CSV from Windows or Linux (composed), files from an old Mac (letter and accent apart)."""
    composed, apart = (unicodedata.normalize(form, "Zoë/1.jpg") for form in ("NFC", "NFD"))
    assert composed != apart
    raw = take(tmp_path, put(tmp_path / "faces", apart), table(tmp_path, "image,A", f"{composed},1"))
    assert labels_of(raw) == {composed: [1]}


def test_a_few_names_are_dealt_out_and_many_are_hashed():
    many = [f"{number}.jpg" for number in range(300)]
    assert split_by_keys(many) == [partition_by_name(name) for name in many]
    for count in range(3, 40):
        few = [f"{number}.jpg" for number in range(count)] * 2
        found = split_by_keys(few)
        assert set(found) == {0, 1, 2} and found[:count] == found[count:] and found.count(0) >= count // 3


# --- labels


def test_probabilities_and_unknown_labels(tmp_path, capsys):
    faces = put(tmp_path / "faces", "a.jpg", "b.jpg", "c.jpg")
    labels = table(tmp_path, "image,A,B", "a.jpg,0.3,1", "b.jpg,0.5,", "c.jpg,1e-3,0")
    with one_line("labels.csv", "line 2, A", "'0.3'", "download.folder.threshold"):
        take(tmp_path, faces, labels)
    raw = take(tmp_path, faces, labels, threshold=0.5)
    assert labels_of(raw) == {"a.jpg": [-1, 1], "b.jpg": [1, 0], "c.jpg": [-1, -1]}
    assert "unknown labels: 1 of 6" in capsys.readouterr().out
    with one_line("line 3, A", "a probability, 0 to 1", "'1.5'"):
        take(tmp_path, faces, table(tmp_path, "image,A", "a.jpg,0.3", "b.jpg,1.5"), threshold=0.5)


@pytest.mark.parametrize(
    "lines",
    [
        ["image;A;B", "a.jpg;1;0", "b.jpg;0;1"],
        ["image\tA\tB", "a.jpg\t1\t-1", "b.jpg\t-1\t1"],
        [",file_name,A,B", "0,a.jpg,True,False", "1,b.jpg,False,True"],
        ["2", "A B", "a.jpg 1 -1", "b.jpg -1 1"],
        ["2", "A B", "a.jpg 1 0", "b.jpg 0 1"],
        ["image,A,B", "a.jpg,1,0", "b.jpg,0,1"],
    ],
    ids=["semicolons", "tabs", "pandas", "CelebA", "CelebA with zeros", "zeros"],
)
def test_tables_as_others_write_them(tmp_path, lines):
    raw = take(tmp_path, put(tmp_path / "faces", "a.jpg", "b.jpg"), table(tmp_path, *lines))
    assert read_attributes(raw / ATTRIBUTES_FILE).names == ("A", "B")
    assert labels_of(raw) == {"a.jpg": [1, -1], "b.jpg": [-1, 1]}


@pytest.mark.parametrize(
    "lines",
    [
        ["image,A,B", "a.jpg,1,0", "b.jpg,0,-1", "c.jpg,1,"],
        ["3", "A B", "a.jpg 1 0", "b.jpg 0 -1", "c.jpg 1 0"],
    ],
    ids=["CSV", "CelebA"],
)
def test_a_zero_among_minus_ones_is_unknown(tmp_path, lines, capsys):
    """As in data/raw of the pipeline itself, which may be taken as it is."""
    raw = take(tmp_path, put(tmp_path / "faces", "a.jpg", "b.jpg", "c.jpg"), table(tmp_path, *lines))
    assert labels_of(raw) == {"a.jpg": [1, 0], "b.jpg": [0, -1], "c.jpg": [1, 0]}
    assert "unknown labels: 3 of 6" in capsys.readouterr().out
    (tmp_path / "again").mkdir()
    again = take(tmp_path / "again", tmp_path / "faces", raw / ATTRIBUTES_FILE)
    assert labels_of(again) == labels_of(raw)


def test_a_quote_that_is_not_closed(tmp_path):
    faces = put(tmp_path / "faces", "a.jpg", "b.jpg")
    with one_line("labels.csv, line 3", "unexpected end of data", "a quote that opens a cell closes it"):
        take(tmp_path, faces, table(tmp_path, "image,A", "a.jpg,1", '"b.jpg,1'))


def test_rows_without_images(tmp_path):
    faces, labels = put(tmp_path / "faces", "a.jpg"), table(tmp_path, "image,A", "a.jpg,1", "z.jpg,1")
    with one_line("labels.csv, line 3", "unknown image z.jpg"):
        take(tmp_path, faces, labels)
    raw = take(tmp_path, faces, labels, on_bad_image="skip")
    assert (raw / SKIPPED).read_text() == "image,reason\nz.jpg,a row in labels.csv without an image\n"


def test_rows_that_name_images_from_a_folder_below(tmp_path, people):
    """The images were unpacked one folder deeper since; the end of a path that two have says nothing."""
    (tmp_path / "raw/deep").mkdir(parents=True)
    people.rename(tmp_path / "raw/deep/lfw")
    rows = ["image,A", "Ann/0001.jpg,1", "lfw/Ann/0002.jpg,0", "Cy/0001,1"]
    raw = take(tmp_path, tmp_path / "raw", table(tmp_path, *rows), on_bad_image="skip")
    assert labels_of(raw) == {
        "deep/lfw/Ann/0001.jpg": [1], "deep/lfw/Ann/0002.jpg": [-1], "deep/lfw/Cy/0001.jpg": [1],
    }  # fmt: skip
    put(tmp_path / "raw", "other/Ann/0001.jpg")
    with one_line("line 2", "unknown image Ann/0001.jpg", "(unknown in 1 of 3 rows)", "set on_bad_image: skip"):
        take(tmp_path, tmp_path / "raw", table(tmp_path, *rows))


def test_a_table_of_other_images(tmp_path, people):
    """Nothing would be left: also where bad images are skipped the line says how the names should look."""
    with one_line("labels.csv, line 2", "such as Ann/0001.jpg", "unknown image x.jpg"):
        take(tmp_path, people, table(tmp_path, "image,A", "x.jpg,1", "y.jpg,0"), on_bad_image="skip")
    with one_line("lfw", "a CSV of attributes", "a folder", "name the file"):
        take(tmp_path, people, people)


def test_what_a_person_should_know_of_few_or_equal_images(tmp_path, capsys):
    faces = put(tmp_path / "faces", "a.jpg", "b.jpg")
    take(tmp_path, faces, table(tmp_path, "image,A,B", "a.jpg,1,0", "b.jpg,1,1"), persons="folder")
    lines = capsys.readouterr().out.splitlines()
    assert "the same for all images, so that nothing is learned of it: A" in lines
    assert any("2 images lie in no person's: each counts as another person" in line for line in lines)
    assert any("no valid and no test images" in line and "three persons" in line for line in lines)
    take(tmp_path, put(faces, "c/1.jpg"), persons="folder")
    assert "2 images lie in no person's" in (said := capsys.readouterr().out) and "three persons" not in said


def test_what_is_left_out_is_said(tmp_path, capsys):
    """In the list alone it could pass by unseen."""
    faces = put(tmp_path / "faces", "a.jpg", "b.jpg", "c.jpg")
    put(faces, "d.jpg", "e.jpg", data=PIXELS[:-500])
    put(faces, "f.jxl", "g\nh\udcff.jxl", data=b"\xff\x0a")
    take(tmp_path, faces, on_bad_image="skip")
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("left out: 2 images, such as d.jpg: ") for line in lines)
    assert any(line.startswith("left out: 2 images, such as f.jxl: JPEG XL") for line in lines)
    (faces / "f.jxl").unlink()
    take(tmp_path, faces, on_bad_image="skip")
    assert "left out: g?h?.jxl: JPEG XL" in capsys.readouterr().out


def test_a_folder_of_archives(tmp_path):
    with one_line("expected images, found none, but labels.csv, lfw.tgz", "unpack lfw.tgz"):
        take(tmp_path, put(tmp_path / "faces", "lfw.tgz", "labels.csv", data=b"\x1f\x8b"))


# --- formats


UNREAD = {
    "a.jxl": (b"\xff\x0a", "JPEG XL"), "b.jp2": (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"), "c.NEF": (b"MM\0*", "raw file"),
    "d.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "pillow-heif"), "e.dng": (b"II*\0", "raw file"),
}  # fmt: skip


def test_what_is_not_read_says_what_it_is(tmp_path, monkeypatch, capsys):
    """By its ending, and by its content where it is called a JPEG or nothing; in the stage as in `facevae edit`."""
    for module in (codec, image_files, unread):
        monkeypatch.setattr(module, "has_heic", lambda: False)
    faces = put(tmp_path / "faces", "good.jpg")
    for name, (data, _) in UNREAD.items():
        put(faces, name, data=data)
    put(faces, "called.jpg", data=UNREAD["a.jxl"][0])
    put(faces, "none", "sub/photo.jpg_large")
    put(faces, "notes.txt", ".hidden.heic", "sub/x.pts")
    with one_line("faces", "8 bad images in all"):
        take(tmp_path, faces)
    raw = take(tmp_path, faces, on_bad_image="skip")
    found = changes(raw)
    assert all(what in found[name] and "left out" in found[name] for name, (_, what) in UNREAD.items())
    assert (
        "JPEG XL" in found["called.jpg"] and "add .jpg" in found["none"] and "add .jpg" in found["sub/photo.jpg_large"]
    )
    assert len(found) == 8
    capsys.readouterr()
    assert image_files.find_images([faces]) == [faces / "called.jpg", faces / "good.jpg"]
    told = capsys.readouterr().err
    assert all(what in told for _, what in UNREAD.values())
    for name, (_, what) in UNREAD.items():
        with one_line(name, what):
            image_files.read_image(faces / name)


def test_links_to_folders_are_told(tmp_path):
    put(tmp_path / "elsewhere", "b.jpg")
    faces = put(tmp_path / "faces", "a.jpg")
    (faces / "more").symlink_to(tmp_path / "elsewhere")
    (faces / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    found = changes(take(tmp_path, faces, on_bad_image="skip"))
    assert "a link to a folder" in found["more"] and "a link to nothing" in found["gone.jpg"]


def test_what_was_done_to_each_image(tmp_path):
    """Turned, scaled, converted, packed as it is, left out: one CSV, and the pixels say the same."""
    faces = put(tmp_path / "faces", "as_it_is.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo(2, 178, 218))).save(faces / "turned.png", exif=exif)
    Image.fromarray(photo(3, 356, 436)).save(faces / "large.webp")
    Image.fromarray(photo(4, 178, 218)).convert("L").save(faces / "grey.pgm")
    put(faces, "small.jpg", data=encoded(photo(5, 100, 100)))
    put(faces, "cut.jpg", data=PIXELS[:-900])
    raw = take(tmp_path, faces, on_bad_image="skip")
    assert (
        changes(raw)
        == {
            "turned.png": "turned upright; converted from PNG (RGB)",
            "large.webp": "scaled from 356x436 to cover 178x218; converted from WEBP (RGB)",
            "grey.pgm": "converted from PPM (L)",
            "small.jpg": "left out: 100x100 pixels, where images that differ in size need 178 on each side",
            "cut.jpg": changes(raw)["cut.jpg"],
        }
        and "left out" in changes(raw)["cut.jpg"]
    )
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == ["as_it_is.jpg", "grey.jpg", "large.jpg", "turned.jpg"]
        assert archive.read("as_it_is.jpg") == PIXELS
        assert np.abs(decode(archive.read("turned.jpg"), "").astype(int) - photo(2, 178, 218)).mean() < 2


def test_heic(tmp_path):
    pytest.importorskip("pillow_heif")
    unread.register_heic()
    faces = tmp_path / "faces"
    faces.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo(1, 200, 230)).save(faces / "a.heic", quality=95)
    Image.fromarray(np.rot90(photo(2, 200, 230)).copy()).save(faces / "b.heic", quality=95, exif=exif.tobytes())
    raw = take(tmp_path, faces)
    with open_archive(raw / IMAGES) as archive:
        assert archive.names == ["a.jpg", "b.jpg"]
        for number, name in enumerate(archive.names, start=1):
            image = decode(archive.read(name), "")
            assert image.shape == (230, 200, 3) and np.abs(image.astype(int) - photo(number, 200, 230)).mean() < 3


# --- parquet


def write_parquet(path: Path, images: list, row_group_size: int = 2, **columns: list) -> Path:
    pa = pytest.importorskip("pyarrow")
    from pyarrow.parquet import write_table

    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(pa.table({"image": images, **columns}), path, row_group_size=row_group_size)
    return path


def test_a_parquet_file_of_a_hub(tmp_path, capsys):
    images = [{"bytes": encoded(photo(number)), "path": f"{number:06d}.jpg"} for number in range(5)]
    path = write_parquet(
        tmp_path / "train.parquet", images, Smiling=[True, False, None, True, False], Big_Nose=[1, 0, -1, 1, 0],
        celeb_id=[7, 7, 8, 8, 9], prompt=list("abcde"), age=[10, 20, 30, 40, 50],
    )  # fmt: skip
    raw = take(tmp_path, path)
    assert read_attributes(raw / ATTRIBUTES_FILE).names == ("Smiling", "Big_Nose")
    assert list(labels_of(raw).values()) == [[1, 1], [-1, 0], [0, -1], [1, 1], [-1, 0]]
    persons = read_identities(raw / IDENTITY_FILE).by_stem()
    assert persons["000000"] == persons["000001"] != persons["000002"]
    with open_archive(raw / IMAGES) as archive:
        assert [archive.read(name) for name in archive.names] == [image["bytes"] for image in images]
    told = capsys.readouterr().out
    assert "left out: prompt, age" in told and "celeb_id says whom" in told


def test_parquet_files_of_a_folder(tmp_path):
    """Bytes without names, splits by the files' names, an image that is none left out with its number."""
    for number, split in enumerate(("train", "validation", "test")):
        images = [encoded(photo(2 * number)), encoded(photo(2 * number + 1))]
        write_parquet(tmp_path / f"hub/data/{split}-00000-of-00001.parquet", images, A=[0.2, 0.9])
    with one_line("hub, A", "download.folder.threshold"):
        take(tmp_path, tmp_path / "hub")
    raw = take(tmp_path, tmp_path / "hub", threshold=0.5)
    # The files in the order of their names: test, train, validation.
    assert read_partitions(raw / PARTITION_FILE).by_stem() == {
        "000001": 2, "000002": 2, "000003": 0, "000004": 0, "000005": 1, "000006": 1,
    }  # fmt: skip
    assert list(labels_of(raw).values()) == [[-1], [1]] * 3
    write_parquet(tmp_path / "hub/data/test-00000-of-00001.parquet", [b"text", None], A=[0.2, 0.9])
    with one_line("hub, 000001.jpg", "of no known format", "2 bad images in all"):
        take(tmp_path, tmp_path / "hub", threshold=0.5)
    raw = take(tmp_path, tmp_path / "hub", threshold=0.5, on_bad_image="skip")
    assert changes(raw)["000002.jpg"] == "left out: no bytes" and len(labels_of(raw)) == 4


def test_a_parquet_file_is_not_held_in_memory(tmp_path):
    images = [np.random.default_rng(number).bytes(20_000) for number in range(400)]
    path = write_parquet(tmp_path / "a.parquet", images, 20)
    import pyarrow as pa

    source, before, found = ParquetImages(path), pa.total_allocated_bytes(), []
    for number, data in enumerate(source.items(range(0, 400, 2))):
        assert data == images[2 * number]
        found.append(pa.total_allocated_bytes() - before)
    assert len(found) == 200 and max(found) < path.stat().st_size / 2


def test_a_parquet_file_of_something_else(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", ["words"], A=[1])
    with one_line("a.parquet", "a column image", "image (string)"):
        take(tmp_path, path)
    path.write_bytes(b"PAR1 not")
    with one_line("a.parquet", "a parquet file"):
        take(tmp_path, path)


def test_parquet_has_no_folders_of_persons(tmp_path):
    with one_line("expected folders of images", "persons: folder", "found parquet", "column or null"):
        take(tmp_path, put(tmp_path / "hub", "train-0.parquet"), persons="folder")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with one_line("a.parquet", "pyarrow", "'.[parquet]'"):
        take(tmp_path, put(tmp_path, "a.parquet") / "a.parquet")


# --- CelebA's files where and as they are


@pytest.fixture
def celeba(tmp_path):
    """Six of CelebA's first images, all of which its partitions give to train, in a folder below torchvision's root."""
    folder, names = tmp_path / "root/celeba", [f"{number:06d}.jpg" for number in range(1, 7)]
    put(folder / "img_align_celeba", *names)
    write_attributes(folder / ATTRIBUTES_FILE, names, ATTRIBUTES, np.ones((6, 40), int))
    write_numbers(folder / PARTITION_FILE, names, [0] * 6)
    write_numbers(folder / IDENTITY_FILE, names, [1, 1, 2, 2, 3, 3])
    return folder


def take_celeba(tmp_path: Path, path: Path | None, **more: object) -> Path:
    changed = {f"download__celeba__{key}": value for key, value in {"path": path and str(path), **more}.items()}
    params = make_params(tmp_path, download__source="celeba", **changed)
    download.main(workers=1, params=params, output=tmp_path / "data/raw", downloads=tmp_path / "downloads")
    return tmp_path / "data/raw"


def test_torchvisions_root_and_a_split_by_person(tmp_path, celeba, capsys):
    raw = take_celeba(tmp_path, celeba.parent)
    partitions = read_partitions(raw / PARTITION_FILE).numbers
    assert sorted(set(partitions.tolist())) == [0, 1, 2] and (partitions[::2] == partitions[1::2]).all()
    told = capsys.readouterr().out
    assert "CelebA's partitions leave one empty (6 train, 0 valid, 0 test)" in told and "each person" in told
    (celeba / PARTITION_FILE).unlink()
    assert (take_celeba(tmp_path, celeba) / PARTITION_FILE).read_text() == (raw / PARTITION_FILE).read_text()
    assert "no partition file" in capsys.readouterr().out


def test_two_folders_of_celebas(tmp_path, celeba):
    put(celeba.parent / "other/img_align_celeba", "000001.jpg")
    (celeba.parent / "other" / ATTRIBUTES_FILE).write_bytes((celeba / ATTRIBUTES_FILE).read_bytes())
    with one_line("root", "celeba, other", "download.celeba.path"):
        take_celeba(tmp_path, celeba.parent)


def test_no_partitions_are_wanted(tmp_path, celeba, capsys):
    write_numbers(celeba / PARTITION_FILE, [f"{number:06d}.jpg" for number in range(1, 7)], [0, 1, 2, 0, 1, 2])
    take_celeba(tmp_path, celeba)
    assert "split by" not in capsys.readouterr().out
    take_celeba(tmp_path, celeba, partitions=[])
    assert "no partition file: split by a hash of each person" in capsys.readouterr().out


def test_unpacked_png(tmp_path, celeba):
    for number, path in enumerate(sorted((celeba / "img_align_celeba").iterdir())):
        put(celeba / "img_align_celeba_png", f"{path.stem}.png", data=encoded(photo(number), "PNG"))
        path.unlink()
    (celeba / "img_align_celeba").rmdir()
    with open_archive(take_celeba(tmp_path, celeba) / IMAGES) as archive:
        assert archive.names[0] == "000001.png" and len(archive.names) == 6


def test_a_missing_folder_is_named_first(tmp_path, celeba, capsys):
    with one_line(tmp_path / "nowhere", "no such folder"):
        take_celeba(tmp_path, tmp_path / "nowhere")
    keys = ("images", "attributes", "partitions", "identities", "landmarks")
    with one_line("nowhere: no such directory"):
        take_celeba(tmp_path, None, **{key: [str(tmp_path / "nowhere")] for key in keys})
    assert "202,599" not in capsys.readouterr().out
    take_celeba(tmp_path, None, **{key: [str(celeba)] for key in keys[:-1]}, landmarks=[])
    assert re.search(r"^[0-9] images: the data take about", capsys.readouterr().out)
    (celeba / ATTRIBUTES_FILE).rename(celeba / "list_attr.txt")
    with one_line("root/celeba", ATTRIBUTES_FILE, "none, but identity_CelebA.txt"):
        take_celeba(tmp_path, celeba)


def test_an_index_and_a_surplus_column(tmp_path, celeba):
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    (celeba / ATTRIBUTES_FILE).unlink()
    for first, more in (("", ()), ("Unnamed: 0", ()), ("index", ("Happy",))):
        rows = [",".join([first, "image_id", *ATTRIBUTES, *more])]
        rows += [",".join([str(row), name, *["1"] * (40 + len(more))]) for row, name in enumerate(names)]
        (celeba / "list_attr_celeba.csv").write_text("\n".join(rows))
        if more:
            with one_line("list_attr_celeba.csv, line 1", "another one, Happy"):
                take_celeba(tmp_path, celeba)
        else:
            assert len(labels_of(take_celeba(tmp_path, celeba))) == 6


# --- facevae check


def test_the_check_tells_what_the_stage_does(tmp_path, people, monkeypatch, capsys):
    put(people, "Ann/cover.jxl", data=b"\xff\x0a")
    put(people, "Ann/0001.png", data=encoded(photo(1, 178, 218), "PNG"))
    lines = run_check(monkeypatch, capsys, people, "--persons", "folder", "-o", tmp_path / "changes.csv")
    assert lines[0] == f"{people}: 11 images in 6 folders would be taken, 3 left out"
    assert "sizes: 178x218 (11)" in lines and "attributes: none" in lines and "persons: 6" in lines
    assert any(line.startswith("left out: 2 images, such as Ann/0001.jpg: one of several") for line in lines)
    assert any(line.startswith("left out: Ann/cover.jxl: JPEG XL") for line in lines)
    raw = take(tmp_path, people, persons="folder", on_bad_image="skip")
    assert (tmp_path / "changes.csv").read_bytes() == (raw / CHANGES).read_bytes()


def test_the_check_with_labels(tmp_path, people, monkeypatch, capsys):
    labels = table(tmp_path, "image,A", "Ann/0001.jpg,1", "Ann/0002.jpg,", "Zed/0001.jpg,1")
    lines = run_check(monkeypatch, capsys, people, "--attributes", labels)
    assert lines[0].endswith("2 images in 1 folder would be taken, 11 left out")
    assert "attributes: 1, A" in lines and "unknown labels: 1 of 2" in lines
    assert any("10 images" in line and "no row in labels.csv" in line for line in lines)
    assert any("Zed/0001.jpg: a row in labels.csv without an image" in line for line in lines)


def test_the_check_knows_celebas_files(celeba, monkeypatch, capsys):
    assert any("download.source=celeba" in line for line in run_check(monkeypatch, capsys, celeba))


def test_the_check_of_celebas_files_in_a_zip(tmp_path):
    """There are no images to take, and the line says how they are taken."""
    put(tmp_path / "celeba", "list_attr_celeba.txt", "img_align_celeba.zip")
    with one_line("found none", "download.source=celeba", "download.celeba.path="):
        check(tmp_path / "celeba", 1)


def test_a_threshold_of_0_is_no_threshold(tmp_path, people):
    with one_line("--threshold", "above 0", "0.5"):
        check(people, 1, threshold=0.0)


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("labels.csv", "the table of --attributes"),
        ("faces/../labels.csv", "the table of --attributes"),
        ("link.csv", "the table of --attributes"),
        ("faces/Ann/0001.jpg", "a file of images"),
        ("other.PNG", "a file of images"),
        ("set.parquet", "a file of images"),
        ("others.csv", "a file that is no such list"),
        ("faces", "found a folder faces"),
        ("labels.csv/changes.csv", "found a file labels.csv"),
    ],
)
def test_the_check_replaces_no_file_of_its_users(output, found, tmp_path, monkeypatch):
    """Nor reads any before it says so: those of the folder are no images."""
    monkeypatch.chdir(tmp_path)
    labels = table(tmp_path, "image,A", "Ann/0001.jpg,1")
    put(tmp_path, "set.parquet", "other.PNG", "faces/Ann/0001.jpg", data=b"no image")
    put(tmp_path, "others.csv", data=b"image,name\nAnn/0001.jpg,Ann\n")
    Path("link.csv").symlink_to(labels)
    before = files_below(tmp_path)
    with one_line(output, found):
        check(Path("faces"), 1, attributes=labels, output=Path(output))
    assert files_below(tmp_path) == before


def test_the_check_replaces_its_own_list(tmp_path, people, monkeypatch, capsys):
    run_check(monkeypatch, capsys, people, "-o", tmp_path / "new/changes.csv")
    first = files_below(tmp_path / "new")
    for older in ("image,name,change\nan/older,,list\n", ""):
        (tmp_path / "new/changes.csv").write_text(older)
        run_check(monkeypatch, capsys, people, "-o", tmp_path / "new/changes.csv")
        assert files_below(tmp_path / "new") == first


def test_the_check_reads_headers_alone(tmp_path, monkeypatch, capsys):
    """A thousand images that end after their headers: nothing is decoded, and nothing written."""
    faces = put(tmp_path / "faces", *(f"{number}.jpg" for number in range(1000)), data=PIXELS[:700])
    before = set(files_below(tmp_path))
    assert run_check(monkeypatch, capsys, faces)[0].endswith("1,000 images in 1 folder would be taken, 0 left out")
    assert set(files_below(tmp_path)) == before
