"""How long `facevae check` and stages.download take for a folder per person beside one folder of the same faces.

    python -m bench.layouts --work DIR

LFW's layout: 13,000 drawn faces in 5,700 folders. Each is a process of its own, start included, the layouts in turn.
"""

import shutil
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from bench.preparation import markdown, work_folder
from bench.sets import drawn_faces, write_params
from facevae.celeba.tables import IMAGES
from facevae.core.command import run
from facevae.core.options import Params, Workers

LAYOUTS = ("one folder", "a folder per person")


def main(
    workers: Workers,
    params: Params = Path("params.yaml"),
    images: Annotated[int, typer.Option(min=1, help="Drawn faces.")] = 13_000,
    persons: Annotated[int, typer.Option(min=1, help="Folders.")] = 5_700,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    work: Annotated[Path | None, typer.Option(help="Where the faces stay; without it a temporary folder.")] = None,
) -> None:
    """Print the medians of some rounds, and how the folder per person compares."""
    with work_folder(work) as folder:
        data = drawn_faces(images, folder, params, workers)
        flat, nested = unpack(data.raw / IMAGES, folder / f"layouts-{images}-{persons}", persons)
        print(table(measure((flat, nested), params, workers, rounds)))


def unpack(archive: Path, folder: Path, persons: int) -> tuple[Path, Path]:
    """The images of an archive in one folder; and, as links to these, spread over a folder for each person."""
    flat, nested = folder / "flat", folder / "nested"
    if not nested.exists():
        shutil.rmtree(folder, ignore_errors=True)
        flat.mkdir(parents=True)
        with zipfile.ZipFile(archive) as file:
            for number, entry in enumerate(sorted(file.namelist())):
                path = flat / PurePosixPath(entry).name
                path.write_bytes(file.read(entry))
                person = nested / f"person_{number % persons:05d}"
                person.mkdir(parents=True, exist_ok=True)
                (person / path.name).hardlink_to(path)
    return flat, nested


def measure(folders: Sequence[Path], params: Path, workers: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Seconds of each round, by command and layout."""
    found: dict[tuple[str, str], list[float]] = {}
    with TemporaryDirectory(prefix="facevae-layouts-") as temporary:
        for _ in range(rounds):
            for layout, folder in zip(LAYOUTS, folders, strict=True):
                changes = {
                    "download.source": "folder", "download.folder.images": str(folder.resolve()),
                    "download.folder.attributes": None, "download.folder.persons": "folder",
                }  # fmt: skip
                write_params(params, Path(temporary, "params.yaml"), changes)
                check = ["facevae.app.cli.main", "check", str(folder), "--persons", "folder"]
                download = ["stages.download", "--params", f"{temporary}/params.yaml", "--output", f"{temporary}/raw"]
                for name, words in (("facevae check", check), ("download", download)):
                    started = time.perf_counter()
                    command = [sys.executable, "-m", *words, "--workers", str(workers)]
                    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                    found.setdefault((name, layout), []).append(time.perf_counter() - started)
    return found


def table(found: dict[tuple[str, str], list[float]]) -> str:
    """A row for each command: seconds for both layouts, and the speed of the second beside the first."""
    lines = [["", *LAYOUTS, "speed beside one folder"], ["---", "---:", "---:", "---:"]]
    for name in dict.fromkeys(name for name, _ in found):
        one, many = (statistics.median(found[name, layout]) for layout in LAYOUTS)
        lines.append([name, f"{one:.2f} s", f"{many:.2f} s", f"{one / many:.2f}"])
    return markdown(lines)


if __name__ == "__main__":
    run(main)
