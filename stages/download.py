"""Stage download: fill data/raw with images and annotations, whatever the source."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Downloads, Params, Workers, default_downloads


def main(
    workers: Workers,
    params: Params = Path("params.yaml"),
    output: Annotated[Path, typer.Option(help="The folder to fill.")] = Path("data/raw"),
    downloads: Downloads = None,
) -> None:
    """Get the images and their annotations, in CelebA's own names and formats, from one of three sources.

    Inputs: data/inputs.json, by which DVC sees that files outside of the project have changed; none but that for
    `synthetic`, which draws the faces; a local directory or the network for `celeba`; for `folder` a folder of
    images, with folders in it or not, or parquet files, and perhaps a CSV of attributes: `facevae check` tells
    beforehand what of them is taken.

    Outputs, in data/raw: img_align_celeba.zip; with a row for each of its images list_attr_celeba.txt and
    list_eval_partition.txt, as far as known identity_CelebA.txt and list_landmarks_align_celeba.txt; skipped.csv,
    the images that were left out; changes.csv, what was done to images (turned, scaled, converted, renamed, left out);
    and pairs.zip, the same drawn identities without and with each attribute.

    Parameters: download.source, and the section download.<source>.
    """
    from facevae.celeba.tables import IMAGES
    from facevae.core.params import load_section
    from facevae.preparation.disk_needs import tell_needs
    from facevae.sources.celeba import CelebaSettings, expected_size
    from facevae.sources.photos import CELEBA_SIZE
    from facevae.sources.source import SETTINGS, DownloadSettings, fill_raw

    source = load_section(params, "download", DownloadSettings).source
    settings = load_section(params, f"download.{source}", SETTINGS[source])
    downloads = downloads or default_downloads()
    if isinstance(settings, CelebaSettings) and (expected := expected_size(settings, downloads)):
        tell_needs(params, output, *expected, CELEBA_SIZE)
    count = fill_raw(settings, output, workers, downloads)
    print(f"{output / IMAGES}: {count} images, source {source}")


if __name__ == "__main__":
    run(main)
