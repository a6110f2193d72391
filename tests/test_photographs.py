"""Photographs read and written back: what a file holds beside 8 bits of colour comes out again."""

import io
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from raw_data import one_line, photo

from facevae.core.errors import FacevaeError
from facevae.imaging.codec import decode
from facevae.inference.photographs import FORMATS, encode_photograph, left_out, own_suffix, read_photograph
from facevae.inference.png import described_by, encode_planes, kept_chunks

RGB = photo(3, 30, 22)
ALPHA = np.tile(np.arange(30, dtype=np.uint8) * 8, (22, 1))
DEEP = np.random.default_rng(0).integers(0, 65536, (22, 30, 4), np.uint16)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation=1):
    tags = Image.Exif()
    tags.update({0x0112: orientation, 271: "A camera"})
    tags.get_ifd(0x8769)[0x9003] = "2020:02:02 02:02:02"
    return tags


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def read(data, name="in"):
    path = Path(name)
    path.write_bytes(data)
    return read_photograph(path)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_profile_of_another_kind_of_colours_goes():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    found = read(saved(Image.new("LAB", (20, 30)), "TIFF", icc_profile=lab))
    assert found.icc_profile is None and found.pixels.shape == (30, 20, 3)


def test_zero_is_white_where_a_tiff_says_so():
    file = io.BytesIO()
    tifffile.imwrite(file, 65535 - DEEP[..., 0], photometric="miniswhite")
    found = read(file.getvalue(), "white.tif")
    assert np.array_equal(found.pixels[..., 1], DEEP[..., 0]) and found.grey


def test_black_and_white_is_told_by_the_pixels():
    grey = np.repeat(RGB[..., :1], 3, 2)
    for image in (Image.fromarray(grey), Image.fromarray(np.dstack([grey, ALPHA])), Image.fromarray(RGB[..., 0])):
        assert read(saved(image, "PNG")).colourless
    assert not read(saved(Image.fromarray(RGB), "PNG")).colourless
    transparent = io.BytesIO()
    Image.fromarray(RGB[..., 0]).save(transparent, "PNG", transparency=3)
    found = read(transparent.getvalue())
    assert found.grey and found.alpha is not None
    assert Image.open(io.BytesIO(encode_photograph(found, ".png"))).mode == "LA"


LOSSLESS = {
    "PNG": (saved(Image.fromarray(RGB), "PNG"), ".png"),
    "grey": (saved(Image.fromarray(RGB[..., 0]), "PNG"), ".png"),
    "alpha": (saved(Image.fromarray(np.dstack([RGB, ALPHA])), "PNG"), ".png"),
    "grey and alpha": (saved(Image.fromarray(np.dstack([RGB[..., 0], ALPHA]), "LA"), "PNG"), ".png"),
    "TIFF": (saved(Image.fromarray(RGB), "TIFF"), ".tif"),
    "TIFF with alpha": (saved(Image.fromarray(np.dstack([RGB, ALPHA])), "TIFF"), ".tiff"),
    "WebP": (saved(Image.fromarray(RGB), "WEBP", lossless=True), ".webp"),
    "BMP": (saved(Image.fromarray(RGB), "BMP"), ".bmp"),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_pixels_come_out_as_they_went_in(name):
    data, suffix = LOSSLESS[name]
    photograph = read(data)
    before, after = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(encode_photograph(photograph, suffix)))
    assert (after.format, after.mode, after.size) == (before.format, before.mode, before.size)
    assert np.array_equal(np.asarray(after), np.asarray(before)) and not left_out(photograph, suffix)
    assert np.array_equal(photograph.visible(), decode(data, "in"))


@pytest.mark.parametrize("planes", [1, 2, 3, 4])
def test_sixteen_bits(planes):
    stored = DEEP[..., :planes]
    photograph = read(encode_planes(stored))
    assert photograph.pixels.dtype == np.uint16 and photograph.grey == (planes < 3)
    again = read(encode_photograph(photograph, ".png"))
    colours = planes - (planes in (2, 4))
    assert np.array_equal(again.pixels[..., :colours], stored[..., :colours])
    assert (again.alpha is None) == (planes == colours)
    if planes > colours:
        assert np.array_equal(again.alpha, stored[..., -1])
    Path("deep.tif").write_bytes(encode_photograph(photograph, ".tif"))
    deep = read_photograph(Path("deep.tif"))
    assert np.array_equal(deep.pixels, photograph.pixels) and (deep.alpha is None) == (planes == colours)
    assert deep.alpha is None or np.array_equal(deep.alpha, photograph.alpha)
    assert left_out(photograph, ".jpg")[0] == "8 of its 16 bits"
    assert read(encode_photograph(photograph, ".jpg")).pixels.dtype == np.uint8


