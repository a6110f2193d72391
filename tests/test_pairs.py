"""Counterfactual pairs: written once, read attribute by attribute."""

import numpy as np
import pytest
from raw_data import encoded, one_line, write_entries

from facevae.celeba.pairs import Drawing, read_pairs, write_pairs
from facevae.imaging.frames import SquareFrame


def grey(level: int) -> bytes:
    return encoded(np.full((40, 30, 3), level, np.uint8))


@pytest.fixture
def pairs(tmp_path):
    drawings = [
        Drawing(11, grey(10), frozenset({"Bald"}), {"Bald": grey(20), "Smiling": grey(30)}),
        Drawing(12, grey(110), frozenset(), {"Smiling": grey(130)}),
    ]
    assert write_pairs(tmp_path / "pairs.zip", drawings) == 3
    return tmp_path / "pairs.zip"


def test_pairs_by_attribute(pairs):
    smiling, bald = read_pairs(pairs, SquareFrame(30, 8, "box"), ["Young", "Smiling", "Bald"])
    assert smiling.attribute == "Smiling" and smiling.identities == [11, 12]
    assert smiling.without.shape == smiling.having.shape == (2, 8, 8, 3) and smiling.without.dtype == np.uint8
    assert smiling.without[:, 0, 0, 0].tolist() == [10, 110] and smiling.having[:, 0, 0, 0].tolist() == [30, 130]
    # The base drawing of 11 is bald, so there the switched one is without.
    assert bald.identities == [11] and (bald.without[0, 0, 0, 0], bald.having[0, 0, 0, 0]) == (20, 10)


def test_the_order_is_the_files_own_unless_asked(pairs):
    assert [found.attribute for found in read_pairs(pairs, SquareFrame(30, 8, "box"))] == ["Bald", "Smiling"]


def test_no_pairs(tmp_path):
    assert write_pairs(tmp_path / "pairs.zip", ()) == 0
    assert list(read_pairs(tmp_path / "pairs.zip", SquareFrame(30, 8, "box"))) == []


def test_same_bytes(pairs, tmp_path):
    again = tmp_path / "again.zip"
    write_pairs(again, [Drawing(1, grey(1), frozenset(), {"A": grey(2)})])
    first = again.read_bytes()
    write_pairs(again, [Drawing(1, grey(1), frozenset(), {"A": grey(2)})])
    assert again.read_bytes() == first


@pytest.mark.parametrize(
    ("entries", "part"),
    [
        ({"1/base.jpg": b""}, "pairs.csv"),
        ({"pairs.csv": b""}, "identity, attribute"),
        ({"pairs.csv": b"\xff"}, "identity, attribute"),
        ({"pairs.csv": b"identity,attribute,without,with\n1,A,x\n"}, "identity, attribute"),
        ({"pairs.csv": b"identity,attribute,without,with\n1,A,x,y\n"}, "x"),
        ({"pairs.csv": b"identity,attribute,without,with\n1,A,x,y\n", "x": b"", "y": b""}, "a whole image"),
    ],
)
def test_damaged_pairs(tmp_path, entries, part):
    with one_line("pairs.zip", part):
        list(read_pairs(write_entries(tmp_path / "pairs.zip", entries), SquareFrame(30, 8, "box")))
