"""Pictures and tables: what is in them, and the same bytes each time."""

import csv

import numpy as np
import pytest
from PIL import Image

from facevae.plots import bars, image_sheet
from facevae.tables import write_table

RED, GREEN = ([255, 0, 0], [0, 255, 0])


def sheet(path, columns=2):
    rows = [np.full((count, 20, 30, 3), colour, np.uint8) for count, colour in ((columns, RED), (1, GREEN))]
    image_sheet(path, rows, ["one", "two"], ["first"], "title")
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image.convert("RGB"))


def share(picture, colour):
    return (picture == np.array(colour)).all(2).sum()


def test_a_sheet_shows_every_image(tmp_path):
    picture = sheet(tmp_path / "a/sheet.png")
    red, green = share(picture, RED), share(picture, GREEN)
    assert red == pytest.approx(2 * green, rel=0.05) and green >= 20 * 30
    assert sheet(tmp_path / "b.png", columns=5).shape[1] > picture.shape[1]


def test_bars_show_their_values(tmp_path):
    bars(tmp_path / "small.png", ["A", "B"], {"x": [0.1, 0.1]}, "title", "share")
    bars(tmp_path / "large.png", ["A", "B"], {"x": [0.1, 0.8], "y": [0.5, 0.5]}, "title", "share")
    with Image.open(tmp_path / "small.png") as small, Image.open(tmp_path / "large.png") as large:
        assert small.width == large.width == 800 and small.height < large.height


def test_same_bytes(tmp_path):
    for name in ("1", "2"):
        sheet(tmp_path / f"sheet{name}.png")
        bars(tmp_path / f"bars{name}.png", ["A"], {"x": [0.5]}, "title", "share")
    for kind in ("sheet", "bars"):
        assert (tmp_path / f"{kind}1.png").read_bytes() == (tmp_path / f"{kind}2.png").read_bytes()


def test_a_table_has_its_numbers_in_full(tmp_path):
    rows = [{"name": 'a, "b"', "x": 1 / 3, "n": 2}, {"name": "c", "x": 1e-7, "n": 3}]
    write_table(tmp_path / "t/t.csv", rows)
    with (tmp_path / "t/t.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["name"], float(row["x"]), int(row["n"])) for row in found] == [('a, "b"', 1 / 3, 2), ("c", 1e-7, 3)]
    assert (tmp_path / "t/t.csv").read_bytes().startswith(b"name,x,n\n")


def test_a_table_without_rows_has_its_header(tmp_path):
    write_table(tmp_path / "t.csv", [], ("a", "b"))
    assert (tmp_path / "t.csv").read_text() == "a,b\n"


def test_rows_of_other_columns_leave_no_table(tmp_path):
    with pytest.raises(ValueError, match="'b'"):
        write_table(tmp_path / "t.csv", [{"a": 1}, {"a": 1, "b": 2}])
    assert not list(tmp_path.iterdir())
