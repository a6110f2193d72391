"""How fast and in how much memory the images are prepared, beside the usual way; and what DVC takes for itself.

    python -m bench.preparation --celeba DIR --work DIR

Each way runs in a fresh process, its imports done before the clock starts and its workers started after; in turn, so
that whatever else the machine does meets them all alike. The tables have medians over the rounds.
"""

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
import yaml

from bench.formats import Cost, measure_formats
from bench.peaks import call
from bench.preparing import DAE_STAGES, VAE_STAGES, WAYS, run_stage, settle
from bench.sets import DataSet, drawn_faces, photographs, write_params
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.options import Params, Workers
from facevae.drawing import draw as faces

PARTS = {"speed": 3, "memory": 1, "formats": 5, "dvc": 5}
"""What can be measured, and how many rounds of it are enough."""
PIPELINE, USUAL, PLAIN = WAYS
_FORMAT_SIZES = (64, 128)
_REAL_PART = 2000
# Archives and arrays, clean and noisy: no compression can be counted on.
_COPIES = 4


@dataclass(frozen=True)
class Run:
    """Seconds of each stage of a way, and the peak of its memory in MB."""

    seconds: dict[str, float]
    peak: float


def main(
    workers: Workers,
    params: Params = Path("params.yaml"),
    only: Annotated[list[str], typer.Option(help=f"Of {', '.join(PARTS)}; can be repeated.")] = [*PARTS],  # noqa: B006
    celeba: Annotated[Path | None, typer.Option(help="A folder with CelebA's files, to measure on them too.")] = None,
    drawn: Annotated[list[int], typer.Option(min=1, help="How many faces to draw; can be repeated.")] = [2000, 50_000],  # noqa: B006
    work: Annotated[Path | None, typer.Option(help="A folder that keeps the drawn faces for the next time.")] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, help="How often each way runs.", show_default=", ".join(f"{n} of {p}" for p, n in PARTS.items())
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, help="Pixels of the VAE's images, instead of the parameter.")
    ] = None,
    dae_images: Annotated[int, typer.Option(min=2, help="Of the denoiser's stages, at most; 480 kB each.")] = 50_000,
    format_images: Annotated[int, typer.Option(min=1, help="To try the formats on.")] = 500,
    dvc_images: Annotated[int, typer.Option(min=1, help="Whose data DVC has to keep.")] = 50_000,
) -> None:
    """Measure the preparation of the images: speed, memory, formats to pack them in, and DVC's own share.

    Parameters: crop_pad, add_noise, cache_arrays; images: all there are, if no option says otherwise.
    """
    if unknown := [part for part in only if part not in PARTS]:
        raise FacevaeError(where="--only", expected=f"some of {', '.join(PARTS)}", found=unknown[0], fix="correct it")
    many = {part: rounds or enough for part, enough in PARTS.items()}
    with work_folder(work) as folder:
        if "memory" in only:
            _require_space(folder, params, min(dae_images, max(drawn)))
        drawings = [drawn_faces(count, folder, params, workers) for count in sorted(drawn)]
        real = photographs(celeba, folder, params, workers, _REAL_PART) if celeba else []
        for data in (*real, *drawings):
            _choose(data, params, size, dae_images)
        if "speed" in only:
            print(f"\n{speed_table(measure_speed([*real, *drawings], workers, many['speed']))}\n", flush=True)
        if "memory" in only:
            print(f"\n{memory_table(measure_memory(drawings, dae_images, workers, many['memory']))}\n", flush=True)
        if "formats" in only:
            print(f"\n{format_tables((real or drawings)[0], format_images, many['formats'])}\n", flush=True)
        if "dvc" in only:
            print(f"\n{dvc_table(drawings[0], dvc_images, workers, folder, many['dvc'])}", flush=True)


# --- speed


def measure_speed(data: Sequence[DataSet], workers: int, rounds: int) -> dict[DataSet, dict[str, list[Run]]]:
    """The runs of every way on each data set."""
    found: dict[DataSet, dict[str, list[Run]]] = {one: {way: [] for way in WAYS} for one in data}
    for one, runs in found.items():
        for _ in range(rounds):
            for way, function in WAYS.items():
                settle(one.folder)
                runs[way].append(Run(*call(function, one.folder, workers)))
                _forget(one)
                taken = sum(runs[way][-1].seconds.values())
                print(f"{one.name}, {way}: {one.images / taken:.0f} images/s, {runs[way][-1].peak:.0f} MB", flush=True)
    return found


def speed_table(found: dict[DataSet, dict[str, list[Run]]]) -> str:
    """Images a second of the ways and how they compare, a row for each; seconds of the pipeline's two stages."""
    header = ["images", "way", "images/s", "this pipeline beside it", "seconds", *VAE_STAGES, "largest process"]
    lines = [header, ["---", "---"] + ["---:"] * (len(header) - 2)]
    for data, ways in found.items():
        seconds = {way: statistics.median(sum(one.seconds.values()) for one in runs) for way, runs in ways.items()}
        for way, runs in ways.items():
            ratio = "" if way == PIPELINE else f"{seconds[way] / seconds[PIPELINE]:.2f}"
            stages = [_median_seconds(runs, stage) for stage in VAE_STAGES]
            peak = statistics.median(one.peak for one in runs)
            rate = f"{data.images / seconds[way]:.0f}"
            lines.append([data.name, way, rate, ratio, f"{seconds[way]:.2f}", *stages, f"{peak:.0f} MB"])
    return markdown(lines)


