"""The command `facevae`, typed as a person types it, with tiny models of random weights."""

import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from onnx_models import (
    UNCHANGED,
    Autoencoder,
    convolved,
    facts_of,
    with_facts,
    write_aligner,
    write_denoiser,
    write_judge,
)
from PIL import Image
from raw_data import encoded, files_below, photo
from typer.main import get_command

from bench.rooms import ROOT
from facevae.app.cli import several
from facevae.app.cli.edit import MULTIPLES
from facevae.app.cli.main import app, main
from facevae.core.errors import FacevaeError
from facevae.core.tensor_files import load_arrays, save_arrays
from facevae.finding.composite import composite, square_matrix
from facevae.imaging import unread
from facevae.imaging.codec import FORMATS, encode_png
from facevae.inference import image_files, photographs
from facevae.inference.faces import Faces
from facevae.inference.image_files import read_image
from facevae.inference.models import ModelFolder
from facevae.inference.photographs import encode_photograph
from facevae.inference.png import encode_planes
from facevae.inference.portrait_frame import PortraitFrame
from facevae.latents.arithmetic import edit
from facevae.latents.mixture import Mixture, prior_draws, save_mixture
from facevae.latents.residual import kept_change, times_ahead
from facevae.latents.vectors import AttributeVectors, Recommendation, save_vectors

# The environment of a process that has nothing else; bytecode stays where the tests keep it (conftest.py).
ALONE = {"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"} | {
    name: os.environ[name] for name in ["PYTHONPYCACHEPREFIX"]
}
COMMANDS = ("edit", "reconstruct", "denoise", "interpolate", "sample", "attributes")
FRAMING = {"crop": 20, "size": 16, "resample": "bilinear", "source_width": 20, "source_height": 24}
NAMES = ("Smiling", "Eyeglasses", "Wearing_Hat")
JUDGED = (Recommendation(1.5, 0.8, 0.02), Recommendation(0.5, 0.95, 0.1), Recommendation(2.0, None, None))


# --- an attribute's strength


@pytest.mark.parametrize("typed", ["--strength 1.5", "--strength=1.5", "-s 1.5", "-s1.5"])
def test_a_strength_has_one_place(typed, facevae, folder):
    line = facevae("edit", "ann.png", "-a", "Smiling", *typed.split(), fails=True)
    assert line.startswith("error: --strength 1.5: expected a strength beside its attribute")
    assert line.endswith("write -a Smiling=1.5\n")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("ann.png", "facevae edit: expected an attribute to change, found none; give -a NAME"),
        ("ann.png Smiling", "facevae edit: expected an attribute to change, found none; give -a NAME"),
        ("ann.png -a Smiling 1.5", "1.5: expected a strength beside its attribute"),
        ("ann.png -a =1", "--attribute =1: expected NAME or NAME=STRENGTH"),
        ("ann.png -a Smiling -o taken.png", "taken.png/ann_edited.png: expected a name for a file, in a folder, found"),
        ("ann.png -a Smiling -o file/x.png", "file/x.png: expected a name for a file, in a folder, found a file file"),
    ],
)
def test_slips_of_a_newcomer(typed, words, facevae, folder):
    Path("taken.png/ann_edited.png").mkdir(parents=True)
    Path("file").touch()
    assert facevae("edit", *typed.split(), fails=True).startswith(f"error: {words}")


@pytest.mark.parametrize("text", ["much", "nan", "inf", "1,5", "", "1e30", "-1001"])
def test_a_strength_that_is_none(text, facevae, folder):
    line = facevae("edit", "ann.png", "--attribute", f"Smiling={text}", fails=True)
    assert f"--attribute Smiling: expected a number from -1000 to 1000 for its strength, found {text!r}" in line


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("-Smiling", "write -a Smiling=-1"),
        ("+Smiling", "write -a Smiling=1"),
        ("--glasses", "write -a glasses=-1"),
        ("-Smiling=1.5", "write -a Smiling=-1.5"),
        ("-Smiling=much", "write -a Smiling=-1"),
        ("-", "choose one of `facevae attributes`"),
    ],
)
def test_a_sign_before_the_name(text, fix, facevae, folder):
    before = files_below(folder)
    line = facevae("edit", "ann.png", "-a", text, fails=True)
    assert line.startswith(f"error: --attribute {text}: expected NAME or NAME=STRENGTH, found ")
    assert line.endswith(f"; {fix}\n")
    assert files_below(folder) == before


# --- edits


def test_a_plain_edit_is_the_decoded_sum(facevae, folder, vae, vectors):
    out = facevae("edit", "ann.png", "-a", "Smiling=-0.7", "-a", "Wearing_Hat", "-o", "new.png", "--plain")
    assert out.splitlines() == [
        "Smiling -0.7, Wearing_Hat 2 (recommended for Wearing_Hat)",
        "ann.png: 40x60, its centred 40x40 scaled to 16x16 -> new.png",
    ]
    z = vae.encode(framed("ann.png"))
    z = edit(edit(z, vectors.of("Smiling"), -0.7), vectors.of("Wearing_Hat"), 2.0)
    expected = vae.picture(z)[0]
    assert alike(read_image(Path("new.png")), expected)
    assert np.abs(expected.astype(int) - reconstruction(vae, "ann.png")).max() > 10


def test_an_edit_is_the_photograph_and_the_change(facevae, folder, vae, vectors):
    out = facevae("edit", "ann.png", "-a", "Smiling=-0.7", "-a", "Wearing_Hat", "-o", "new.png")
    assert out.splitlines() == [
        "Smiling -0.7",
        "ann.png: 40x60, its centred 40x40 scaled to 16x16, Wearing_Hat 2 (recommended) -> new.png",
    ]
    z = vae.encode(framed("ann.png"))
    times = times_ahead(np.array([2.0]))  # as far as the stronger of the two may go
    ahead = edit(edit(z, vectors.of("Smiling"), -0.7 * times), vectors.of("Wearing_Hat"), 2.0 * times)
    change = kept_change(vae.decode(z), vae.decode(ahead), times, np.ones((16, 16), np.float32))[0]
    photograph = read_image(Path("ann.png"))
    expected = composite(photograph, square_matrix(0, 10, 40, 16), change)
    found = read_image(Path("new.png"))
    assert found.shape == (60, 40, 3) and alike(found, expected)
    assert np.array_equal(found[:10], photograph[:10]) and np.array_equal(found[50:], photograph[50:])
    assert np.abs(found[20:40].astype(int) - photograph[20:40]).max() > 20


def test_an_edit_changes_only_where_its_attribute_shows(facevae, folder, models, vectors):
    """Smiles in the left half, hats in the upper one: one changes that alone, both together what either may."""
    shutil.copytree(models, "mapped")
    path, maps = Path("mapped/attribute_vectors.safetensors"), np.zeros((len(NAMES), 4, 4), np.float32)
    maps[NAMES.index("Smiling"), :, :2] = maps[NAMES.index("Wearing_Hat"), :2] = 1
    save_vectors(path, replace(vectors, maps=maps))
    before = read_image(Path("ann.png"))[10:50].astype(int)  # the model's square
    for wanted, quarters in (("Smiling", [[1, 0], [1, 0]]), ("Smiling Wearing_Hat", [[1, 1], [1, 0]])):
        changes = [word for name in wanted.split() for word in ("-a", f"{name}=1.5")]
        facevae("edit", "ann.png", *changes, "--models", "mapped", "-o", "new.png")
        changed = np.abs(read_image(Path("new.png"))[10:50] - before).max(2)
        found = [[int(changed[row : row + 8, column : column + 8].any()) for column in (4, 30)] for row in (4, 30)]
        assert found == quarters
    for wrong in (maps[:2], maps[:, :3], maps * 2, maps[0], maps * np.float32("nan")):
        save_vectors(path, replace(vectors, maps=wrong))
        line = facevae("edit", "ann.png", "-a", "Smiling=1", "--models", "mapped", fails=True)
        assert line.startswith(f"error: {path}: expected "), line


