"""The data in pictures: how attributes go together, and the same faces as each stage of the preparation leaves them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facevae.celeba.splits import evenly_spaced
from facevae.core.errors import FacevaeError
from facevae.figures.base import bars, heat_map
from facevae.figures.sheets import image_sheet
from facevae.imaging.archive import Archive
from facevae.imaging.codec import decode
from facevae.imaging.names import stem


def draw_rates(path: Path, attributes: Sequence[Mapping[str, Any]], images: int) -> None:
    """Write the share of so many images that have each attribute, in [0, 1], as one PNG, the most common one first.

    `attributes`: rows with `attribute`, `rate` and, where it is not known of all images, `known`, of how many it is.
    Of none there is no picture, of one of which nothing is known no bar.
    """
    rows = sorted((row for row in attributes if row.get("known", images)), key=lambda row: -row["rate"])
    if rows:
        counts = [row.get("known", images) for row in rows]
        of = [f" (of {count:,})" if count != images else "" for count in counts]
        names = [row["attribute"].replace("_", " ") + few for row, few in zip(rows, of, strict=True)]
        bars(path, names, {"share": [row["rate"] for row in rows]}, f"attributes of {images:,} images", "share")


def draw_correlations(path: Path, correlations: np.ndarray, names: Sequence[str], images: int) -> None:
    """Write the correlations of attributes, (V, V) in [-1, 1], of so many images as one PNG; without any, a blank."""
    title = f"phi coefficients of the attributes of {images} images"
    heat_map(path, correlations, names, names, title, symmetric=True)


def draw_contact_sheet(path: Path, archives: Mapping[str, Archive], count: int) -> None:
    """Write the same up to `count` faces as one PNG: a row for each archive, a column for each face.

    An image that is much smaller than the largest is shown several times its size. Raises FacevaeError as
    `choose_faces`.
    """
    faces = choose_faces(list(archives.values()), count)
    rows = [images_of(archive, faces) for archive in archives.values()]
    width, height = (max(image.shape[axis] for row in rows for image in row if image is not None) for axis in (1, 0))
    titles = [_title(what, row, width, height) for what, row in zip(archives, rows, strict=True)]
    cells = [np.stack([in_cell(image, width, height) for image in row]) for row in rows]
    image_sheet(path, cells, titles, faces)


def choose_faces(archives: Sequence[Archive], count: int) -> list[str]:
    """Stems of up to `count` images, evenly spread over those that all archives have; or that all but the last have.

    The DAE's archives hold the first raw images, the VAE's, which comes last, such as are spread over all. Raises
    FacevaeError if no image is in all but the last.
    """
    for considered in (archives, archives[:-1]):
        # From the fewest on: no more names are held than these.
        first, *others = sorted(considered, key=lambda archive: len(archive.names))
        shared = set(map(stem, first.names))
        for archive in others:
            shared.intersection_update(map(stem, archive.names))
        if shared:
            return evenly_spaced(sorted(shared), min(count, len(shared)))
    raise FacevaeError(
        where=archives[1].path, expected=f"images of {archives[0].path}", found="none of them",
        fix="run stages.crop_pad and stages.add_noise again",
    )  # fmt: skip


def images_of(archive: Archive, faces: Sequence[str]) -> list[np.ndarray | None]:
    """The image of each stem in `faces`, (H, W, 3) uint8; None for one that the archive has not."""
    wanted = set(faces)
    names = {stem(name): name for name in archive.names if stem(name) in wanted}
    return [decode(archive.read(names[face]), archive.where(names[face])) if face in names else None for face in faces]


def in_cell(image: np.ndarray | None, width: int, height: int) -> np.ndarray:
    """The image in the middle of a white cell, (height, width, 3) uint8, as many whole times its size as fit."""
    cell = np.full((height, width, 3), 255, np.uint8)
    if image is not None:
        times = _times(image, width, height)
        large = image.repeat(times, axis=0).repeat(times, axis=1)
        top, left = (height - large.shape[0]) // 2, (width - large.shape[1]) // 2
        cell[top : top + large.shape[0], left : left + large.shape[1]] = large
    return cell


def _times(image: np.ndarray, width: int, height: int) -> int:
    """How many times its size the image is shown: a whole number, so that every pixel stays what it was."""
    return min(width // image.shape[1], height // image.shape[0])


def _title(what: str, images: Sequence[np.ndarray | None], width: int, height: int) -> str:
    """What the row shows and how large it is."""
    image = next((image for image in images if image is not None), None)
    if image is None:
        return f"{what}: none of these"
    times = _times(image, width, height)
    return f"{what}, {image.shape[1]}x{image.shape[0]}" + (f", at {times}00%" if times > 1 else "")
