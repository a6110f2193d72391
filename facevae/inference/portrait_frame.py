"""How an image of any size is brought to the model's square where no face is looked for."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.finding.composite import square_matrix
from facevae.imaging.codec import fitted_size, resize_to_fill
from facevae.imaging.frames import RESAMPLES, SquareFrame


@dataclass(frozen=True)
class PortraitFrame:
    """Brings an image of any size to the model's square: (height, width, 3) uint8 -> (S, S, 3) uint8.

    `source`: the size of the images that the model was trained on, before `square` cut them. An image of another size
    is first scaled to just fill that, as stages.download does with photos of different sizes. One of S x S pixels is
    taken as it is: most likely this tool made it.
    """

    source: tuple[int, int]
    square: SquareFrame

    @staticmethod
    def from_facts(framing: dict[str, Any]) -> "PortraitFrame":
        """The frame of a VAE whose facts hold `framing`. Raises KeyError or ValueError if that is not a square's."""
        crop, size, resample = (framing[name] for name in ("crop", "size", "resample"))
        source = framing.get("source_width", crop), framing.get("source_height", crop)
        whole = all(isinstance(side, int) and not isinstance(side, bool) for side in (crop, size, *source))
        if not whole or crop < 1 or size < 1 or resample not in RESAMPLES:
            raise ValueError(f"a square of {crop} pixels scaled to {size} by {resample}")
        if min(source) < crop:
            raise ValueError(f"a square of {crop} pixels cut out of {source}")
        return PortraitFrame(source, SquareFrame(crop, size, resample))

    @property
    def smallest(self) -> tuple[int, int]:
        """The size below which an image would be enlarged, and more so than those of the training were."""
        share = min(1.0, self.square.size / self.square.crop)
        return math.ceil(self.source[0] * share), math.ceil(self.source[1] * share)

    def __call__(self, image: np.ndarray, where: object) -> np.ndarray:
        """Raises FacevaeError naming `where` if the image is too small."""
        size, smallest, side = (image.shape[1], image.shape[0]), self.smallest, self.square.size
        if size == (side, side):
            return image
        if size[0] < smallest[0] or size[1] < smallest[1]:
            raise FacevaeError(
                where=where,
                expected=f"at least {smallest[0]}x{smallest[1]} pixels, or exactly {side}x{side}",
                found=f"{size[0]}x{size[1]}", fix="take a larger image: enlarging it adds nothing that the model sees",
            )  # fmt: skip
        return self.square(image if size == self.source else resize_to_fill(image, self.source))

    def matrix(self, image: np.ndarray) -> np.ndarray:
        """Where in such an image the square is: takes (x, y, 1) in the square to (x, y) in the image, (2, 3).

        In the coordinates of facevae/alignment/composite.py.
        """
        height, width = image.shape[:2]
        crop, side = self.square.crop, self.square.size
        if (width, height) == (side, side):
            return square_matrix(0, 0, side, side)
        scaled = fitted_size((width, height), self.source)
        # The offsets are whole pixels of the scaled image: first to what fills the source's size, then to the square.
        left, top = ((scaled[axis] - size) // 2 + (size - crop) // 2 for axis, size in enumerate(self.source))
        return np.diag([width / scaled[0], height / scaled[1]]) @ square_matrix(left, top, crop, side)

    def describe(self, image: np.ndarray) -> str:
        """What `__call__` does to such an image, in words, measured on the image itself."""
        width, height = image.shape[1], image.shape[0]
        side = self.square.size
        if (width, height) == (side, side):
            return f"{width}x{height}, taken as it is"
        cut = round(self.square.crop / max(self.source[0] / width, self.source[1] / height))
        scaled = "" if cut == side else f" scaled to {side}x{side}"
        return f"{width}x{height}, its centred {cut}x{cut}{scaled}"