@pytest.mark.parametrize("name", ["ann.png", "bob.jpg"])
def test_no_strength_is_no_change(name, facevae, folder):
    facevae("edit", name, "-a", "Smiling=0", "-o", "new/")
    (found,) = files_below(Path("new"))
    assert Path("new", found).suffix == Path(name).suffix
    assert Path("new", found).read_bytes() == Path(name).read_bytes()
    facevae("edit", name, "-a", "Smiling=0", "-o", "new.tif")
    assert np.array_equal(read_image(Path("new.tif")), read_image(Path(name)))


@pytest.mark.parametrize(
    ("name", "kind", "output"),
    [
        ("z.jpeg", "JPEG", "z0.jpg"), ("z.jfif", "JPEG", "z0.jpg"), ("z.jpg", "JPEG", "z0.JPEG"),
        ("z.tif", "TIFF", "z0.tiff"), ("z.jpg", "PNG", "z0.png"),
    ],
)  # fmt: skip
def test_no_strength_is_the_file_by_another_name(name, kind, output, facevae, folder):
    Path(name).write_bytes(encoded(photo(3, 40, 60), kind))
    facevae("edit", name, "-a", "Smiling=0", "-o", output)
    assert Path(output).read_bytes() == Path(name).read_bytes()


def test_no_strength_of_another_format_is_coded_anew(facevae, folder):
    """What is asked for counts, not the name of what was given."""
    Path("z.jpg").write_bytes(Path("ann.png").read_bytes())
    facevae("edit", "z.jpg", "-a", "Smiling=0", "-o", "z0.jpg")
    assert Image.open("z0.jpg").format == "JPEG"


def test_no_strength_of_a_pipe(facevae, folder):
    """As of `<(...)`, which can be read only once."""
    out, into = os.pipe()
    os.write(into, Path("eve.png").read_bytes())
    os.close(into)
    facevae("edit", f"/dev/fd/{out}", "-a", "Smiling=0", "-o", "z0.png")
    os.close(out)
    assert np.array_equal(read_image(Path("z0.png")), read_image(Path("eve.png")))


def test_a_strength_beyond_all_faces_is_said(facevae, folder):
    facevae("edit", "ann.png", "-a", "Smiling=1000", "-a", "Eyeglasses=3")
    assert facevae.notes() == ["note: Smiling 1000: beyond 3 the autoencoder knows no faces; expect none"]
    facevae("edit", "ann.png", "-a", "Smiling=-2.5")
    assert facevae.notes() == []


def test_what_a_format_can_not_hold_is_said(facevae, folder):
    Path("clear.png").write_bytes(with_alpha(photo(7, 30, 26)))
    facevae("edit", "clear.png", "-a", "Smiling=1", "-o", "new.jpg")
    (note,) = facevae.notes()
    assert note == "note: new.jpg lacks of clear.png: transparency, now white"
    facevae("edit", "clear.png", "-a", "Smiling=1", "-o", "new.webp")
    assert facevae.notes() == [] and Image.open("new.webp").mode == "RGBA"


NOT_SEEN = "the judge does not clearly see it even so"


def test_strengths_are_the_judges_where_there_is_one(facevae, folder, models):
    """It sees a smile in whatever is bright: the photograph's own, or brighter ones only."""
    shutil.copytree(models, "judged")
    seen = ", Smiling 1.5 (recommended; the judge sees it already)"
    for likely, said in ((0.9, seen), (0.1, f", Smiling 3 ({NOT_SEEN})")):
        write_judge(Path("judged"), 16, ("Smiling", "Male"), np.zeros((2, 3)), np.full(2, likely))
        out = facevae("edit", "ann.png", "-a", "Smiling", "--models", "judged", "-o", "new.png")
        assert out == f"ann.png: 40x60, its centred 40x40 scaled to 16x16{said} -> new.png\n"
    write_judge(Path("judged"), 16, ("Wearing_Hat",), np.zeros((1, 3)), np.full(1, 0.1))
    out = facevae("edit", "ann.png", "-a", "Wearing_Hat", "--models", "judged", "-o", "new.png")
    assert f", Wearing_Hat 4 (more than any face has; {NOT_SEEN}) -> " in out
    out = facevae("edit", "ann.png", "-a", "Smiling=1", "--models", "judged", "-o", "new.png")
    assert "Smiling 3" not in out, "a strength that is given is not searched"
    write_judge(Path("judged"), 32, ("Smiling", "Male"), np.zeros((2, 3)), np.zeros(2))
    line = facevae("edit", "ann.png", "-a", "Smiling", "--models", "judged", fails=True)
    assert "judged/judge.onnx: expected a judge of 16-pixel images" in line


def test_a_face_unlike_all_others_is_said(facevae, folder, models, vae):
    """The model answers with its own pictures, of which none is like a photograph."""
    shutil.copytree(models, "other")
    vae.write(Path("other"), FRAMING, least_psnr_db=18.9)
    facevae("edit", "ann.png", "-a", "Smiling=1", "--models", "other")
    errors = np.square(vae.decode(vae.encode(framed("ann.png"))) - framed("ann.png").transpose(0, 3, 1, 2) / 255)
    (note,) = facevae.notes()
    assert note.startswith("note: ann.png: the face is unlike those that the model was trained on: it reconstructs it")
    assert f"to {-10 * np.log10(errors.mean()):.1f} dB, 99 of 100 of those to more than 18.9" in note
    vae.write(Path("other"), FRAMING, least_psnr_db=1.0)
    facevae("edit", "ann.png", "-a", "Smiling=1", "--models", "other")
    assert facevae.notes() == []


def test_ways_to_type_the_same(facevae, folder):
    ways = [
        "ann.png --attribute Smiling=1.5 --attribute Eyeglasses=0.5",
        "--attribute=Smiling=1.5 -a Eyeglasses=.5 ann.png",
        "-a Smiling ann.png -a Eyeglasses",
        "-aSmiling=15e-1 ann.png -aEyeglasses",
    ]
    for number, way in enumerate(ways):
        facevae("edit", *way.split(), "-o", f"{number}.png")
    assert len({Path(f"{number}.png").read_bytes() for number in range(4)}) == 1
    facevae("edit", *["ann.png", "-a", "Smiling=0.5", "-a", "Eyeglasses=1.5", "-o", "other.png"])
    assert not alike(read_image(Path("other.png")), read_image(Path("0.png")))


def test_the_order_of_attributes_does_not_matter(facevae, folder):
    facevae("edit", "ann.png", "-a", "Smiling=1.5", "-a", "Eyeglasses=0.5", "-o", "one.png")
    facevae("edit", "ann.png", "-a", "Eyeglasses=0.5", "-a", "Smiling=1.5", "-o", "other.png")
    assert alike(read_image(Path("one.png")), read_image(Path("other.png")))


