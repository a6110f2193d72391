"""download.folder.align: one's own photographs framed by the faces in them, and what is left out of them."""

import csv
import io
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from raw_data import encoded, files_below, make_params, one_line
from skimage.data import astronaut

from facevae.alignment.similarity import compose, corner_error, inverse, moved, similarity
from facevae.alignment.textures import texture
from facevae.alignment.views import Pyramid, cut_out
from facevae.app.cli import main as cli
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    CHANGES,
    IDENTITY_FILE,
    IMAGES,
    SKIPPED,
    read_attributes,
    read_identities,
)
from facevae.finding.finder import Face
from facevae.finding.shipped import shipped_finder
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode
from facevae.jobs import workers as jobs_workers
from facevae.sources import framing
from facevae.sources.fingerprint import fingerprint_inputs
from facevae.sources.framing import frame_face
from facevae.sources.photos import CELEBA_SIZE
from stages import download

# Her pupils, read off the enlarged picture, and where CelebA's faces have theirs.
PUPILS = np.array([[203.5, 100.8], [247.2, 103.5]])
CELEBAS = np.array([[69, 111], [108, 111]])


def placed(scale: float, degrees: float, size: tuple[int, int] = (640, 520), at: tuple[float, float] = (300, 250)):
    """A photograph of the astronaut whose face is at `at`, before a texture; and the matrix that took her there."""
    about = np.array([[1, 0, -225], [0, 1, -115]])
    matrix = compose(similarity(*at, math.log(scale), math.radians(degrees)), about)
    back = tuple(inverse(matrix).ravel())
    photograph = Image.fromarray(texture(2, size, 5))
    mask = Image.new("L", (512, 512), 255).transform(size, Image.Transform.AFFINE, back)
    moved_there = Image.fromarray(astronaut()).transform(size, Image.Transform.AFFINE, back, Image.Resampling.BICUBIC)
    photograph.paste(moved_there, mask=mask)
    return np.asarray(photograph), matrix


def take(tmp_path: Path, images: Path, workers: int = 1, attributes: Path | None = None, **more: object) -> Path:
    """Run the stage with align."""
    folder = {"images": str(images), "attributes": attributes and str(attributes), "on_bad_image": "error"}
    params = make_params(tmp_path, download__source="folder", download__folder=folder | {"align": True} | more)
    download.main(workers=workers, params=params, output=tmp_path / "data/raw", downloads=tmp_path / "downloads")
    return tmp_path / "data/raw"


def rows(path: Path) -> dict[str, str]:
    """By image what the last column of a CSV says."""
    with path.open(encoding="utf-8") as file:
        return {row[0]: row[-1] for row in list(csv.reader(file))[1:]}


def packed(raw: Path) -> dict[str, np.ndarray]:
    with open_archive(raw / IMAGES) as archive:
        return {name: decode(archive.read(name), name) for name in archive.names}


