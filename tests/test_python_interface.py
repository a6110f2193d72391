"""`facevae.load(...)` and what its answer does with images of every kind that a person may have at hand."""

import io
import math
import struct
from pathlib import Path

import numpy as np
import pytest
from onnx_models import UNCHANGED, Autoencoder, write_aligner, write_denoiser, write_judge
from PIL import Image
from raw_data import one_line, photo

import facevae
from facevae.alignment.similarity import compose, similarity
from facevae.finding.finder import Face
from facevae.imaging.codec import encode_png
from facevae.inference.faces import Faces
from facevae.latents.mixture import Mixture, prior_draws, save_mixture
from facevae.latents.vectors import AttributeVectors, Recommendation, save_vectors

NAMES = ("Smiling", "Eyeglasses", "Wearing_Hat", "Male")
FRAME = (20, 24)
FRAMING = {"crop": 20, "size": 16, "resample": "bilinear", "source_width": 20, "source_height": 24}
MODEL = Autoencoder(16, 6)
VECTORS = np.random.default_rng(3).standard_normal((4, 6), np.float32)
ADVICE = (*(Recommendation(strength, 0.8, 0.02) for strength in (1.5, 0.5, 2.0)), Recommendation(1.0))
RGB = photo(2, 40, 60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """No judge and no aligner; the denoiser changes nothing."""
    folder = tmp_path_factory.mktemp("models")
    MODEL.write(folder, FRAMING)
    write_denoiser(folder, UNCHANGED)
    save_vectors(
        folder / "attribute_vectors.safetensors", AttributeVectors(NAMES, {"regression": VECTORS}, "regression", ADVICE)
    )
    save_mixture(folder / "mixture.safetensors", Mixture(np.ones(1, np.float32), np.ones((1, 6), np.float32),
                                                         0.1 * np.eye(6, dtype=np.float32)[None]))  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def faces(folder):
    return facevae.load(folder, "cpu")


@pytest.fixture
def own(folder, tmp_path):
    """A copy of the folder, to which a test adds models."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def with_faces(folder, *found):
    """Models that find these faces in any photograph."""
    write_aligner(folder, [0, 0, 0, 0, 5], FRAME)
    faces = facevae.load(folder, "cpu")

    class Finder:
        def faces(self, image):
            return list(found)

    vars(faces.models)["finder"] = Finder()
    return faces


def face_at(x, y, scale):
    centre = np.array([[1, 0, -FRAME[0] / 2], [0, 1, -FRAME[1] / 2]])
    return Face(compose(similarity(x, y, math.log(scale), 0.0), centre), FRAME, 5.0, 1.0)


def as_file(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# --- kinds of images

DEEP = RGB.astype(np.uint16) * 257 - 3
ALPHA = np.full((60, 40, 1), 200, np.uint8)
ARRAYS = {
    "RGB": RGB, "grey": RGB[..., 0], "a plane": RGB[..., :1], "alpha": np.dstack([RGB, ALPHA]), "16 bits": DEEP,
    "16 bits grey": DEEP[..., 0], "16 bits and alpha": np.dstack([DEEP, 257 * ALPHA.astype(np.uint16)]),
    "several": np.stack([RGB, RGB[::-1]]), "several with alpha": np.stack(3 * [np.dstack([RGB, ALPHA])]),
    "several of 16 bits": np.stack([DEEP, DEEP[:, ::-1]]), "none": np.empty((0, 60, 40, 3), np.uint8),
}  # fmt: skip
PILLOW = {
    "RGB": Image.fromarray(RGB), "L": Image.fromarray(RGB[..., 0]), "RGBA": Image.fromarray(np.dstack([RGB, ALPHA])),
    "LA": Image.fromarray(np.dstack([RGB[..., 0], ALPHA])), "I;16": Image.fromarray(DEEP[..., 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_as_it_was(name, faces):
    array = ARRAYS[name]
    before = array.copy()
    for strength in (0, 0.0, 1.5):
        found = faces.edit(array, Smiling=strength)
        assert type(found) is np.ndarray and (found.shape, found.dtype) == (array.shape, array.dtype)
        assert np.array_equal(found, array) == (not strength or not array.size)
        if name.endswith("alpha"):
            assert np.array_equal(found[..., 3], array[..., 3])
    assert np.array_equal(array, before), "what was given stays"


@pytest.mark.parametrize("mode", PILLOW)
def test_a_pillow_image_comes_back_as_it_was(mode, faces):
    image = PILLOW[mode]
    same, other = faces.edit(image, Smiling=0), faces.edit(image, Smiling=1.5)
    assert (same.mode, same.size) == (other.mode, other.size) == (image.mode, image.size) == (mode, (40, 60))
    assert np.array_equal(np.asarray(same), np.asarray(image))
    assert not np.array_equal(np.asarray(other), np.asarray(image))


def test_other_modes_become_those_that_hold_their_pixels(faces):
    few = Image.fromarray(RGB // 64 * 64)
    for image, mode in ((few.convert("P", palette=Image.Palette.ADAPTIVE), "RGB"), (few.convert("1"), "L")):
        found = faces.edit(image, Smiling=0)
        assert found.mode == mode and np.array_equal(np.asarray(found), np.asarray(image.convert(mode)))


def test_files_become_pillow_images(faces, tmp_path):
    """Of a path, as a word or not, and of bytes; upright, as the file's EXIF has it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = as_file(Image.fromarray(np.rot90(RGB)), exif=exif)
    path = tmp_path / "ann.png"
    path.write_bytes(data)
    for given in (path, str(path), data, bytearray(data), memoryview(data)):
        found = faces.edit(given, Smiling=0)
        assert isinstance(found, Image.Image) and np.array_equal(np.asarray(found), RGB)
    turned = Image.open(path)
    assert np.array_equal(np.asarray(faces.edit(turned, Smiling=0)), RGB)
    assert faces.edit(as_file(Image.fromarray(RGB[..., 0])), Smiling=0).mode == "L"
    assert faces.edit(encode_png(np.dstack([RGB, ALPHA])), Smiling=0).mode == "RGBA"


@pytest.mark.parametrize("kind", [list, tuple])
def test_several_images_of_several_kinds(kind, faces):
    found = faces.edit(kind([RGB, Image.fromarray(RGB), encode_png(RGB)]), Smiling=1.5)
    assert [type(one) for one in found] == [np.ndarray, Image.Image, Image.Image]
    assert all(np.array_equal(np.asarray(one), found[0]) for one in found) and faces.edit([], Smiling=1) == []


def test_an_edit_of_several_is_that_of_each(faces):
    both = np.stack([RGB, RGB[::-1]])
    found = faces.edit(both, Smiling=1.5)
    assert all(np.array_equal(one, faces.edit(image, Smiling=1.5)) for one, image in zip(found, both, strict=True))
    assert np.array_equal(faces.reconstruct(both)[1], faces.reconstruct(both[1]))
    assert np.array_equal(faces.denoise(both), both)


# --- edits


def test_a_plain_square_is_the_decoded_sum(faces):
    portrait = faces.open(RGB)
    z = MODEL.encode(portrait.faces[0].pixels[None]) + 1.5 * VECTORS[0] - 0.5 * VECTORS[3]
    found = portrait.square({"Smiling": 1.5, "Male": -0.5}, plain=True)
    assert np.abs(found.astype(int) - MODEL.picture(z)[0]).max() <= 1
    assert np.array_equal(portrait.square({}), portrait.faces[0].pixels)


def test_what_is_grey_gets_the_brightness_of_a_change_alone(faces):
    grey = Image.fromarray(RGB[..., 0])
    assert np.array_equal(
        np.asarray(faces.edit(grey.convert("RGB"), Smiling=1.0))[..., 1], faces.edit(grey, Smiling=1.0)
    )
    almost = np.asarray(grey.convert("RGB")).copy()
    almost[0, 0, 0] ^= 1  # one value is enough to be a photograph in colour
    coloured = np.asarray(faces.edit(almost, Smiling=1.0))
    assert np.ptp(coloured.astype(int), 2).max() > 5
    inside = (coloured > 0).all(2) & (coloured < 255).all(2)
    found, expected = np.asarray(faces.edit(grey, Smiling=1.0)), np.asarray(Image.fromarray(coloured).convert("L"))
    assert np.abs(found.astype(int) - expected)[inside].max() <= 2


def test_names_in_a_mapping_and_by_other_words(faces):
    expected = faces.edit(RGB, Smiling=1.25, Wearing_Hat=-1)
    for changes in ({"smile": 1.25, "hat": -1}, {"smiling": 1.25, "wearing hat": -1}, {"SMILE": 1.25, "Cap": -1}):
        assert np.array_equal(faces.edit(RGB, changes), expected)
    assert np.array_equal(faces.edit(RGB, {"smile": 1.25}, Wearing_Hat=-1), expected)
    assert np.array_equal(faces.edit(RGB, {"eye glasses": 1}), faces.edit(RGB, Eyeglasses=1))


def test_without_a_judge_strengths_are_the_recommended_ones(faces):
    expected = faces.edit(RGB, Smiling=1.5, Male=1.0)
    assert np.array_equal(faces.edit(RGB, Smiling=True, Male=None), expected)
    portrait = faces.open(RGB)
    assert portrait.strengths(["smile", "Male"]) == {"smile": 1.5, "Male": 1.0} and portrait.judged({}) == {}


def test_with_a_judge_they_are_searched_and_judged(own):
    """It holds the mean of red, or its lack, for a smile."""
    faces = facevae.load(own, "cpu")
    portrait = faces.open(RGB)
    red = portrait.faces[0].pixels[..., 0].mean() / 255
    write_judge(own, 16, ("Smiling", "Male"), [[1, 0, 0], [0, 0, 0]], [0.4 - red, 0.9])
    portrait = facevae.load(own, "cpu").open(RGB)
    assert portrait.judged({}) == pytest.approx({"Smiling": 0.4, "Male": 0.9}, abs=1e-5)
    strengths = set()
    for sign in (1, -1):
        # One of the two is what a smile does to this face's red; the other way it is seen at no strength.
        write_judge(own, 16, ("Smiling", "Male"), [[20 * sign, 0, 0], [0, 0, 0]], [0.4 - 20 * sign * red, 0.9])
        portrait = facevae.load(own, "cpu").open(RGB)
        search = portrait.search("Smiling")
        (strength,) = search.strengths.tolist()
        assert search.tried.tolist() == [True] and 0 < strength <= 3 and strength % (3 / 32) == 0
        assert search.found.tolist() == [strength < 3], "else it is seen at no strength"
        seen = [portrait.judged({"Smiling": one})["Smiling"] > 0.8 for one in (strength, strength - 3 / 32)]
        assert seen == ([False, False] if strength == 3 else [True, False])
        strengths.add(strength)
        assert portrait.strengths(["Smiling", "Male"]) == {"Smiling": strength, "Male": 1.0}
        assert np.array_equal(portrait.edit({"Smiling": True}), portrait.edit({"Smiling": strength}))
    assert min(strengths) < 3.0 == max(strengths)


def test_a_face_unlike_all_others(own):
    portrait = facevae.load(own, "cpu").open(RGB)
    decoded = MODEL.decode(MODEL.encode(portrait.faces[0].pixels[None]))
    error = np.square(decoded - portrait.faces[0].pixels.transpose(2, 0, 1) / 255).mean()
    psnr = -10 * math.log10(error)
    assert portrait.unlike() == {} and portrait.psnr_db() == pytest.approx([psnr], abs=1e-3)
    for least, found in ((psnr + 0.1, {0: pytest.approx(psnr, abs=1e-3)}), (psnr - 0.1, {})):
        MODEL.write(own, FRAMING, least_psnr_db=least)
        assert facevae.load(own, "cpu").open(RGB).unlike() == found


def test_several_faces_each_with_its_own(own):
    """Two that lie apart: what is changed of one leaves the other as it is."""
    wide = np.hstack([RGB, RGB[:, ::-1]])
    faces = with_faces(own, face_at(20, 30, 1.4), face_at(60, 30, 1.2))
    portrait = faces.open(wide, face="all")
    assert len(portrait.faces) == 2
    first, second = portrait.edit({"Smiling": 1.5}), portrait.edit({"Smiling": 1.5}, face=1)
    both = portrait.edit({"Smiling": 1.5}, every=True)
    assert np.array_equal(first[:, 40:], wide[:, 40:]) and np.array_equal(second[:, :40], wide[:, :40])
    assert np.array_equal(both, np.hstack([first[:, :40], second[:, 40:]])) and not np.array_equal(both, first)
    assert np.array_equal(portrait.edit([{}, {"Smiling": 1.5}]), second)
    assert np.array_equal(faces.edit(wide, Smiling=1.5, face="all"), both)
    assert np.array_equal(faces.edit(wide, Smiling=1.5), first), "the largest"
    assert np.array_equal(faces.edit(wide, Smiling=1.5, face=2), second)
    assert np.array_equal(faces.reconstruct(wide, face=2), portrait.reconstruct(1))
    assert np.array_equal(portrait.square({"Smiling": 1}, 1), faces.open(wide, face=2).square({"Smiling": 1}))
    with one_line("the changes: expected 2 mappings, one for each face, found 1"):
        portrait.edit([{"Smiling": 1}])
    with one_line("expected a face from 0 to 1, found 2"):
        portrait.edit({"Smiling": 1}, face=2)
    for face in (-1, 2):
        for ask in (portrait.reconstruct, lambda number: portrait.strengths(["Smiling"], number)):
            with one_line(f"expected a face from 0 to 1, found {face}"):
                ask(face)


def test_a_photograph_as_a_file_again(faces, tmp_path):
    path = tmp_path / "ann.jpg"
    path.write_bytes(as_file(Image.fromarray(RGB), "JPEG", quality=70, dpi=(300, 300)))
    portrait = faces.open(path)
    edited = portrait.edited({"Smiling": 1.5})
    own, other = (Image.open(io.BytesIO(portrait.encode(edited, *suffix))) for suffix in ((), (".png",)))
    assert (own.format, own.info["dpi"], own.quantization) == ("JPEG", (300, 300), Image.open(path).quantization)
    assert other.format == "PNG" and np.array_equal(np.asarray(other), np.asarray(portrait.edit({"Smiling": 1.5})))
    assert portrait.edited({"Smiling": 0}) is portrait.photograph
    with one_line("encode: expected what Portrait.edited returned, found Image"):
        portrait.encode(portrait.edit({"Smiling": 1}))
    assert portrait.encode(edited, ".JPG") == portrait.encode(edited, ".jpg")
    with one_line("encode: expected a suffix among .png", "found .gif"):
        portrait.encode(edited, ".gif")


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("WEBP", ".webp"), ("PNG", ".png"), ("TIFF", ".tif")])
@pytest.mark.parametrize("given", ["path", "bytes", "pillow"])
def test_a_saved_portrait_keeps_what_its_file_says(kind, suffix, given, faces, tmp_path):
    if (kind, given) == ("TIFF", "pillow"):
        return  # of a TIFF Pillow has no EXIF in an image's `info`
    tags, path = Image.Exif(), tmp_path / f"ann{suffix}"
    tags[271] = "A camera"
    options = {"quality": 61} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    path.write_bytes(as_file(Image.fromarray(RGB), kind, exif=tags.tobytes(), icc_profile=b"profile", **options))
    portrait = faces.open({"path": path, "bytes": path.read_bytes(), "pillow": Image.open(path)}[given])
    target = tmp_path / "new" / f"smile{suffix}"
    portrait.save(str(target), {"Smiling": 1.5})
    found = Image.open(target)
    assert (found.format, found.getexif()[271], found.info["icc_profile"]) == (kind, "A camera", b"profile")
    if kind == "JPEG" and given != "pillow":  # which Pillow's images do not tell
        assert found.quantization == Image.open(path).quantization
    expected = np.asarray(portrait.edit({"Smiling": 1.5}))
    difference = np.abs(np.asarray(found).astype(int) - expected).mean()
    assert difference < 8 if kind in ("JPEG", "WEBP") else difference == 0
    portrait.save(target, {"Smiling": -1.0}, every=True)
    assert not np.array_equal(np.asarray(Image.open(target)), np.asarray(found)), "the new one replaces it"


