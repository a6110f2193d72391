"""Packed images: the same bytes every time, and nothing about a zip taken on trust."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from raw_data import encoded, files_below, one_line, photo, write_entries

from facevae.imaging.archive import Flaw, open_archive, write_changed
from facevae.imaging.codec import decode
from facevae.imaging.tiff import TiffFormat
from facevae.imaging.zip_format import LARGEST_ENTRY, open_zip, stored_header, write_zip


@dataclass(frozen=True)
class Shift:
    """Makes images brighter."""

    by: int

    def __call__(self, name: str, data: bytes, where: str) -> np.ndarray:
        return decode(data, where) + np.uint8(self.by)


def facts_of(width: int, height: int) -> dict:
    return {"pad": 1, "width": width, "height": height}


@pytest.fixture
def archive(tmp_path):
    entries = {f"any/where/{number:06d}.jpg": encoded(photo(number, 40, 50)) for number in (3, 1, 2)}
    return write_entries(tmp_path / "raw.zip", {"any/": b"", "any/.hidden.jpg": b"", "any/read.me": b"", **entries})


def test_images_are_found_in_any_folder_and_sorted(archive, capsys):
    with open_archive(archive) as images:
        assert images.names == ["000001.jpg", "000002.jpg", "000003.jpg"]
        assert images.facts == {}
        assert images.read("000002.jpg") == encoded(photo(2, 40, 50))
        assert images.count(None) == 3 and images.count(2) == 2
        assert (
            images.count(4) == 3 and "3 images, all of which are taken; `images` asks for 4" in capsys.readouterr().out
        )


@pytest.mark.parametrize("name", ["000000.jpg", "000001", "000001.jp", "000001.png", "999999.jpg"])
def test_an_image_that_is_not_there_is_not_its_neighbour(archive, name):
    with open_archive(archive) as images, pytest.raises(KeyError, match=name):
        images.read(name)


def test_written_images_facts_and_dates(archive, tmp_path):
    target = tmp_path / "made" / "images.zip"
    with open_archive(archive) as images:
        write_changed(images, target, Shift(1), images.names[:2], facts_of(40, 50), "test", workers=1)
        expected = decode(images.read("000002.jpg"), "x") + np.uint8(1)
    with open_archive(target) as made:
        assert made.names == ["000001.tif", "000002.tif"] and made.facts == facts_of(40, 50)
        data = made.read("000002.tif")
        assert np.array_equal(made.tiffs().decode(data, "x"), expected) and np.array_equal(decode(data, "x"), expected)
    with zipfile.ZipFile(target) as file:
        assert file.testzip() is None and file.namelist() == ["facts.json", "000001.tif", "000002.tif"]
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}


def test_the_number_of_workers_does_not_show(tmp_path):
    """Enough images that other processes take part."""
    entries = {f"{number:06d}.png": encoded(photo(number % 7, 90, 90), "PNG") for number in range(1200)}
    made = []
    with open_archive(write_entries(tmp_path / "raw.zip", entries)) as images:
        for workers in (1, 3):
            target = tmp_path / f"{workers}.zip"
            write_changed(images, target, Shift(3), images.names, facts_of(90, 90), "test", workers)
            made.append(target.read_bytes())
    assert made[0] == made[1]
    with open_archive(target) as images:
        assert np.array_equal(decode(images.read("001199.tif"), "x"), photo(1199 % 7, 90, 90) + np.uint8(3))


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
        write_changed(images, target, Shift(0), images.names, facts_of(60, 60), "test", workers)
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
    with open_archive(archive) as images, one_line(archive, "000002.jpg", "a wrong check sum"):
        images.read("000002.jpg")


UNSAFE = ["../up.jpg", "/etc/passwd.jpg", "a/../../up.jpg", "C:/up.jpg", "..\\up.jpg", "a\nb.jpg"]


@pytest.mark.parametrize("name", UNSAFE)
def test_names_that_leave_the_zip_are_refused(tmp_path, name):
    path = write_entries(tmp_path / "raw.zip", {"good.jpg": b"", name: b""})
    with one_line(path, repr(name), "a name that leaves the zip"), open_archive(path):
        pass
    flaws = []
    with open_archive(path, flaws) as images:
        assert images.names == ["good.jpg"] and flaws == [Flaw(name, "a name that leaves the zip or is none")]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_images_of_one_name_are_refused(tmp_path):
    path = tmp_path / "same.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in (("1.jpg", b"a"), ("2.jpg", b"b"), ("1.jpg", b"c"), ("0.jpg", b"d")):
            file.writestr(name, data)
    for pair in (("1.jpg", "1.jpg"), ("a/1.jpg", "b/1.jpg"), ("1.jpg", "1.png")):
        if pair[0] != pair[1]:
            path = write_entries(tmp_path / "alike.zip", {**dict.fromkeys(pair, b""), "2.jpg": b"b", "0.jpg": b"d"})
        with one_line(path, pair[0], "one of several images of this name"), open_archive(path):
            pass
        flaws = []
        with open_archive(path, flaws) as images:
            assert images.names == ["0.jpg", "2.jpg"] and images.read("2.jpg") == b"b"
        assert sorted(flaw.image for flaw in flaws) == sorted(pair)


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
        assert file.read(file.trusted()["a"]) == b"1"


@pytest.mark.parametrize("facts", [b"{", b"[1]", b"\xff"])
def test_damaged_facts(tmp_path, facts):
    path = write_entries(tmp_path / "raw.zip", {"1.jpg": b"", "facts.json": facts})
    with one_line("raw.zip, facts.json", "JSON"), open_archive(path):
        pass


# --- zips as others write them, and as nobody should


def test_zips_of_other_programs(tmp_path):
    """Deflated, with a comment, names in UTF-8, written to a pipe, behind other bytes, and empty folders."""
    path = tmp_path / "other.zip"
    with path.open("wb") as file:
        file.write(b"#!/bin/sh\n" * 10)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.mkdir("f\u00fc")
            packed.writestr("f\u00fc/1.jpg", b"one" * 1000)
            with packed.open(zipfile.ZipInfo("2.jpg"), "w", force_zip64=True) as entry:
                entry.write(b"two")
            packed.comment = b"and so on"
    with open_archive(path) as images:
        assert images.names == ["1.jpg", "2.jpg"]
        assert images.read("1.jpg") == b"one" * 1000 and images.read("2.jpg") == b"two"


def test_more_entries_than_sixteen_bits_count(tmp_path):
    """Written here and read by the library, and the other way round."""
    count = 66_000
    with write_zip(tmp_path / "ours.zip") as file:
        for number in range(count):
            file.add(f"{number}.jpg", b"x")
    with zipfile.ZipFile(tmp_path / "ours.zip") as file:
        assert len(file.namelist()) == count and file.read("65999.jpg") == b"x"
    with open_archive(tmp_path / "ours.zip") as images:
        assert len(images.names) == count and images.read("65999.jpg") == b"x"


def test_offsets_beyond_four_gigabytes(tmp_path):
    """A file with a hole, where the disk can do that: entries behind it are found, by the library too."""
    with write_zip(tmp_path / "large.zip") as file:
        file.note("hole.bin", 2**32 - 100, 0)
        file.add("1.jpg", b"one")
        file.add("2.jpg", b"two")
    assert (tmp_path / "large.zip").stat().st_blocks * 512 < 2**20 or pytest.skip("no holes on this disk")
    with open_archive(tmp_path / "large.zip") as images:
        assert images.names == ["1.jpg", "2.jpg"] and images.read("2.jpg") == b"two"
    with zipfile.ZipFile(tmp_path / "large.zip") as file:
        assert file.read("2.jpg") == b"two"


def with_central(path: Path, name: bytes, at: int, value: bytes) -> None:
    """Overwrite bytes of an entry's record in the directory."""
    data = bytearray(path.read_bytes())
    start = data.rindex(name) - 46
    data[start + at : start + at + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (38, struct.pack("<L", 0o120777 << 16), "a link or device"),
        (8, struct.pack("<H", 1), "encrypted"),
        (10, struct.pack("<H", 12), "an unknown method, 12"),
        (24, struct.pack("<L", LARGEST_ENTRY + 1), f"{LARGEST_ENTRY + 1} bytes, more than"),
    ],
    ids=["link", "encrypted", "method", "size"],
)
def test_entries_that_can_not_be_trusted(tmp_path, at, value, reason):
    path = write_entries(tmp_path / "raw.zip", {"good.jpg": b"good", "evil.jpg": b"evil"})
    with_central(path, b"evil.jpg", at, value)
    with one_line(path, "evil.jpg", reason), open_archive(path):
        pass
    flaws = []
    with open_archive(path, flaws) as images:
        assert images.names == ["good.jpg"] and images.read("good.jpg") == b"good"
    assert [flaw.image for flaw in flaws] == ["evil.jpg"] and reason in flaws[0].reason


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (24, struct.pack("<L", 7), "not the 7 bytes"),
        (42, struct.pack("<L", 0), "another name before its bytes"),
        (42, struct.pack("<L", 5), "points elsewhere"),
        (20, struct.pack("<L", 90_000_000), "an early end"),
    ],
    ids=["size", "overlap", "offset", "packed size"],
)
def test_entries_that_lie(tmp_path, at, value, reason):
    path = write_entries(tmp_path / "raw.zip", {"good.jpg": b"good", "evil.jpg": b"evil"})
    with_central(path, b"evil.jpg", at, value)
    with open_archive(path) as images, one_line(path, "evil.jpg", reason):
        images.read("evil.jpg")