def test_sixteen_bits_of_a_camera():
    """As raw converters write them: a profile, planes apart."""
    tifffile.imwrite("deep.tif", np.moveaxis(DEEP[..., :3], 2, 0), photometric="rgb", planarconfig="separate",
                     iccprofile=PROFILE)  # fmt: skip
    photograph = read_photograph(Path("deep.tif"))
    assert np.array_equal(photograph.pixels, DEEP[..., :3]) and photograph.icc_profile == PROFILE
    Path("again.tif").write_bytes(encode_photograph(photograph, ".tif"))
    assert read_photograph(Path("again.tif")).icc_profile == PROFILE


def test_a_tiff_of_sixteen_bits_keeps_its_words():
    tifffile.imwrite("deep.tif", DEEP[..., :3], photometric="rgb", software="scanner",
                     extratags=[(315, 2, 0, "Zoë".encode() + b"\0", True)])  # fmt: skip
    photograph = read_photograph(Path("deep.tif"))
    assert not left_out(photograph, ".tif")
    tags = Image.open(io.BytesIO(encode_photograph(photograph, ".tif"))).tag_v2
    assert tags[305] == "scanner" and tags[315].encode("latin-1").decode() == "Zoë"
    place = exif(1)
    place.get_ifd(0x8825)[1] = "N"
    assert left_out(replace(photograph, exif=place.tobytes()), ".tif") == ["EXIF"]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP"])
def test_of_several_pictures_the_first_is_taken_and_said(kind):
    pictures = [Image.fromarray(np.roll(RGB, by, 0)) for by in range(3)]
    file = io.BytesIO()
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], lossless=True)
    photograph = read(file.getvalue())
    assert left_out(photograph, ".png") == ["its other pictures, 2"]
    assert np.abs(photograph.pixels.astype(int) - RGB).mean() < 8
    twice = io.BytesIO()
    pictures[0].save(twice, "MPO", save_all=True, append_images=[pictures[1]])
    assert not left_out(read(twice.getvalue()), ".jpg"), "its second picture is the same, of another eye"


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
@pytest.mark.parametrize("kind", ["GIF", "TIFF"])
def test_damaged_later_pictures_are_not_counted(kind):
    """At any place behind the first picture: what is taken is whole."""
    pictures = [Image.fromarray(np.roll(RGB, by, 0)).quantize(16) for by in range(3)]
    one, three = (saved(pictures[0], kind, save_all=True, append_images=pictures[1:count]) for count in (1, 3))
    generator, found = np.random.default_rng(0), []
    for _ in range(60):
        data = bytearray(three)
        data[generator.integers(len(one), len(data))] ^= 255
        del data[len(data) - generator.integers(len(data) - len(one)) :]
        found.append(read(bytes(data)))
    assert min(one.pictures for one in found) == 1 and max(one.pictures for one in found) > 1
    assert all(np.array_equal(one.pixels, read(three).pixels) for one in found)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "suffix"), [("PNG", ".png"), ("WEBP", ".webp"), ("JPEG", ".jpg"), ("TIFF", ".tif")])
def test_the_file_keeps_its_orientation_and_the_edit_is_upright(orientation, kind, suffix):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(RGB), kind, exif=exif(orientation).tobytes(), icc_profile=PROFILE, **options)
    photograph = read(data)
    assert np.array_equal(photograph.pixels, decode(data, "in"))
    out = encode_photograph(photograph, suffix)
    again = Image.open(io.BytesIO(out))
    if kind != "TIFF":  # which Pillow turns as it decodes it
        assert again.size == (30, 22) and again.getexif()[0x0112] == orientation
    assert again.getexif()[271] == "A camera" and again.info["icc_profile"] == PROFILE
    assert again.getexif().get_ifd(0x8769)[0x9003] == "2020:02:02 02:02:02"
    difference = np.abs(decode(out, "out").astype(int) - photograph.pixels)
    assert difference.max() <= (12 if kind == "JPEG" else 0)


XMP = b'<x xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'


def behind_the_pixels(data):
    """A PNG with its EXIF after its pixels."""
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4])]
    rest = data.replace(chunk, b"")
    return rest[:-12] + chunk + rest[-12:]


