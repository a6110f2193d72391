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

    It runs every time, in a fraction of a second, and changes its output only if one of the files has changed: then
    download runs. Of the source `synthetic`, which reads none, the output is always the same.

    Inputs: a local directory for `celeba`; the folder of images and the CSV for `folder`.

    Outputs: data/inputs.json.

    Parameters: none for DVC, since it runs in any case; of download.source and the section download.<source> the paths.
    """
    write_json(output, fingerprint_chosen(params))


if __name__ == "__main__":
    run(main)