def test_a_bomb_is_not_unpacked(tmp_path):
    """A gigabyte of zeros, a megabyte packed, that claims to be four bytes: five are unpacked."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = b"".join([*(packing.compress(bytes(2**20)) for _ in range(64)), packing.flush()])
    path = tmp_path / "bomb.zip"
    with write_zip(path) as file:
        file.add("bomb.jpg", data)
    whole = bytearray(path.read_bytes())
    for record, method, size in ((0, 8, 22), (whole.rindex(b"PK\1\2"), 10, 24)):
        whole[record + method : record + method + 2] = struct.pack("<H", 8)
        whole[record + size : record + size + 4] = struct.pack("<L", 4)
    path.write_bytes(whole)
    with open_archive(path) as images, one_line("bomb.jpg", "not the 4 bytes that it claims"):
        images.read("bomb.jpg")


@pytest.mark.parametrize("damage", ["cut", "count", "directory", "record"])
def test_a_damaged_directory(tmp_path, damage):
    path = write_entries(tmp_path / "raw.zip", {"1.jpg": b"one", "2.jpg": b"two"})
    data = bytearray(path.read_bytes())
    end, first = data.rindex(b"PK\5\6"), data.index(b"PK\1\2")
    if damage == "cut":
        del data[10:30]
    elif damage == "count":
        data[end + 10] = 9
    elif damage == "directory":
        data[first] = 0
    else:
        data[first + 28] = 200
    path.write_bytes(data)
    with one_line(path, "a whole zip"), open_archive(path):
        pass


def test_headers_are_those_of_the_library(tmp_path):
    info = zipfile.ZipInfo("a.jpg", (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16
    with zipfile.ZipFile(tmp_path / "theirs.zip", "w") as file:
        file.writestr(info, b"abc")
    with write_zip(tmp_path / "ours.zip") as file:
        file.add("a.jpg", b"abc")
    theirs = (tmp_path / "theirs.zip").read_bytes()
    assert (tmp_path / "ours.zip").read_bytes() == theirs
    assert theirs.startswith(stored_header("a.jpg", 3, zlib.crc32(b"abc")) + b"abc")


# --- what is in them


@pytest.mark.parametrize("size", [(64, 64), (180, 220), (5, 3)])
def test_a_tiff_opens_everywhere_and_reads_back(size):
    tiffs, image = TiffFormat(*size), photo(3, *size)
    data = tiffs.encode(image)
    assert len(data) == tiffs.size
    assert np.array_equal(decode(data, "x"), image) and np.array_equal(tiffs.decode(data, "x"), image)
    assert np.array_equal(tiffs.decode(encoded(image, "PNG"), "x"), image), "whoever wrote it"
    with pytest.raises(ValueError, match="is not"):
        tiffs.encode(photo(3, 7, 7))
    with one_line("here", "a whole image"):
        tiffs.decode(data[:-1], "here")