def test_many_images_one_by_one_or_together(facevae, folder):
    names = ("ann.png", "bob.jpg", "eve.png")
    for name in names:
        facevae("edit", name, "-a", "Smiling", "-o", "single/")
    out = facevae("edit", *names, "-a", "Smiling", "-o", "together")
    assert len(out.splitlines()) == 3
    found = files_below(Path("single"))
    assert found == files_below(Path("together"))
    assert sorted(found) == ["ann_edited.png", "bob_edited.jpg", "eve_edited.png"]
    assert len({read_image(Path("single", name)).shape for name in found}) == 3


def test_a_sheet_of_strengths(facevae, folder, vae, vectors, monkeypatch):
    drawn = {}

    def image_sheet(path, rows, row_titles, column_titles=(), title=""):
        drawn[str(path)] = (rows, list(column_titles), title)

    monkeypatch.setattr("facevae.figures.sheets.image_sheet", image_sheet)
    facevae("edit", "ann.png", "bob.jpg", "-a", "Eyeglasses=3", "--sheet", "-o", "sheets")
    assert sorted(drawn) == ["sheets/ann_strengths.png", "sheets/bob_strengths.png"]
    ([row], titles, title) = drawn["sheets/bob_strengths.png"]
    assert titles == ["face", "-3", "1.5", "3", "4.5", "6"] and title == "Eyeglasses 3"
    assert len(row) == 6 and np.array_equal(row[0], framed("bob.jpg")[0])
    facevae("edit", "bob.jpg", "-a", "Eyeglasses=3", "--sheet", "--plain", "-o", "sheets/")
    ([row], titles, title) = drawn["sheets/bob_strengths.png"]
    assert titles == ["face", "reconstruction", "-3", "1.5", "3", "4.5", "6"] and title == "Eyeglasses 3"
    z = vae.encode(framed("bob.jpg"))
    edits = [vae.picture(edit(z, vectors.of("Eyeglasses"), 3 * by))[0] for by in MULTIPLES]
    assert np.array_equal(row[0], framed("bob.jpg")[0])
    assert all(map(alike, row[1:], [reconstruction(vae, "bob.jpg"), *edits]))
    assert not any(alike(*pair) for pair in itertools.pairwise(row))

    facevae("edit", "ann.png", "-a", "Eyeglasses", "-a", "Smiling", "--sheet")
    (_, titles, title) = drawn["ann_strengths.png"]
    assert titles[1:] == ["-1 times", "0.5 times", "1 times", "1.5 times", "2 times"]
    assert title == "Eyeglasses 0.5, Smiling 1.5"
    facevae("edit", "ann.png", "-a", "Smiling=-1000", "--sheet")
    (_, titles, _) = drawn["ann_strengths.png"]
    assert titles[1:] == ["1000", "-500", "-1000", "-1500", "-2000"]


def test_a_sheet_is_one_picture(facevae, folder):
    facevae("edit", "ann.png", "-a", "Smiling", "--sheet", "-o", "sheet.png")
    image = Image.open("sheet.png")
    assert image.format == "PNG" and image.width > 2 * image.height
    assert "ends in .png, found sheet.jpg" in facevae(
        "edit", "ann.png", "-a", "Smiling", "--sheet", "-o", "sheet.jpg", fails=True
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Smilng", "found no such vector; nearest are Smiling"),
        ("wear hats", "nearest are Wearing_Hat"),
        ("xyz", "choose one"),
    ],
)
def test_an_unknown_attribute(name, words, facevae, folder):
    line = facevae("edit", "ann.png", "-a", name, fails=True)
    assert line.startswith(f"error: attribute {name}: expected one of `facevae attributes`") and words in line


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("a smile", None), ("smile", "Smiling"), ("smiling", "Smiling"), ("SMILING", "Smiling"), ("hat", "Wearing_Hat"),
        ("eye glasses", "Eyeglasses"), ("glasses", "Eyeglasses"), ("wearing-hat", "Wearing_Hat"),
        (" Wearing  Hat ", "Wearing_Hat"),
    ],
)  # fmt: skip
def test_an_attribute_by_another_word(word, name, facevae, folder):
    if name is None:
        assert "nearest are Smiling" in facevae("edit", "ann.png", "-a", word, fails=True)
        return
    out = facevae("edit", "ann.png", "-a", f"{word}=1.25", "-o", "one.png")
    assert facevae.notes() == [f"note: {word}: taken for {name}"] and out.startswith(f"{name} 1.25\n")
    facevae("edit", "ann.png", "-a", f"{name}=1.25", "-o", "other.png")
    assert facevae.notes() == [] and Path("one.png").read_bytes() == Path("other.png").read_bytes()


def test_an_attribute_that_is_named_twice(facevae, folder):
    line = facevae("edit", "ann.png", "-a", "Smiling=1", "-a", "Smiling", fails=True)
    assert line.startswith("error: attribute Smiling: expected each attribute once, found it twice")


# --- what the images may be

REFERENCE = photo(7, 30, 26)
GREY = np.repeat(REFERENCE[..., :1], 3, 2)


