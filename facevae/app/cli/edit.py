"""`facevae edit`: attributes of faces changed."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevae.app.cli.options import Images, Models, Output
from facevae.core.errors import FacevaeError
from facevae.core.options import Device

if TYPE_CHECKING:
    import numpy as np

    from facevae.app.edit import Change

MULTIPLES = (-1.0, 0.5, 1.0, 1.5, 2.0)
"""Of the chosen strengths: what `--sheet` shows."""


def edit(
    images: Images,
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            "-a",
            metavar="NAME[=STRENGTH]",
            show_default="none: at least one is needed",
            help="What to change, as `facevae attributes` names it, and how much: 1 is a typical face that has it, "
            "negative removes; without a strength the recommended one. May be given several times.",
        ),
    ] = None,
    strength: Annotated[list[str] | None, typer.Option("--strength", "-s", hidden=True)] = None,
    output: Output = None,
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet",
            help="Write NAME_strengths.png instead, a row: the face, its reconstruction, -1 to 2 times the strengths.",
        ),
    ] = False,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Change attributes of faces. For each image NAME_edited.png, the model's square.

    \b
    facevae edit ann.jpg -a Smiling=1.5 -a Eyeglasses -o ann_smiles.png
    facevae edit photos/ bob.png -a Male=-1 --sheet -o sheets/
    """
    wanted = _parse_changes(attribute or [], images, strength or [])

    from facevae.app.outputs import PICTURE, SHEET, name_outputs
    from facevae.app.portraits import find_images

    ending, suffixes = ("_strengths", SHEET) if sheet else ("_edited", PICTURE)
    paths = find_images(images)
    targets = name_outputs(images, paths, output, ending, suffixes)

    from facevae.app.edit import batches, choose_changes, edit_faces
    from facevae.app.models import load_vae, load_vectors
    from facevae.app.outputs import write_image
    from facevae.app.portraits import read_faces

    chosen, vae, frame = load_vae(models, device)
    vectors = load_vectors(models, vae)
    changes = choose_changes(vectors, wanted)
    faces, described = read_faces(paths, frame)
    title = ", ".join(f"{change.attribute} {change.strength:g}" for change in changes)
    advised = [name for name, given in wanted if given is None]
    print(title + (f" (recommended for {', '.join(advised)})" if advised else ""))
    multiples = (0.0, *MULTIPLES) if sheet else (1.0,)
    for first, part in batches(faces):
        columns = edit_faces(vae, vectors, changes, part, multiples, chosen)
        for row, number in enumerate(range(first, first + len(part))):
            if sheet:
                _write_sheet(targets[number], part[row], [column[row] for column in columns], changes, title)
            else:
                write_image(targets[number], columns[0][row])
            print(f"{paths[number]}: {described[number]} -> {targets[number]}")


def _parse_changes(attribute: list[str], images: list[Path], strength: list[str]) -> list[tuple[str, float | None]]:
    """The attributes and their strengths. A strength elsewhere than beside its attribute is told where it belongs."""
    if not attribute:
        raise FacevaeError(
            where="facevae edit", expected="an attribute to change", found="none",
            fix="give -a NAME or -a NAME=STRENGTH; `facevae attributes` lists the names",
        )  # fmt: skip
    changes = [parse_change(text) for text in attribute]
    loose = strength + [str(path) for path in images if _is_number(str(path)) and not path.exists()]
    if loose:
        raise FacevaeError(
            where=f"--strength {loose[0]}" if strength else loose[0], expected="a strength beside its attribute",
            found="a word of its own", fix=f"write -a {changes[0][0]}={loose[0]}",
        )  # fmt: skip
    return changes


def parse_change(text: str) -> tuple[str, float | None]:
    """`Smiling=1.5` as its two parts; without a strength None. Raises FacevaeError if that is no number."""
    name, equals, number = text.partition("=")
    if not name:
        raise FacevaeError(
            where=f"--attribute {text or repr(text)}", expected="NAME or NAME=STRENGTH", found="no name",
            fix="choose one of `facevae attributes`",
        )  # fmt: skip
    if not equals:
        return name, None
    if not _is_number(number):
        raise FacevaeError(
            where=f"--attribute {name}", expected="a number for its strength", found=repr(number),
            fix="give one such as 1.5, or leave it out for the recommended one",
        )  # fmt: skip
    return name, float(number)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _write_sheet(
    target: Path, face: "np.ndarray", edits: "Sequence[np.ndarray]", changes: "Sequence[Change]", title: str
) -> None:
    """The face, its reconstruction and its edits in a row, each (S, S, 3) uint8."""
    import numpy as np

    from facevae.figures.base import image_sheet

    titles = ["face", "reconstruction", *(_column_title(changes, multiple) for multiple in MULTIPLES)]
    image_sheet(target, [np.stack([face, *edits])], [], titles, title)


def _column_title(changes: "Sequence[Change]", multiple: float) -> str:
    """Of one attribute its strength, of several what all of them are multiplied by."""
    return f"{multiple * changes[0].strength:g}" if len(changes) == 1 else f"{multiple:g} times"