TURNED = {
    "EXIF behind the pixels": behind_the_pixels(saved(Image.fromarray(RGB), "PNG", exif=exif(6))),
    "XMP of a JPEG": saved(Image.fromarray(RGB), "JPEG", quality=100, subsampling=0, xmp=XMP),
    "XMP of a WebP": saved(Image.fromarray(RGB), "WEBP", lossless=True, xmp=XMP),
    "EXIF of a WebP": saved(Image.fromarray(RGB), "WEBP", lossless=True, exif=exif(6).tobytes()),
    "XMP of an AVIF": saved(Image.fromarray(RGB), "AVIF", quality=100, xmp=XMP),
    "16 bits": encode_planes(DEEP[..., :3], described_by(None, exif(6).tobytes())),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", TURNED)
def test_whatever_says_the_orientation_the_output_is_upright(name, suffix):
    found = decode(encode_photograph(read(TURNED[name]), suffix), "out")
    expected = decode(TURNED[name], "in")
    assert found.shape == expected.shape == (30, 22, 3)
    if suffix in (".png", ".tif", ".bmp"):
        assert np.abs(found.astype(int) - expected).max() <= 1, "16 bits are rounded in two ways"


def test_sixteen_bits_that_lie_on_their_side():
    photograph = read(encode_planes(DEEP[..., :3], described_by(None, exif(6).tobytes())))
    assert np.array_equal(photograph.pixels, np.rot90(DEEP[..., :3], 3))
    again = encode_photograph(photograph, ".png")
    assert np.array_equal(read(again).pixels, photograph.pixels) and Image.open(io.BytesIO(again)).size == (30, 22)


def test_a_jpeg_is_coded_as_it_was():
    data = saved(Image.fromarray(RGB), "JPEG", quality=61, subsampling="4:4:4", dpi=(300, 300))
    before, after = (Image.open(io.BytesIO(part)) for part in (data, encode_photograph(read(data), ".jpg")))
    assert after.quantization == before.quantization and after.info["dpi"] == (300, 300)
    assert after.layer == before.layer, "how much of the colours"
    assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).mean() < 0.5


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


CAPTION = b"\x1c\x02\x78" + struct.pack(">H", 7) + b"A smile"
IPTC = segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(CAPTION)) + CAPTION)
COMMENTS = segment(0xFE, b"first \xe9") + segment(0xFE, "zweiter \u00fc".encode())


def test_comments_iptc_and_xmp_of_a_jpeg_are_kept():
    data = saved(Image.fromarray(RGB), "JPEG", extra=COMMENTS + IPTC, xmp=XMP, exif=exif(), icc_profile=PROFILE)
    photograph = read(data)
    out = encode_photograph(photograph, ".jpg")
    assert COMMENTS in out and IPTC in out and not left_out(photograph, ".jpg")
    image = Image.open(io.BytesIO(out))
    assert image.info["photoshop"] == {0x0404: CAPTION} and image.info["xmp"] == XMP
    assert image.getexif()[271] == "A camera" and image.info["icc_profile"] == PROFILE
    assert left_out(photograph, ".png") == left_out(photograph, ".webp") == ["XMP", "IPTC", "its comment"]


@pytest.mark.parametrize(("kind", "suffix"), [("AVIF", ".avif"), ("WEBP", ".webp")])
def test_xmp_is_kept_in_its_own_format(kind, suffix):
    photograph = read(saved(Image.fromarray(RGB), kind, xmp=XMP))
    assert Image.open(io.BytesIO(encode_photograph(photograph, suffix))).info["xmp"] == XMP
    assert not left_out(photograph, suffix) and left_out(photograph, ".png") == ["XMP"]


def test_the_texts_of_a_png_are_kept_in_pngs_and_missed_elsewhere():
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP.decode())
    texts.add_text("Raw profile type xmp", "\nxmp\n 4\n00000000\n", zip=True)
    assert left_out(read(saved(Image.fromarray(RGB), "PNG", pnginfo=texts)), ".jpg") == ["XMP"]
    texts.add_text("Author", "Ann")
    photograph = read(saved(Image.fromarray(RGB), "PNG", pnginfo=texts))
    assert Image.open(io.BytesIO(encode_photograph(photograph, ".png"))).text["Author"] == "Ann"
    assert not left_out(photograph, ".png") and left_out(photograph, ".jpg") == ["XMP", "its text"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_a_tiff_loses_is_said(dtype):
    tags = [(700, 1, len(XMP), XMP, True), (33723, 7, len(CAPTION), CAPTION, True)]
    tifffile.imwrite("in.tif", DEEP[..., :3].astype(dtype), photometric="rgb", extratags=tags)
    assert left_out(read_photograph(Path("in.tif")), ".tif") == ["XMP", "IPTC"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "WEBP"])
