"""`facevae reconstruct`: faces as the autoencoder sees them."""

from pathlib import Path

from facevae.app.cli.options import Images, Models, Output
from facevae.core.options import Device


def reconstruct(
    images: Images, output: Output = None, models: Models = Path("models"), device: Device = "auto"
) -> None:
    """Show faces as the autoencoder sees them. For each image NAME_reconstructed.png, the model's square.

    What is lost here no edit brings back.
    """
    from facevae.app.outputs import PICTURE, name_outputs
    from facevae.app.portraits import find_images

    paths = find_images(images)
    targets = name_outputs(images, paths, output, "_reconstructed", PICTURE)

    from facevae.app.edit import batches, reconstruct_faces
    from facevae.app.models import load_vae
    from facevae.app.outputs import write_image
    from facevae.app.portraits import read_faces

    chosen, vae, frame = load_vae(models, device)
    faces, described = read_faces(paths, frame)
    for first, part in batches(faces):
        for number, image in enumerate(reconstruct_faces(vae, part, chosen), first):
            write_image(targets[number], image)
            print(f"{paths[number]}: {described[number]} -> {targets[number]}")
