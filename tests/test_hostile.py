"""An archive with everything that nobody wants: named, left out or refused; nothing else is touched."""

import csv
import io
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_data import REPOSITORY, encoded, files_below, make_params, one_line, photo

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.forms import parse_attributes, parse_partitions
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    IMAGES,
    PARTITION_FILE,
    SKIPPED,
    write_attributes,
    write_numbers,
)
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode
from stages import crop_pad, download

HERE = "/nowhere"  # wanted, and found in `path`
GOOD = [f"{number:06d}.jpg" for number in range(1, 8)]
LINK, FILE = 0o120777 << 16, 0o100644 << 16


def claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is as large as that."""
    header = struct.pack(">2L5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    packed = (
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def lying() -> bytes:
    """A photo on its side whose EXIF data say so."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(photo(5))).save(file, "JPEG", exif=exif, quality=95)
    return file.getvalue()


def cmyk() -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(6)).convert("CMYK").save(file, "JPEG", quality=95)
    return file.getvalue()


EVIL = {
    "../up.jpg": (encoded(photo(1)), "a name that leaves the zip"),
    "/tmp/absolute.jpg": (encoded(photo(1)), "a name that leaves the zip"),
    "img_align_celeba/link.jpg": (b"/etc/passwd", "a link or device"),
    "img_align_celeba/000011.jpg": (claims(50_000, 50_000), "claims to be far larger"),
    "img_align_celeba/000010.jpg": (claims(50_000, 1_500), "50000x1500 pixels"),
    "img_align_celeba/000012.jpg": (b"not an image at all", "of no known format"),
    "img_align_celeba/000013.jpg": (encoded(photo(1))[:3000], "bytes that are not"),
    "img_align_celeba/000014.jpg": (bytes(99_000_000), "of no known format"),
    "img_align_celeba/000015.jpg": (bytes(100_000_001), "100000001 bytes, more than"),
    "img_align_celeba/000016.jpg": (encoded(photo(1, 100, 100)), "100x100 pixels, the others have 178x218"),
    "img_align_celeba/000017.jpg": (encoded(photo(1)), "no row in the annotation"),
    "img_align_celeba/000018.jpg": (encoded(photo(1)), "no row in the partitions"),
    "img_align_celeba/twice.jpg": (encoded(photo(1)), "one of several images of this name"),
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """CelebA's files, with seven good images, of four kinds, and all the others."""
    folder = tmp_path_factory.mktemp("hostile")
    good = [encoded(photo(number)) for number in range(4)]
    good += [encoded(photo(4)[:, :, 0]), lying(), cmyk()]
    with zipfile.ZipFile(folder / IMAGES, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in zip(GOOD, good, strict=True):
            file.writestr(f"img_align_celeba/{name}", data)
        for name, (data, _) in EVIL.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = LINK if "link" in name else FILE
            info.create_system, info.compress_type = 3, zipfile.ZIP_DEFLATED
            file.writestr(info, data)
        file.writestr("other/twice.jpg", b"another")
        file.writestr("read.me", b"no image")
        file.writestr("__MACOSX/._000001.jpg", b"a Mac's")
    known = [*GOOD, *(Path(name).name for name in EVIL if "17" not in name), "000099.jpg"]
    write_attributes(folder / ATTRIBUTES_FILE, known, ATTRIBUTES, np.ones((len(known), 40), int))
    write_numbers(folder / PARTITION_FILE, [name for name in known if "18" not in name], [0] * (len(known) - 1))
    write_numbers(folder / IDENTITY_FILE, known[::2], range(len(known[::2])))
    return folder


def take(tmp_path: Path, hostile: Path, on_bad_image: str) -> Path:
    celeba = {
        "path": str(hostile), "images": [], "attributes": [], "partitions": [HERE], "identities": [HERE],
        "landmarks": [], "on_bad_image": on_bad_image,
    }  # fmt: skip
    params = make_params(tmp_path, download__source="celeba", download__celeba=celeba)
    download.main(workers=1, params=params, output=tmp_path / "data/raw", downloads=tmp_path / "downloads")
    return tmp_path / "data/raw"


def test_the_first_is_named_and_all_are_counted(tmp_path, hostile):
    before = files_below(hostile)
    with one_line(IMAGES, "../up.jpg", "a name that leaves the zip", f"{len(EVIL) + 1} bad images in all", "skip"):
        take(tmp_path, hostile, "error")
    assert files_below(hostile) == before and set(files_below(tmp_path)) == {"params.yaml"}


def test_they_are_left_out_and_listed(tmp_path, hostile):
    raw = take(tmp_path, hostile, "skip")
    with open(raw / SKIPPED, encoding="utf-8") as file:
        rows = {row["image"]: row["reason"] for row in csv.DictReader(file)}
    whole = {Path(name).name: reason for name, (_, reason) in EVIL.items()}
    assert {Path(name).name for name in rows} == set(whole) and len(rows) == len(EVIL) + 1
    for name, reason in rows.items():
        assert whole[Path(name).name] in reason
    with zipfile.ZipFile(raw / IMAGES) as file:
        assert file.namelist() == [f"img_align_celeba/{name}" for name in GOOD]
    table = parse_attributes(raw / ATTRIBUTES_FILE, ATTRIBUTES)
    assert table.images == parse_partitions(raw / PARTITION_FILE).images == GOOD, "a row for each image, no other"
    assert not list(tmp_path.rglob("up.jpg")) and not Path("/tmp/absolute.jpg").exists()

    # What is left is what the next stage takes, upright and in colour.
    output = tmp_path / "images.zip"
    crop_pad.main(model="dae", workers=1, params=tmp_path / "params.yaml", archive=raw / IMAGES, output=output)
    with open_archive(output) as framed:
        for name, number in (("000005.tif", 4), ("000006.tif", 5), ("000007.tif", 6)):
            image = decode(framed.read(name), name)[1:-1, 1:-1]
            expected = np.repeat(photo(4)[:, :, :1], 3, axis=2) if number == 4 else photo(number)
            assert np.abs(image.astype(int) - expected).mean() < 4, name


def test_memory_stays_bounded(tmp_path, hostile):
    """The bombs are 99 MB of zeros and an image of 7.5 GB; the process holds one at a time, and no image at all."""
    with pytest.raises(Exception, match="bad images in all"):
        take(tmp_path, hostile, "error")
    code = "import resource; from stages.download import main; from facevae.core.command import run; import atexit; "
    code += "atexit.register(lambda: print(open('/proc/self/status').read())); run(main)"
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc to read the peak from")
    done = subprocess.run(
        [sys.executable, "-c", code, "--workers", "1", "--output", "raw"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    peak = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("VmHWM"))
    assert done.returncode == 1 and "bad images in all" in done.stderr
    assert peak < 400_000, f"{peak} kB"
