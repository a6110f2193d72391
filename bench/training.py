"""How many images a second the trainings take, beside the bare step and the usual ways to train the same networks.

    python -m bench.training

Every way of a case runs once in each round, one after the other, so that whatever else the machine does meets them
all alike; the table has the medians over the rounds.
"""

import importlib.util
import itertools
import math
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from platform import python_version
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import torch
import typer

from bench.cases import CASES, Case, Data, Faces, draw_faces, load_cases, make_training, prepare_data
from bench.measuring import Stopwatch, flops_per_image, matrix_product_rate, train_barely
from bench.usual_way import measure_loader, measure_plain, measure_pythae, start_workers_as_scripts_do
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import write_json
from facevae.core.machine import available_cores
from facevae.core.options import Device, Params
from facevae.nn.device import describe, pick_device, prepare
from facevae.nn.precision import Precision, bfloat16_units, choose_precision, pick_precision
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import fit
from facevae.training.loop.log import RunLog
from facevae.training.loop.optimizer import make_optimizer
from facevae.training.loop.run import Run
from facevae.training.vae import VaeSettings

Item = TypeVar("Item")
WAYS = ("a", "b", "c", "d")
_HEADER = ["case", "batch", "a", "b", "b/a", "c1", "b/c1", "c2", "b/c2", "d", "b'", "b'/d", "GFLOP", "share"]
_LEGEND = """\
Images a second, medians. a: forward, backward and optimizer step on one batch in memory; b: the pipeline's loop;
c1: a DataLoader that decodes JPEGs of 178x218, network and step as in b; c2: the same in float32 and with PyTorch's
defaults; d: pythae's VAE and trainer, float32, images in memory; b': b without the feature loss, which d has not.
GFLOP: forward and backward of an image in b; a multiplication and its addition are two.
share: b's part of the FLOPs a second that a large square matrix product reaches in the same precision."""
_WITHOUT_PYTHAE = "d needs pythae: pip install -c constraints.txt -e '.[bench]'"


@dataclass(frozen=True)
class Plan:
    """How to measure: where, which ways, how often and how long each time, on how many images."""

    device: torch.device
    ways: tuple[str, ...]
    rounds: int
    seconds: float
    images: int
    compile: Literal["on", "off"]


@dataclass(frozen=True)
class Result:
    """What was measured of a case: FLOPs of an image, and for each way images a second in each round.

    The way `matrix` has FLOPs a second of the matrix product.
    """

    case: Case
    flops: float
    rates: dict[str, list[float]]


def main(
    params: Params = Path("params.yaml"),
    cases: Annotated[list[str], typer.Option(help="Model and image size; can be repeated.")] = [*CASES],  # noqa: B006
    ways: Annotated[list[str], typer.Option(help="Of a, b, c, d; can be repeated.")] = [*WAYS],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="How often each way of a case runs.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long it runs each time, at least.")] = 3.0,
    images: Annotated[
        int | None, typer.Option(min=1, help="How many to train on.", show_default="512 on a CPU, 8192 on a GPU")
    ] = None,
    device: Device = "auto",
    precision: Annotated[Precision | None, typer.Option(help="Instead of the parameter.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Instead of the parameter.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Instead of the parameter.")] = None,
    compile: Annotated[Literal["on", "off"], typer.Option(help="torch.compile the networks of a, b and c1.")] = "off",
    output: Annotated[Path | None, typer.Option(help="A JSON file for every figure.")] = None,
    folder: Annotated[Path | None, typer.Option(help="For the images, instead of the system's temporary one.")] = None,
) -> None:
    """Measure how many images a second the trainings take, beside other ways to train the same networks.

    Parameters: dae, vae, train_judge with both architectures of each; the framing of crop_pad; add_noise.sigma.
    """
    if unknown := [way for way in ways if way not in WAYS]:
        raise FacevaeError(where="--ways", expected=f"some of {', '.join(WAYS)}", found=unknown[0], fix="correct it")
    changes = {"precision": precision, "threads": threads, "batch_size": batch_size}
    chosen = load_cases(params, cases, {name: value for name, value in changes.items() if value is not None})
    place = pick_device(device)
    plan = Plan(place, tuple(ways), rounds, seconds, images or (512 if place.type == "cpu" else 8192), compile)
    prepare(place)
    machine = _machine(chosen[0], plan)
    print(", ".join(f"{name}: {value}" for name, value in machine.items()), flush=True)
    if "d" in ways and not _has_pythae():
        print(_WITHOUT_PYTHAE, flush=True)
    # `prepare` has changed this process's allocator and choice of algorithms, as a plain script does not.
    with (
        tempfile.TemporaryDirectory(dir=folder) as temporary,
        ProcessPoolExecutor(1, get_context("spawn"), initializer=start_workers_as_scripts_do) as plain_process,
    ):
        drawn = draw_faces(plan.images, Path(temporary, "jpegs"))
        results = [measure(case, drawn, Path(temporary), plan, plain_process) for case in chosen]
    print(f"\n{table(results)}\n\n{_LEGEND}")
    if output:
        write_json(
            output, {"machine": machine, "cases": {result.case.name: _facts(result, place) for result in results}}
        )