def test_a_portrait_is_not_saved_over_its_photograph(faces, tmp_path):
    path, link = tmp_path / "ann.png", tmp_path / "link.png"
    before = as_file(Image.fromarray(RGB), "PNG")
    path.write_bytes(before)
    link.symlink_to(path)
    for given, target in ((path, path), (link, path), (path, link)):
        with one_line(f"{target.name}: expected an output that is not the photograph, found the photograph itself"):
            faces.open(given).save(target, {"Smiling": 1.5})
    assert path.read_bytes() == before


def test_where_a_portrait_cannot_be_saved(faces, tmp_path):
    portrait = faces.open(RGB)
    for name in ("x.gif", "x", "x.jfif"):
        with one_line(f"{tmp_path / name}: expected a name that ends in .png or .jpg", f"found {name}"):
            portrait.save(tmp_path / name, {"Smiling": 1})
    (tmp_path / "file").touch()
    with one_line(tmp_path / "file/x.png", "expected a file that can be written"):
        portrait.save(tmp_path / "file/x.png", {"Smiling": 1})
    (tmp_path / "x.png").mkdir()
    with one_line(tmp_path / "x.png", "expected a file that can be written, found Is a directory"):
        portrait.save(tmp_path / "x.png", {"Smiling": 1})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "x.png"]