def test_damaged_words_end_in_no_traceback(kind):
    """Photograph or one line, whatever stands where comments, IPTC, EXIF and XMP were."""
    more = {"extra": COMMENTS + IPTC} if kind == "JPEG" else {}
    data = saved(Image.fromarray(RGB), kind, xmp=XMP, exif=exif(6).tobytes(), icc_profile=PROFILE, **more)
    generator, whole = np.random.default_rng(0), 0
    words = [data.index(word) for word in (XMP, b"A camera", *([COMMENTS, CAPTION] if more else []))]
    for _ in range(80):
        damaged = bytearray(data)
        at = generator.choice(words) + generator.integers(-40, 40)
        damaged[at : at + 4] = generator.bytes(4)
        try:
            photograph = read(bytes(damaged))
            for suffix in FORMATS:
                encode_photograph(photograph, suffix)
                left_out(photograph, suffix)
            whole += 1
        except FacevaeError as error:
            assert "\n" not in str(error)
    assert whole > 30


@pytest.mark.parametrize(
    "damage", [(b"MM", b"4M"), (b"MM\0*\0\0\0\x08", b"MM"), (b"\0\x08\0\x03\x01", b"\0\x08\0\0\x01")]
)
def test_exif_that_cannot_be_read_goes(damage):
    """What it begins with is wrong, or it ends there, or has no tags."""
    whole = exif(6).tobytes()
    assert whole.count(damage[0]) == 1
    photograph = read(saved(Image.fromarray(RGB), "JPEG", extra=segment(0xE1, whole.replace(*damage))))
    assert photograph.exif is None and photograph.pixels.shape == (22, 30, 3)
    assert all(decode(encode_photograph(photograph, suffix), "out").shape == (22, 30, 3) for suffix in FORMATS)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged tags
def test_exif_that_cannot_be_written_anew_is_said_where_it_has_to_be():
    tags = exif(6)
    tags[0x0100] = 60
    whole, a_float = struct.pack(">HHI", 0x0100, 4, 1), struct.pack(">HHI", 0x0100, 11, 1)
    broken = tags.tobytes().replace(whole, a_float)
    assert broken != tags.tobytes()
    photograph = read(saved(Image.fromarray(RGB), "JPEG", extra=segment(0xE1, broken)))
    for suffix in FORMATS:
        out = encode_photograph(photograph, suffix)
        lost = {"TIFF": ["EXIF"], "AVIF": ["EXIF"], "BMP": ["EXIF and profile of colours"]}.get(FORMATS[suffix], [])
        assert left_out(photograph, suffix) == lost and decode(out, "out").shape == (30, 22, 3)
        assert (broken.removeprefix(b"Exif\0\0") in out) != bool(lost)


def test_what_a_png_says_is_kept():
    from PIL.PngImagePlugin import PngInfo

    words = PngInfo()
    words.add_text("Author", "Nobody")
    data = saved(Image.fromarray(RGB), "PNG", pnginfo=words, dpi=(72, 72), icc_profile=PROFILE, exif=exif())
    out = encode_photograph(read(data), ".png")
    assert kept_chunks(out) == kept_chunks(data)
    assert {kind for kind, _ in kept_chunks(out)} == {b"tEXt", b"pHYs", b"iCCP", b"eXIf"}
    image = Image.open(io.BytesIO(out))
    image.load()
    assert image.text == {"Author": "Nobody"} and image.info["icc_profile"] == PROFILE


def test_palettes_and_inks_become_colours():
    few = RGB // 64 * 64
    indexed = read(saved(Image.fromarray(few).convert("P", palette=Image.Palette.ADAPTIVE), "GIF"))
    assert own_suffix(Path("a.gif")) == ".png" and own_suffix(Path("A.JPG")) == ".jpg"
    assert np.array_equal(decode(encode_photograph(indexed, ".png"), "out"), few)
    inks = saved(Image.fromarray(RGB).convert("CMYK"), "JPEG", icc_profile=b"inks", quality=100)
    photograph = read(inks)
    assert photograph.icc_profile is None and np.array_equal(photograph.pixels, decode(inks, "in"))
    assert left_out(photograph, ".jpg") == ["its inks, now RGB, and their profile"]
    assert Image.open(io.BytesIO(encode_photograph(photograph, ".jpg"))).mode == "RGB"


def test_what_another_format_can_not_hold():
    photograph = read(saved(Image.fromarray(np.dstack([RGB, ALPHA])), "PNG", exif=exif(6), icc_profile=PROFILE))
    assert left_out(photograph, ".jpg") == ["transparency, now white"]
    assert left_out(photograph, ".bmp") == ["transparency, now white", "EXIF and profile of colours"]
    assert np.array_equal(decode(encode_photograph(photograph, ".bmp"), "out"), photograph.visible())
    jpeg = Image.open(io.BytesIO(encode_photograph(photograph, ".jpg")))
    assert jpeg.getexif()[0x0112] == 6 and jpeg.info["icc_profile"] == PROFILE


