"""How long one call takes and what memory, from the process's start to its end, beside another build.

    python -m bench.startup [--other COMMIT] [--turns 7] [--images 100]

Both builds work with the models that come with them, in turns, so that a busy moment hits both. The other build is
checked out into a folder of its own. Printed are medians: wall time, processor time, and the largest resident memory.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from facevae.core.command import run
from facevae.drawing.draw import draw

ROOT = Path(__file__).parents[1]

LARGE = (4000, 3000)


# A process's largest memory counts what its parent had when it was started: so a small one starts it.
_LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
sys.exit(status != 0)
"""


@dataclass(frozen=True)
class Cost:
    """Of one process: `wall` and `cpu` in seconds, `peak` in MB."""

    wall: float
    cpu: float
    peak: float


def main(
    other: Annotated[str | None, typer.Option(help="A commit to compare with.")] = None,
    turns: Annotated[int, typer.Option(min=1)] = 7,
    images: Annotated[int, typer.Option(min=2, help="Photographs in one call.")] = 100,
    large: Annotated[bool, typer.Option(help="Also denoise 12 megapixels, twice.")] = True,
) -> None:
    """Time the command's calls and the stages' --help, and print a line for each."""
    with tempfile.TemporaryDirectory() as scratch, _checked_out(other) as build:
        folder = Path(scratch)
        _make_photographs(folder, images)
        builds = {"this build": ROOT} | ({other: build} if other and build else {})
        calls = {
            "edit, one photograph": ["edit", "one.jpg", "-a", "Smiling=1.5", "-o", "out.jpg"],
            "edit, the strength searched": ["edit", "one.jpg", "-a", "Smiling", "-o", "out.jpg"],
            f"edit, {images} photographs": ["edit", "many", "-a", "Smiling=1.5", "-o", "out/"],
            "denoise": ["denoise", "one.jpg", "-o", "out.png"],
            "attributes": ["attributes"],
        }
        for name, words in calls.items():
            _compare(
                name,
                ["-m", "facevae.app.cli.main", *words],
                builds,
                min(turns, 3) if "many" in words else turns,
                folder,
            )
        if large:
            words = ["-m", "facevae.app.cli.main", "denoise", "large.png", "-o", "out.png"]
            _compare("denoise, 12 megapixels", words, builds, 2, folder)
        for stage in sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py")):
            _compare(f"{stage} --help", ["-m", f"stages.{stage}", "--help"], builds, min(turns, 3), folder)


def _compare(name: str, words: list[str], builds: dict[str, Path], turns: int, folder: Path) -> None:
    costs: dict[str, list[Cost]] = {build: [] for build in builds}
    for _ in range(turns):
        for build, root in builds.items():
            if (cost := _measured(words, root, folder)) is not None:
                costs[build].append(cost)
    text, medians = [], []
    for build, found in costs.items():
        if found:
            wall, cpu, peak = (median(getattr(cost, part) for cost in found) for part in ("wall", "cpu", "peak"))
            medians.append((wall, cpu))
            text.append(f"{build} {wall:.2f} s ({cpu:.2f} s of processors), {peak:.0f} MB")
    if len(medians) == 2:
        text.append(f"{medians[1][0] / medians[0][0]:.1f} times ({medians[1][1] / medians[0][1]:.1f})")
    print(f"{name:28} {'; '.join(text)}", flush=True)


def _measured(words: list[str], root: Path, folder: Path) -> Cost | None:
    """What a call of a build costs; None where it has no such command."""
    environment = {**os.environ, "PYTHONPATH": str(root), "FACEVAE_MODELS": "celeba"}
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, sys.executable, *words],
        cwd=folder, env=environment, capture_output=True, encoding="utf-8", errors="replace",
    )  # fmt: skip
    if process.returncode:
        if "No module named" in process.stderr:
            return None
        raise SystemExit(process.stderr)
    return Cost(*json.loads(process.stdout))


def _make_photographs(folder: Path, count: int) -> None:
    (folder / "many").mkdir()
    for number in range(count):
        Image.fromarray(draw(0, number, [])).save(folder / "many" / f"{number:03}.jpg", quality=95)
    Image.open(folder / "many" / "000.jpg").save(folder / "one.jpg", quality=95)
    noise = np.random.default_rng(0).integers(0, 256, (LARGE[1] // 8, LARGE[0] // 8, 3), np.uint8)
    Image.fromarray(noise).resize(LARGE).save(folder / "large.png")


@contextmanager
def _checked_out(commit: str | None) -> Iterator[Path | None]:
    """The files of a commit, in a folder that is removed afterwards."""
    if commit is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        files = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=files, check=True)
        yield Path(folder)


if __name__ == "__main__":
    run(main)