def measure(case: Case, drawn: Faces, folder: Path, plan: Plan, plain_process: ProcessPoolExecutor) -> Result:
    """Run every way of a case once in each round; c2 and d in `plain_process`."""
    torch.set_num_threads(case.settings.threads)
    torch.compiler.reset()  # what was compiled for the case before fills the same cache, which is small
    data = prepare_data(case, drawn, plan.images, folder / case.name)
    training = make_training(case, data, plan.device, torch.channels_last)
    batch = _first_batch(case, data, plan.device)
    flops = flops_per_image(training.network, training.terms_of_bytes, batch, plan.device)
    conditions = f"batches of {case.settings.batch_size}, {choose_precision(case.settings, plan.device)}"
    print(f"{case.name}: {conditions}, {flops / 1e9:.3g} GFLOP an image", flush=True)
    rates: dict[str, list[float]] = {way: [] for way in _measured_ways(case, plan)}
    for number in range(1, plan.rounds + 1):
        for way, values in rates.items():
            values.append(_measure_once(way, case, data, plan, plain_process))
        shown = ", ".join(f"{way} {values[-1]:.4g}" for way, values in rates.items())
        print(f"{case.name}: round {number} of {plan.rounds}: {shown}", flush=True)
    return Result(case, flops, rates)


def _measured_ways(case: Case, plan: Plan) -> list[str]:
    """In the order in which they run."""
    with_pythae = isinstance(case.settings, VaeSettings) and _has_pythae()
    parts = {"a": ["a"], "b": ["b"], "c": ["c1", "c2"], "d": ["d", "b'"] if with_pythae else []}
    return ["matrix", *(part for way in WAYS if way in plan.ways for part in parts[way])]


def _measure_once(way: str, case: Case, data: Data, plan: Plan, plain_process: ProcessPoolExecutor) -> float:
    device, seconds = plan.device, plan.seconds
    match way:
        case "matrix":
            return matrix_product_rate(device, pick_precision(case.settings, device))
        case "a":
            return measure_step(case, data, plan)
        case "b":
            return measure_loop(case, data, plan)
        case "b'":
            return measure_loop(case.without_features(), data, plan)
        case "c1":
            return measure_loader(case, data, device, seconds, compiled=plan.compile == "on")
        case "c2":
            return plain_process.submit(measure_plain, case, data, device, seconds).result()
        case _:
            return plain_process.submit(measure_pythae, case, data, device, seconds).result()


def measure_step(case: Case, data: Data, plan: Plan) -> float:
    """Images a second of the bare step, on one batch of bytes in the device's memory."""
    training = make_training(case, data, plan.device, torch.channels_last, compiled=plan.compile == "on")
    watch = Stopwatch(plan.seconds, plan.device)
    optimizer = make_optimizer(training.network, case.settings)
    batches = itertools.repeat(_first_batch(case, data, plan.device))
    precision = pick_precision(case.settings, plan.device)
    train_barely(training.network, training.terms_of_bytes, batches, optimizer, watch, precision)
    return watch.rate(case.settings.batch_size)


