"""Stage fingerprint: check params.yaml, and tell DVC whether files outside of the project have changed."""

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
    """Check params.yaml, and write what the local files of the chosen source are: names, sizes and times, of small
    files the content.

    Any change in params.yaml runs it, so that an unknown key is told and not passed over for being no stage's.
    Where the source reads such files it runs every time, in a fraction of a second, and changes its output only if one
    of them has changed: then download runs.

    Inputs: a local directory for `celeba`; the folder of images and the CSV for `folder`.

    Outputs: data/inputs.json.

    Parameters: all of params.yaml; of download.source and the section download.<source> it reads the paths.
    stages/fingerprint.yaml says for which source it runs each time.
    """
    write_json(output, fingerprint_chosen(params))


if __name__ == "__main__":
    run(main)
