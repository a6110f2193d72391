"""`facevae page`: faces edited in a browser."""

from pathlib import Path
from typing import Annotated

import typer

from facevae.app.cli.options import Models
from facevae.core.options import Device


def page(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="7860, or the next that is free.")] = None,
    share: Annotated[
        bool,
        typer.Option(
            "--share",
            help="Also give the page a public address for a week, through Gradio's servers: photographs then leave "
            "this machine.",
        ),
    ] = False,
    limit: Annotated[int, typer.Option(metavar="MB", min=1, help="Largest file that is taken.")] = 50,
    models: Models = Path("models"),
    device: Device = "auto",
) -> None:
    """Edit faces in a browser. Has sliders for all attributes, samples, interpolations, and removes noise.

    The page answers on this machine alone, asks nobody else, and keeps photographs in memory, never on the disk. Needs
    the extra `page`: pip install 'facevae[page]'.
    """
    from facevae.app.page.server import serve
    from facevae.inference.faces import load

    serve(load(models, device), port=port, share=share, limit_mb=limit)
