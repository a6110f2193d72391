"""A person's own images: found, brought to the model's square, and where results go."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_data import one_line, photo

from facevae.app.outputs import check_outputs, name_outputs, write_faces, write_image
from facevae.figures.sheets import MAX_WIDTH
from facevae.imaging.codec import resize_to_fill
from facevae.imaging.frames import SquareFrame
from facevae.inference.image_files import find_images, read_image
from facevae.inference.portrait_frame import PortraitFrame

CELEBA = PortraitFrame((178, 218), SquareFrame(148, 64, "bilinear"))
ALL = (".png", ".jpg", ".jpeg")


def test_an_image_of_the_trainings_size_is_framed_as_in_training():
    image = photo(3)
    assert np.array_equal(CELEBA(image, "x"), CELEBA.square(image))


def test_an_image_of_the_models_size_is_taken_as_it_is():
    image = photo(3, 64, 64)
    assert CELEBA(image, "x") is image and CELEBA.describe(image) == "64x64, taken as it is"


@pytest.mark.parametrize("size", [(356, 436), (301, 977), (640, 480), (77, 95), (1001, 95)])
def test_an_image_of_another_size_covers_the_trainings_first(size):
    image = photo(3, *size)
    framed = CELEBA(image, "x")
    assert framed.shape == (64, 64, 3) and np.array_equal(framed, CELEBA.square(resize_to_fill(image, (178, 218))))


@pytest.mark.parametrize(
    ("size", "cut"), [((178, 218), 148), ((712, 872), 592), ((712, 2000), 592), ((2000, 872), 592), ((89, 109), 74)]
)
def test_what_is_said_of_the_cut_is_true(size, cut):
    """A white square of that side in the middle of a black image fills what the model sees, and nothing beyond."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    top, left = (height - cut) // 2, (width - cut) // 2
    image[top : top + cut, left : left + cut] = 255
    assert CELEBA.describe(image) == f"{width}x{height}, its centred {cut}x{cut} scaled to 64x64"
    framed = CELEBA(image, "x")
    assert framed[3:-3, 3:-3].min() == 255 and framed.mean() > 245
    smaller = cut * 9 // 10
    image[:] = 0
    image[top : top + smaller, left : left + smaller] = 255
    assert CELEBA(image, "x")[-3:, -3:].max() == 0


@pytest.mark.parametrize(
    ("crop", "size", "smallest"),
    [(148, 64, (77, 95)), (178, 128, (128, 157)), (178, 178, (178, 218)), (148, 256, (178, 218))],
)
def test_the_smallest_image_is_not_enlarged_more_than_in_training(crop, size, smallest):
    frame = PortraitFrame((178, 218), SquareFrame(crop, size, "bilinear"))
    assert frame.smallest == smallest
    width, height = smallest
    assert frame(photo(3, width, height), "x").shape == (size, size, 3)
    for less in ((width - 1, height), (width, height - 1)):
        with one_line("a.jpg", f"at least {width}x{height}", f"{size}x{size}", f"found {less[0]}x{less[1]}"):
            frame(photo(3, *less), "a.jpg")


def test_the_facts_of_a_vae_make_the_frame():
    square = {"crop": 148, "size": 64, "resample": "bilinear"}
    source = {"source_width": 178, "source_height": 218}
    assert PortraitFrame.from_facts({**square, **source, "width": 64, "images": 3}) == CELEBA
    assert PortraitFrame.from_facts(square).source == (148, 148)


def test_files_and_folders(tmp_path):
    for name in ("b/2.PNG", "b/1.jpg", "b/.hidden.jpg", "b/notes.txt", "b/deeper/3.jpg", "a.data"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path / "b", tmp_path / "a.data"])
    assert [path.name for path in found] == ["1.jpg", "2.PNG", "a.data"]
    (tmp_path / "empty").mkdir()
    for name, words in (("empty", "found none; name a folder"), ("gone.jpg", "no such file")):
        with one_line(tmp_path / name, words):
            find_images([tmp_path / name])


