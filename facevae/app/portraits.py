"""A person's own images for a model: found, read, brought to the model's square."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevae.alignment.composite import square_matrix
from facevae.core.errors import FacevaeError
from facevae.imaging.codec import FORMATS, decode, fitted_size, resize_to_fill
from facevae.imaging.frames import SquareFrame, VaeCrop
from facevae.imaging.names import IMAGE_SUFFIXES
from facevae.imaging.unread import HEIC_SUFFIXES, has_heic, unread_ending


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
        crop = VaeCrop(images=None, **{name: framing[name] for name in ("crop", "size", "resample")})
        source = framing.get("source_width", crop.crop), framing.get("source_height", crop.crop)
        if not all(isinstance(side, int) and side >= crop.crop for side in source):
            raise ValueError(f"a square of {crop.crop} pixels cut out of {source}")
        return PortraitFrame(source, SquareFrame(crop.crop, crop.size, crop.resample))

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


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """The files among `inputs`, and of each folder among them its images, sorted by name, hidden ones passed over.

    What else is in a folder is named on standard error. Raises FacevaeError if one of `inputs` is not there, or is a
    folder without images.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found += _images_in(path)
        elif path.exists():
            found.append(path)
        else:
            raise FacevaeError(
                where=path, expected="an image or a folder of images", found="no such file", fix="correct the path"
            )
    return found


def _images_in(folder: Path) -> list[Path]:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    suffixes = IMAGE_SUFFIXES | HEIC_SUFFIXES if has_heic() else IMAGE_SUFFIXES
    images = [path for path in entries if path.suffix.lower() in suffixes and path.is_file()]
    folders = [path.name for path in entries if path.is_dir()]
    others = [path.name for path in entries if path not in images and not path.is_dir()]
    if not images:
        found = f"none, but {_listed(others + folders)}" if others or folders else "none"
        unread = next(filter(None, (unread_ending(Path(name).suffix.lower()) for name in others)), None)
        raise FacevaeError(
            where=folder, expected=f"images ({', '.join(FORMATS)})", found=f"{found} ({unread})" if unread else found,
            fix="name a folder that holds some, or convert these" if others else "name a folder that holds some",
        )  # fmt: skip
    left: dict[str, list[str]] = {}
    for name in others:
        left.setdefault(unread_ending(Path(name).suffix.lower()) or f"not {', '.join(FORMATS)}", []).append(name)
    for reason, names in left.items():
        print(f"note: {folder}: left out {_listed(names)}: {reason}", file=sys.stderr)
    if folders:
        print(f"note: {folder}: not looked into {_listed(folders)}: name a folder to take its images", file=sys.stderr)
    return images


def _listed(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def read_image(path: Path) -> np.ndarray:
    """The image in a file, upright, RGB: (height, width, 3) uint8. Raises FacevaeError if it is not a whole one."""
    return decode_own(path.read_bytes(), path)


def decode_own(data: bytes, path: Path) -> np.ndarray:
    """`read_image` of the bytes of the file `path`."""
    # Many cameras' raw files are TIFFs to Pillow, which would show their thumbnail.
    if unread := unread_ending(path.suffix.lower()):
        raise FacevaeError(
            where=path, expected=f"an image ({', '.join(FORMATS)})", found=unread, fix="name another image"
        )
    try:
        return decode(data, path)
    except FacevaeError as error:
        if path.suffix.lower() in IMAGE_SUFFIXES | HEIC_SUFFIXES:
            raise
        raise FacevaeError(
            where=path, expected=f"an image ({', '.join(FORMATS)})", found=error.found,
            fix="name an image, or convert it to JPEG or PNG first",
        ) from None  # fmt: skip
