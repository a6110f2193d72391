"""`facevae edit`: attributes of faces changed."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevae.app.cli.options import Faces, FrameWay, Images, Models, Output
from facevae.core.errors import FacevaeError
from facevae.core.options import Device

if TYPE_CHECKING:
    import numpy as np

    from facevae.app.edit import Change

# Far beyond all faces; the sums of still larger ones leave what floats can hold.
_LARGEST = 1000

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
            "negative removes; without a strength the smallest with which the judge clearly sees it there. May be "
            "given several times.",
        ),
    ] = None,
    strength: Annotated[list[str] | None, typer.Option("--strength", "-s", hidden=True)] = None,
    output: Output = None,
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet",
            help="Write NAME_strengths.png instead, a row of model's squares: the face, -1 to 2 times the strengths.",
        ),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Give back the model's square, blurred as its reconstructions are, in place of the photograph.",
        ),
    ] = False,
    face: Faces = "largest",
    frame: FrameWay = "auto",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Change attributes of faces. For each image NAME_edited, the whole photograph in its own size and format.

    What the attribute changes of the face is added to the photograph where it is much; all else stays as it is.

    \b
    facevae edit ann.jpg -a Smiling=1.5 -a Eyeglasses -o ann_smiles.png
    facevae edit photos/ bob.png -a Male=-1 --sheet -o sheets/
    """
    wanted = _parse_changes(attribute or [], images, strength or [])
    if face == "all" and (sheet or plain):
        raise FacevaeError(
            where="--face all", expected=f"one face of each image with {'--sheet' if sheet else '--plain'}",
            found="all", fix="give largest or a number",
        )  # fmt: skip

    from facevae.app.outputs import PICTURE, SHEET, name_outputs
    from facevae.app.photographs import FORMATS, own_suffix
    from facevae.app.portraits import find_images

    paths = find_images(images)
    if sheet:
        targets = name_outputs(images, paths, output, "_strengths", SHEET)
    elif plain:
        targets = name_outputs(images, paths, output, "_edited", PICTURE)
    else:
        targets = name_outputs(images, paths, output, "_edited", tuple(FORMATS), own_suffix)

    from facevae.app.edit import Editor, batches, choose_changes
    from facevae.app.framing import Framing, read_framed
    from facevae.app.models import load_judge, load_vae, load_vectors
    from facevae.app.outputs import write_image

    chosen, vae, portrait = load_vae(models, device)
    vectors = load_vectors(models, vae)
    changes = choose_changes(vectors, wanted)
    advised = [name for name, given in wanted if given is None]
    # A person who names a strength wants that one; a row of strengths and a plain edit start from the recommended one.
    judge = load_judge(models, portrait.square.size, chosen) if advised and not (plain or sheet) else None
    editor = Editor(vae, vectors, changes, chosen, judge, advised)
    framed = read_framed(paths, Framing(portrait, models, chosen, frame, face))
    title = ", ".join(f"{change.attribute} {change.strength:g}" for change in changes)
    print(title + (f" (recommended for {', '.join(advised)})" if advised else ""))
    _warn_of_strengths(changes)
    multiples = MULTIPLES if sheet else (1.0,)
    placed: list[tuple[np.ndarray, np.ndarray]] = []  # of the photograph in hand: where, and what is added
    for first, part in batches(framed.pixels):
        if plain:
            columns = editor.plain(part, (0.0, *multiples) if sheet else multiples)
        elif sheet:
            columns = editor.residual(part, multiples)
        else:
            searched = editor.strengths(part)
            additions = editor.additions(part, searched.strengths)
        for row, number in enumerate(range(first, first + len(part))):
            owner, said = framed.owners[number], ""
            if sheet:
                rest = [column[row] for column in columns]
                _write_sheet(targets[owner], part[row], rest, changes, title, plain)
            elif plain:
                write_image(targets[owner], columns[0][row])
            else:
                said = searched.describe(row)
                placed.append((framed.matrices[number], additions[row]))
                if framed.owners[number + 1 : number + 2] != [owner]:
                    _write_photograph(paths[owner], targets[owner], placed)
                    placed = []
            print(f"{paths[owner]}: {framed.words[number]}{said} -> {targets[owner]}")


def _warn_of_strengths(changes: "Sequence[Change]") -> None:
    from facevae.app.edit import FARTHEST

    for change in changes:
        if abs(change.strength) > FARTHEST:
            why = f"beyond {FARTHEST:g} the autoencoder knows no faces; expect none"
            print(f"note: {change.attribute} {change.strength:g}: {why}", file=sys.stderr)


def _write_photograph(source: Path, target: Path, placed: "Sequence[tuple[np.ndarray, np.ndarray]]") -> None:
    """The photograph `source` with changes of its faces: for each a matrix (2, 3) and the change there, (3, S, S)."""
    from facevae.app.edit import add_change
    from facevae.app.outputs import write_data
    from facevae.app.photographs import encode_photograph, left_out, own_suffix, read_photograph

    if not any(change.any() for _, change in placed) and own_suffix(source) == target.suffix.lower():
        write_data(target, source.read_bytes())
        return
    photograph = read_photograph(source)
    for matrix, change in placed:
        photograph = add_change(photograph, matrix, change)
    data = encode_photograph(photograph, target.suffix.lower())
    write_data(target, data)
    if lost := left_out(photograph, target.suffix.lower()):
        print(f"note: {target}: {target.suffix} can't hold all of {source}: without {', '.join(lost)}", file=sys.stderr)


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
    if not _is_number(number) or abs(float(number)) > _LARGEST:
        raise FacevaeError(
            where=f"--attribute {name}", expected=f"a number from -{_LARGEST} to {_LARGEST} for its strength",
            found=repr(number),
            fix="give one such as 1.5, or leave it out for the recommended one",
        )  # fmt: skip
    return name, float(number)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _write_sheet(
    target: Path, face: "np.ndarray", edits: "Sequence[np.ndarray]", changes: "Sequence[Change]", title: str,
    plain: bool,
) -> None:  # fmt: skip
    """The face, its reconstruction if they are plain, and its edits in a row, each (S, S, 3) uint8."""
    import numpy as np

    from facevae.figures.base import image_sheet

    titles = ["face", *(["reconstruction"] if plain else []), *(_column_title(changes, by) for by in MULTIPLES)]
    image_sheet(target, [np.stack([face, *edits])], [], titles, title)


def _column_title(changes: "Sequence[Change]", multiple: float) -> str:
    """Of one attribute its strength, of several what all of them are multiplied by."""
    return f"{multiple * changes[0].strength:g}" if len(changes) == 1 else f"{multiple:g} times"
