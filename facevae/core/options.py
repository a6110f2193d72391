"""The command-line options that several stages have in common. None of them changes a result."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from facevae.core.machine import available_cores

Params = Annotated[Path, typer.Option(help="The parameter file.")]

Workers = Annotated[
    int,
    typer.Option(
        min=1,
        envvar="FACEVAE_WORKERS",
        default_factory=available_cores,
        show_default="the number of cores",
        help="Processes that work at once; the result does not depend on it.",
    ),
]

Downloads = Annotated[
    Path | None,
    typer.Option(
        envvar="FACEVAE_DOWNLOADS",
        help="Where files that are fetched stay, whole or not yet.",
        show_default=".downloads in the project",
    ),
]

Device = Annotated[
    str,
    typer.Option(
        envvar="FACEVAE_DEVICE", help="Where to compute: auto (a GPU where there is one, else the CPU), cpu, cuda:0 ..."
    ),
]

Logs = Annotated[Path, typer.Option(envvar="FACEVAE_LOGS", help="The folder for TensorBoard.")]

Compile = Annotated[
    Literal["auto", "on", "off"],
    typer.Option(
        envvar="FACEVAE_COMPILE",
        help="torch.compile the networks; auto: on a GPU, for runs of 10,000 steps or more.",
    ),
]

CheckpointSeconds = Annotated[
    float,
    typer.Option(
        min=0.0, envvar="FACEVAE_CHECKPOINT_SECONDS", help="How often to save what an interrupted run goes on from."
    ),
]


def default_downloads() -> Path:
    """`.downloads` of the project, also for the temporary copies of it that `dvc exp run --temp` works in."""
    return Path(os.environ.get("DVC_ROOT", ".")) / ".downloads"
