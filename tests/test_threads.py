"""Several images at once: in order, with few results waiting, and none begun after an error."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from raw_data import photo

from facevae.inference import faces
from facevae.inference.given import take
from facevae.inference.threads import in_threads


def test_results_come_in_the_order_of_the_items():
    """The first waits until the second has been computed."""
    second = threading.Event()

    def call(item: int) -> int:
        if item == 0:
            assert second.wait(30)
        elif item == 1:
            second.set()
        return 10 * item

    assert list(in_threads(call, range(5), 2)) == [0, 10, 20, 30, 40]


def test_no_more_results_wait_than_there_are_threads():
    begun: list[int] = []
    results = in_threads(begun.append, range(100), 2)
    for taken in range(5):
        next(results)
        assert len(begun) <= taken + 3
    results.close()
    assert len(begun) <= 8


def test_an_error_ends_what_has_not_begun():
    begun: list[int] = []

    def call(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ValueError("one")

    with pytest.raises(ValueError, match="one"):
        list(in_threads(call, range(100), 2))
    assert len(begun) <= 5


def test_one_item_takes_no_thread():
    assert list(in_threads(lambda _: threading.current_thread(), [1])) == [threading.main_thread()]
    assert list(in_threads(lambda item: item, [])) == []


def test_photographs_are_kept_between_their_faces_and_their_edits_as_far_as_they_are_small(tmp_path, monkeypatch):
    """Two of three fit; the third is read a second time, and all give the faces that were found."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        Image.fromarray(photo(number, 178, 218)).save(path)
    read: list[Path] = []
    monkeypatch.setattr(faces, "take", lambda path: (read.append(path), take(path))[1])
    monkeypatch.setattr(faces, "_KEPT", 2 * 178 * 218 * 3)
    opened = faces.load("celeba", "cpu").openers(paths)
    assert sorted(read) == paths
    portraits = [opener() for _, opener in opened]
    assert read[3:] == paths[2:]
    for path, portrait in zip(paths, portraits, strict=True):
        assert np.array_equal(portrait.photograph.pixels, np.asarray(Image.open(path)))
