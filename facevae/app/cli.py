"""The command `facevae`: the models that the pipeline made, at work on a person's own images.

What is heavy (torch, Pillow, matplotlib) is imported where it is needed: help and a mistyped option answer at once.
"""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from facevae.core.command import start
from facevae.core.errors import FacevaeError
from facevae.core.options import Device

if TYPE_CHECKING:
    import numpy as np
    import torch

    from facevae.app.portraits import PortraitFrame
    from facevae.latents.vectors import AttributeVectors
    from facevae.models.vae import Vae

MULTIPLES = (-1.0, 0.5, 1.0, 1.5, 2.0)

"""Of the chosen strengths: what `edit --sheet` shows."""

PICTURE, SHEET = (".png", ".jpg", ".jpeg"), (".png",)

_BATCH = 64

Images = Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Images, or folders: all images in them.")]

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="For one image a file (.png or .jpg) or a folder, for several a folder, with / at its end if it is new. "
        "An older output there is replaced, an input never. Without it: the current folder.",
    ),
]

Models = Annotated[
    Path,
    typer.Option(metavar="FOLDER", envvar="FACEVAE_MODELS", help="The folder with the models that the pipeline made."),
]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Edit, denoise, reconstruct and invent faces with the models that `dvc repro` made, on CPU or GPU.\n\n"
    "Images may be JPEG, PNG, WebP, BMP, TIFF or GIF, in any colour mode and of any size; what is transparent becomes "
    "white. All of them are checked before the first output is written; what is wrong is said in one line, with exit "
    "code 1.\n\n"
    "The autoencoder knows faces that are framed as in its training: upright, centred, face and hair filling the "
    "image. An image is scaled until it covers the size of the training's, what sticks out is cut off evenly, and the "
    "centred square is scaled to the model's size; a line says so for each image. An image that has the model's size "
    "is taken as it is.",
)


class EditCommand(TyperCommand):
    """Gives each --strength to the --attribute before it, an order that the parser of options does not keep."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, fold_strengths(args))


@app.command(cls=EditCommand)
def edit(
    images: Images,
    attribute: Annotated[
        list[str],
        typer.Option(
            "--attribute",
            "-a",
            metavar="NAME[=STRENGTH]",
            help="What to change, as `facevae attributes` names it; may be given several times.",
        ),
    ],
    strength: Annotated[
        list[str] | None,
        typer.Option(
            "--strength",
            "-s",
            metavar="NUMBER",
            show_default="the recommended one",
            help="Of the --attribute before it: 1 is a typical face that has it, negative removes.",
        ),
    ] = None,
    output: Output = None,
    sheet: Annotated[
        bool,
        typer.Option(
            "--sheet", help="Instead, a row per image: the face, its reconstruction, -1 to 2 times the strengths."
        ),
    ] = False,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Change attributes of faces. For each image NAME_edited.png, the model's square.

    \b
    facevae edit ann.jpg --attribute Smiling --strength 1.5 --attribute Eyeglasses -o ann_smiles.png
    facevae edit ann.jpg -a Smiling=1.5 -a Eyeglasses
    facevae edit photos/ bob.png -a Male=-1 --sheet -o sheets/

    A strength belongs to the attribute before it. With --sheet the files are NAME_strengths.png.
    """
    assert not strength  # fold_strengths has put them into `attribute`
    wanted = [_parse_change(text) for text in attribute]

    from facevae.app.portraits import write_image

    ending, suffixes = ("_strengths", SHEET) if sheet else ("_edited", PICTURE)
    paths, targets = _paths(images, output, ending, suffixes)

    import numpy as np

    from facevae.app.edit import choose_changes, edit_faces
    from facevae.figures.base import image_sheet

    chosen, vae, frame = _load_vae(models, device)
    vectors = _load_vectors(models, vae)
    changes = choose_changes(vectors, wanted)
    faces, described = _read_faces(paths, frame)
    title = ", ".join(f"{change.attribute} {change.strength:g}" for change in changes)
    advised = [name for name, given in wanted if given is None]
    print(title + (f" (recommended for {', '.join(advised)})" if advised else ""))
    multiples = (0.0, *MULTIPLES) if sheet else (1.0,)
    for first in range(0, len(faces), _BATCH):
        part = faces[first : first + _BATCH]
        columns = edit_faces(vae, vectors, changes, part, multiples, chosen)
        for row in range(len(part)):
            number = first + row
            if sheet:
                titles = ["face", "reconstruction", *(_sheet_title(changes, multiple) for multiple in MULTIPLES)]
                cells = np.stack([part[row], *(column[row] for column in columns)])
                image_sheet(targets[number], [cells], [], titles, title)
            else:
                write_image(targets[number], columns[0][row])
            print(f"{paths[number]}: {described[number]} -> {targets[number]}")


