"""What every command shares: an error that a user can correct ends in one line and exit code 1."""

import sys
from collections.abc import Callable

import typer

from facevae.core.errors import FacevaeError


def run(main: Callable[..., None]) -> None:
    """Run `main` as a Typer command. FacevaeError becomes one line on standard error."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(help=main.__doc__)(main)
    start(app)


def start(app: typer.Typer) -> None:
    """Run a Typer application with the command line's arguments. FacevaeError becomes one line on standard error."""
    try:
        app()
    except (FacevaeError, OSError) as error:
        # A full disk or a forbidden folder is the user's to correct as well; anything else keeps its traceback.
        say(error)
        sys.exit(1)


def say(error: FacevaeError | OSError) -> None:
    """One line on standard error."""
    if isinstance(error, OSError):
        print(f"error: {error.filename or 'the system'}: {error.strerror or error}", file=sys.stderr)
    else:
        print(f"error: {error}", file=sys.stderr)
