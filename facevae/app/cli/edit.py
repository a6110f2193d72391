"""`facevae edit`: attributes of faces changed."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facevae.app.cli.options import Faces, FrameWay, Images, Models, Output
from facevae.app.cli.several import leaving_out
from facevae.core.errors import FacevaeError
from facevae.core.options import Device

if TYPE_CHECKING:
    from collections.abc import Callable

    from facevae.inference.portrait import Portrait
    from facevae.latents.vectors import AttributeVectors

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
            help="The attribute to change (`facevae attributes` lists them) and the strength: 1 is the difference "
            "between typical faces with and without it, a negative strength removes it. Without a strength: the "
            "smallest at which the judge, a classifier, clearly sees the attribute; with --sheet and "
            "--plain the recommended one. May be repeated.",
        ),
    ] = None,
    strength: Annotated[list[str] | None, typer.Option("--strength", "-s", hidden=True)] = None,
    output: Output = None,
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet",
            help="Write NAME_strengths.png instead: one row with the face and edits at -1 to 2 times the strength.",
        ),
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Write the model's own square, which is blurred, instead of the edited photograph.",
        ),
    ] = False,
    face: Faces = "largest",
    frame: FrameWay = "auto",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Change attributes of faces. Writes NAME_edited for each image: the whole photograph, in its own size and format.

    Only what the attribute changes is added to the photograph; everything else stays.

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
    from facevae.inference.image_files import find_images
    from facevae.inference.photographs import FORMATS, own_suffix

    paths = find_images(images)
    if sheet:
        targets = name_outputs(images, paths, output, "_strengths", SHEET)
    elif plain:
        targets = name_outputs(images, paths, output, "_edited", PICTURE)
    else:
        targets = name_outputs(images, paths, output, "_edited", tuple(FORMATS), own_suffix)

    from facevae.app.outputs import write_image
    from facevae.inference.faces import Faces
    from facevae.inference.models import ModelFolder
    from facevae.inference.threads import in_threads

    faces = Faces(ModelFolder(models, device))
    faces.models.check_edits()
    changes = _named(faces.models.fitting_vectors, wanted)
    advice = {name: faces.models.vectors.recommendation(name).strength for name in changes}
    at = {name: advice[name] if strength is None else strength for name, strength in changes.items()}
    target_of = dict(zip(paths, targets, strict=True))

    def make(call: "tuple[Path, Callable[[], Portrait]]") -> list[str] | FacevaeError:
        (path, opener), target = call, target_of[call[0]]
        portrait = opener()
        _warn_of_faces(path, portrait)
        said: list[str] = []
        if sheet:
            _write_sheet(target, portrait, at, _title(at), plain)
        elif plain:
            write_image(target, portrait.square(at, plain=True))
        else:
            try:
                said = _write_photograph(path, target, portrait, changes)
            except FacevaeError as error:  # for the thread that counts them
                return error
        return [
            f"{path}: {framed.words}{said[number] if said else ''} -> {target}"
            for number, framed in enumerate(portrait.faces)
        ]

    with leaving_out(paths) as left_out:
        openers = faces.openers(paths, face=face, frame=frame, on_bad=left_out)
        _announce(changes, at if sheet or plain else {})
        for (path, _), made in zip(openers, in_threads(make, openers), strict=True):
            if isinstance(made, FacevaeError):
                left_out(path, made)
            else:
                print("\n".join(made))


def _announce(changes: dict[str, float | None], recommended: dict[str, float]) -> None:
    """What all images get: strengths that were given, and recommended ones; what is searched stands with each face."""
    advised = [name for name, strength in changes.items() if strength is None and name in recommended]
    known = recommended | {name: strength for name, strength in changes.items() if strength is not None}
    if known:
        print(_title(known) + (f" (recommended for {', '.join(advised)})" if advised else ""))
        _warn_of_strengths(known)


def _title(strengths: dict[str, float]) -> str:
    return ", ".join(f"{name} {strength:g}" for name, strength in strengths.items())


def _named(vectors: "AttributeVectors", wanted: list[tuple[str, float | None]]) -> dict[str, float | None]:
    """What is to change, by the attributes' own names; a line says which one another word was taken for.

    Raises FacevaeError if there is none of that name, or if one is named twice.
    """
    changes: dict[str, float | None] = {}
    for word, strength in wanted:
        name = vectors.named(word)
        if name in changes:
            raise FacevaeError(
                where=f"attribute {name}", expected="each attribute once", found="it twice", fix="leave one out"
            )
        if name != word:
            print(f"note: {word}: taken for {name}", file=sys.stderr)
        changes[name] = strength
    return changes


def _warn_of_strengths(strengths: dict[str, float]) -> None:
    from facevae.latents.residual import FARTHEST

    for name, strength in strengths.items():
        if abs(strength) > FARTHEST:
            why = f"beyond {FARTHEST:g} the autoencoder knows no faces; expect none"
            print(f"note: {name} {strength:g}: {why}", file=sys.stderr)


def _warn_of_faces(path: Path, portrait: "Portrait") -> None:
    """A line for each face that is unlike all that the model knows."""
    for number, psnr_db in portrait.unlike().items():
        which = "the face" if len(portrait.faces) == 1 else f"face {number + 1}"
        print(
            f"note: {path}: {which} is unlike those that the model was trained on: it reconstructs it to {psnr_db:.1f} "
            f"dB, 99 of 100 of those to more than {portrait.models.least_psnr_db:.1f}; expect little of the edit",
            file=sys.stderr,
        )


def _write_photograph(source: Path, target: Path, portrait: "Portrait", changes: dict[str, float | None]) -> list[str]:
    """Write the photograph with changed faces. What each face gets that was not announced, in words after a comma."""
    from facevae.app.outputs import say_format, write_data, write_photograph
    from facevae.inference.photographs import FORMATS

    suffix = target.suffix.lower()
    strengths = [portrait.settled(changes, number) for number in range(len(portrait.faces))]
    edited = portrait.edited(strengths)
    # A pipe has nothing left to be copied.
    if edited is portrait.photograph and edited.format == FORMATS[suffix] and source.is_file():
        write_data(target, source.read_bytes())
        say_format(target, edited, source)
    else:
        write_photograph(target, edited, source)
    return [_describe(portrait, changes, number, found) for number, found in enumerate(strengths)]


def _describe(portrait: "Portrait", changes: dict[str, float | None], face: int, strengths: dict[str, float]) -> str:
    """The strengths of a face that were not given: searched on it, or the recommended ones."""
    from facevae.latents.residual import FARTHEST

    words = []
    for name in (name for name, given in changes.items() if given is None):
        search, judge = portrait.search(name), portrait.models.judge
        remarks = ["more than any face has"] if strengths[name] > FARTHEST else []
        if not search.tried[face]:
            sees = judge is not None and name in judge.names
            remarks = ["recommended; the judge sees it already" if sees else "recommended"]
        elif not search.found[face]:
            remarks.append("the judge does not clearly see it even so")
        words.append(f", {name} {strengths[name]:.2g}" + (f" ({'; '.join(remarks)})" if remarks else ""))
    return "".join(words)


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
    """`Smiling=1.5` as its two parts; without a strength None.

    Raises FacevaeError if that is no number, or if a sign stands before the name, where it would be passed over.
    """
    signed, equals, number = text.partition("=")
    name = signed.lstrip("+-")
    if not name:
        raise FacevaeError(
            where=f"--attribute {text or repr(text)}", expected="NAME or NAME=STRENGTH", found="no name",
            fix="choose one of `facevae attributes`",
        )  # fmt: skip
    if name != signed:
        size = float(number) if _is_number(number) else 1.0
        raise FacevaeError(
            where=f"--attribute {text}", expected="NAME or NAME=STRENGTH", found=f"a {signed[0]} before the name",
            fix=f"write -a {name}={-size if signed[0] == '-' else size:g}",
        )  # fmt: skip
    if not equals:
        return name, None
    if not _is_number(number) or abs(float(number)) > _LARGEST:
        raise FacevaeError(
            where=f"--attribute {name}", expected=f"a number from -{_LARGEST} to {_LARGEST} for its strength",
            found=repr(number),
            fix="give one such as 1.5, or leave it out to have it found",
        )  # fmt: skip
    return name, float(number)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _write_sheet(target: Path, portrait: "Portrait", strengths: dict[str, float], title: str, plain: bool) -> None:
    """A face, its reconstruction if they are plain, and its edits at multiples of the strengths, in a row."""
    import numpy as np

    from facevae.figures.sheets import image_sheet

    # Not portrait.square, which would refuse a multiple of the largest strength.
    edited = portrait.editor.plain if plain else portrait.editor.residual
    columns = [portrait.faces[0].pixels, *([edited({})[0]] if plain else [])]
    for by in MULTIPLES:
        columns.append(edited({name: by * strength for name, strength in strengths.items()})[0])
    titles = ["face", *(["reconstruction"] if plain else []), *(_column_title(strengths, by) for by in MULTIPLES)]
    image_sheet(target, [np.stack(columns)], [], titles, title)


def _column_title(strengths: dict[str, float], multiple: float) -> str:
    """Of one attribute its strength, of several what all of them are multiplied by."""
    if len(strengths) > 1:
        return f"{multiple:g} times"
    (strength,) = strengths.values()
    return f"{multiple * strength:g}"