@pytest.mark.parametrize(
    ("inputs", "output", "expected"),
    [
        (["in/ann.jpg"], None, ["ann_new.png"]),
        (["in/ann.jpg"], "x.png", ["x.png"]),
        (["in/ann.jpg"], "deep/x.JPG", ["deep/x.JPG"]),
        (["in/ann.jpg"], "new/", ["new/ann_new.png"]),
        (["in/ann.jpg"], "in", ["in/ann_new.png"]),
        (["in/ann.jpg", "in/bob.png"], None, ["ann_new.png", "bob_new.png"]),
        (["in/ann.jpg", "in/bob.png"], "new", ["new/ann_new.png", "new/bob_new.png"]),
        (["in"], "v1.2", ["v1.2/ann_new.png", "v1.2/bob_new.png"]),
        (["one"], "new", ["new/eve_new.png"]),
        (["in", "one/eve.jpg"], None, ["ann_new.png", "bob_new.png", "eve_new.png"]),
        (["in/ann.jpg", "in/ann.jpg"], "x.png", ["x.png"]),
        (["in", "in/../in/bob.png"], "new", ["new/ann_new.png", "new/bob_new.png"]),
        (["in", "two/ann.png"], "new", ["new/ann.jpg_new.png", "new/bob_new.png", "new/ann.png_new.png"]),
    ],
)
def test_where_outputs_go(inputs, output, expected, some_images):
    paths = [Path(name) for name in inputs]
    found = name_outputs(paths, find_images(paths), output, "_new", ALL)
    assert found == [Path(name) for name in expected]


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        (["in/ann.jpg"], "x.gif", "ends in .png or .jpg or .jpeg, found x.gif"),
        (["in/ann.jpg"], "x", "found x; end it so, or in / for a folder"),
        (["in/ann.jpg"], "in/ann.jpg", "images are never overwritten"),
        (["in/ann.jpg"], "in/../in/ann.jpg", "images are never overwritten"),
        (["in/ann.jpg", "in/bob.png"], "x.png", "expected a folder, as there are several images"),
        (["in"], "x.png", "expected a folder"),
        (["in"], "in/ann.jpg", "expected a folder"),
        (["in", "three/ann.jpg"], "n", "n/ann_new.png: expected one image for each output, found in/ann.jpg and three"),
        (["in", "three/ann.jpg", "two"], "n", "n/ann_new.png: expected one image for each output, found in/ann.jpg"),
        (["in/ann.jpg", "two/ann.png", "four/ann.png.jpg"], "n", "n/ann.png_new.png: expected one image for each"),
        (["three"], "three", "three/ann_new.png: expected an output that is none of the images"),
    ],
)
def test_outputs_that_would_cost_an_image(inputs, output, words, some_images):
    paths = [Path(name) for name in inputs]
    with one_line(words):
        name_outputs(paths, find_images(paths), output, "_new", ALL)


def test_a_link_to_an_image_is_that_image(some_images):
    Path("link.png").symlink_to("in/ann.jpg")
    with one_line("link.png"):
        check_outputs([Path("in/ann.jpg")], [Path("link.png")])


def test_pictures_are_written_as_their_names_say(tmp_path):
    image = photo(3)
    for name, kind in (("deep/a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG")):
        write_image(tmp_path / name, image)
        assert Image.open(tmp_path / name).format == kind
    assert np.array_equal(read_image(tmp_path / "deep/a.png"), image)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - image).mean() < 4


@pytest.mark.parametrize(
    ("size", "count", "columns", "lines"),
    [
        (128, 14, 10, [7, 7]),
        (128, 10, 10, [5, 5]),
        (128, 9, 10, [9]),
        (128, 16, 8, [8, 8]),
        (16, 10, 10, [10]),
        (16, 23, 10, [8, 8, 7]),
        (256, 6, 8, [3, 3]),
        (295, 9, 8, [3, 3, 3]),  # four of 295 pixels fill the width exactly
        (295, 8, 8, [4, 4]),
        (1400, 3, 8, [1, 1, 1]),
    ],
)
def test_a_sheet_of_faces_reads_line_by_line(size, count, columns, lines, tmp_path):
    greys = np.arange(count, dtype=np.uint8) * 8  # none is the sheet's white
    faces = np.broadcast_to(greys[:, None, None, None], (count, size, size, 3))
    write_faces(faces, [tmp_path / "sheet.png"], str(tmp_path / "sheet.png"), columns)
    sheet = read_image(tmp_path / "sheet.png")[..., 0]
    assert sheet.shape[1] <= MAX_WIDTH
    corners = [tuple(np.argwhere(sheet == grey)[0]) for grey in greys]
    assert corners == sorted(corners), "top to bottom, and in each line from left to right"
    assert [sum(y == top for y, _ in corners) for top in sorted({y for y, _ in corners})] == lines


@pytest.fixture
def some_images(tmp_path, monkeypatch):
    """Empty files of these names in the current folder."""
    monkeypatch.chdir(tmp_path)
    names = "in/ann.jpg in/bob.png one/eve.jpg two/ann.png three/ann.jpg three/ann_new.png four/ann.png.jpg"
    for name in names.split():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()


def test_an_address_and_a_video_are_called_what_they_are(tmp_path):
    with one_line("https://example.org/ann.jpg: expected an image", "found a URL, which is not fetched; download"):
        find_images([Path("https://example.org/ann.jpg")])
    (tmp_path / "party.MP4").write_bytes(b"\0\0\0\x18ftypmp42")
    with one_line("found a video; save one of its frames"):
        read_image(tmp_path / "party.MP4")