# --- the rest


@pytest.mark.parametrize("given", ["pillow", "bytes"])
def test_a_pillow_image_keeps_what_is_said_of_it(faces, given):
    tags, file = Image.Exif(), io.BytesIO()
    tags.update({0x0112: 6, 271: "A camera"})
    Image.fromarray(RGB).save(file, "JPEG", exif=tags.tobytes(), icc_profile=b"profile")
    image = file.getvalue() if given == "bytes" else Image.open(file)
    for answer in (faces.denoise(image), faces.edit(image, Smiling=1.0, frame="centre")):
        assert answer.size == (60, 40), "upright"
        assert dict(answer.getexif()) == {271: "A camera"} and answer.info["icc_profile"] == b"profile"


def test_exif_that_cannot_be_written_again_goes(faces):
    """A tag whose value is not of its type, as some programs write: Pillow reads it and can't write it."""
    tags, file = Image.Exif(), io.BytesIO()
    tags.update({0x0112: 6, 0x0100: 60})
    whole, a_float = struct.pack(">HHI", 0x0100, 4, 1), struct.pack(">HHI", 0x0100, 11, 1)
    broken = tags.tobytes().replace(whole, a_float)
    assert broken != tags.tobytes()
    Image.fromarray(RGB).save(file, "JPEG", exif=broken)
    answer = faces.denoise(Image.open(file))
    assert answer.size == (60, 40) and "exif" not in answer.info


