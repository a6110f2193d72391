"""The command `facevae`: its commands, its help, its version."""

from typing import Annotated

import typer

from facevae.app.cli.attributes import attributes
from facevae.app.cli.check import check
from facevae.app.cli.denoise import denoise
from facevae.app.cli.edit import edit
from facevae.app.cli.interpolate import interpolate
from facevae.app.cli.models import models
from facevae.app.cli.page import page
from facevae.app.cli.reconstruct import reconstruct
from facevae.app.cli.sample import sample
from facevae.core.command import start

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Edit, denoise, reconstruct and sample faces, with the models that `dvc repro` has made or with those that "
    "come with facevae. `facevae check` says which of your own images the pipeline would take.\n\n"
    "Images may be JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or PPM, with pillow-heif also HEIC, in any colour mode and of "
    "any size. Transparent pixels count as white. Of several images those of which nothing can be made are left out, a "
    "line for each; edit and reconstruct look at all before they write the first output. An error is one line with "
    "exit code 1.\n\n"
    "The autoencoder needs faces framed like its training images: upright, centred, face and hair filling the image. "
    "facevae finds the face and brings it to that frame, and says where it found it. With --frame centre, or without "
    "an aligner, it cuts out the centred square.",
)
for command in (edit, reconstruct, denoise, interpolate, sample, attributes, models, page, check):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # and with it the reading of e-mail

        print(f"facevae {version('facevae')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command. A mistake that its user can mend ends in one line and exit code 1."""
    start(app)


if __name__ == "__main__":
    main()
