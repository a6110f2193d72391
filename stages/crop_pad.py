"""Stage crop_pad: bring the raw images to the size of a model, for `dae` or for `vae`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facevae.core.command import run
from facevae.core.options import Params, Workers


def main(
    model: Annotated[Literal["dae", "vae"], typer.Argument(help="The model for which the images are framed.")],
    workers: Workers,
    params: Params = Path("params.yaml"),
    archive: Annotated[Path, typer.Option(help="The raw images.")] = Path("data/raw/img_align_celeba.zip"),
    output: Annotated[
        Path | None, typer.Option(help="The archive to write.", show_default="data/MODEL/images.zip")
    ] = None,
) -> None:
    """Check that all images have one size, and pad (dae) or crop and resize (vae) them.

    Input: data/raw/img_align_celeba.zip.

    Output: data/dae/images.zip or data/vae/images.zip.

    Parameters: crop_pad.dae (images: the first so many, pad) or crop_pad.vae (images: so many, evenly
    spread; crop, size, resample).
    """
    from facevae.celeba.splits import evenly_spaced
    from facevae.core.params import load_section
    from facevae.imaging.archive import open_archive
    from facevae.imaging.frames import PadFrame, SquareFrame
    from facevae.preparation.crop_pad import write_framed
    from facevae.preparation.crop_settings import DaeCrop, VaeCrop

    output = output or Path("data") / model / "images.zip"
    if model == "dae":
        settings = load_section(params, "crop_pad.dae", DaeCrop)
        frame = PadFrame(settings.pad)
    else:
        settings = load_section(params, "crop_pad.vae", VaeCrop)
        frame = SquareFrame(settings.crop, settings.size, settings.resample)
    with open_archive(archive) as raw:
        count = raw.count(settings.images)
        names = raw.names[:count] if model == "dae" else evenly_spaced(raw.names, count)
        facts = write_framed(raw, names, output, frame, f"crop_pad {model}", workers)
    print(f"{output}: {facts['images']} images of {facts['width']}x{facts['height']}")


if __name__ == "__main__":
    run(main)
