"""`facevae sample`: faces drawn from the latent space."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from facevae.app.cli.options import SHEET_HELP, Models
from facevae.core.options import Device


def sample(
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many faces.")] = 16,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="The same seed draws the same faces.")] = 0,
    source: Annotated[
        Literal["mixture", "prior"] | None,
        typer.Option(
            "--from",
            show_default="the mixture where there is one",
            help="Draw from the Gaussian mixture fitted to the training faces, or from the prior, a normal "
            "distribution.",
        ),
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="PATH", help=SHEET_HELP)] = "samples.png",
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Draw new faces from the latent space, as one sheet."""
    from facevae.app.outputs import name_face_outputs, write_faces

    targets = name_face_outputs(output, "sample", count, [])

    from facevae.inference.faces import Faces
    from facevae.inference.models import ModelFolder

    faces = Faces(ModelFolder(models, device))
    found = faces.sample(count, seed=seed, source=source)
    print(f"{count} from the {faces.draws_from(source)}, seed {seed}")
    write_faces(found, targets, output, columns=8)
