"""Stage add_noise: a noisy copy of the DAE's images."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.core.command import run
from facevae.core.options import Params, Workers


def main(
    workers: Workers,
    params: Params = Path("params.yaml"),
    archive: Annotated[Path, typer.Option(help="The clean images.")] = Path("data/dae/images.zip"),
    output: Annotated[Path, typer.Option(help="The archive to write.")] = Path("data/dae/noisy.zip"),
) -> None:
    """Add Gaussian noise to the DAE's images, seeded by each image's name, rounded and clipped to 8 bits.

    Input: data/dae/images.zip.

    Output: data/dae/noisy.zip.

    Parameters: add_noise (sigma: standard deviation in 8-bit grey levels, or the range of it; seed).
    """
    from facevae.core.params import load_section
    from facevae.data.noise import Noise, NoiseSettings, format_sigma
    from facevae.imaging.archive import open_archive
    from facevae.preparation.add_noise import write_noisy

    settings = load_section(params, "add_noise", NoiseSettings)
    with open_archive(archive) as clean:
        noise = Noise(settings.sigma, settings.seed)
        write_noisy(clean, output, noise, settings.model_dump(), workers)
    print(f"{output}: {len(clean.names)} images with noise of sigma {format_sigma(settings.sigma)}")


if __name__ == "__main__":
    run(main)
