"""The options and arguments that several commands of `facevae` have in common."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from facevae.core.errors import FacevaeError
from facevae.inference.face_choice import check_face
from facevae.inference.sets import DEFAULT, resolve

MADE = Path("models")
"""Where the pipeline leaves its models, in the current folder."""


def _find_models(models: Path) -> Path:
    """A folder as it is; else a set that comes with facevae, which stands in for the pipeline's models."""
    # A folder of that name may as well hold photographs, of fashion models.
    if models == MADE and not any(path.suffix in (".onnx", ".safetensors") for path in MADE.glob("*")):
        none = "no models in models/" if MADE.is_dir() else "no folder models here"
        print(f"{none}: {DEFAULT}, the models that come with facevae", file=sys.stderr)
        return resolve(DEFAULT)
    return resolve(models, "--models")


def named_path(text: str) -> Path:
    """A path as it is typed. Raises FacevaeError if it is empty, which to Python is the current folder."""
    if not text:
        raise FacevaeError(
            where="''", expected="a file or a folder", found="an empty name, as of a variable without a value",
            fix="name one; the current folder is .",
        )  # fmt: skip
    return Path(text)


Images = Annotated[
    list[Path],
    typer.Argument(metavar="IMAGE", parser=named_path, help="Images, or folders: all images in them."),
]

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="For one image: a file (.png or .jpg; of edit and denoise also .webp, .tif, .bmp, .avif) or a folder. For "
        "several: a folder; end a new one with /. Existing outputs are replaced, inputs never. Default: the current "
        "folder.",
    ),
]

FrameWay = Annotated[
    Literal["auto", "centre", "aligned"],
    typer.Option(
        "--frame",
        help="aligned: find the face and bring it to the training images' frame. centre: cut out the centred square. "
        "auto: aligned, except for images that already have the model's or the training images' size.",
    ),
]


def _check_face(face: str) -> str:
    return check_face(face, f"--face {face}")


def _check_one_face(face: str) -> str:
    if face == "all":
        raise FacevaeError(
            where="--face all", expected="one face of each image", found="all", fix="give largest or a number"
        )
    return _check_face(face)


_FACE = "Which face to take if there are several: largest, or a number (1 is the largest)"

OneFace = Annotated[str, typer.Option("--face", metavar="largest|N", callback=_check_one_face, help=f"{_FACE}.")]

Faces = Annotated[str, typer.Option("--face", metavar="largest|all|N", callback=_check_face, help=f"{_FACE}; or all.")]

SHEET_HELP = (
    "The sheet to write, .png; a folder, with / at its end if it is new, gets each face as a file. Existing files are "
    "replaced."
)

Models = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER|NAME",
        envvar="FACEVAE_MODELS",
        callback=_find_models,
        help="A folder with models, or the name of a set that comes with facevae (`facevae models`). Default: models/, "
        "or celeba if no models are there.",
    ),
]
