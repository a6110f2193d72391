"""`facevae reconstruct`: faces as the autoencoder sees them."""

from pathlib import Path

from facevae.app.cli.options import FrameWay, Images, Models, OneFace, Output
from facevae.app.cli.several import leaving_out
from facevae.core.options import Device


def reconstruct(
    images: Images,
    output: Output = None,
    face: OneFace = "largest",
    frame: FrameWay = "auto",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Show faces as the autoencoder sees them. Writes NAME_reconstructed.png for each image, the model's square.

    Detail that is missing here is missing in plain edits too.
    """
    from facevae.app.outputs import PICTURE, name_outputs
    from facevae.inference.image_files import find_images

    paths = find_images(images)
    targets = name_outputs(images, paths, output, "_reconstructed", PICTURE)

    from facevae.app.outputs import write_image
    from facevae.inference.faces import Faces
    from facevae.inference.models import ModelFolder

    faces = Faces(ModelFolder(models, device))
    target_of = dict(zip(paths, targets, strict=True))
    with leaving_out(paths) as left_out:
        for path, opener in faces.openers(paths, face=face, frame=frame, on_bad=left_out):
            portrait = opener()
            write_image(target_of[path], portrait.square({}, plain=True))
            print(f"{path}: {portrait.faces[0].words} -> {target_of[path]}")