def put(folder: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    """Inside of the face."""
    apart = one[60:190, 40:138].astype(float) - other[60:190, 40:138]
    return 10 * math.log10(255**2 / np.mean(apart**2))


def test_the_finder_that_comes_with_facevae_knows_celebas_frame():
    finder = shipped_finder()
    assert finder.frame == CELEBA_SIZE and not finder.search


@pytest.mark.parametrize(("scale", "degrees"), [(1, 0), (0.7, -25), (1.8, 15), (1, 90)])
def test_eyes_land_where_celebas_are(scale, degrees):
    photograph, matrix = placed(scale, degrees)
    (face,) = shipped_finder().faces(photograph)
    eyes = moved(inverse(face.matrix), moved(matrix, PUPILS))
    assert np.linalg.norm(eyes - CELEBAS, axis=1).max() < 6
    found = frame_face(photograph)
    assert found.image.shape == (218, 178, 3) and found.faces == 1
    # The words are those of the change: back to upright, and to the frame's size.
    turned, scaled = found.words.removeprefix("framed by its face: turned by ").split(" degrees, scaled by ")
    assert float(turned) == pytest.approx(-degrees - 3, abs=4) and float(scaled) == pytest.approx(1 / scale, rel=0.1)


def test_what_the_table_says_is_refused_before_any_face_is_looked_for(tmp_path, monkeypatch):
    photographs = put(tmp_path / "photographs", a__png=encoded(astronaut()), b__png=encoded(astronaut()))
    (tmp_path / "attributes.csv").write_text("image,Smiling\na.png,1\n", encoding="utf-8")
    monkeypatch.setattr("facevae.sources.folder.frame_face", lambda *_: pytest.fail("looked for a face"))
    with one_line("b.png", "no row in attributes.csv", "on_bad_image: skip"):
        take(tmp_path, photographs, attributes=tmp_path / "attributes.csv")


def test_an_aligned_image_hardly_changes():
    aligned = frame_face(astronaut()).image
    found = shipped_finder().faces(aligned)[0]
    assert corner_error(found.matrix, np.eye(3)[:2], CELEBA_SIZE) < 5
    assert psnr_db(frame_face(aligned).image, aligned) > 22


def test_photographs_of_all_kinds_through_the_stage(tmp_path, capsys):
    """The pixels are those of the face at its known place; labels and persons go by the names."""
    photograph = placed(1.4, 20)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    lying, grey16, clear = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(np.rot90(photograph)).save(lying, "JPEG", quality=95, exif=exif)
    grey = np.asarray(Image.fromarray(photograph).convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 257).save(grey16, "PNG")
    Image.fromarray(photograph).convert("RGBA").save(clear, "PNG")
    files = {"lying.jpg": lying.getvalue(), "grey16.png": grey16.getvalue(), "clear.png": clear.getvalue()}
    files |= {
        "plain.jpg": encoded(photograph),
        "large.bmp": encoded(np.asarray(placed(2.8, 20, (1280, 1040), (600, 500))[0]), "BMP"),
    }
    folder = tmp_path / "photographs"
    for person, (name, data) in zip("AABBC", files.items(), strict=True):
        (folder / person).mkdir(parents=True, exist_ok=True)
        (folder / person / name).write_bytes(data)
    (folder / "A/wall.jpg").write_bytes(encoded(texture(1, (300, 300), 3)))
    table = tmp_path / "labels.csv"
    names = [f"{person}/{name}" for person, name in zip("AABBC", files, strict=True)]
    table.write_text(
        "image,Smiling\nA/wall.jpg,0\n" + "".join(f"{name},{index % 2}\n" for index, name in enumerate(names))
    )
    raw = take(tmp_path, folder, attributes=table, persons="folder")
    images = packed(raw)
    assert list(images) == ["A/grey16.jpg", "A/lying.jpg", "B/clear.jpg", "B/plain.jpg", "C/large.jpg"]
    in_her = shipped_finder().faces(astronaut())[0].matrix
    expected = cut_out(Pyramid(astronaut()), in_her, CELEBA_SIZE)
    for name, image in images.items():
        truth = expected if "grey" not in name else np.asarray(Image.fromarray(expected).convert("L").convert("RGB"))
        assert image.shape == truth.shape and psnr_db(image, truth) > 20, name
    annotation = read_attributes(raw / ATTRIBUTES_FILE)
    found = dict(zip(annotation.images, annotation.values[:, 0].tolist(), strict=True))
    assert found == {"A/grey16.jpg": 1, "A/lying.jpg": -1, "B/clear.jpg": -1, "B/plain.jpg": 1, "C/large.jpg": -1}
    persons = read_identities(raw / IDENTITY_FILE)
    assert len({*persons.find(list(images)).tolist()}) == 3
    assert rows(raw / SKIPPED) == {"A/wall.jpg": "no face is found in it"}
    said = rows(raw / CHANGES)
    assert said["A/wall.jpg"] == "left out: no face is found in it"
    assert said["A/lying.jpg"].startswith("turned upright; framed by its face: turned by -")
    assert said["A/grey16.png"].endswith("; converted from PNG (I;16)")
    lines = capsys.readouterr().out.splitlines()
    assert "left out: A/wall.jpg: no face is found in it" in lines
    assert any(line.startswith("sizes: ") and "the face in each is brought to 178x218" in line for line in lines)


def test_what_cannot_be_framed_is_left_out_with_the_reason(tmp_path, capsys):
    """Even where bad images are an error; of several faces the largest whole one is taken."""
    small, large = placed(0.3, 0)[0], placed(1.2, 0)[0]
    # Her face stands at 300, 250; a border at 290 leaves half of it.
    both = np.hstack([placed(0.6, 0, (400, 520), (200, 250))[0], large])
    folder = put(
        tmp_path / "photographs", whole__png=encoded(large, "PNG"), small__png=encoded(small, "PNG"),
        half__png=encoded(large[:, 290:], "PNG"), strip__png=encoded(texture(0, (2000, 20), 1), "PNG"),
        tiny__png=encoded(texture(0, (9, 9), 1), "PNG"), both__png=encoded(both, "PNG"),
        half_and_whole__png=encoded(np.hstack([large[:, 290:], placed(0.6, 0, (400, 520), (200, 250))[0]]), "PNG"),
    )  # fmt: skip
    raw = take(tmp_path, folder)
    skipped = rows(raw / SKIPPED)
    assert set(skipped) == {"small.png", "half.png", "strip.png", "tiny.png"}
    assert "where 89x109 are the least" in skipped["small.png"]
    assert skipped["half.png"] in ("a face that the photograph's border cuts off", "no face is found in it")
    assert skipped["strip.png"] == skipped["tiny.png"] == "no face is found in it"
    images, said = packed(raw), rows(raw / CHANGES)
    assert said["both.png"].startswith("framed by the main one of 2 faces: ")
    assert psnr_db(images["both.jpg"], images["whole.jpg"]) > 24
    assert psnr_db(images["half_and_whole.jpg"], images["whole.jpg"]) > 18
    assert any("several faces in" in line for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(
    ("scales", "logits", "chosen"), [((2.0, 1.8), (5, 9), 1), ((2.0, 1.8), (9, 5), 0), ((2.0, 1.5), (5, 9), 0)]
)
def test_of_faces_nearly_as_large_the_likeliest_is_taken(monkeypatch, scales, logits, chosen):
    faces = [
        Face(similarity(200, 100, math.log(scale), 0), CELEBA_SIZE, logit, 1)
        for scale, logit in zip(scales, logits, strict=True)
    ]
    finder = SimpleNamespace(faces=lambda photograph: faces, frame=CELEBA_SIZE)
    monkeypatch.setattr(framing, "shipped_finder", lambda: finder)
    words = framing.frame_face(texture(0, (900, 700), 1)).words
    assert words == f"framed by the main one of 2 faces: turned by +0 degrees, scaled by {1 / scales[chosen]:.2f}"


def test_damaged_files_stay_errors_and_no_face_at_all_is_one(tmp_path):
    data = encoded(placed(1, 0)[0])
    folder = put(tmp_path / "photographs", whole__jpg=data, cut__jpg=data[:-900])
    with one_line("cut.jpg", "on_bad_image"):
        take(tmp_path, folder)
    assert list(packed(take(tmp_path, folder, on_bad_image="skip"))) == ["whole.jpg"]
    walls = put(
        tmp_path / "walls", a__jpg=encoded(texture(1, (300, 300), 3)), b__jpg=encoded(texture(0, (300, 300), 3))
    )
    with one_line("a.jpg", "a face", "2 photographs", "align: false"):
        take(tmp_path, walls)


def test_parquet_and_any_number_of_processes(tmp_path, monkeypatch):
    """The same bytes from a folder and from parquet, by one process and by two."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(jobs_workers, "_SECONDS_WORTH_A_START", 0.0)
    photographs = [
        encoded(placed(0.8 + number / 50, number * 2 - 20, (330, 330), (160, 150))[0]) for number in range(20)
    ]
    folder = put(tmp_path / "photographs", **{f"{number:06}__jpg": data for number, data in enumerate(photographs, 1)})
    one = files_below(take(tmp_path, folder))
    assert files_below(take(tmp_path, folder, workers=2)) == one
    parquet.write_table(pyarrow.table({"image": photographs}), tmp_path / "hub.parquet")
    hub = take(tmp_path, tmp_path / "hub.parquet")
    assert files_below(hub) == one and len(packed(hub)) == 20


def test_the_check_says_that_faces_will_be_framed(tmp_path, monkeypatch, capsys):
    """Sizes that differ and sides that are short are no reason; nothing is decoded."""
    folder = put(tmp_path / "photographs", a__jpg=encoded(texture(0, (300, 100), 3))[:800])
    put(folder, b__png=encoded(texture(0, (50, 60), 3), "PNG"))
    arguments = ["facevae", "check", str(folder), "--align", "--workers", "1", "-o", str(tmp_path / "changes.csv")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        cli.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("2 images in 1 folder would be taken, 0 left out")
    assert "note: download looks for the faces, and leaves out and lists photographs without one" in lines
    assert rows(tmp_path / "changes.csv") == {
        "a.jpg": "framed by its face", "b.png": "framed by its face; converted from PNG (RGB)",
    }  # fmt: skip


def test_other_weights_are_another_input(tmp_path):
    settings = {"images": str(tmp_path), "attributes": None, "align": True}
    found = fingerprint_inputs({"source": "folder", "folder": settings})
    assert found["download.folder.align: frames"]["bytes"] > 1e6 and "download.folder.align: boxes" in found
    without = fingerprint_inputs({"source": "folder", "folder": settings | {"align": False}})
    assert list(without) == ["download.folder.images"]