def _median_seconds(runs: Sequence[Run], stage: str) -> str:
    return f"{statistics.median(one.seconds[stage] for one in runs):.2f}" if stage in runs[0].seconds else ""


# --- memory


def measure_memory(
    data: Sequence[DataSet], dae_images: int, workers: int, rounds: int
) -> dict[str, list[tuple[int, float]]]:
    """Of each stage, for each data set: the number of images and the peak of its largest process in MB."""
    stages = (*VAE_STAGES, *DAE_STAGES)
    peaks: dict[tuple[str, DataSet], list[float]] = {(stage, one): [] for stage in stages for one in data}
    for _ in range(rounds):
        for one in data:
            for stage in stages:
                seconds, peak = call(run_stage, stage, one.folder, workers)
                peaks[stage, one].append(peak)
                print(f"{one.name}, {stage}: {peak:.0f} MB, {seconds:.1f} s", flush=True)
            _forget(one)
    found: dict[str, list[tuple[int, float]]] = {stage: [] for stage in stages}
    for (stage, one), values in peaks.items():
        count = min(one.images, dae_images) if stage in DAE_STAGES else one.images
        found[stage].append((count, statistics.median(values)))
    return found


def memory_table(found: dict[str, list[tuple[int, float]]]) -> str:
    """A row for each stage: what its largest process took of few and of many images, and the last beside the first."""
    sizes = len(next(iter(found.values())))
    lines = [["stage", *["images", "largest process"] * sizes, "ratio"], ["---", *["---:"] * (2 * sizes + 1)]]
    for stage, peaks in found.items():
        cells = [cell for count, peak in peaks for cell in (f"{count:,}", f"{peak:.0f} MB")]
        lines.append([stage, *cells, f"{peaks[-1][1] / peaks[0][1]:.2f}"])
    return markdown(lines)


# --- formats and DVC


def format_tables(data: DataSet, images: int, rounds: int) -> str:
    """A table of the formats for each size of images."""
    parts = []
    for size in _FORMAT_SIZES:
        costs, _ = call(measure_formats, data.folder, size, images, rounds)
        parts.append(f"{min(images, data.images)} of {data.name}, {size} pixels\n\n{format_table(costs)}")
    return "\n\n".join(parts)


def format_table(costs: dict[str, Cost]) -> str:
    """A row for each format; times for an image."""
    lines = [["format", "encode", "decode", "bytes beside the pixels'"], ["---", "---:", "---:", "---:"]]
    lines += [
        [name, f"{cost.encode:.0f} µs", f"{cost.decode:.0f} µs", f"{cost.size:.2f}"] for name, cost in costs.items()
    ]
    return markdown(lines)


def dvc_table(example: DataSet, images: int, workers: int, folder: Path, rounds: int) -> str:
    """The table of DVC's own seconds, below a line that says what it had to keep."""
    # Here, since DVC would otherwise be in the memory of every process that is measured.
    from bench import overhead

    layout = overhead.layout_of(Path(), example, images, workers)
    _forget(example)
    with TemporaryDirectory(dir=folder, prefix="dvc-") as temporary:
        found = overhead.measure_dvc(Path(), layout, Path(temporary), rounds)
    return f"{layout}, of {images:,} images\n\n{overhead.table(found)}"


# --- folders and parameters


@contextmanager
def work_folder(work: Path | None) -> Iterator[Path]:
    """`work`, made if need be; for None a temporary folder."""
    if work is None:
        with TemporaryDirectory(prefix="facevae-preparation-") as temporary:
            yield Path(temporary)
    else:
        work.mkdir(parents=True, exist_ok=True)
        yield work


def _choose(data: DataSet, params: Path, size: int | None, dae_images: int) -> None:
    """Write the parameters of a data set's stages: all its images, for the denoiser `dae_images` at most."""
    few = dae_images if dae_images < data.images else None
    changes = {f"{section}.dae.images": few for section in ("crop_pad", "cache_arrays")}
    changes |= {f"{section}.vae.images": None for section in ("crop_pad", "cache_arrays")}
    if size is not None:
        changes["crop_pad.vae.size"] = size
    write_params(params, data.folder / "params.yaml", changes)


def _forget(data: DataSet) -> None:
    """Remove what the stages made, so that the next run does not pay for it."""
    for model in ("dae", "vae"):
        shutil.rmtree(data.folder / "data" / model, ignore_errors=True)


def _require_space(folder: Path, params: Path, images: int) -> None:
    pad = yaml.safe_load(params.read_text(encoding="utf-8"))["crop_pad"]["dae"]["pad"]
    needed = _COPIES * images * (faces.HEIGHT + 2 * pad) * (faces.WIDTH + 2 * pad) * 3
    free = shutil.disk_usage(folder).free
    print(f"the denoiser's {images:,} images need up to {needed / 1e9:.1f} GB, {free / 1e9:.1f} are free", flush=True)
    if needed > free:
        raise FacevaeError(
            where=folder, expected=f"{needed / 1e9:.1f} GB free", found=f"{free / 1e9:.1f}",
            fix="give another --work, or fewer --dae-images",
        )  # fmt: skip


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Cells as a table, its second row the rule."""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    run(main)
