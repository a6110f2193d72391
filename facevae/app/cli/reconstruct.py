"""`facevae reconstruct`: faces as the autoencoder sees them."""

from pathlib import Path

from facevae.app.cli.options import FrameWay, Images, Models, OneFace, Output
from facevae.core.options import Device


def reconstruct(
    images: Images,
    output: Output = None,
    face: OneFace = "largest",
    frame: FrameWay = "auto",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Show faces as the autoencoder sees them. For each image NAME_reconstructed.png, the model's square.

    What is lost here no edit brings back.
    """
    from facevae.app.outputs import PICTURE, name_outputs
    from facevae.app.portraits import find_images

    paths = find_images(images)
    targets = name_outputs(images, paths, output, "_reconstructed", PICTURE)

    from facevae.app.edit import batches, reconstruct_faces
    from facevae.app.framing import Framing, read_framed
    from facevae.app.models import load_vae
    from facevae.app.outputs import write_image

    chosen, vae, portrait = load_vae(models, device)
    framed = read_framed(paths, Framing(portrait, models, chosen, frame, face))
    for first, part in batches(framed.pixels):
        for number, image in enumerate(reconstruct_faces(vae, part, chosen), first):
            write_image(targets[number], image)
            print(f"{paths[number]}: {framed.words[number]} -> {targets[number]}")
