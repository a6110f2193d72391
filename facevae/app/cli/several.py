"""Several images in one call: what is wrong with one of them ends none of the others."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from facevae.core.command import say
from facevae.core.errors import FacevaeError


class LeftOut:
    """Told of an image from which nothing can be made: says so in a line, and counts.

    Raises the error where there is one image alone, or where it is not the image's own, as if a model is missing.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._of, self.count = len(paths), 0

    def __call__(self, path: Path, error: FacevaeError | OSError) -> None:
        own = error.where.startswith(str(path)) if isinstance(error, FacevaeError) else error.filename == str(path)
        if self._of == 1 or not own:
            raise error
        self.count += 1
        say(error)


@contextmanager
def leaving_out(paths: Sequence[Path]) -> Iterator[LeftOut]:
    """Yield what is told of bad images; if there were any, a last line says how many, and the exit code is 1."""
    left_out = LeftOut(paths)
    yield left_out
    if left_out.count:
        print(f"error: {left_out.count} of {len(paths)} images left out, as said above", file=sys.stderr)
        raise typer.Exit(1)
