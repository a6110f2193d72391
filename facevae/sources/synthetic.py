"""Synthetic source: draws faces in CelebA's formats."""

from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.pairs import Drawing, write_pairs
from facevae.celeba.splits import partition_by_order
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    CHANGES,
    IDENTITY_FILE,
    IMAGES,
    LANDMARKS_FILE,
    PAIRS,
    PARTITION_FILE,
    SKIPPED,
    write_attributes,
    write_landmarks,
    write_numbers,
)
from facevae.core.params import Section
from facevae.drawing.draw import DRAWN, can_switch, draw, sample_attributes, switch
from facevae.imaging.codec import encode_jpeg
from facevae.imaging.names import IMAGE_FOLDER
from facevae.imaging.zip_format import write_zip
from facevae.jobs.progress import track
from facevae.jobs.workers import ordered_map
from facevae.sources.inspection import write_changes, write_flaws


class SyntheticSettings(Section):
    """Section download.synthetic: how many drawn images, their seed, and how many further identities in pairs."""

    images: int = Field(gt=0, le=900_000)
    seed: int = Field(ge=0, lt=2**32)
    pairs: int = Field(ge=0, le=90_000)


def draw_faces(settings: SyntheticSettings, made: Path, workers: int) -> int:
    """Fill the folder `made`; returns how many images, without those of the pairs."""
    numbers = range(1, settings.images + 1)
    names = [f"{number:06d}.jpg" for number in numbers]
    values = np.full((len(names), len(ATTRIBUTES)), -1, dtype=np.int8)
    drawn = ordered_map(partial(_draw_image, settings.seed), numbers, workers)
    with write_zip(made / IMAGES) as file:
        for row, (data, attributes) in enumerate(track(drawn, len(names), "draw faces")):
            file.add(f"{IMAGE_FOLDER}/{names[row]}", data)
            values[row, [ATTRIBUTES.index(name) for name in attributes]] = 1
    write_attributes(made / ATTRIBUTES_FILE, names, ATTRIBUTES, values)
    write_numbers(made / PARTITION_FILE, names, [partition_by_order(row, len(names)) for row in range(len(names))])
    write_numbers(made / IDENTITY_FILE, names, numbers)
    write_landmarks(made / LANDMARKS_FILE, [], np.empty((0, 10)))
    write_flaws(made / SKIPPED, [])
    write_changes(made / CHANGES, [], [])
    # Nobody has seen these identities: their numbers follow the last image's.
    others = range(settings.images + 1, settings.images + settings.pairs + 1)
    drawings = ordered_map(partial(_draw_pairs, settings.seed), others, workers, batch_size=1)
    write_pairs(made / PAIRS, track(drawings, len(others), "draw pairs", unit="identities") if others else ())
    return len(names)


def _draw_image(seed: int, number: int) -> tuple[bytes, frozenset[str]]:
    attributes = sample_attributes(seed, number)
    return encode_jpeg(draw(seed, number, attributes)), attributes


def _draw_pairs(seed: int, number: int) -> Drawing:
    has = sample_attributes(seed, number)
    switched = {name: encode_jpeg(draw(seed, number, switch(has, name))) for name in DRAWN if can_switch(has, name)}
    return Drawing(number, encode_jpeg(draw(seed, number, has)), has, switched)
