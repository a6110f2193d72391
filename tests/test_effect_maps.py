"""Maps of where attributes show, found in images of which that is known."""

import numpy as np
import pytest

from facevae.data.arrays import UNKNOWN
from facevae.latents.effect_maps import GRID, effect_maps

RANDOM = np.random.default_rng(7)
SIDE, COUNT = 64, 600

# Half of the second attribute's images have the first, of the others a tenth.
SECOND = RANDOM.random(COUNT) < 0.4
FIRST = RANDOM.random(COUNT) < np.where(SECOND, 0.5, 0.1)
NOWHERE = RANDOM.random(COUNT) < 0.5
LABELS = np.stack([FIRST, SECOND, NOWHERE, np.ones(COUNT)], 1).astype(np.int8)

# In pixels of the image: rows, columns.
EYE, CHIN = (slice(16, 24), slice(8, 24)), (slice(48, 60), slice(24, 40))


def drawn(count=COUNT, side=SIDE):
    images = RANDOM.integers(90, 150, (count, side, side, 3))
    for image, first, second in zip(images, FIRST, SECOND, strict=False):
        image[EYE] -= 60 * first
        image[CHIN][..., 0] += 80 * second
    return images.astype(np.uint8)


IMAGES = drawn()


def cells(place):
    """The cells of a place, of two pixels each."""
    mask = np.zeros((GRID, GRID), bool)
    mask[tuple(slice(part.start // 2, part.stop // 2) for part in place)] = True
    return mask


def around(mask):
    """A place and the cells beside it, to which the map is smoothed."""
    grown = np.pad(mask, 1)
    return sum(np.roll(grown, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1))[1:-1, 1:-1] > 0


@pytest.fixture(scope="module")
def maps():
    return effect_maps(IMAGES, LABELS)


def test_an_attribute_shows_where_it_is_drawn_and_in_the_mirror(maps):
    eye, chin = cells(EYE), cells(CHIN)
    eyes = eye | eye[:, ::-1]
    assert maps.shape == (4, GRID, GRID) and maps.dtype == np.float32 and maps.min() >= 0 and maps.max() == 1
    assert maps[0][eyes].min() > 0.45 and maps[1][chin].min() > 0.45
    assert maps[0][~around(eyes)].max() < 0.05, "also not where the other is, which goes along with it"
    assert maps[1][~around(chin)].max() < 0.05
    assert np.array_equal(maps[0], maps[0][:, ::-1])


def test_what_shows_nowhere_may_show_anywhere(maps):
    assert (maps[2] == 1).all(), "labels without an effect"
    assert (maps[3] == 1).all(), "images of one kind"


def test_what_chance_alone_makes_of_a_cell_does_not_show():
    """Of sixty images every cell differs between the kinds, in half of them by no more than chance has it."""
    (found,) = effect_maps(drawn(60), LABELS[:60, :1])
    outside = found[~around(cells(EYE) | cells(EYE)[:, ::-1])]
    assert (outside == 0).mean() > 0.3 and outside.max() < 0.2 and found[cells(EYE)].min() > 0.45


def test_contrast_shows_without_a_change_of_colour():
    """Frames of glasses, dark and light: each cell has the same mean."""
    images = np.full((200, SIDE, SIDE, 3), 120, np.uint8) + RANDOM.integers(0, 4, (200, SIDE, SIDE, 3), np.uint8)
    having = np.arange(200) % 2 == 0
    for row, column in ((0, 0), (1, 1)):
        images[having, 20 + row : 30 : 2, 20 + column : 44 : 2] += 50
    for row, column in ((0, 1), (1, 0)):
        images[having, 20 + row : 30 : 2, 20 + column : 44 : 2] -= 50
    (found,) = effect_maps(images, having[:, None].astype(np.int8))
    place = cells((slice(20, 30), slice(20, 44)))
    assert found[place].min() > 0.45 and found[~around(place)].max() < 0.05


def test_unknown_labels_count_for_nothing(maps):
    labels = LABELS.copy()
    labels[::3, 0] = UNKNOWN
    found = effect_maps(IMAGES, labels)
    assert np.abs(found[0] - maps[0]).max() < 0.1 and np.abs(found[1] - maps[1]).max() < 0.1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("count", "side"), [(1, 8), (3, 40), (2, 1), (5, 8)])
def test_few_and_small_images(count, side):
    images = RANDOM.integers(0, 255, (count, side, side, 3), np.uint8)
    found = effect_maps(images, LABELS[:count])
    assert found.shape == (4, min(side, GRID), min(side, GRID)) and (found == 1).all()
