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
        typer.Option("--self-ensemble", help="Average with the answer to the mirror image: better, half as fast."),
    ] = False,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Take the noise out of images. For each image NAME_denoised.png, in the image's own size.

    The denoiser removes noise as strong as in its training, of sigma 25 by default; from an image without any it takes
    fine detail instead. A large image goes through it in tiles that join without a seam.
    """
    from facevae.app.outputs import PICTURE, name_outputs, write_image
    from facevae.app.portraits import find_images, read_image

    paths = find_images(images)
    targets = name_outputs(images, paths, output, "_denoised", PICTURE)

    from facevae.app.denoise import check_size, denoise_photo
    from facevae.app.models import load_dae

    chosen, network, facts = load_dae(models, device)
    for path in paths:
        # Read again below: a folder of photographs need not fit into memory.
        height, width = read_image(path).shape[:2]
        check_size(facts, (width, height), path)
    for path, target in zip(paths, targets, strict=True):
        image = read_image(path)
        found = denoise_photo(network, facts, image, chosen, self_ensemble=self_ensemble, what=f"denoise {path}")
        write_image(target, found)
        print(f"{path}: {image.shape[1]}x{image.shape[0]} -> {target}")