def with_alpha(rgb: np.ndarray) -> bytes:
    """The right half is transparent, whatever its colours."""
    alpha = np.full((*rgb.shape[:2], 1), 255, np.uint8)
    alpha[:, 15:] = 0
    return encode_png(np.concatenate([rgb, alpha], 2))


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def rotated(rgb: np.ndarray) -> bytes:
    """Stored lying on its side, with EXIF's word for how to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(Image.fromarray(np.rot90(rgb)), "PNG", exif=exif)


HALF = np.concatenate([REFERENCE[:, :15], np.full_like(REFERENCE[:, 15:], 255)], 1)
FEW = REFERENCE // 64 * 64
MODES = {
    "plain": (encode_png(REFERENCE), REFERENCE, 0),
    "grey": (saved(Image.fromarray(GREY[..., 0]), "PNG"), GREY, 0),
    "grey with alpha": (saved(Image.fromarray(GREY[..., 0]).convert("LA"), "PNG"), GREY, 0),
    "16-bit grey": (saved(Image.fromarray(GREY[..., 0].astype(np.uint16) * 257), "PNG"), GREY, 0),
    "16-bit grey TIFF": (saved(Image.fromarray(GREY[..., 0].astype(np.uint16) * 257), "TIFF"), GREY, 0),
    "black and white": (saved(Image.fromarray(GREY[..., 0] > 128), "PNG"), np.where(GREY > 128, 255, 0), 0),
    "alpha": (with_alpha(REFERENCE), HALF, 0),
    "palette": (saved(Image.fromarray(FEW).convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), FEW, 0),
    "GIF": (saved(Image.fromarray(FEW).convert("P", palette=Image.Palette.ADAPTIVE), "GIF"), FEW, 0),
    "EXIF-rotated": (rotated(REFERENCE), REFERENCE, 0),
    "CMYK": (saved(Image.fromarray(REFERENCE).convert("CMYK"), "JPEG", quality=100, subsampling=0), REFERENCE, 12),
    "WebP": (saved(Image.fromarray(REFERENCE), "WEBP", lossless=True), REFERENCE, 0),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_any_mode(mode, facevae, folder):
    """The denoiser changes nothing, so what comes out is the image as it was read, in its own size."""
    data, expected, off = MODES[mode]
    Path("in.file").write_bytes(data)
    name = "in_denoised" + {"16-bit grey TIFF": ".tif", "CMYK": ".jpg", "WebP": ".webp"}.get(mode, ".png")
    assert facevae("denoise", "in.file") == f"in.file: 30x26, hardly any noise removed -> {name}\n"
    found = read_image(Path(name))
    assert found.shape == (26, 30, 3) and np.abs(found.astype(int) - expected).max() <= off
    Path("reference.png").write_bytes(encode_png(np.asarray(expected, np.uint8)))
    for name in ("in.file", "reference.png"):
        assert "30x26, its centred 22x22 scaled to 16x16" in facevae("reconstruct", name, "-o", "new/")
    pair = [read_image(Path(f"new/{name}_reconstructed.png")).astype(int) for name in ("in", "reference")]
    assert pair[0].shape == (16, 16, 3) and np.abs(pair[0] - pair[1]).max() <= off


def test_a_denoised_photograph_keeps_what_its_file_holds(facevae, folder):
    """The denoiser changes nothing: 16 bits and transparency come out as they were, EXIF and the format too."""
    deep = np.random.default_rng(0).integers(0, 65536, (26, 30, 1), np.uint16)
    Path("deep.png").write_bytes(encode_planes(deep, []))
    planes = np.dstack([REFERENCE, np.tile(np.arange(30, dtype=np.uint8) * 8, (26, 1))])
    Path("clear.png").write_bytes(saved(Image.fromarray(planes), "PNG"))
    exif = Image.Exif()
    exif.update({0x0112: 6, 271: "A camera"})
    Path("camera.JPG").write_bytes(saved(Image.fromarray(REFERENCE), "JPEG", quality=95, exif=exif))
    out = facevae("denoise", "deep.png", "clear.png", "camera.JPG")
    assert "camera.JPG: 26x30, hardly any noise removed -> camera_denoised.jpg\n" in out
    assert np.array_equal(np.asarray(Image.open("deep_denoised.png")), deep[..., 0])
    assert np.array_equal(np.asarray(Image.open("clear_denoised.png")), planes)
    with Image.open("camera_denoised.jpg") as image:
        assert (image.format, image.size, dict(image.getexif())[271]) == ("JPEG", (30, 26), "A camera")
        assert np.abs(np.asarray(image).astype(int) - REFERENCE).mean() < 4 and image.getexif()[0x0112] == 6
    facevae("denoise", "deep.png", "-o", "deep.jpg")
    assert facevae.notes() == ["note: deep.jpg lacks of deep.png: 8 of its 16 bits"]


@pytest.mark.parametrize("command", ["edit -a Smiling=1", "denoise"])
def test_the_format_is_that_of_the_content(command, facevae, folder):
    """A PNG that is named .jpg gets no lossy copy."""
    for name, kind in (("a.jpg", "PNG"), ("b.png", "JPEG"), ("c.tiff", "TIFF"), ("d", "WEBP"), ("e.JFIF", "JPEG")):
        Path(name).write_bytes(encoded(photo(7, 30, 26), kind))
    facevae(*command.split(), "a.jpg", "b.png", "c.tiff", "d", "e.JFIF", "-o", "new/")
    found = {
        name.partition("_")[0] + Path(name).suffix: Image.open(Path("new", name)) for name in files_below(Path("new"))
    }
    kinds = {name: image.format for name, image in found.items()}
    assert kinds == {"a.png": "PNG", "b.jpg": "JPEG", "c.tiff": "TIFF", "d.webp": "WEBP", "e.jpg": "JPEG"}
    assert command != "denoise" or np.array_equal(np.asarray(found["a.png"]), photo(7, 30, 26))


def test_a_format_that_nobody_asked_for_is_said(facevae, folder):
    pytest.importorskip("pillow_heif")
    unread.register_heic()
    written = {
        "a.heic": "HEIF", "b.ppm": "PPM", "c.pgm": "PPM", "d.gif": "GIF", "e.jpg": "PNG", "f.jfif": "JPEG",
        "g.jpe": "JPEG", "h.bmp": "BMP", "i.tif": "TIFF", "j": "PNG", "k.heic": "JPEG",
    }  # fmt: skip
    for name, kind in written.items():
        image = Image.fromarray(photo(3, 40, 60))
        Path(name).write_bytes(saved(image.quantize(16) if name in ("h.bmp", "i.tif") else image, kind))
    facevae("edit", *written, "-a", "Smiling=1", "-o", "new/")
    assert sorted(facevae.notes()) == [f"note: {name}: written as PNG" for name in list(written)[:5]]
    found = {name: Image.open(path) for path in Path("new").iterdir() for name in [path.name[0] + path.suffix]}
    assert sorted(found) == [
        "a.png", "b.png", "c.png", "d.png", "e.png", "f.jpg", "g.jpg", "h.bmp", "i.tif", "j.png", "k.jpg"
    ]  # fmt: skip
    assert found["h.bmp"].mode == found["i.tif"].mode == "RGB"
    facevae("edit", "e.jpg", "-a", "Smiling=0")
    assert facevae.notes() == ["note: e.jpg: written as PNG"]
    facevae("denoise", "a.heic", "b.ppm", "g.jpe", "-o", "clean/")
    assert facevae.notes() == ["note: a.heic: written as PNG", "note: b.ppm: written as PNG"]
    facevae("edit", "b.ppm", "-a", "Smiling=1", "-o", "asked.jpg")
    assert facevae.notes() == []


@pytest.mark.parametrize("size", [(16, 20), (17, 401), (333, 21), (20, 24), (16, 16), (41, 43)])
def test_any_size(size, facevae, folder, vae):
    Path("odd.png").write_bytes(encode_png(photo(2, *size)))
    facevae("reconstruct", "odd.png", "-o", "face.png")
    assert alike(read_image(Path("face.png")), reconstruction(vae, "odd.png"))
    facevae("denoise", "odd.png", "-o", "clean.png")
    assert np.array_equal(read_image(Path("clean.png")), photo(2, *size))


def test_an_output_is_an_input_again(facevae, folder):
    facevae("edit", "ann.png", "-a", "Smiling", "-o", "new.png", "--plain")
    out = facevae("edit", "new.png", "-a", "Eyeglasses", "--plain")
    assert "new.png: 16x16, taken as it is -> new_edited.png" in out


BROKEN = {
    "empty.jpg": b"",
    "text.jpg": b"This is no image.\n",
    "cut.jpg": encoded(photo(1))[:2000],
    "cut.png": encode_png(photo(1))[:2000],
    "page.pdf": b"%PDF-1.4\n",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("command", ["edit -a Smiling", "reconstruct", "denoise", "interpolate ann.png"])
def test_a_broken_image_costs_one_line_and_leaves_nothing(command, name, facevae, folder):
    Path(name).write_bytes(BROKEN[name])
    before = files_below(folder)
    line = facevae(*command.split(), name, fails=True)
    expected = "an image (JPEG, PNG," if name == "page.pdf" else "a whole image, found"
    assert line.startswith(f"error: {name}: expected {expected}")
    assert files_below(folder) == before


@pytest.mark.parametrize("command", ["edit -a Smiling", "edit -a Smiling --sheet", "reconstruct", "denoise"])
def test_what_is_wrong_with_one_image_ends_none_of_the_others(command, facevae, folder, monkeypatch, capsys):
    Path("cut.jpg").write_bytes(BROKEN["cut.jpg"])
    Path("tiny.png").write_bytes(encode_png(photo(1, 15, 3)))
    monkeypatch.setattr(sys, "argv", ["facevae", *command.split(), ".", "-o", "new/"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 1, "a script sees that some are missing"
    cut, tiny, last = err.splitlines()
    assert cut.startswith("error: cut.jpg: expected a whole image, found 2000 bytes that are not")
    assert tiny.startswith("error: tiny.png: expected at least ")
    assert last == "error: 2 of 5 images left out, as said above"
    assert [name.split("_")[0] for name in files_below(Path("new"))] == ["ann", "bob", "eve"]
    assert all(f"{name}: " in out for name in ("ann.png", "bob.jpg", "eve.png"))


@pytest.mark.parametrize("command", ["edit -a Smiling", "denoise"])
def test_what_its_format_can_not_hold_ends_none_of_the_others(command, facevae, folder, monkeypatch, capsys):
    """As if a PNG could be no wider than a WebP: a file's own format can hold what is made of it."""

    def encode(photograph, suffix):
        return encode_photograph(photograph, ".webp" if photograph.pixels.shape[1] == 16_384 else suffix)

    Path("wide.png").write_bytes(encode_png(photo(1, 16_384, 20)))
    with monkeypatch.context() as patched, pytest.raises(SystemExit) as ended:
        patched.setattr(photographs, "encode_photograph", encode)
        patched.setattr(sys, "argv", ["facevae", *command.split(), "wide.png", "ann.png", "-o", "new/"])
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    wide, last = (line for line in err.splitlines() if line.startswith("error: "))
    assert wide.startswith("error: wide.png: expected a photograph that WEBP can hold, found one of 16384x20 pixels (")
    (target,) = re.findall(r"; write it as PNG with --output (new/wide_.+\.png)$", wide)
    assert last == "error: 1 of 2 images left out, as said above"
    assert [name.split("_")[0] for name in files_below(Path("new"))] == ["ann"] and "ann.png: " in out
    facevae(*command.split(), "wide.png", "-o", target)
    assert read_image(Path(target)).shape == (20, 16_384, 3)


