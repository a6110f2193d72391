"""Decoding, encoding and framing, with answers known beforehand."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin
from raw_data import encoded, one_line, photo

from facevae.imaging.codec import (
    decode,
    decode_image,
    decoded_size,
    encode_jpeg,
    encode_png,
    read_header,
    resize_to_fill,
)
from facevae.imaging.frames import PadFrame, SquareFrame, frame_from_facts
from facevae.imaging.names import stem


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def test_png_gives_back_every_pixel_and_the_same_bytes():
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert np.array_equal(decode(encode_png(image), "x"), image)
    assert encode_png(image) == encode_png(image.copy())


def test_jpeg_is_close_and_has_celebas_subsampling():
    data = encode_jpeg(photo(1))
    assert np.abs(decode(data, "x").astype(int) - photo(1)).mean() < 1.5
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB" and JpegImagePlugin.get_sampling(image) == 2  # 4:2:0


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("L", (4, 2), 7), (7, 7, 7)),
        (Image.new("RGBA", (4, 2), (10, 20, 30, 255)), (10, 20, 30)),
        (Image.new("RGBA", (4, 2), (10, 20, 30, 0)), (255, 255, 255)),
        (Image.new("P", (4, 2), 0), (0, 0, 0)),
        (Image.new("1", (4, 2), 1), (255, 255, 255)),
        (Image.fromarray(np.full((2, 4), 128 * 257, np.uint16)), (128, 128, 128)),
    ],
    ids=["grey", "opaque", "transparent", "palette", "black and white", "16 bit grey"],
)
def test_every_mode_becomes_rgb(image, colour):
    decoded = decode(saved(image, "PNG"), "x")
    assert decoded.shape == (2, 4, 3) and decoded.dtype == np.uint8
    assert (decoded == colour).all()


def test_exif_orientation_is_applied():
    lying = Image.fromarray(photo(1, width=40, height=20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    data = saved(lying, "PNG", exif=exif)
    assert decoded_size(data, "x") == (20, 40)
    assert np.array_equal(decode(data, "x"), np.rot90(photo(1, width=40, height=20), -1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["AVIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_every_orientation_in_every_format_that_has_one(format, orientation):
    """Pillow gives a TIFF's upright size before it has been decoded, that of the others as it is stored."""
    stored = Image.fromarray(photo(1, width=40, height=20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, format, exif=exif)
    size = (20, 40) if orientation > 4 else (40, 20)
    assert decoded_size(data, "x") == size == decode_image(data, "x").size
    # The stored image's first pixel goes to this corner: EXIF 2.3, table 6.
    row, column = [(0, 0), (0, -1), (-1, -1), (-1, 0), (0, 0), (0, -1), (-1, -1), (-1, 0)][orientation - 1]
    corner = np.zeros((20, 40, 3), np.uint8)
    corner[:8, :8] = 255
    exif[0x0112] = orientation  # which saving an AVIF has taken out
    decoded = decode(saved(Image.fromarray(corner), format, exif=exif), "x")
    assert decoded[row, column].min() > 200 and (decoded.mean(2) > 128).sum() == pytest.approx(64, abs=12)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_exif_with_a_tag_of_another_type_than_its_own(format):
    """Pillow reads it, and does not write it: a file that is turned upright is none that has to be written."""
    entries = [(0x0112, 3, 1, struct.pack("<HH", 6, 0)), (0x011A, 2, 3, b"72\0\0")]  # a resolution in letters
    exif = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    exif += b"".join(struct.pack("<HHI4s", *entry) for entry in entries) + bytes(4)
    image = Image.fromarray(photo(1, width=40, height=20))
    tags = Image.Exif()
    tags.load(exif)
    with pytest.raises(TypeError):
        tags.tobytes()
    data = saved(image, format, exif=b"Exif\0\0" + exif)
    assert decode(data, "x").shape == (40, 20, 3)


def test_what_a_file_that_is_not_read_is():
    with one_line("x", "a whole image", "an empty file"):
        decode(b"", "x")
    with one_line("x", "a whole image", "a PNG that is damaged"):
        decode(b"\x89PNG\r\n\x1a\n" + bytes(40), "x")
    tiff = bytearray(saved(Image.fromarray(np.zeros((2, 4), np.float32)), "TIFF"))
    bits = tiff.index(struct.pack("<HHIHH", 258, 3, 1, 32, 0)) + 8  # BitsPerSample
    tiff[bits] = 24
    with one_line("x", "a whole image", "a TIFF that is damaged, or of a kind that is not read"):
        decode(bytes(tiff), "x")


@pytest.mark.parametrize("level", [0, 200, 70_000])
def test_grey_levels_of_32_bits_are_refused(level):
    """Whether 255, 65,535 or more is white nobody says: read as 16 bits the first would be black."""
    for kind in (np.int32, np.float32):
        with one_line("x", "a whole image", "32 bits"):
            decode(saved(Image.fromarray(np.full((2, 4), level, kind)), "TIFF"), "x")
        with one_line("x", "a whole image", "32 bits"):  # facevae check reads no more than the header
            read_header(io.BytesIO(saved(Image.fromarray(np.full((2, 4), level, kind)), "TIFF")), "x")


@pytest.mark.parametrize("kind", ["<u2", ">u2"])
def test_16_bits_in_either_order_are_grey(kind):
    assert (decode(saved(Image.fromarray(np.full((2, 4), 128 * 257, kind)), "TIFF"), "x") == 128).all()


@pytest.mark.parametrize("damage", [b"", b"no image", encoded(photo(1))[:2000], encoded(photo(1), "PNG")[:5000]])
def test_a_damaged_image_is_named(damage):
    with one_line("some/where.jpg", "a whole image"):
        decode(damage, "some/where.jpg")


def test_pad_repeats_the_edge():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    padded = PadFrame(1)(image)
    assert padded.shape == (4, 4, 3)
    assert np.array_equal(padded[1:3, 1:3], image)
    assert np.array_equal(padded[0, 0], image[0, 0]) and np.array_equal(padded[3, 2], image[1, 1])
    assert PadFrame(1)(photo(1)).shape == (220, 180, 3)  # the report's 180x220
    assert np.array_equal(PadFrame(0)(image), image)


def test_square_is_the_centre():
    image = photo(1)
    assert np.array_equal(SquareFrame(178, 178, "bicubic")(image), image[20:198])
    assert np.array_equal(SquareFrame(100, 100, "box")(image), image[59:159, 39:139])


def test_square_scales_with_antialiasing():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (SquareFrame(128, 64, "box")(stripes) == 100).all()
    assert set(np.unique(SquareFrame(128, 64, "nearest")(stripes))) <= {0, 200}
    for resample in ("bilinear", "bicubic", "lanczos"):
        flat = np.full((218, 178, 3), 77, np.uint8)
        assert (SquareFrame(178, 128, resample)(flat) == 77).all()


def test_a_crop_larger_than_the_image_is_an_error():
    with one_line("crop_pad.vae.crop", "at most 178", "200"):
        SquareFrame(200, 128, "bicubic")(photo(1))


@pytest.mark.parametrize("frame", [PadFrame(3), SquareFrame(148, 64, "lanczos")])
def test_a_frame_is_rebuilt_from_its_facts(frame):
    assert frame_from_facts({"width": 1, **frame.facts()}) == frame


def test_cover_fills_the_size_from_the_centre():
    wide = np.zeros((218, 400, 3), np.uint8)
    wide[:, 111:289] = 255  # the middle 178 columns
    covered = resize_to_fill(wide, (178, 218))
    assert covered.shape == (218, 178, 3) and covered[:, 2:-2].min() == 255
    for width, height in ((179, 1000), (1000, 179), (300, 367)):
        assert resize_to_fill(photo(1, width, height), (178, 218)).shape == (218, 178, 3)


def test_stem():
    assert [stem(name) for name in ("000001.jpg", "a/b.c.png", "bare", ".hidden")] == [
        "000001",
        "a/b.c",
        "bare",
        ".hidden",
    ]
