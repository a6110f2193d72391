"""What two trainings lose beside each other, by how long libgomp's threads wait busily before they sleep.

    python -m bench.at_once

Each case trains alone and beside the other, in processes of `bench.training`, with libgomp's own number of busy rounds
(`GOMP_SPINCOUNT`) and with fewer.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from bench.training import CASES
from facevae.core.command import run

SPINS = ("GOMP_SPINCOUNT", "1000")
"""libgomp's own number, 300,000, takes milliseconds."""


def main(
    cases: Annotated[list[str], typer.Option(help=f"Two of {', '.join(CASES)}.")] = ["dae-unet", "vae-deep-64"],  # noqa: B006
    turns: Annotated[int, typer.Option(min=1, help="How often each way is measured.")] = 3,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long each training runs at least.")] = 15.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Of each training, instead of the parameter.")] = None,
) -> None:
    """Measure what two trainings lose beside each other, with libgomp's way to wait and with a shorter one.

    Parameters: those of the cases, as for bench.training.

    Output: images a second, medians over the turns. "of one after the other" compares with the same two trainings in
    turn, libgomp waiting as it likes: at 1.2, both together are done in 1/1.2 of the time.
    """
    own = {name: value for name, value in os.environ.items() if name not in (SPINS[0], "OMP_WAIT_POLICY")}
    ways = {"libgomp's own": own, "=".join(SPINS): own | dict([SPINS])}
    rates: dict[tuple[str, str, bool], list[float]] = {}
    for _ in range(turns):
        for way, environment in ways.items():
            for case in cases:
                rates.setdefault((way, case, False), []).append(_rate(case, seconds, threads, environment))
            with ThreadPoolExecutor(len(cases)) as pool:
                together = pool.map(lambda case: _rate(case, 2 * seconds, threads, environment), cases)  # noqa: B023
                for case, rate in zip(cases, together, strict=True):
                    rates.setdefault((way, case, True), []).append(rate)
    found = {key: statistics.median(values) for key, values in rates.items()}
    baseline = next(iter(ways))
    for way in ways:
        for case in cases:
            alone, at_once = found[way, case, False], found[way, case, True]
            print(f"{way:<20} {case:<14} alone {alone:6.1f}/s  at once {at_once:6.1f}/s")
        share = sum(found[way, case, True] / found[baseline, case, False] for case in cases)
        print(f"{way:<20} {share:.2f} of one after the other")


def _rate(case: str, seconds: float, threads: int | None, environment: dict[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "rate.json")
        words = [sys.executable, "-m", "bench.training", "--cases", case, "--ways", "b", "--rounds", "1"]
        words += ["--seconds", str(seconds), "--images", "128", "--output", str(output)]
        words += ["--threads", str(threads)] if threads else []
        subprocess.run(words, env=environment, check=True, capture_output=True)
        return json.loads(output.read_text(encoding="utf-8"))["cases"][case]["medians"]["b"]


if __name__ == "__main__":
    run(main)