@pytest.mark.parametrize("command", ["edit -a Smiling", "reconstruct", "denoise"])
def test_what_is_wrong_with_a_model_is_said_once(command, facevae, folder, models):
    shutil.copytree(models, "other")
    for name in ("encoder.onnx", "denoiser.onnx"):
        Path("other", name).write_bytes(b"broken")
    line = facevae(*command.split(), "ann.png", "bob.jpg", "--models", "other", fails=True)
    assert line.startswith("error: other/")


def test_what_a_folder_holds_besides_is_named(facevae, folder, monkeypatch):
    for module in (image_files, unread):
        monkeypatch.setattr(module, "has_heic", lambda: False)
    for name in ("a.heic", "b.JP2", "notes.txt"):
        Path(name).write_bytes(b"?")
    Path("more").mkdir()
    Path("more/c.png").write_bytes(Path("ann.png").read_bytes())
    assert len(facevae("reconstruct", ".", "-o", "new/").splitlines()) == 3
    heic, jpeg_2000, other, inside = facevae.notes()
    assert heic.startswith("note: .: left out a.heic: HEIC, which needs pillow-heif")
    assert jpeg_2000.startswith("note: .: left out b.JP2: JPEG 2000, which is not read")
    assert other.startswith("note: .: left out notes.txt: not JPEG, PNG")
    assert inside == "note: .: not looked into more: name a folder to take its images"


def test_a_folder_of_other_photographs(facevae, folder, monkeypatch):
    for module in (image_files, unread):
        monkeypatch.setattr(module, "has_heic", lambda: False)
    Path("phone").mkdir()
    for number in range(7):
        Path(f"phone/{number}.heic").write_bytes(b"?")
    line = facevae("edit", "phone", "-a", "Smiling", fails=True)
    assert "phone: expected images (JPEG, PNG," in line
    assert "found none, but 0.heic, 1.heic, 2.heic, 3.heic, 4.heic and 2 more" in line
    line = facevae("edit", "phone/0.heic", "-a", "Smiling", fails=True)
    assert line.startswith("error: phone/0.heic: expected an image (JPEG,") and "convert it to JPEG or PNG" in line


@pytest.mark.parametrize("command", ["edit -a Smiling", "reconstruct", "denoise", "interpolate ann.png"])
def test_too_small_or_not_there(command, facevae, folder):
    Path("tiny.png").write_bytes(encode_png(photo(1, 15, 3)))
    before = files_below(folder)
    line = facevae(*command.split(), "tiny.png", fails=True)
    assert line.startswith("error: tiny.png: expected at least") and "found 15x3; take a larger image" in line
    line = facevae(*command.split(), "gone.png", fails=True)
    assert line.startswith("error: gone.png: expected an image") and "found no such file" in line
    assert files_below(folder) == before


@pytest.mark.parametrize("command", ["edit -a Smiling", "reconstruct", "denoise"])
def test_an_image_is_never_overwritten(command, facevae, folder):
    before = files_below(folder)
    for output in ("ann.png", "../in/ann.png"):
        assert "never overwritten" in facevae(*command.split(), "ann.png", "-o", output, fails=True)
    assert files_below(folder) == before
    Path("x").mkdir()
    Path("x/ann.png").write_bytes(Path("ann.png").read_bytes())
    assert "found ann.png and x/ann.png" in facevae(*command.split(), "ann.png", "x/ann.png", fails=True)
    facevae(*command.split(), "ann.png", "-o", "again.png")
    facevae(*command.split(), "bob.jpg", "-o", "again.png")
    facevae(*command.split(), "bob.jpg", "-o", "once.png")
    assert Path("again.png").read_bytes() == Path("once.png").read_bytes()


@pytest.mark.parametrize(("command", "ending"), [("edit -a Smiling", "_edited"), ("denoise", "_denoised")])
def test_an_image_that_is_named_twice_is_taken_once(command, ending, facevae, folder):
    Path("p").mkdir()
    Path("p/cy.png").write_bytes(Path("ann.png").read_bytes())
    Path("p/link.png").symlink_to("cy.png")
    out = facevae(*command.split(), "p", "p/cy.png", "./p/../p/cy.png", "-o", "new/")
    assert files_below(Path("new")).keys() == {f"cy{ending}.png"} and out.count("cy.png: ") == 1
    facevae(*command.split(), "ann.png", "ann.png", "-o", "one.png")
    assert Path("one.png").is_file()


def test_a_face_into_itself(facevae, folder):
    facevae("interpolate", "ann.png", "ann.png", "--steps", "3", "-o", "steps/")
    assert len(set(files_below(Path("steps")).values())) == 1 and len(files_below(Path("steps"))) == 3


@pytest.mark.parametrize(("command", "ending"), [("edit -a Smiling --sheet", "_strengths"),
                                                 ("reconstruct", "_reconstructed")])  # fmt: skip
