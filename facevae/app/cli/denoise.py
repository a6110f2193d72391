"""`facevae denoise`: images of any size without their noise."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.app.cli.options import Images, Models, Output
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
    """Remove noise from images. Writes NAME_denoised.png for each image, in the image's own size.

    A line says how strong the noise was, as its standard deviation sigma in grey levels. The denoiser that comes with
    facevae removes noise of sigma 5 to 55. The pipeline's expects noise like that in its training, sigma 25 by default;
    from a clean image it removes fine detail.
    """
    from facevae.app.outputs import PICTURE, name_outputs, write_image
    from facevae.inference.image_files import find_images, read_image

    paths = find_images(images)
    targets = name_outputs(images, paths, output, "_denoised", PICTURE)

    from facevae.inference.denoising import CLEAN, noise_sigma
    from facevae.inference.models import ModelFolder

    denoiser = ModelFolder(models, device).denoiser
    for path in paths:
        # Read again below: a folder of photographs need not fit into memory.
        height, width = read_image(path).shape[:2]
        denoiser.check_size((width, height), path)
    for path, target in zip(paths, targets, strict=True):
        image = read_image(path)
        found = denoiser(image, self_ensemble=self_ensemble, what=f"denoise {path}")
        write_image(target, found)
        sigma = noise_sigma(image, found)
        said = f"noise of sigma {sigma:.0f}" if sigma >= CLEAN else "hardly any noise"
        print(f"{path}: {image.shape[1]}x{image.shape[0]}, {said} -> {target}")