@app.command()
def reconstruct(
    images: Images, output: Output = None, models: Models = Path("models"), device: Device = "auto"
) -> None:
    """Show faces as the autoencoder sees them. For each image NAME_reconstructed.png, the model's square.

    What is lost here no edit brings back.
    """
    from facevae.app.portraits import write_image

    paths, targets = _paths(images, output, "_reconstructed", PICTURE)

    from facevae.app.edit import reconstruct_faces

    chosen, vae, frame = _load_vae(models, device)
    faces, described = _read_faces(paths, frame)
    for first in range(0, len(faces), _BATCH):
        found = reconstruct_faces(vae, faces[first : first + _BATCH], chosen)
        for number, image in enumerate(found, first):
            write_image(targets[number], image)
            print(f"{paths[number]}: {described[number]} -> {targets[number]}")


@app.command()
def denoise(
    images: Images,
    output: Output = None,
    self_ensemble: Annotated[
        bool,
        typer.Option("--self-ensemble", help="Average with the answer to the mirror image: better, half as fast."),
    ] = False,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Take the noise out of images. For each image NAME_denoised.png, in the image's own size.

    The denoiser removes noise as strong as in its training, of sigma 25 by default; from an image without any it takes
    fine detail instead. A large image goes through it in tiles that join without a seam.
    """
    from facevae.app.portraits import read_image, write_image

    paths, targets = _paths(images, output, "_denoised", PICTURE)

    from facevae.app.denoise import check_size, denoise_photo
    from facevae.models.dae import rebuild
    from facevae.nn.device import pick_device

    network, facts = _load_model(models, "dae", rebuild)
    chosen = pick_device(device)
    network.to(chosen)
    for path in paths:
        # Read again below: a folder of photographs need not fit into memory.
        height, width = read_image(path).shape[:2]
        check_size(facts, (width, height), path)
    for path, target in zip(paths, targets, strict=True):
        image = read_image(path)
        write_image(
            target, denoise_photo(network, facts, image, chosen, self_ensemble=self_ensemble, what=f"denoise {path}")
        )
        print(f"{path}: {image.shape[1]}x{image.shape[0]} -> {target}")


@app.command()
def interpolate(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="The face to begin with.")],
    last: Annotated[Path, typer.Argument(metavar="LAST", help="The face to end with.")],
    steps: Annotated[int, typer.Option(min=2, max=200, help="How many faces, the two ends among them.")] = 8,
    spherical: Annotated[
        bool, typer.Option("--spherical/--linear", help="Along the arc between the two latents or straight.")
    ] = True,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            show_default="FIRST_to_LAST.png",
            help="The sheet to write, .png; a folder, with / at its end if it is new, gets each face as a file.",
        ),
    ] = None,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Turn one face into another. All steps through the latent space stand on one sheet.

    It begins and ends with the faces as they were framed; next to them are their reconstructions.
    """
    from facevae.app.portraits import image_paths
    from facevae.imaging.names import stem

    for path in (first, last):
        if path.is_dir():
            raise FacevaeError(where=path, expected="an image", found="a folder", fix="name one of its images")
    paths = image_paths([first, last])
    name = f"{stem(first.name)}_to_{stem(last.name)}"
    targets = _sheet_targets(output, name, steps, paths)

    import numpy as np

    from facevae.app.edit import interpolate_faces

    chosen, vae, frame = _load_vae(models, device)
    faces, described = _read_faces(paths, frame)
    found = interpolate_faces(vae, faces[0], faces[1], steps, spherical, chosen)
    for path, words in zip(paths, described, strict=True):
        print(f"{path}: {words}")
    if _is_sheet(output):
        found = np.concatenate([faces[:1], found, faces[1:]])
    # The default's eight steps and the two faces make one row.
    _write_faces(found, targets, output, columns=10)


@app.command()
def sample(
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many faces.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same faces.")] = 0,
    source: Annotated[
        Literal["mixture", "prior"] | None,
        typer.Option(
            "--from",
            show_default="the mixture where there is one",
            help="Draw from the mixture that was fitted to the training's faces, or from the prior, a normal "
            "distribution.",
        ),
    ] = None,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="The sheet to write, .png; a folder, with / at its end if it is new, gets each face as a file.",
        ),
    ] = "samples.png",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Invent faces. Draws from the latent space, decoded, stand on one sheet."""
    targets = _sheet_targets(output, "sample", count, [])

    from facevae.evaluation.samples import prior_draws
    from facevae.latents.encoding import decode_all
    from facevae.latents.mixture import load_mixture
    from facevae.nn.layers import as_bytes

    chosen, vae, _ = _load_vae(models, device)
    path = models / "mixture.safetensors"
    if source == "mixture" or (source is None and path.exists()):
        mixture = load_mixture(path)
        _check_latents(path, mixture.means.shape[1], vae)
        z, words = mixture.sample(count, seed), "mixture"
    else:
        z, words = prior_draws(vae, count, seed), "prior"
    print(f"{count} from the {words}, seed {seed}")
    _write_faces(as_bytes(decode_all(vae, z, chosen)), targets, output, columns=8)


@app.command()
def attributes(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, models: Models = Path("models")
) -> None:
    """List what `facevae edit` can change. The attributes whose edits work best come first.

    strength: the recommended one. seen: of unseen faces without the attribute, edited so, the share on which a
    classifier that judges the edits sees it afterwards. leakage: how much its probabilities of the other attributes
    change, on average; less is better. method: how the vectors were found. A dash: it could not be measured.
    """
    from facevae.latents.vectors import load_vectors

    _check_folder(models)
    vectors = load_vectors(models / "attribute_vectors.safetensors")
    rows: list[dict[str, Any]] = []
    for name in vectors.names:
        advice = vectors.recommendation(name)
        measures = {"strength": advice.strength, "seen": advice.flipped, "leakage": advice.leakage}
        rows.append({"attribute": name, **measures, "method": vectors.method})
    # What was not measured comes last.
    rows.sort(key=lambda row: (-_or(row["seen"], -1), _or(row["leakage"], math.inf), row["attribute"]))
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = [("attribute", "strength", "seen", "leakage", "method")]
    for row in rows:
        measures = _share(row["seen"], 2), _share(row["leakage"], 3)
        table.append((row["attribute"], f"{row['strength']:g}", *measures, row["method"]))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for name, *numbers, method in table:
        aligned = [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=False)]
        print("  ".join([name.ljust(widths[0]), *aligned, method]))


def fold_strengths(arguments: Sequence[str]) -> list[str]:
    """`--attribute X --strength S` as `--attribute=X=S`, in all spellings of both; the rest as it is.

    Raises FacevaeError for a strength that comes before any attribute or is its attribute's second.
    """
    folded: list[str] = []
    last: int | None = None
    words = iter(arguments)
    for word in words:
        if word == "--":
            folded += ["--", *words]
            break
        option, value = _option(word)
        if option is not None and value is None:
            value = next(words, None)
        if option is None or value is None:  # without a value the parser says what is missing
            folded.append(word)
        elif option == "attribute":
            last = len(folded)
            folded.append(f"--attribute={value}")
        elif last is None:
            raise FacevaeError(
                where=f"--strength {value}", expected="an --attribute before it", found="none",
                fix="write --attribute NAME --strength NUMBER or --attribute NAME=NUMBER",
            )  # fmt: skip
        elif "=" in folded[last].removeprefix("--attribute="):
            name, _, given = folded[last].removeprefix("--attribute=").partition("=")
            raise FacevaeError(
                where=f"--strength {value}", expected=f"one strength for {name}", found=f"{given} already",
                fix="name another --attribute before it or leave one out",
            )  # fmt: skip
        else:
            folded[last] += f"={value}"
    return folded


def main() -> None:
    """Run the command. A mistake that its user can mend ends in one line and exit code 1."""
    start(app)


def _option(word: str) -> tuple[str | None, str | None]:
    """Which of the two options a word is, and the value that hangs on it: --strength=1, -s1."""
    for name, letter in (("attribute", "-a"), ("strength", "-s")):
        if word in (f"--{name}", letter):
            return name, None
        if word.startswith(f"--{name}="):
            return name, word.partition("=")[2]
        if word.startswith(letter):
            return name, word.removeprefix(letter).removeprefix("=")
    return None, None


def _parse_change(text: str) -> tuple[str, float | None]:
    """`Smiling=1.5` as its two parts; without a strength None."""
    name, equals, number = text.partition("=")
    if not equals:
        return name, None
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not math.isfinite(strength):
        raise FacevaeError(
            where=f"--attribute {name}", expected="a number for its strength", found=repr(number),
            fix="give one such as 1.5, or leave it out for the recommended one",
        )  # fmt: skip
    return name, strength


def _paths(images: list[Path], output: str | None, ending: str, suffixes: Sequence[str]) -> tuple[list[Path], ...]:
    """The images to read, and where what is made of each goes."""
    from facevae.app.portraits import image_paths, name_outputs

    paths = image_paths(images)
    return paths, name_outputs(images, paths, output, ending, suffixes)


def _sheet_targets(output: str | None, name: str, count: int, images: Sequence[Path]) -> list[Path]:
    """One sheet, or where `output` names a folder a file for each face."""
    from facevae.app.portraits import check_outputs, output_file

    if _is_sheet(output):
        targets = [output_file(output or f"{name}.png", SHEET)]
    else:
        assert output is not None  # else it would be a sheet
        digits = len(str(count))
        targets = [Path(output) / f"{name}_{number:0{digits}}.png" for number in range(1, count + 1)]
    check_outputs(images, targets)
    return targets


def _is_sheet(output: str | None) -> bool:
    from facevae.app.portraits import names_folder

    return output is None or not names_folder(output)


def _write_faces(faces: "np.ndarray", targets: Sequence[Path], output: str | None, columns: int) -> None:
    """All on the one sheet, so many to a row, or each on its own."""
    if _is_sheet(output):
        from facevae.figures.base import image_sheet

        image_sheet(targets[0], [faces[first : first + columns] for first in range(0, len(faces), columns)], [])
        print(targets[0])
        return

    from facevae.app.portraits import write_image

    for face, target in zip(faces, targets, strict=True):
        write_image(target, face)
    print(targets[0] if len(targets) == 1 else f"{targets[0]} to {targets[-1].name}")


def _read_faces(paths: Sequence[Path], frame: "PortraitFrame") -> tuple["np.ndarray", list[str]]:
    """All faces, framed, (N, S, S, 3) uint8, and in words how. Raises FacevaeError at the first that is none."""
    import numpy as np

    from facevae.app.portraits import read_image

    faces, described = [], []
    for path in paths:
        image = read_image(path)
        faces.append(frame(image, path))
        described.append(frame.describe(image))
    return np.stack(faces), described


def _load_vae(models: Path, device: str) -> tuple["torch.device", "Vae", "PortraitFrame"]:
    """The device, the autoencoder on it, and how images are framed for it."""
    from facevae.app.portraits import PortraitFrame
    from facevae.models.vae import rebuild
    from facevae.nn.device import pick_device

    vae, facts = _load_model(models, "vae", rebuild)
    chosen = pick_device(device)
    return chosen, vae.to(chosen), PortraitFrame.from_facts(facts["framing"])


def _load_vectors(models: Path, vae: "Vae") -> "AttributeVectors":
    from facevae.latents.vectors import load_vectors

    path = models / "attribute_vectors.safetensors"
    vectors = load_vectors(path)
    _check_latents(path, vectors.of(vectors.names[0]).shape[0], vae)
    return vectors


def _load_model(models: Path, kind: str, rebuild: Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
    """A model and its facts. Raises FacevaeError if there is none, or if another version of the code made it."""
    from facevae.nn.model_files import load_weights

    _check_folder(models)
    path = models / f"{kind}.safetensors"
    weights, facts = load_weights(path, kind)
    try:
        return rebuild(facts, weights), facts
    except (KeyError, ValueError, RuntimeError) as error:
        raise FacevaeError(
            where=path, expected="a model of this version of facevae",
            found=f"another ({str(error).strip().splitlines()[0]})", fix="train it again with `dvc repro`",
        ) from None  # fmt: skip


def _check_folder(models: Path) -> None:
    if not models.is_dir():
        raise FacevaeError(
            where=f"--models {models}", expected="the folder with the models that the pipeline made",
            found="no such folder",
            fix="run where `dvc repro` or `dvc pull` left models/, or name it with --models or FACEVAE_MODELS",
        )  # fmt: skip


def _check_latents(path: Path, found: int, vae: "Vae") -> None:
    expected = vae.settings.latent_dim
    if found != expected:
        raise FacevaeError(
            where=path, expected=f"{expected} latent dimensions, as vae.safetensors has", found=str(found),
            fix="make both in one run of `dvc repro`",
        )  # fmt: skip


def _sheet_title(changes: Sequence[Any], multiple: float) -> str:
    """Of one attribute its strength, of several what all of them are multiplied by."""
    return f"{multiple * changes[0].strength:g}" if len(changes) == 1 else f"{multiple:g} times"


def _or(number: float | None, otherwise: float) -> float:
    return otherwise if number is None else number


def _share(number: float | None, digits: int) -> str:
    return "-" if number is None else f"{number:.{digits}f}"


if __name__ == "__main__":
    main()