def test_images_that_differ_in_their_endings_keep_them(command, ending, facevae, folder):
    Path("ann.jpg").write_bytes(Path("bob.jpg").read_bytes())
    facevae(*command.split(), "ann.png", "ann.jpg", "eve.png", "-o", "new/")
    facevae(*command.split(), "ann.png", "-o", "one.png")
    found = files_below(Path("new"))
    assert found.keys() == {f"ann.jpg{ending}.png", f"ann.png{ending}.png", f"eve{ending}.png"}
    assert found[f"ann.png{ending}.png"] == Path("one.png").read_bytes()


def test_a_second_run_over_a_folder(facevae, folder):
    facevae("edit", ".", "-a", "Smiling")
    before = files_below(folder)
    line = facevae("edit", ".", "-a", "Smiling", fails=True)
    assert line.startswith("error: ann_edited.png: expected an output that is none of the images, found one of them; ")
    assert line.endswith("; name the photographs, or give another folder with -o; images are never overwritten\n")
    assert files_below(folder) == before


@pytest.mark.parametrize("command", ["edit -a Smiling", "denoise", "interpolate ann.png", "check"])
def test_an_empty_name_is_not_the_current_folder(command, facevae, folder):
    before = files_below(folder)
    assert facevae(*command.split(), "", fails=True).startswith(
        "error: '': expected a file or a folder, found an empty"
    )
    assert files_below(folder) == before


def test_a_folder_that_can_not_be_written(facevae, folder):
    Path("file").touch()
    line = facevae("denoise", "ann.png", "-o", "file/x.png", fails=True)
    assert line.startswith("error: ") and "file" in line


# --- denoise


def test_noise_goes_through_the_network(facevae, folder, models):
    kernel = np.random.default_rng(0).normal(0, 0.2, (3, 3, 3, 3))
    write_denoiser(Path("other"), kernel)
    image = read_image(Path("ann.png"))
    straight, mirrored = convolved(image, kernel), convolved(image[:, ::-1], kernel)[:, ::-1]
    for options, expected in (([], straight), (["--self-ensemble"], (straight + mirrored) / 2)):
        out = facevae("denoise", "ann.png", "--models", "other", *options)
        found = read_image(Path("ann_denoised.png")).astype(int)
        assert np.abs(found - 255 * expected).max() < 0.6 and np.abs(found - image).max() > 10
        assert re.fullmatch(r"ann.png: 40x60, noise of sigma \d+ -> ann_denoised.png\n", out)


# --- samples and what lies between two faces


def test_samples(facevae, folder, vae):
    out = facevae("sample", "--count", "3", "-o", "a/")
    assert out == "3 from the mixture, seed 0\na/sample_1.png to sample_3.png\n"
    facevae("sample", "--count", "3", "--from", "mixture", "--seed", "0", "-o", "b/")
    assert files_below(Path("a")) == files_below(Path("b"))
    facevae("sample", "--count", "3", "--seed", "1", "-o", "c/")
    assert not set(files_below(Path("a")).values()) & set(files_below(Path("c")).values())
    facevae("sample", "--count", "3", "--seed", "1", "--from", "prior", "-o", "d/")
    expected = vae.picture(prior_draws(6, 3, 1))
    assert all(alike(read_image(Path(f"d/sample_{n + 1}.png")), expected[n]) for n in range(3))


def test_samples_on_a_sheet(facevae, folder):
    assert "from the mixture" in facevae("sample")
    first = Path("samples.png").read_bytes()
    facevae("sample", "--count", "16", "-o", "again.png")
    assert Path("again.png").read_bytes() == first
    assert "ends in .png" in facevae("sample", "-o", "samples.jpg", fails=True)


def test_a_single_sample_in_a_folder(facevae, folder):
    assert facevae("sample", "--count", "1", "-o", "one/").splitlines()[-1] == "one/sample_1.png"
    assert read_image(Path("one/sample_1.png")).shape == (16, 16, 3)


def test_samples_without_a_mixture(facevae, folder, models):
    shutil.copytree(models, "other")
    Path("other/mixture.safetensors").unlink()
    assert "from the prior" in facevae("sample", "--models", "other")
    line = facevae("sample", "--models", "other", "--from", "mixture", fails=True)
    assert "other/mixture.safetensors: expected a mixture file, found no such file" in line


def test_one_face_into_another(facevae, folder, vae):
    out = facevae("interpolate", "ann.png", "bob.jpg", "--linear", "--steps", "3", "-o", "steps/")
    assert out.splitlines()[-1] == "steps/ann_to_bob_1.png to ann_to_bob_3.png"
    a, b = (vae.encode(framed(name)) for name in ("ann.png", "bob.jpg"))
    for number, z in enumerate((a, (a + b) / 2, b), start=1):
        found = read_image(Path(f"steps/ann_to_bob_{number}.png")).astype(int)
        assert np.abs(found - vae.picture(z)[0]).max() <= 1
    facevae("interpolate", "ann.png", "bob.jpg", "--steps", "3", "-o", "arc/")
    arc, line = files_below(Path("arc")), files_below(Path("steps"))
    assert [arc[name] == line[name] for name in sorted(arc)] == [True, False, True]
    facevae("interpolate", "ann.png", "bob.jpg")
    assert Image.open("ann_to_bob.png").format == "PNG"
    assert "found a folder" in facevae("interpolate", "ann.png", ".", fails=True)
    line = facevae("interpolate", "ann.png", "bob.jpg", "-o", "ann.png", fails=True)
    assert "never overwritten" in line


# --- attributes


def test_attributes_the_best_first(facevae, folder):
    assert facevae("attributes").splitlines() == [
        "attribute    strength  success_rate  leakage  method",
        "Eyeglasses        0.5          0.95    0.100  regression",
        "Smiling           1.5          0.80    0.020  regression",
        "Wearing_Hat         2             -        -  regression",
    ]


def test_attributes_as_json(facevae, folder):
    rows = json.loads(facevae("attributes", "--json"))
    assert [row["attribute"] for row in rows] == ["Eyeglasses", "Smiling", "Wearing_Hat"]
    assert rows[1] == {
        "attribute": "Smiling", "strength": 1.5, "success_rate": 0.8, "leakage": 0.02, "method": "regression"
    }  # fmt: skip
    assert rows[2]["success_rate"] is None


# --- models


def test_no_models(facevae, folder, monkeypatch):
    for arguments in ("edit ann.png -a Smiling", "denoise ann.png", "sample", "attributes"):
        line = facevae(*arguments.split(), "--models", "gone", fails=True)
        assert (
            line.startswith("error: --models gone: expected a folder with models, or one of celeba")
            and "dvc pull" in line
        )
    Path("other").mkdir()
    line = facevae("denoise", "ann.png", "--models", "other", fails=True)
    assert line.startswith("error: other/denoiser.onnx: expected the denoiser as ONNX, found no such file")