def test_the_ending_is_that_of_the_content():
    """The file's own where it is right, another that is right where it is not, by the name where nothing is known."""
    kinds = {
        "a.jpg": "JPEG", "a.JPEG": "JPEG", "a.jfif": "JPEG", "a.jpe": "JPEG", "a.png": "JPEG", "b.jpg": "PNG",
        "c.tif": "TIFF", "c.TIFF": "TIFF", "d.webp": "WEBP", "e": "BMP", "f.jpg": "GIF", "g.ppm": "PPM", "h.x": "AVIF",
    }  # fmt: skip
    for name, kind in kinds.items():
        Path(name).write_bytes(saved(Image.fromarray(RGB), kind))
    for name, start in (("i.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), ("j.jpg", b"nothing")):
        Path(name).write_bytes(start)
    assert {name: own_suffix(Path(name)) for name in [*kinds, "i.jpg", "j.jpg", "gone.webp", "gone"]} == {
        "a.jpg": ".jpg", "a.JPEG": ".jpeg", "a.jfif": ".jpg", "a.jpe": ".jpg", "a.png": ".jpg", "b.jpg": ".png",
        "c.tif": ".tif", "c.TIFF": ".tiff", "d.webp": ".webp", "e": ".bmp", "f.jpg": ".png", "g.ppm": ".png",
        "h.x": ".avif", "i.jpg": ".png", "j.jpg": ".jpg", "gone.webp": ".webp", "gone": ".png",
    }  # fmt: skip


def test_a_pipe_is_not_begun():
    """What comes from `<(...)` can be read only once."""
    out, into = os.pipe()
    os.write(into, b"\xff\xd8\xff")
    os.close(into)
    assert own_suffix(Path(f"/dev/fd/{out}")) == ".png" and os.read(out, 9) == b"\xff\xd8\xff"
    os.close(out)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_ending_can_be_written(suffix):
    photograph = replace(read(saved(Image.fromarray(RGB), "PNG", exif=exif())), chunks=[])
    found = decode(encode_photograph(photograph, suffix), "out")
    assert np.abs(found.astype(int) - RGB).mean() < 6


def test_what_is_transparent_keeps_its_colours():
    clear = np.dstack([RGB, np.where(ALPHA > 99, 255, 0).astype(np.uint8)])
    again = encode_photograph(read(saved(Image.fromarray(clear), "WEBP", lossless=True, exact=True)), ".webp")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again))), clear)


def test_more_pixels_than_a_format_holds():
    photograph = read(saved(Image.new("RGB", (66_000, 1)), "PNG"))
    for suffix in (".webp", ".jpg", ".avif"):
        with one_line(f"an output in {suffix}", "66000x1 pixels", "end its name in .png"):
            encode_photograph(photograph, suffix)


def lzw(data):
    """Bytes as LZW of a TIFF, each for itself: codes of 9 bits, forgotten before they would need 10."""
    codes = []
    for first in range(0, len(data), 200):
        codes += [256, *data[first : first + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def test_sixteen_bits_that_can_not_be_unpacked():
    packed, tags = lzw(DEEP[..., :3].astype("<u2").tobytes()), []
    for tag, kind, count, value in (
        (256, 3, 1, 30), (257, 3, 1, 22), (258, 3, 3, 134), (259, 3, 1, 5), (262, 3, 1, 2), (273, 4, 1, 140),
        (277, 3, 1, 3), (278, 3, 1, 22), (279, 4, 1, len(packed)), (284, 3, 1, 1),
    ):  # fmt: skip
        tags.append(struct.pack("<HHII", tag, kind, count, value))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4)
    Path("lzw.tif").write_bytes(head + struct.pack("<HHH", 16, 16, 16) + packed)
    with one_line("lzw.tif: expected 16 bits stored plainly or by Deflate, found LZW", "save it as a PNG of 16 bits"):
        read_photograph(Path("lzw.tif"))


def test_what_is_no_photograph():
    Path("x.jpg").write_bytes(b"nothing")
    with one_line("x.jpg: expected a whole image"):
        read_photograph(Path("x.jpg"))
    Path("x.pdf").write_bytes(b"%PDF")
    with one_line("x.pdf: expected an image (", "convert it to JPEG"):
        read_photograph(Path("x.pdf"))
