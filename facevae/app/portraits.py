"""A person's own images for a model: found, read, brought to the model's square, and what is made of them written."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.imaging.codec import cover, decode, encode_jpeg, encode_png
from facevae.imaging.frames import SquareFrame
from facevae.imaging.names import IMAGE_SUFFIXES, stem
from facevae.sources.photos import image_files

_ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    ".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg
}  # fmt: skip


@dataclass(frozen=True)
class PortraitFrame:
    """Brings an image of any size to the model's square: (height, width, 3) uint8 -> (S, S, 3) uint8.

    `source`: the size of the images that the model was trained on, before `square` cut them. An image of another size
    is first scaled to just cover it, as stages.download does with photos of different sizes. One of S x S pixels is
    taken as it is: most likely this tool made it.
    """

    source: tuple[int, int]
    square: SquareFrame

    @staticmethod
    def from_facts(framing: dict[str, Any]) -> "PortraitFrame":
        """The frame of a VAE whose facts hold `framing`. Raises KeyError if that is not a square's."""
        square = SquareFrame(framing["crop"], framing["size"], framing["resample"])
        source = framing.get("source_width", square.crop), framing.get("source_height", square.crop)
        return PortraitFrame(source, square)

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
        return self.square(image if size == self.source else cover(image, self.source))

    def describe(self, image: np.ndarray) -> str:
        """What `__call__` does to such an image, in words, measured on the image itself."""
        width, height = image.shape[1], image.shape[0]
        side = self.square.size
        if (width, height) == (side, side):
            return f"{width}x{height}, taken as it is"
        cut = round(self.square.crop / max(self.source[0] / width, self.source[1] / height))
        scaled = "" if cut == side else f" scaled to {side}x{side}"
        return f"{width}x{height}, its centred {cut}x{cut}{scaled}"


def image_paths(inputs: Sequence[Path]) -> list[Path]:
    """The files among `inputs`, and of each folder among them its images, sorted by name, hidden ones passed over.

    Raises FacevaeError if one is not there, or a folder without images.
    """
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            found += image_files(path).values()
        elif path.exists():
            found.append(path)
        else:
            raise FacevaeError(
                where=path, expected="an image or a folder of images", found="no such file", fix="correct the path"
            )
    return found


def read_image(path: Path) -> np.ndarray:
    """The image in a file, upright, RGB: (height, width, 3) uint8. Raises FacevaeError if it is not a whole one."""
    return decode(path.read_bytes(), path)


def name_outputs(
    inputs: Sequence[Path], images: Sequence[Path], output: str | None, ending: str, suffixes: Sequence[str]
) -> list[Path]:
    """Where what is made of each of `images`, found by `image_paths(inputs)`, goes: NAME + ending + .png.

    Into the current folder if `output` is None, into the folder that it names otherwise. For one image it may be a
    file with one of `suffixes`. Raises FacevaeError if two images would get one file, or an image be overwritten.
    """
    names = [f"{stem(path.name)}{ending}.png" for path in images]
    if output is None:
        targets = [Path(name) for name in names]
    elif len(inputs) == 1 and not inputs[0].is_dir() and not names_folder(output):
        targets = [output_file(output, suffixes)]
    else:
        targets = [_output_folder(output) / name for name in names]
    check_outputs(images, targets)
    owners: dict[Path, Path] = {}
    for image, target in zip(images, targets, strict=True):
        if target in owners:
            raise FacevaeError(
                where=target, expected="one image for each output", found=f"{owners[target]} and {image}",
                fix="rename one of them or run twice with different --output",
            )  # fmt: skip
        owners[target] = image
    return targets


def names_folder(output: str) -> bool:
    """Whether --output names a folder: one that is there, or anything with a slash at its end."""
    return output.endswith(tuple(filter(None, ("/", os.sep, os.altsep)))) or Path(output).is_dir()


def output_file(output: str, suffixes: Sequence[str]) -> Path:
    """`output` as a file. Raises FacevaeError if it has none of the suffixes, such as .png."""
    if Path(output).suffix.lower() not in suffixes:
        raise FacevaeError(
            where=f"--output {output}", expected=f"a name that ends in {' or '.join(suffixes)}",
            found=Path(output).name, fix="end it so, or in / for a folder",
        )  # fmt: skip
    return Path(output)


def check_outputs(images: Sequence[Path], targets: Sequence[Path]) -> None:
    """Raise FacevaeError if one of the targets is one of the images."""
    sources = {path.resolve() for path in images}
    for target in targets:
        if target.resolve() in sources:
            raise FacevaeError(
                where=target, expected="an output that is none of the images", found="one of them",
                fix="name another with --output; images are never overwritten",
            )  # fmt: skip


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (height, width, 3) uint8 as its suffix says, .png or .jpg, whole or not at all."""
    data = _ENCODERS[path.suffix.lower()](image)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _output_folder(output: str) -> Path:
    folder = Path(output)
    # out.png after several images is a slip, not a wish for a folder of that name.
    if not names_folder(output) and (folder.exists() or folder.suffix.lower() in IMAGE_SUFFIXES):
        raise FacevaeError(
            where=f"--output {output}", expected="a folder, as there are several images", found="the name of a file",
            fix="name a folder, with / at its end if it is new",
        )  # fmt: skip
    return folder
