"""Packed images: the same bytes every time, and nothing about a zip taken on trust."""

import zipfile
from functools import partial

import numpy as np
import pytest
from raw_data import encoded, files_below, one_line, photo, write_entries

from facevae.archives import decoded_images, open_archive, write_changed
from facevae.images import decode
from facevae.zips import open_zip, read_entry, write_zip


def shifted(by: int, name: str, image: np.ndarray) -> np.ndarray:
    return image + np.uint8(by)


@pytest.fixture
def archive(tmp_path):
    entries = {f"any/where/{number:06d}.jpg": encoded(photo(number, 40, 50)) for number in (3, 1, 2)}
    return write_entries(tmp_path / "raw.zip", {"any/": b"", "any/.hidden.jpg": b"", "any/read.me": b"", **entries})


def test_images_are_found_in_any_folder_and_sorted(archive):
    with open_archive(archive) as images:
        assert images.names == ["000001.jpg", "000002.jpg", "000003.jpg"]
        assert images.facts == {}
        assert images.read("000002.jpg") == encoded(photo(2, 40, 50))
        assert images.count(None) == 3 and images.count(2) == 2
        with one_line(archive, "at least 4 images", "3", "null"):
            images.count(4)


def test_written_images_facts_and_dates(archive, tmp_path):
    target = tmp_path / "made" / "images.zip"
    with open_archive(archive) as images:
        write_changed(images, target, partial(shifted, 1), images.names[:2], {"pad": 1}, "test", workers=1)
        expected = decode(images.read("000002.jpg"), "x") + np.uint8(1)
    with open_archive(target) as made:
        assert made.names == ["000001.png", "000002.png"] and made.facts == {"pad": 1}
        assert np.array_equal(list(decoded_images(made, made.names, workers=1))[1], expected)
    with zipfile.ZipFile(target) as file:
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}


def test_the_number_of_workers_does_not_show(tmp_path):
    entries = {f"{number:06d}.png": encoded(photo(number, 16, 16), "PNG") for number in range(70)}
    made = []
    with open_archive(write_entries(tmp_path / "raw.zip", entries)) as images:
        for workers in (1, 2):
            target = tmp_path / f"{workers}.zip"
            write_changed(images, target, partial(shifted, 3), images.names, {}, "test", workers)
            made.append(target.read_bytes())
            assert len(list(decoded_images(images, images.names, workers))) == 70
    assert made[0] == made[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_damaged_image_is_named_and_the_old_archive_stays(tmp_path, workers):
    good = encoded(photo(1, 60, 60))
    entries = {f"{number:06d}.jpg": good[:500] if number in (33, 65) else good for number in range(70)}
    target = tmp_path / "images.zip"
    target.write_bytes(b"old")
    with (
        open_archive(write_entries(tmp_path / "raw.zip", entries)) as images,
        one_line(tmp_path / "raw.zip", "000033.jpg", "a whole image"),
    ):
        write_changed(images, target, partial(shifted, 0), images.names, {}, "test", workers)
    assert target.read_bytes() == b"old" and set(files_below(tmp_path)) == {"raw.zip", "images.zip"}


def test_a_missing_a_truncated_and_a_false_zip(archive, tmp_path):
    with one_line(tmp_path / "none.zip", "no such file"), open_archive(tmp_path / "none.zip"):
        pass
    for name, data in {
        "cut.zip": archive.read_bytes()[:-60],
        "page.zip": b"<html>quota</html>",
        "empty.zip": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        with one_line(tmp_path / name, "a whole zip"), open_archive(tmp_path / name):
            pass


def test_a_changed_byte_is_noticed(archive):
    data = bytearray(archive.read_bytes())
    data[data.index(b"000002.jpg") + 200] ^= 1
    archive.write_bytes(data)
    with open_archive(archive) as images, one_line(archive, "000002.jpg", "Bad CRC-32"):
        images.read("000002.jpg")


@pytest.mark.parametrize("name", ["../up.jpg", "/etc/passwd.jpg", "a/../../up.jpg", "C:/up.jpg", "..\\up.jpg"])
def test_names_that_leave_the_zip_are_refused(tmp_path, name):
    path = write_entries(tmp_path / "raw.zip", {"good.jpg": b"", name: b""})
    with one_line(path, "stay inside the zip"), open_archive(path):
        pass


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_images_of_one_name_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "same.zip", "w") as file:
        file.writestr("1.jpg", b"")
        file.writestr("1.jpg", b"")
    with one_line("same.zip", "1.jpg twice"), open_archive(tmp_path / "same.zip"):
        pass
    for pair in (("a/1.jpg", "b/1.jpg"), ("1.jpg", "1.png")):
        path = write_entries(tmp_path / "alike.zip", dict.fromkeys(pair, b""))
        with one_line("alike.zip", *pair), open_archive(path):
            pass


def test_an_archive_without_images(tmp_path):
    path = write_entries(tmp_path / "raw.zip", {"read.me": b""})
    with one_line(path, "images", "none"), open_archive(path):
        pass


def test_a_failed_zip_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), write_zip(tmp_path / "new.zip") as file:
        file.add("a", b"1")
        raise RuntimeError
    assert files_below(tmp_path) == {}
    with write_zip(tmp_path / "new.zip") as file:
        file.add("a", b"1")
    with open_zip(tmp_path / "new.zip") as file:
        assert read_entry(file, "a") == b"1"
        with one_line("new.zip", "b"):
            read_entry(file, "b")


@pytest.mark.parametrize("facts", [b"{", b"[1]", b"\xff"])
def test_damaged_facts(tmp_path, facts):
    path = write_entries(tmp_path / "raw.zip", {"1.jpg": b"", "facts.json": facts})
    with one_line("raw.zip, facts.json", "JSON"), open_archive(path):
        pass
