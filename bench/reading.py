"""Reading random batches of a large array: by numpy's memory map, and by facevae.training.loop.batches.HostRows.

    python -m bench.reading

Rows a second and the memory that the process takes for it, each way in a process of its own, in turn. The file has
no content and takes no place on the disk; what is read of it is in the system's page cache, if that is large enough.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from facevae.core.command import run
from facevae.data.arrays import write_npy
from facevae.training.loop.batches import Batch, HostRows

_ROW = (128, 128, 3)
_MIB = 2**20


def main(
    gigabytes: Annotated[float, typer.Option(min=0.001, help="Size of the array.")] = 10.0,
    batches: Annotated[int, typer.Option(min=1, help="How many are read each time.")] = 4000,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows in a batch.")] = 16,
    rounds: Annotated[int, typer.Option(min=1, help="How often each way runs.")] = 3,
    folder: Annotated[Path | None, typer.Option(help="For the file, instead of the system's temporary one.")] = None,
) -> None:
    """Measure reading random batches of rows of a large array, by numpy's memory map and as the trainings do it."""
    count = max(batch_size, int(gigabytes * 1e9) // int(np.prod(_ROW)))
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in _WAYS}
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        path = Path(temporary, "images.npy")
        write_sparse(path, count)
        # Not measured: it brings the rows into the page cache, where every later run finds them.
        _in_own_process("HostRows", path, batches, batch_size)
        for _ in range(rounds):
            for name, measured in found.items():
                measured.append(_in_own_process(name, path, batches, batch_size))
                print(f"{name}: {measured[-1][0]:.0f} rows/s, {measured[-1][2]:.0f} MiB", flush=True)
    print(
        f"\n{batches} batches of {batch_size} out of {count} rows of {np.prod(_ROW)} bytes, medians\n\n{table(found)}"
    )


def write_sparse(path: Path, count: int) -> None:
    """A `.npy` of `count` rows of zeros that takes no place on the disk, where the file system can do that."""
    write_npy(path, (count, *_ROW), ())
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + count * int(np.prod(_ROW)))


def table(found: dict[str, list[tuple[float, float, float]]]) -> str:
    """A Markdown table of medians over (rows a second, MiB before, peak MiB), a row per way."""
    lines = ["| way | rows/s | peak resident memory | of that before reading |", "| --- | ---: | ---: | ---: |"]
    for name, measured in found.items():
        rate, before, peak = (statistics.median(column) for column in zip(*measured, strict=True))
        lines.append(f"| {name} | {rate:.0f} | {peak:.0f} MiB | {before:.0f} MiB |")
    return "\n".join(lines)


def _in_own_process(name: str, path: Path, batches: int, batch_size: int) -> tuple[float, float, float]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, name, path, batches, batch_size).result()


def _measure(name: str, path: Path, batches: int, batch_size: int) -> tuple[float, float, float]:
    """Rows a second, and the peak of resident memory before and after, in MiB."""
    torch.set_num_threads(1)
    array = np.load(path, mmap_mode="r")
    generator = np.random.default_rng(0)
    indices = [np.sort(generator.choice(len(array), batch_size, replace=False)) for _ in range(batches)]
    before, started, rows = _peak(), time.perf_counter(), 0
    for (batch,) in _WAYS[name](array, indices):
        rows += len(batch)
    return rows / (time.perf_counter() - started), before, _peak()


def _by_map(array: np.ndarray, indices: Iterable[np.ndarray]) -> Iterator[Batch]:
    for index in indices:
        yield (torch.from_numpy(array[index]),)


def _by_host_rows(array: np.ndarray, indices: Iterable[np.ndarray]) -> Iterator[Batch]:
    yield from HostRows((array,), torch.device("cpu")).batches(indices)


_WAYS: dict[str, Callable[[np.ndarray, Iterable[np.ndarray]], Iterator[Batch]]] = {
    "numpy's memory map": _by_map,
    "HostRows": _by_host_rows,
}


def _peak() -> float:
    """MiB; the system counts in KiB on Linux, in bytes on macOS."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MIB if sys.platform == "darwin" else peak / 1024


if __name__ == "__main__":
    run(main)