def test_models_that_do_not_fit(facevae, folder, models, vae):
    other = Path("other")
    vae.write(other, FRAMING)
    with_facts(other / "encoder.onnx", {**facts_of(other / "encoder.onnx"), "image_size": 32})
    line = facevae("reconstruct", "ann.png", "--models", "other", fails=True)
    assert line.startswith("error: other/encoder.onnx: expected a model of this version of facevae, found another")
    vae.write(other, FRAMING)
    Autoencoder(16, 5).write(Path("five"), FRAMING)
    shutil.copy("five/decoder.onnx", other)
    line = facevae("reconstruct", "ann.png", "--models", "other", fails=True)
    assert "decoder.onnx: expected a decoder of 6 dimensions to 16 pixels, as encoder.onnx has, found one of 5" in line
    with_facts(other / "decoder.onnx", facts_of(models / "decoder.onnx"))
    line = facevae("reconstruct", "ann.png", "--models", "other", fails=True)
    assert "decoder.onnx: expected a network that takes what its facts say" in line
    shutil.copy(models / "denoiser.onnx", other / "encoder.onnx")
    line = facevae("reconstruct", "ann.png", "--models", "other", fails=True)
    assert "encoder.onnx: expected the encoder as ONNX, found facts of kind 'denoiser'" in line
    vae.write(other, FRAMING)
    save_vectors(other / "attribute_vectors.safetensors", AttributeVectors(("A",), vectors_of(1, 5), "regression",
                                                                           (JUDGED[0],)))  # fmt: skip
    line = facevae("edit", "ann.png", "-a", "A", "--models", "other", fails=True)
    assert "attribute_vectors.safetensors: expected 6 latent dimensions, as encoder.onnx has, found 5" in line
    save_vectors(other / "attribute_vectors.safetensors", AttributeVectors((), vectors_of(0, 6), "regression"))
    line = facevae("edit", "ann.png", "-a", "A", "--models", "other", fails=True)
    assert "attribute_vectors.safetensors: expected attribute vectors, found none" in line
    save_mixture(other / "mixture.safetensors", Mixture(*mixture_of(1, 5)))
    assert "mixture.safetensors: expected 6 latent dimensions" in facevae("sample", "--models", "other", fails=True)
    write_aligner(other, [0, 0, 0, 0, 5], (178, 218))
    line = facevae("reconstruct", "ann.png", "--models", "other", fails=True)
    assert "aligner.onnx: expected an aligner of 20x24 pixels, as the autoencoder's images, found one of 178x2" in line
    (other / "denoiser.onnx").write_bytes(b"not a model")
    line = facevae("denoise", "ann.png", "--models", "other", fails=True)
    assert "other/denoiser.onnx: expected an ONNX file, found another (" in line


WRONG = [None, "x", -1, 1.5, [], {}]


def places(facts, path=()):
    """Every key of nested dictionaries and lists, as the way to it."""
    for key, value in facts.items() if isinstance(facts, dict) else enumerate(facts):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def with_change(facts, path, value):
    """A copy of facts with another value at one place; `...` takes it out."""
    changed = json.loads(json.dumps(facts))
    *above, last = path
    place = reduce(lambda inside, key: inside[key], above, changed)
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return changed


