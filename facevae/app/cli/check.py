"""`facevae check`: what the pipeline would take of one's own images."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facevae.app.cli.options import named_path
from facevae.core.options import Workers


def check(
    images: Annotated[
        Path, typer.Argument(metavar="DIR", parser=named_path, help="A folder of images, or parquet files.")
    ],
    workers: Workers,
    attributes: Annotated[
        Path | None, typer.Option(metavar="CSV", help="The table with a header image,<attribute>,...")
    ] = None,
    persons: Annotated[
        Literal["folder", "column"] | None,
        typer.Option(help="Who an image shows: the first folder of its path, or the CSV's column person."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="The table has probabilities; values from this one on mean yes."),
    ] = None,
    align: Annotated[
        bool, typer.Option("--align", help="The face in each is to be framed as CelebA's are: any size will do.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write a CSV of everything that is left out or changed."),
    ] = None,
) -> None:
    """Say which of your own images the pipeline would take.

    And which it would leave out or change, and why.

    \b
    facevae check faces/ --attributes faces.csv
    facevae check lfw/ --persons folder -o lfw_changes.csv

    The options are those of download.folder in params.yaml. Only names and headers are read, 200,000 files in a minute
    or less; a file that is damaged further on, or shows no face that --align could frame, is found by the stage
    download. Exit code 1 if nothing could be taken, or if the table or the folder must be corrected.
    """
    from facevae.celeba.tables import ATTRIBUTES_FILE
    from facevae.core.errors import FacevaeError
    from facevae.sources.folder import FolderSettings, changes_of_plan, plan_folder
    from facevae.sources.inspection import refuse, write_changes
    from facevae.sources.summary import describe, left_out, numbered

    if threshold == 0:
        raise FacevaeError(
            where="--threshold", expected="a number above 0", found="0, from which on every probability is a yes",
            fix="name another one, such as 0.5",
        )  # fmt: skip
    celebas = any((images / ATTRIBUTES_FILE).with_suffix(suffix).is_file() for suffix in (".txt", ".csv"))
    hint = f"these look like CelebA's own files: download.source=celeba, download.celeba.path={images}"
    if output is not None:
        _check_output(output, attributes)
    settings = FolderSettings(
        images=str(images), attributes=None if attributes is None else str(attributes), persons=persons,
        threshold=threshold, align=align, on_bad_image="skip",
    )  # fmt: skip
    try:
        _, plan = plan_folder(settings, workers)
    except FacevaeError as error:
        if not celebas:
            raise
        raise FacevaeError(where=error.where, expected=error.expected, found=error.found, fix=hint) from None
    flaws = refuse(plan.flaws, images, "skip", len(plan.photos))
    folders = len({photo.name.rpartition("/")[0] for photo in plan.photos})
    taken = f"{numbered(len(plan.photos), 'image')} in {numbered(folders, 'folder')}"
    print(f"{images}: {taken} would be taken, {len(flaws):,} left out")
    for line in describe(plan):
        print(line)
    for line in left_out(flaws):
        print(line)
    if align:
        print("note: download looks for the faces, and leaves out and lists photographs without one")
    if flaws:
        print("with on_bad_image: error, the default, download refuses these; with skip it lists them")
    if celebas:
        print(f"note: {hint}")
    if output is not None:
        write_changes(output, changes_of_plan(plan), flaws)
        print(output)


def _check_output(output: Path, attributes: Path | None) -> None:
    """Raise FacevaeError if the list can't be written there, or would replace what it is a list of."""
    from facevae.app.outputs import check_outputs
    from facevae.core.errors import FacevaeError
    from facevae.imaging.names import IMAGE_SUFFIXES
    from facevae.imaging.unread import HEIC_SUFFIXES
    from facevae.sources.inspection import is_list_of_changes

    check_outputs([], [output])
    found = None
    if attributes is not None and output.resolve() == attributes.resolve():
        found = "the table of --attributes"
    elif output.exists() and output.suffix.lower() in IMAGE_SUFFIXES | HEIC_SUFFIXES | {".parquet"}:
        found = "a file of images"
    elif output.is_file() and output.stat().st_size and not is_list_of_changes(output):
        found = "a file that is no such list"
    if found is not None:
        raise FacevaeError(
            where=f"--output {output}", expected="a CSV to write, which is none of your own files", found=found,
            fix="name another, such as changes.csv",
        )  # fmt: skip