def test_what_a_denoiser_gives_back(faces):
    """As many bits as the image had, and its transparency."""
    assert np.array_equal(faces.denoise(RGB), RGB) and faces.denoise(RGB).dtype == np.uint8
    assert faces.denoise(RGB[..., 0]).shape == (60, 40) and np.array_equal(faces.denoise(DEEP), DEEP)
    assert faces.denoise(Image.fromarray(RGB[..., 0])).mode == "L" and faces.denoise(encode_png(RGB)).mode == "RGB"
    clear = np.dstack([RGB, 0 * ALPHA])
    assert np.array_equal(faces.denoise(clear), clear)
    assert faces.noise(RGB) < 2 and type(faces.noise(RGB)) is float


def test_noise_of_several(own):
    write_denoiser(own, UNCHANGED / 2)
    faces = facevae.load(own, "cpu")
    one, other = faces.noise(RGB), faces.noise(RGB // 2)
    assert one > other > 5
    assert faces.noise([RGB, Image.fromarray(RGB // 2)]) == [one, other] and faces.noise([]) == []
    assert faces.noise(np.stack([RGB, RGB // 2])).tolist() == [one, other]


def test_alpha_that_colours_are_multiplied_by(faces):
    given = Image.fromarray(np.dstack([RGB[..., 0], ALPHA])).convert("La")
    for answer in (faces.denoise(given), faces.edit(given, Smiling=0)):
        assert answer.mode == "LA" and np.array_equal(np.asarray(answer), np.asarray(given.convert("LA")))


def test_samples(faces):
    found = faces.sample(5, seed=3)
    assert found.shape == (5, 16, 16, 3) and found.dtype == np.uint8
    assert np.array_equal(found, faces.sample(5, seed=3, source="mixture"))
    prior = MODEL.picture(prior_draws(6, 5, 3))
    assert np.abs(faces.sample(5, seed=3, source="prior").astype(int) - prior).max() <= 1
    assert not np.array_equal(found, faces.sample(5, seed=4))
    for count in (0, -1, 2.5):
        with one_line(f"count: expected a whole number, at least 1, found {count}"):
            faces.sample(count)
    with one_line("seed: expected a whole number, at least 0, found -1"):
        faces.sample(1, seed=-1)
    with one_line("source: expected mixture or prior, found 'normal'"):
        faces.sample(1, source="normal")


def test_models_that_are_neither_a_name_nor_a_folder():
    with one_line("models: expected the name of a set, or a folder, found None"):
        facevae.load(None)


def test_one_face_into_another(faces):
    found = faces.interpolate(RGB, Image.fromarray(RGB[::-1]), 3)
    assert found.shape == (3, 16, 16, 3)
    assert np.array_equal(found[0], faces.reconstruct(RGB)) and np.array_equal(found[2], faces.reconstruct(RGB[::-1]))
    with one_line("steps: expected a whole number, at least 2, found 1"):
        faces.interpolate(RGB, RGB, 1)
    for steps in (0, 1, -1, 2.5, None):
        with one_line(f"steps: expected a whole number, at least 2, found {steps}"):
            faces.between(np.zeros(6, np.float32), np.ones(6, np.float32), steps)


def test_the_attributes_as_a_table(faces):
    assert faces.names == NAMES and faces.image_size == 16
    table = faces.attributes()
    assert list(table.columns) == ["strength", "success_rate", "leakage", "method"] and table.index[-1] == "Male"
    assert table.loc["Eyeglasses"].tolist() == [0.5, 0.8, 0.02, "regression"] and math.isnan(table.leakage["Male"])


# --- errors


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (RGB / 255, "found (60, 40, 3) float64; for floats in [0, 1]: (255 * image).round().astype('uint8')"),
        (RGB.astype(np.int64), "found (60, 40, 3) int64"),
        (RGB[..., :2], "found (60, 40, 2) uint8"),
        (np.empty((0, 4, 3), np.uint8), "found (0, 4, 3) uint8"),
        (RGB[0, 0], "found (3,) uint8"),
        (RGB[None, None], "found (1, 1, 60, 40, 3) uint8"),
        (np.stack([RGB, RGB]) / 255, "found (60, 40, 3) float64"),
        (Image.new("F", (40, 60)), "expected a Pillow image of 8 bits, or of mode I;16, found mode F"),
        (b"no image", "the image: expected an image"),
        (
            7,
            "the image: expected a Pillow image, an array of (H, W, 3) uint8, a path, or the bytes of a file, found",
        ),
        (None, "found NoneType"),
        ("gone.png", "gone.png: expected an image, found no such file"),
        (Path("."), ".: expected an image, found Is a directory"),
        (photo(1, 15, 3), "the image: expected at least 16x20 pixels, or exactly 16x16, found 15x3"),
        ([RGB, RGB / 255], "float64"),
    ],
)
def test_what_is_no_image(image, words, faces):
    with one_line(words):
        faces.edit(image, Smiling=1)


@pytest.mark.parametrize("strength", ["much", "1", math.nan, math.inf, 2000, -1001, [1.0], np.ones(2)])
def test_what_is_no_strength(strength, faces):
    with one_line("Smiling: expected a strength from -1000 to 1000, or True, found ", "such as 1.0"):
        faces.edit(RGB, Smiling=strength)


def test_false_is_no_strength(faces):
    with one_line(
        "Smiling: expected a strength from -1000 to 1000, or True, found False", "such as -1.0 to take it away"
    ):
        faces.edit(RGB, Smiling=False)


def test_an_attribute_in_both_ways_of_naming_it(faces):
    with one_line("attribute Smiling: expected each attribute once, found it twice"):
        faces.edit(RGB, {"Smiling": 1}, Smiling=2)


@pytest.mark.parametrize("strength", [1, 1.0, np.float32(1), np.int8(1), np.float64(1)])
def test_what_is_a_strength(strength, faces):
    assert np.array_equal(faces.edit(RGB, Smiling=strength), faces.edit(RGB, {"Smiling": 1.0}))


def test_attributes_that_are_none(faces):
    with one_line("edit: expected an attribute to change, found none"):
        faces.edit(RGB)
    with one_line("edit: expected a mapping of attributes to strengths, found list"):
        faces.edit(RGB, ["Smiling"])
    with pytest.raises(facevae.FacevaeError) as raised:
        faces.edit(RGB, Smilling=1)
    assert str(raised.value).startswith(
        "attribute Smilling: expected one of `facevae attributes`, found no such vector"
    )
    nearest = str(raised.value).partition("nearest are ")[2].split(", ")
    assert nearest[0] == "Smiling" and len(nearest) <= 3 and set(nearest) <= set(NAMES)
    with one_line("attribute Smiling: expected each attribute once, found it twice"):
        faces.edit(RGB, {"smile": 1}, Smiling=1)
    with one_line("attribute 5: expected one of"):
        faces.edit(RGB, {5: 1})
    with one_line("attribute Nose"):
        faces.open(RGB).strengths(["Nose"])


def test_changes_that_are_none(faces, tmp_path):
    portrait = faces.open(RGB)
    for ask in (portrait.edit, portrait.edited, lambda changes: portrait.save(tmp_path / "x.png", changes)):
        for changes in (None, "Smiling", 1.5):
            with one_line(f"the changes: expected a list, found {changes!r}", 'such as {"Smiling": 1.0}'):
                ask(changes)
        with one_line("the changes: expected a mapping of attributes to strengths, found str"):
            ask(["Smiling"])
    for ask in (portrait.judged, portrait.square, portrait.settled):
        for changes, found in (("Smiling", "str"), (["Smiling"], "list"), (None, "NoneType")):
            with one_line(f"the changes: expected a mapping of attributes to strengths, found {found}"):
                ask(changes)
    for attributes in ("Smiling", None, 5):
        with one_line(f"the attributes: expected a list, found {attributes!r}", 'such as ["Smiling"]'):
            portrait.strengths(attributes)
    assert portrait.strengths(name for name in ("Smiling",)) == {"Smiling": 1.5}


def test_faces_and_frames_that_are_none(own):
    faces = with_faces(own, face_at(20, 30, 1.4))
    with one_line("the image: expected at least 3 faces", "found 1"):
        faces.edit(RGB, Smiling=1, face=3)
    with one_line("the image: expected a face from 0 to 0, found 3"):
        faces.open(RGB).edit({"Smiling": 1}, face=3)
    for face in (0, -1, "second", True, None, 1.5):
        with one_line(f"face {face}: expected largest, all, or a number from 1 on"):
            faces.edit(RGB, Smiling=1, face=face)
    with one_line("frame center: expected auto, centre or aligned, found 'center'"):
        faces.edit(RGB, Smiling=1, frame="center")
    with one_line("the image: expected a face, found none in 40x60 pixels"):
        with_faces(own).edit(RGB, Smiling=1)


def test_models_that_are_none(tmp_path, folder):
    with one_line("models elsewhere: expected a folder with models, or one of celeba"):
        facevae.load("elsewhere")
    with one_line("device: expected auto, cpu or a GPU that this machine has, such as cuda:0, found abacus"):
        facevae.load(folder, "abacus").sample(1)
    for use in (lambda faces: faces.names, lambda faces: faces.open(RGB), lambda faces: faces.denoise(RGB)):
        with one_line(tmp_path, "found no such file"):
            use(facevae.load(tmp_path, "cpu"))


def test_what_comes_along_is_the_default():
    faces = facevae.load()
    assert isinstance(faces, Faces) and "Smiling" in faces.names
