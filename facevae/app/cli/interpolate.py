"""`facevae interpolate`: one face turned into another."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.app.cli.options import SHEET_HELP, FrameWay, Models, OneFace, named_path
from facevae.core.errors import FacevaeError
from facevae.core.options import Device


def interpolate(
    first: Annotated[Path, typer.Argument(metavar="FIRST", parser=named_path, help="The face to begin with.")],
    last: Annotated[Path, typer.Argument(metavar="LAST", parser=named_path, help="The face to end with.")],
    steps: Annotated[int, typer.Option(min=2, max=200, help="Number of faces, including the two ends.")] = 8,
    spherical: Annotated[
        bool,
        typer.Option(
            "--spherical/--linear", help="Move along the arc between the two latents, or along the straight line."
        ),
    ] = True,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="PATH", show_default="FIRST_to_LAST.png", help=SHEET_HELP),
    ] = None,
    face: OneFace = "largest",
    frame: FrameWay = "auto",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Turn one face into another. Writes a sheet of steps through the latent space.

    The sheet starts and ends with the faces themselves; their reconstructions stand next to them.
    """
    from facevae.app.outputs import is_sheet, name_face_outputs, write_faces
    from facevae.imaging.names import stem
    from facevae.inference.image_files import find_images

    for path in (first, last):
        if path.is_dir():
            raise FacevaeError(where=path, expected="an image", found="a folder", fix="name one of its images")
    paths = [path for end in (first, last) for path in find_images([end])]  # both, should they be the same
    targets = name_face_outputs(output, f"{stem(first.name)}_to_{stem(last.name)}", steps, paths)

    import numpy as np

    from facevae.inference.faces import Faces
    from facevae.inference.models import ModelFolder

    faces = Faces(ModelFolder(models, device))
    portraits = [faces.open(path, face=face, frame=frame) for path in paths]
    ends = [portrait.editor.latents[0] for portrait in portraits]
    found = faces.between(*ends, steps, spherical)
    for path, portrait in zip(paths, portraits, strict=True):
        print(f"{path}: {portrait.faces[0].words}")
    if is_sheet(output):
        first, last = (portrait.faces[0].pixels[None] for portrait in portraits)
        found = np.concatenate([first, found, last])
    # The default's eight steps and the two faces make one line where they are small, two where they are not.
    write_faces(found, targets, output, columns=10)
