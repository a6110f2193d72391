"""Where what is made of a person's images goes, and writing it there: no image is overwritten."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.imaging.codec import encode_jpeg, encode_png
from facevae.imaging.names import IMAGE_SUFFIXES, stem

if TYPE_CHECKING:
    from facevae.inference.photographs import Photograph

PICTURE, SHEET = (".png", ".jpg", ".jpeg"), (".png",)
"""How files of a single image and sheets of several may end."""

_ANOTHER = "name another with --output"

# Pixels between the images of a sheet, and before the first.
_SHEET_GAP = 4

_ENCODERS: dict[str, Callable[[np.ndarray], bytes]] = {
    ".png": encode_png, ".jpg": encode_jpeg, ".jpeg": encode_jpeg
}  # fmt: skip


def name_outputs(
    inputs: Sequence[Path], images: Sequence[Path], output: str | None, ending: str, suffixes: Sequence[str],
    suffix_of: Callable[[Path], str] = lambda image: ".png",
) -> list[Path]:  # fmt: skip
    """Where what is made of each of `images`, found by `find_images(inputs)`, goes: NAME + ending + suffix.

    Into the current folder if `output` is None, into the folder that it names otherwise. For one image it may be a
    file with one of `suffixes`. Where ann.jpg and ann.png would get one file, NAME keeps its own suffix. Raises
    FacevaeError if two images would get one file all the same, or an image be overwritten.
    """
    names = [f"{stem(path.name)}{ending}{suffix_of(path)}" for path in images]
    made, given = Counter(names), Counter(path.name for path in images)
    for number, path in enumerate(images):
        if made[names[number]] > 1 and given[path.name] == 1:
            names[number] = f"{path.name}{ending}{suffix_of(path)}"
    if output is None:
        targets = [Path(name) for name in names]
    elif len(images) == 1 and not any(path.is_dir() for path in inputs) and not names_folder(output):
        targets = [output_file(output, suffixes)]
    else:
        targets = [_output_folder(output) / name for name in names]
    # Several may be all of a folder, and among them the outputs of an earlier run.
    several = "name the photographs, or give another folder with -o"
    check_outputs(images, targets, several if len(images) > 1 else _ANOTHER)
    owners: dict[Path, Path] = {}
    for image, target in zip(images, targets, strict=True):
        if target in owners:
            raise FacevaeError(
                where=target, expected="one image for each output", found=f"{owners[target]} and {image}",
                fix="rename one of them or run twice with different --output",
            )  # fmt: skip
        owners[target] = image
    return targets


def name_face_outputs(output: str | None, name: str, count: int, images: Sequence[Path]) -> list[Path]:
    """Where faces that were not asked for by an image go: one sheet, or a file each where `output` names a folder.

    Without `output` the sheet is NAME.png in the current folder. Raises FacevaeError if one of `images` would be
    overwritten.
    """
    if is_sheet(output):
        targets = [output_file(output or f"{name}.png", SHEET)]
    else:
        assert output is not None  # else it would be a sheet
        digits = len(str(count))
        targets = [Path(output) / f"{name}_{number:0{digits}}.png" for number in range(1, count + 1)]
    check_outputs(images, targets)
    return targets


def is_sheet(output: str | None) -> bool:
    """Whether `name_face_outputs` puts all faces on one sheet."""
    return output is None or not names_folder(output)


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


def check_outputs(images: Sequence[Path], targets: Sequence[Path], fix: str = _ANOTHER) -> None:
    """Raise FacevaeError if one of the targets is one of the images, or if no file can be made there.

    `fix`: what to do about the first.
    """
    sources = {path.resolve() for path in images}
    for target in targets:
        found = next(path for path in (target, *target.parents) if path.exists())
        if found.is_dir() == (found == target):
            raise FacevaeError(
                where=target, expected="a name for a file, in a folder",
                found=f"a {'folder' if found == target else 'file'} {found}", fix=_ANOTHER,
            )  # fmt: skip
        if target.resolve() in sources:
            raise FacevaeError(
                where=target, expected="an output that is none of the images", found="one of them",
                fix=f"{fix}; images are never overwritten",
            )  # fmt: skip


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (height, width, 3) uint8 as its suffix says, .png or .jpg, whole or not at all."""
    write_data(path, _ENCODERS[path.suffix.lower()](image))


def write_data(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def write_photograph(path: Path, photograph: "Photograph", source: Path) -> None:
    """Write a photograph made of the one at `source`; a line says what of that is not in the new file, or is not its
    format.

    Raises FacevaeError naming `source` if the new file's format can't hold it.
    """
    from facevae.inference.photographs import encode_photograph, left_out

    suffix = path.suffix.lower()
    try:
        data = encode_photograph(photograph, suffix)
    except FacevaeError as error:
        fix = f"write it as PNG with --output {path.with_suffix('.png')}"
        raise FacevaeError(where=source, expected=error.expected, found=error.found, fix=fix) from None
    write_data(path, data)
    say_format(path, photograph, source)
    if lost := left_out(photograph, suffix):
        print(f"note: {path} lacks of {source}: {', '.join(lost)}", file=sys.stderr)


def say_format(path: Path, photograph: "Photograph", source: Path) -> None:
    """A line where nobody asked for the format of `path`, and `source` has another."""
    from facevae.inference.photographs import unexpected_format

    if kind := unexpected_format(photograph, source, path.suffix.lower()):
        print(f"note: {source}: written as {kind}", file=sys.stderr)


def write_faces(faces: np.ndarray, targets: Sequence[Path], output: str | None, columns: int) -> None:
    """Write faces (N, S, S, 3) uint8 to `name_face_outputs`: on one sheet, or each on its own.

    The sheet reads line by line, at most `columns` to a line, and no more than fit its width.
    """
    if is_sheet(output):
        from facevae.figures.sheets import MAX_WIDTH, image_sheet

        # Columns that don't fit would stand below all the lines, and so out of sequence.
        fitting = max(1, (MAX_WIDTH - _SHEET_GAP) // (faces.shape[2] + _SHEET_GAP))
        lines = -(-len(faces) // min(columns, fitting))
        across = -(-len(faces) // lines)
        image_sheet(targets[0], [faces[first : first + across] for first in range(0, len(faces), across)], [])
        print(targets[0])
        return
    for face, target in zip(faces, targets, strict=True):
        write_image(target, face)
    print(targets[0] if len(targets) == 1 else f"{targets[0]} to {targets[-1].name}")


def _output_folder(output: str) -> Path:
    folder = Path(output)
    # out.png after several images is a slip, not a wish for a folder of that name.
    if not names_folder(output) and (folder.exists() or folder.suffix.lower() in IMAGE_SUFFIXES):
        raise FacevaeError(
            where=f"--output {output}", expected="a folder, as there are several images", found="the name of a file",
            fix="name a folder, with / at its end if it is new",
        )  # fmt: skip
    return folder
