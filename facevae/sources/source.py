"""The three sources of faces. Each fills data/raw with the same files, in CelebA's names and formats.

No later stage depends on which source it was. The files are made in a folder of their own and take their
places only when all of them are whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from facevae.celeba.tables import IMAGES
from facevae.core.files import scratch_folder
from facevae.core.params import Section
from facevae.sources.celeba import CelebaSettings, take_celeba
from facevae.sources.folder import FolderSettings, take_folder
from facevae.sources.synthetic import SyntheticSettings, draw_faces


class DownloadSettings(Section):
    """Section download: which source, and the section of each. Only the selected one is read further."""

    source: Literal["synthetic", "celeba", "folder"]
    synthetic: Any = None
    celeba: Any = None
    folder: Any = None


SETTINGS: dict[str, type[Section]] = {
    "synthetic": SyntheticSettings,
    "celeba": CelebaSettings,
    "folder": FolderSettings,
}


def fill_raw(settings: Section, folder: Path, workers: int, downloads: Path) -> int:
    """Fill `folder` with the images and annotations of the source that `settings` is of; return how many images.

    What is fetched over a network is kept in `downloads`. Raises FacevaeError if the source is not whole; `folder`
    then keeps what it had.
    """
    with _staged(folder) as made:
        if isinstance(settings, SyntheticSettings):
            return draw_faces(settings, made, workers)
        if isinstance(settings, CelebaSettings):
            return take_celeba(settings, made, workers, downloads)
        return take_folder(settings, made, workers)


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; its files replace those of the same names in `folder` when the block ends well."""
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder / "download") as made:
        yield made
        # The archive goes first and comes last: without it no later stage starts on a mixture of old and new.
        names = sorted((path.name for path in made.iterdir()), key=lambda name: name == IMAGES)
        (folder / IMAGES).unlink(missing_ok=True)
        for name in names:
            (made / name).replace(folder / name)
