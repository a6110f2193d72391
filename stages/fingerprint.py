"""Stage fingerprint: tell DVC whether the files that the source reads from outside of the project have changed."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.files import write_json
from facevae.sources.fingerprint import fingerprint_chosen


def main(
    params: Annotated[Path, typer.Option(help="The parameter file.")] = Path("params.yaml"),
    output: Annotated[Path, typer.Option(help="The file to write.")] = Path("data/inputs.json"),
) -> None:
    """Write what the local files of the chosen source are now: names, sizes and times, of small files the content.

    Where the source reads such files it runs every time, in a fraction of a second, and changes its output only if one
    of them has changed: then download runs. For `synthetic`, which reads none, it runs once.

    Inputs: a local directory for `celeba`; the folder of images and the CSV for `folder`.

    Outputs: data/inputs.json.

    Parameters: of download.source and the section download.<source> the paths. stages/fingerprint.yaml says
    for which source it runs each time.
    """
    write_json(output, fingerprint_chosen(params))


if __name__ == "__main__":
    run(main)
