"""Random crops and flips: of each image its own, of a pair the same."""

import itertools

import pytest
import torch
from model_data import training_step

from facevae.training.loop.augmentation import random_crop, random_flip


def some_bytes(*shape):
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_half_of_the_images_are_mirrored_and_none_is_changed_otherwise():
    images = some_bytes(40, 4, 5, 3)
    (found,) = random_flip(training_step(40), images)
    turned = [torch.equal(a, b.flip(1)) for a, b in zip(found, images, strict=True)]
    kept = [torch.equal(a, b) for a, b in zip(found, images, strict=True)]
    assert all(a != b for a, b in zip(turned, kept, strict=True)) and 10 < sum(turned) < 30
    assert torch.equal(found, random_flip(training_step(40), images)[0])
    assert not torch.equal(found, random_flip(training_step(40, seed=1), images)[0])


def windows(image, height, width):
    """Every part of the image of this size, as rows of numbers."""
    return {
        tuple(image[top : top + height, left : left + width].flatten().tolist())
        for top, left in itertools.product(range(image.shape[0] - height + 1), range(image.shape[1] - width + 1))
    }


@pytest.mark.parametrize(
    ("size", "height", "width"),
    [(5, 5, 5), (7, 6, 7), (8, 6, 8), (20, 6, 8)],  # of 6 x 8 pixels; a side that is smaller stays whole
)
def test_crops_are_squares_of_their_own_image_from_everywhere(size, height, width):
    images = some_bytes(4, 6, 8, 3)
    places, found = [windows(image, height, width) for image in images], [set() for _ in images]
    for seed in range(60):
        (crops,) = random_crop(training_step(4, seed), size, images)
        assert crops.shape == (4, height, width, 3)
        for number, crop in enumerate(crops):
            found[number].add(tuple(crop.flatten().tolist()))
    assert found == places  # of squares of 5 all the 2 x 4 places of each


def test_a_side_that_is_smaller_than_the_crop_stays_whole():
    image = some_bytes(1, 9, 4, 3)  # higher than wide
    (crop,) = random_crop(training_step(1), 6, image)
    assert crop.shape == (1, 6, 4, 3) and tuple(crop.flatten().tolist()) in windows(image[0], 6, 4)


def test_several_tensors_alike():
    images = some_bytes(6, 8, 8, 3)
    for one, other in (random_flip(training_step(6), images, images), random_crop(training_step(6), 4, images, images)):
        assert torch.equal(one, other)