MODELS = ["encoder", "decoder", "denoiser", "judge", "aligner", "attribute_vectors"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_says_nonsense_of_itself(name, models, folder, tmp_path, monkeypatch):
    """It is loaded and used, or refused in one line that names it: nothing in between."""
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand times
    shutil.copytree(models, tmp_path / "models")
    write_judge(tmp_path / "models", 16, NAMES, np.zeros((3, 3)), np.full(3, 0.4))
    write_aligner(tmp_path / "models", [0, 0, 0, 0, 5], (20, 24))
    image = read_image(Path("ann.png"))
    if name == "attribute_vectors":
        path = tmp_path / f"models/{name}.safetensors"
        arrays, facts = load_arrays(path, name)
    else:
        path = tmp_path / f"models/{name}.onnx"
        facts = facts_of(path)

    encoder = ModelFolder(tmp_path / "models", "cpu")._encoder

    def use():
        models = ModelFolder(path.parent, "cpu")
        if name == "attribute_vectors":
            vars(models)["_encoder"] = encoder  # opened once: it takes longer than all else
        if name in ("encoder", "decoder"):
            models.decode(models.encode(models.frame(image, "x")[None]))
            assert models.least_psnr_db is None or models.least_psnr_db < 100
        elif name == "denoiser":
            models.denoiser.check_size((40, 60), path)
            models.denoiser(image)
        elif name == "judge":
            seen = Faces(models).open(image, frame="centre").judged({})
            assert not seen or list(seen.values()) == pytest.approx(3 * [0.4])
        elif name == "aligner":
            models.finder.faces(image)
        else:
            vectors = models.fitting_vectors
            assert [row["attribute"] for row in vectors.rows()]
            assert np.isfinite(
                [vectors.of(name) * vectors.recommendation(name).strength for name in vectors.names]
            ).all()

    use()
    refused = 0
    for place in places(facts):
        for value in (*WRONG, ...):
            wrong = with_change(facts, place, value)
            if name == "attribute_vectors":
                save_arrays(path, arrays, wrong)
            else:
                with_facts(path, wrong)
            try:
                use()
            except FacevaeError as error:
                assert str(error).count("\n") == 0 and len(str(error)) < 500, (place, value)
                assert str(path.name) in str(error), (place, value)
                refused += 1
    assert refused > 2 * len(list(places(facts)))


@pytest.mark.parametrize("facts", ["{", "[]", "3", '{"kind": ["encoder"]}'])
def test_facts_that_are_none(facts, folder, models, facevae):
    with_facts(models / "encoder.onnx", facts, Path("other/encoder.onnx"))
    line = facevae("reconstruct", "ann.png", "--models", "other", fails=True)
    assert line.startswith("error: other/encoder.onnx: expected ")


@pytest.mark.parametrize("device", ["abacus", "cuda", "cuda:7", "cuda:x", "CPU", ""])
@pytest.mark.parametrize("command", ["sample", "edit ann.png -a Smiling", "denoise ann.png", "reconstruct ann.png"])
def test_an_unknown_device(command, device, facevae, folder):
    if torch_has_a_gpu() and device in ("cuda", "cuda:7"):
        pytest.skip("there is a GPU")
    line = facevae(*command.split(), "--device", device, fails=True)
    assert line.startswith("error: device: expected auto, cpu or a GPU that this machine has, such as cuda:0, found")


def torch_has_a_gpu():
    import torch

    return torch.cuda.is_available()


def test_a_gpu_without_onnxruntime_for_it_and_without_pytorch(facevae, folder, monkeypatch):
    """As where the light package alone is installed."""
    for name in [name for name in sys.modules if name.startswith("facevae.inference.torch_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    line = facevae("denoise", "ann.png", "--device", "cuda:0", fails=True)
    assert line.startswith("error: device: expected auto, cpu or a GPU that this machine has, such as cuda:0, found")
    assert "onnxruntime-gpu" in line


# --- the command itself


# Typer loads pydantic for itself; what facevae does with it is in core/params.py.
HEAVY = {
    "IPython", "PIL", "cv2", "matplotlib", "numpy", "onnx", "onnxruntime", "pandas", "requests", "rich",
    "facevae.core.params", "scipy", "skimage", "sklearn", "sympy", "tifffile", "torch", "torchmetrics", "torchvision",
    "yaml",
}  # fmt: skip
READING = {"PIL", "numpy"}
NEEDED = READING | {"onnxruntime"}


def test_what_each_command_loads(folder, models):
    """In this order, since nothing is unloaded: a person waits for what is imported, used or not."""
    commands = {
        "--help": set(), "--version": set(), "edit --help": set(), "sample --help": set(),
        "edit ann.png -a Nose=much": set(), "edit ann.png -a Nose --face none": set(), "denoise gone.png": READING,
        "attributes": READING, "attributes --json": READING, "edit ann.png -a Smiling": NEEDED,
        "edit bob.jpg -a Smiling --sheet": NEEDED, "reconstruct ann.png": NEEDED,
        "interpolate ann.png bob.jpg -o x/": NEEDED, "interpolate ann.png bob.jpg": NEEDED, "sample -o x/": NEEDED,
        "sample": NEEDED, "denoise ann.png": NEEDED,
    }  # fmt: skip
    code = (
        "import sys\nfrom facevae.app.cli.main import main\n"
        f"for words in {list(commands)}:\n"
        "    sys.argv = ['facevae', *words.split()]\n"
        "    try: main()\n"
        f"    except SystemExit: print('loaded', *sorted({HEAVY} & set(sys.modules)))"
    )
    environment = {**ALONE, "FACEVAE_MODELS": str(models)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment)
    found = [set(line.split()[1:]) for line in done.stdout.splitlines() if line.startswith("loaded")]
    assert dict(zip(commands, found, strict=True)) == commands, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, facevae):
    out = " ".join(facevae(command, "--help").split())
    words = ["--models", "FACEVAE_MODELS"]
    if command != "attributes":
        words += ["--output", "--device", "FACEVAE_DEVICE"]
    assert all(word in out for word in words)


def test_help_names_every_command(facevae):
    out = facevae("--help")
    found = dict(re.findall(r"^  ([a-z]+) {2,}(\S.*)$", out.split("Commands:")[1], re.MULTILINE))
    assert tuple(found) == (*COMMANDS, "models", "page", "check") and all(
        text.endswith(".") and "..." not in text for text in found.values()
    )


def test_the_way_a_strength_is_given_is_explained(facevae):
    out = " ".join(facevae("edit", "--help").split())
    assert "-a Smiling=1.5 -a Eyeglasses" in out and "NAME[=STRENGTH]" in out and "--strength" not in out


@pytest.mark.parametrize("command", ["edit -a Smiling", "reconstruct", "denoise"])
def test_the_help_says_who_looks_at_all_images_first(command, facevae, folder, monkeypatch):
    words = " ".join(facevae("--help").split())
    (first,) = re.findall(r"; ([a-z ]+) look at all before they write the first output\.", words)
    Path("zoe.jpg").write_bytes(BROKEN["cut.jpg"])
    written = []
    monkeypatch.setattr(several, "say", lambda error: written.append(Path("ann_new").exists()))
    monkeypatch.setattr(sys, "argv", ["facevae", *command.split(), "ann.png", "zoe.jpg", "-o", "ann_new/"])
    with pytest.raises(SystemExit):
        main()
    assert written == [command.split()[0] not in first.split()]


def test_the_formats_are_named(facevae):
    out = facevae("--help").upper()
    assert all(kind in out for kind in FORMATS)


def test_the_version_is_the_packages(facevae):
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert facevae("--version") == f"facevae {declared}\n"


def test_a_shell_completes_what_is_typed(monkeypatch, capsys):
    monkeypatch.setenv("_FACEVAE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "facevae edit --sh")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit):
        app(prog_name="facevae")
    assert capsys.readouterr().out.split() == ["--sheet"]


def test_as_a_process(folder, models):
    Path("text.jpg").write_bytes(b"This is no image.\n")
    command = [sys.executable, "-m", "facevae.app.cli.main", "denoise", "text.jpg", "--models", str(models)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=ALONE)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("error: text.jpg: expected a whole image")


PAGES = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
TYPED = sorted({line for page in PAGES for line in re.findall(r"^\$ (facevae .*)$", page.read_text("utf-8"), re.M)})


@pytest.mark.parametrize("line", TYPED)
def test_the_commands_of_the_pages_parse(line, folder):
    group = get_command(app)
    words = shlex.split(line)[1:]
    name, command, rest = group.resolve_command(group.make_context("facevae", list(words)), words)
    given = command.make_context(name, rest).params
    values = [str(value) for each in given.values() for value in (each if isinstance(each, list | tuple) else [each])]
    assert {str(Path(word)) for word in words[1:] if not word.startswith("-")} <= {str(Path(value)) for value in values}


# --- what they work with


@pytest.fixture(scope="module")
def vae():
    return Autoencoder(16, 6)


def vectors_of(count: int, dimensions: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(3).standard_normal((2, count, dimensions), np.float32)
    return {"regression": values[0], "mean_difference": values[1]}


def mixture_of(count: int, dimensions: int) -> list[np.ndarray]:
    """Weights, means and factors."""
    means = np.random.default_rng(5).standard_normal((count, dimensions), np.float32)
    return [np.full(count, 1 / count, np.float32), means, np.stack(count * [np.eye(dimensions, dtype=np.float32)])]


@pytest.fixture(scope="module")
def vectors():
    return AttributeVectors(NAMES, vectors_of(3, 6), "regression", JUDGED)


@pytest.fixture(scope="module")
def models(tmp_path_factory, vae, vectors):
    """A folder as the pipeline fills it, without a judge and an aligner; the denoiser changes nothing."""
    folder = tmp_path_factory.mktemp("models")
    vae.write(folder, FRAMING)
    write_denoiser(folder, UNCHANGED)
    save_vectors(folder / "attribute_vectors.safetensors", vectors)
    save_mixture(folder / "mixture.safetensors", Mixture(*mixture_of(2, 6)))
    return folder


@pytest.fixture
def folder(tmp_path, monkeypatch, models):
    """The current folder, with three images in it; the models lie elsewhere."""
    folder = tmp_path / "in"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FACEVAE_MODELS", str(models))
    monkeypatch.setenv("FACEVAE_DEVICE", "cpu")
    Path("ann.png").write_bytes(encode_png(photo(2, 40, 60)))
    Path("bob.jpg").write_bytes(encoded(photo(5, 64, 40)))
    Path("eve.png").write_bytes(encode_png(photo(9, 20, 24)))
    return folder


@pytest.fixture
def facevae(monkeypatch, capsys):
    """Type a command: what it prints, or with `fails` its one line of error. `notes()`: its lines of standard error."""

    notes = []

    def type_command(*arguments, fails=False):
        monkeypatch.setattr(sys, "argv", ["facevae", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code == int(fails), err
        if fails:
            assert out == "" and err.count("\n") == 1 and err.startswith("error: ")
        notes[:] = err.splitlines()
        return err if fails else out

    type_command.notes = lambda: notes
    return type_command


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two uint8 images are the same but for rounding.

    NumPy adds up in another order, and a network does with another sum of vectors: off by about 1e-6 of a value, which
    moves a level only where it lies on the edge between two. The levels here are rounded from some hundred numbers, so
    that hardly one does, and never by more than one.
    """
    difference = np.abs(one.astype(int) - other)
    return difference.max() <= 1 and (difference > 0).mean() < 0.02


def framed(name: str) -> np.ndarray:
    """(1, 16, 16, 3)"""
    return PortraitFrame.from_facts(FRAMING)(read_image(Path(name)), name)[None]


def reconstruction(vae: Autoencoder, name: str) -> np.ndarray:
    """(16, 16, 3)"""
    return vae.picture(vae.encode(framed(name)))[0]
