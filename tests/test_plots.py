"""Pictures and tables: what is in them, and the same bytes each time."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from facevae.core.tables import write_table
from facevae.figures.base import bars, heat_map, heat_maps, mosaic, scatter
from facevae.figures.sheets import MAX_WIDTH, image_sheet

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


def numbered(path, columns, size, titles=(), **limits):
    """A sheet of two rows: the red in column n is 10 n. The picture's first row of pixels inside each sheet's row."""
    rows = [np.zeros((columns, size, size, 3), np.uint8) for _ in range(2)]
    for column in range(columns):
        rows[0][column, ..., 0] = rows[1][column, ..., 0] = 10 * column
    image_sheet(path, rows, ["", ""], titles, **limits)
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def test_a_wide_sheet_goes_on_below(tmp_path):
    """Eight cells of 250 pixels want 2,036: two bands of four, each with both rows."""
    picture = numbered(tmp_path / "s.png", 8, 200)
    assert picture.shape == (4 + 2 * 2 * 254 + 16, 4 + 4 * 254, 3)
    for band in range(2):
        for row in range(2):
            y = 4 + band * (2 * 254 + 16) + row * 254 + 125
            assert [picture[y, 4 + column * 254 + 125, 0] for column in range(4)] == [
                10 * (4 * band + column) for column in range(4)
            ]


def test_a_sheet_is_smaller_before_it_goes_on_below(tmp_path):
    """Twelve images of 64 pixels, twice their size, want 1,588: at 95 they fit."""
    picture = numbered(tmp_path / "s.png", 12, 64)
    assert picture.shape == (4 + 2 * 99, 4 + 12 * 99, 3)
    assert [picture[50, 4 + column * 99 + 47, 0] for column in range(12)] == list(range(0, 120, 10))
    assert numbered(tmp_path / "free.png", 12, 64, max_width=None).shape == (4 + 2 * 132, 4 + 12 * 132, 3)


def test_no_picture_is_wider_than_a_window(tmp_path):
    names = [f"attribute_{number}" for number in range(120)]
    image_sheet(tmp_path / "large.png", [np.zeros((2, 40, 3000, 3), np.uint8)], ["row"], ["a", "b"], "t" * 300)
    image_sheet(tmp_path / "many.png", [np.zeros((60, 64, 64, 3), np.uint8)], ["row"])
    heat_map(tmp_path / "matrix.png", np.eye(120), names, names, "title", symmetric=True)
    bars(tmp_path / "bars.png", names, {"x": [0.5] * 120}, "title", "share")
    scatter(tmp_path / "points.png", {side: {"a": np.eye(2)} for side in "lr"}, "title", "x", "y")
    mosaic(tmp_path / "mosaic.png", [panel(22, 20, size=64)] * 2, np.zeros((22, 20), bool), "title")
    mosaic(tmp_path / "pair.png", [panel(7, 5, size=64)] * 2, np.zeros((7, 5), bool), "title")
    widths = {path.stem: Image.open(path).width for path in tmp_path.iterdir()}
    assert len(widths) == 7 and max(widths.values()) <= MAX_WIDTH == 1200
    # What is narrowed stays as large as fits.
    assert min(widths[name] for name in ("large", "matrix", "mosaic", "pair")) > 1150


def test_maps_are_light_where_they_are_high(tmp_path):
    maps = np.zeros((9, 4, 4), np.float32)
    maps[8] = 1
    heat_maps(tmp_path / "maps.png", maps, [f"a_{number}" for number in range(9)], "title")
    heat_maps(tmp_path / "none.png", maps[:0], [], "title")
    picture = np.asarray(Image.open(tmp_path / "maps.png").convert("L")).astype(int)
    (height, width), middle = picture.shape, picture.shape[0] // 2
    dark, light = picture[40:middle], picture[middle + 20 :, : width // 8]
    assert (dark < 10).mean() > 0.6 and np.median(light) > 200, "eight above, the ninth below"
    assert Image.open(tmp_path / "none.png").width == width < MAX_WIDTH and height > 200


def test_bars_show_their_values(tmp_path):
    bars(tmp_path / "small.png", ["A", "B"], {"x": [0.1, 0.1]}, "title", "share")
    bars(tmp_path / "large.png", ["A", "B"], {"x": [0.1, 0.8], "y": [0.5, 0.5]}, "title", "share")
    with Image.open(tmp_path / "small.png") as small, Image.open(tmp_path / "large.png") as large:
        assert small.width == large.width == 800 and small.height < large.height


def test_same_bytes(tmp_path):
    for name in ("1", "2"):
        sheet(tmp_path / f"sheet{name}.png")
        bars(tmp_path / f"bars{name}.png", ["A"], {"x": [0.5]}, "title", "share")
        points(tmp_path / f"points{name}.png", (0, 0), (1, 2))
        mosaic(tmp_path / f"mosaic{name}.png", [panel(1, 2)], np.ones((1, 2), bool), "title")
    for kind in ("sheet", "bars", "points", "mosaic"):
        assert (tmp_path / f"{kind}1.png").read_bytes() == (tmp_path / f"{kind}2.png").read_bytes()


def points(path, *places):
    """Two panels, each with the places as its second kind and nothing else."""
    kinds = {"without": np.zeros((0, 2)), "with": np.array(places, float).reshape(-1, 2)}
    scatter(path, {"left": kinds, "right": kinds}, "title", "x", "y")
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def test_points_show_in_both_panels(tmp_path):
    few, many = points(tmp_path / "1.png", (0, 0), (9, 9)), points(tmp_path / "2.png", (0, 0), (9, 9), (3, 3), (6, 6))
    changed = (few != many).any(2).nonzero()[1]
    middle = few.shape[1] // 2
    assert (changed < middle).sum() == pytest.approx((changed > middle).sum(), rel=0.2) and len(changed) > 20
    assert (points(tmp_path / "3.png") != few).any()
    scatter(tmp_path / "4.png", {"one": {"a": np.eye(2)}}, "title", "x", "y")


def panel(rows, columns, colour=RED, size=120):
    return np.full((rows, columns, size, size, 3), colour, np.uint8)


def test_a_mosaic_shows_every_cell(tmp_path):
    one, three = panel(2, 3), [panel(2, 3), panel(2, 3), panel(2, 3, GREEN)]
    one[1, 2] = GREEN
    mosaic(tmp_path / "1.png", [one], np.zeros((2, 3), bool), "title")
    mosaic(tmp_path / "3.png", three, np.zeros((2, 3), bool), "title")
    with Image.open(tmp_path / "1.png") as small, Image.open(tmp_path / "3.png") as large:
        found, other = (np.array(image.convert("RGB")) for image in (small, large))
    assert share(found, RED) == pytest.approx(5 * share(found, GREEN), rel=0.03)
    down, across = (found == np.array(GREEN)).all(2).nonzero()
    assert down.min() > (found == np.array(RED)).all(2).nonzero()[0].mean() and across.min() > found.shape[1] / 2
    # One image pixel is about one of the picture's.
    assert share(found, GREEN) == pytest.approx(120 * 120, rel=0.1)
    assert share(other, RED) == pytest.approx(2 * share(other, GREEN), rel=0.03)
    assert other.shape[0] > 2 * 240 and other.shape[1] > 2 * 360


def test_frames_of_a_mosaic(tmp_path):
    framed = np.zeros((2, 3), bool)
    counts = []
    for cell in (None, (0, 2), (1, 1)):
        if cell:
            framed[cell] = True
        mosaic(tmp_path / "m.png", [panel(2, 3)], framed, "")
        with Image.open(tmp_path / "m.png") as image:
            found = (np.array(image.convert("RGB")) == np.array([255, 127, 14])).all(2)
        counts.append(found.sum())
        if cell == (0, 2):
            down, across = found.nonzero()
            assert down.max() < 0.6 * found.shape[0] and across.min() > 0.55 * found.shape[1]
    assert counts[0] == 0 and counts[1] > 4 * 120 and counts[2] == pytest.approx(2 * counts[1], rel=0.3)


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
    with pytest.raises(ValueError, match="'b'"):
        write_table(tmp_path / "t.csv", [{"a": 1, "b": 2}, {"a": 1}])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cell", [None, "", float("nan"), np.float32("nan")])
def test_a_cell_without_a_value_leaves_no_table(tmp_path, cell):
    with pytest.raises(ValueError, match=r"t.csv: the column 'psnr'"):
        write_table(tmp_path / "t.csv", [{"name": "a", "psnr": 1.5}, {"name": "b", "psnr": cell}])
    assert not list(tmp_path.iterdir())


def test_what_may_be_unknown_is_an_empty_cell(tmp_path):
    rows = [{"name": "a", "psnr": None}, {"name": "b", "psnr": float("nan")}, {"name": "c", "psnr": 2.0}]
    write_table(tmp_path / "t.csv", rows, unknown=["psnr"])
    assert (tmp_path / "t.csv").read_text() == "name,psnr\na,\nb,\nc,2.0\n"
    with pytest.raises(ValueError, match="'ssim'"):
        write_table(tmp_path / "t.csv", rows, unknown=["ssim"])


def test_a_table_reads_as_the_csv_module_writes_it(tmp_path):
    """Whole numbers beside fractions stay whole, and words that look like a missing number stay words."""
    rows = [
        {"a": 1, "b": 0.1 + 0.2, "c": "NA"},
        {"a": 0.5, "b": 1e-300, "c": "nan"},
        {"a": np.float64(1 / 3), "b": -0.0, "c": 'é "q", x'},
        {"a": np.int64(7), "b": 1e22, "c": "two\nlines"},
    ]
    write_table(tmp_path / "t.csv", rows)
    expected = io.StringIO()
    table = csv.DictWriter(expected, ["a", "b", "c"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    assert (tmp_path / "t.csv").read_text(encoding="utf-8") == expected.getvalue()
