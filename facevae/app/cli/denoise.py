"""`facevae denoise`: images of any size without their noise."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.app.cli.options import Images, Models, Output
from facevae.app.cli.several import leaving_out
from facevae.core.errors import FacevaeError
from facevae.core.options import Device


def denoise(
    images: Images,
    output: Output = None,
    self_ensemble: Annotated[
        bool,
        typer.Option("--self-ensemble", help="Average with the result for the mirror image: better, but half as fast."),
    ] = False,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Remove noise from images. Writes NAME_denoised for each image, in its own size and format.

    A line says how strong the noise was that it removed, as its standard deviation sigma in grey levels. The denoiser
    that comes with facevae removes noise of sigma 5 to 55, of JPEGs and black-and-white photographs too. The pipeline's
    expects noise like that in its training, sigma 25 by default; from a clean image it removes fine detail.
    """
    from facevae.app.outputs import name_outputs, write_photograph
    from facevae.inference.image_files import find_images
    from facevae.inference.photographs import FORMATS, own_suffix

    paths = find_images(images)
    targets = name_outputs(images, paths, output, "_denoised", tuple(FORMATS), own_suffix)

    from facevae.inference.denoising import CLEAN
    from facevae.inference.models import ModelFolder
    from facevae.inference.photographs import read_photograph

    denoiser = ModelFolder(models, device).denoiser
    with leaving_out(paths) as left_out:
        for path, target in zip(paths, targets, strict=True):
            try:
                noisy = read_photograph(path)
                what = f"denoise {path}"
                denoised, sigma = denoiser.photograph(noisy, self_ensemble=self_ensemble, where=path, what=what)
                write_photograph(target, denoised, path)
            except (FacevaeError, OSError) as error:
                left_out(path, error)
                continue
            said = f"noise of sigma {sigma:.0f}" if sigma >= CLEAN else "hardly any noise removed"
            print(f"{path}: {noisy.pixels.shape[1]}x{noisy.pixels.shape[0]}, {said} -> {target}")