def measure_loop(case: Case, data: Data, plan: Plan) -> float:
    """Images a second of the pipeline's own loop, from files as it reads them, without validation and checkpoints."""
    training = make_training(case, data, plan.device, torch.channels_last)
    watch, this_run = Stopwatch(plan.seconds, plan.device), Run(plan.device, plan.compile, checkpoint_seconds=math.inf)
    endless = case.settings.model_copy(update={"epochs": 10**9, "keep": "last", "patience": None})
    rows = data.rows(case)
    no_rows = tuple(part[:0] for part in rows)
    try:
        fit(
            training.network, training.terms_of_bytes, rows, no_rows, endless, this_run, _TimedLog(watch, this_run),
            section=case.name, networks=training.networks,
        )  # fmt: skip
    except FacevaeError:
        if not watch.done:
            raise
    return watch.rate(case.settings.batch_size)


class _TimedLog(RunLog):
    """Times the steps of a run, and asks it to stop, as a signal does, when that is enough."""

    def __init__(self, watch: Stopwatch, this_run: Run) -> None:
        super().__init__(None, mute=True)
        self.watch, self.this_run = watch, this_run

    def track(self, items: Iterable[Item], *_: Any) -> Iterator[Item]:
        for item in items:
            if self.watch.tick():
                self.this_run.stopping.set()
            yield item


def table(results: Sequence[Result]) -> str:
    """Medians and their ratios as a Markdown table, a row per case."""
    rows = [_HEADER, ["---", *["---:"] * (len(_HEADER) - 1)], *map(_row, results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        f"| {row[0]:<{widths[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        + " |"
        for row in rows
    )


def _row(result: Result) -> list[str]:
    medians = _medians(result)

    def rate(way: str) -> str:
        return f"{medians[way]:.{0 if medians[way] >= 100 else 1}f}" if way in medians else "-"

    def ratio(way: str, other: str) -> str:
        return f"{medians[way] / medians[other]:.2f}" if way in medians and other in medians else "-"

    share = f"{medians['b'] * result.flops / medians['matrix']:.0%}" if "b" in medians else "-"
    return [
        result.case.name, str(result.case.settings.batch_size), rate("a"), rate("b"), ratio("b", "a"),
        rate("c1"), ratio("b", "c1"), rate("c2"), ratio("b", "c2"), rate("d"), rate("b'"), ratio("b'", "d"),
        f"{result.flops / 1e9:.3g}", share,
    ]  # fmt: skip


def _facts(result: Result, device: torch.device) -> dict[str, Any]:
    settings = result.case.settings
    return {
        "batch_size": settings.batch_size,
        "threads": settings.threads,
        "precision": str(pick_precision(settings, device)).removeprefix("torch."),
        "flops_per_image": result.flops,
        "images_per_second": {way: rates for way, rates in result.rates.items() if way != "matrix"},
        "matrix_product_flops_per_second": result.rates["matrix"],
        "medians": _medians(result),
    }


def _medians(result: Result) -> dict[str, float]:
    return {way: statistics.median(rates) for way, rates in result.rates.items()}


def _machine(case: Case, plan: Plan) -> dict[str, str]:
    """What the figures depend on beside the code."""
    torch.set_num_threads(case.settings.threads)
    return {
        "device": describe(plan.device),
        "cores": str(available_cores()),
        "for bfloat16": bfloat16_units(plan.device),
        "compile": plan.compile,
        "PyTorch": torch.__version__,
        "Python": python_version(),
    }


def _first_batch(case: Case, data: Data, device: torch.device) -> Batch:
    return tuple(torch.from_numpy(np.array(part[: case.settings.batch_size])).to(device) for part in data.rows(case))


def _has_pythae() -> bool:
    return importlib.util.find_spec("pythae") is not None


if __name__ == "__main__":
    run(main)
