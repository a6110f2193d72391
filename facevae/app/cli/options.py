"""The options and arguments that several commands of `facevae` have in common."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.errors import FacevaeError


def _check_folder(models: Path) -> Path:
    if not models.is_dir():
        raise FacevaeError(
            where=f"--models {models}", expected="the folder with the models that the pipeline made",
            found="a file" if models.exists() else "no such folder",
            fix="run where `dvc repro` or `dvc pull` left models/, or name it with --models or FACEVAE_MODELS",
        )  # fmt: skip
    return models


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

SHEET_HELP = "The sheet to write, .png; a folder, with / at its end if it is new, gets each face as a file."

Models = Annotated[
    Path,
    typer.Option(
        metavar="FOLDER",
        envvar="FACEVAE_MODELS",
        callback=_check_folder,
        help="The folder with the models that the pipeline made.",
    ),
]
