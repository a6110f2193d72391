"""From raw images to a model's images, all of one size and framed alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.imaging.archive import Archive, write_changed
from facevae.imaging.codec import decode_image, decoded_size
from facevae.imaging.frames import Frame


def write_framed(
    raw: Archive, names: Sequence[str], target: Path, frame: Frame, what: str, workers: int
) -> dict[str, Any]:
    """Write the named images of `raw`, each brought to size by `frame`, to the archive `target`.

    Returns the facts stored in it: images, width, height, source_width, source_height and those of the
    frame. Raises FacevaeError, naming the first such image, if one is damaged or of another size than the
    first of all, or if the frame does not fit.
    """
    width, height = decoded_size(raw.read(names[0]), raw.where(names[0]))
    # The frame itself says what comes out of it.
    framed_height, framed_width = frame(np.zeros((height, width, 3), np.uint8)).shape[:2]
    facts = {
        "images": len(names),
        "width": framed_width,
        "height": framed_height,
        "source_width": width,
        "source_height": height,
        **frame.facts(),
    }
    change = _SameSizeFrame(frame, names[0], (width, height))
    write_changed(raw, target, change, names, facts, what, workers)
    return facts


@dataclass(frozen=True)
class _SameSizeFrame:
    """Frames an image that has the size of the first."""

    frame: Frame
    first: str
    size: tuple[int, int]

    def __call__(self, name: str, data: bytes, where: str) -> np.ndarray:
        image = decode_image(data, where)
        if image.size != self.size:
            raise FacevaeError(
                where=where,
                expected=f"{self.size[0]}x{self.size[1]} pixels, as {self.first} has",
                found=f"{image.width}x{image.height}",
                fix="bring all images to one size",
            )
        return self.frame(image)
