"""Training steps of every network in float32 and in bfloat16, beside what `precision: auto` chooses here.

    python -m bench.precision
    ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 python -m bench.precision

The second holds a processor with matrix units down to its vector instructions. The two precisions of a network take
turns, so that whatever else the machine does meets both alike; the table has the medians over the rounds. It is what
the table of facevae/nn/precision.py is made of. Without units for bfloat16 a step in it can take minutes: there float32
is measured alone.
"""

import itertools
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from torch import Tensor, nn

from bench.cases import CASES, Faces, draw_faces, load_cases, make_training, prepare_data
from bench.measuring import Stopwatch, train_barely
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import write_json
from facevae.core.options import Device, Params
from facevae.core.params import load_section
from facevae.models.aligner import Aligner
from facevae.models.identity import start_from
from facevae.nn.device import describe, pick_device, prepare
from facevae.nn.precision import Choice, bfloat16_units, choose_precision
from facevae.training.aligner import AlignerSettings, aligner_terms_of
from facevae.training.identity import IdentitySettings, PersonClassifier, identity_terms_of
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective
from facevae.training.loop.optimizer import make_optimizer
from facevae.training.loop.settings import TrainingSettings
from facevae.training.views import surroundings

NETWORKS = (*CASES, "identity-128", "aligner")
_PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# From here on one precision is said to be faster: less is within what a busy machine does to medians.
_NOTABLE = 1.1
_DIFFERENT_FACES = 32
_PERSONS = 1000


@dataclass(frozen=True)
class Subject:
    """A network, not trained, with its objective, and a batch of bytes in the device's memory."""

    network: nn.Module
    terms_of: Objective
    settings: TrainingSettings
    batch: Batch


@dataclass(frozen=True)
class Result:
    """Images a second of a network in each round; bfloat16 is empty where nothing computes in it."""

    name: str
    batch_size: int
    float32: list[float]
    bfloat16: list[float]
    auto: Choice

    @property
    def ratio(self) -> float | None:
        """How many times as fast bfloat16 is."""
        return statistics.median(self.bfloat16) / statistics.median(self.float32) if self.bfloat16 else None

    @property
    def wrong(self) -> bool:
        """Whether auto chooses what is notably slower here."""
        if self.ratio is None:
            return False
        return self.ratio < 1 / _NOTABLE if self.auto.dtype == torch.bfloat16 else self.ratio > _NOTABLE


def main(
    params: Params = Path("params.yaml"),
    networks: Annotated[list[str], typer.Option(help="Network and image size; can be repeated.")] = [*NETWORKS],  # noqa: B006
    rounds: Annotated[int, typer.Option(min=1, help="How often each precision of a network runs.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long it runs each time, at least.")] = 2.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Instead of the parameter.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Instead of the parameter.")] = None,
    device: Device = "auto",
    output: Annotated[Path | None, typer.Option(help="A JSON file for every figure.")] = None,
) -> None:
    """Measure training steps in both precisions, and say what auto chooses.

    Parameters: dae and vae with both architectures of each, train_judge, train_identity, train_aligner; the framing
    of crop_pad; add_noise.sigma.
    """
    if unknown := [name for name in networks if name not in NETWORKS]:
        raise FacevaeError(
            where="--networks", expected=f"some of {', '.join(NETWORKS)}", found=unknown[0], fix="correct it"
        )
    place = pick_device(device)
    prepare(place)
    changes: dict[str, Any] = {"precision": "auto", "threads": threads, "batch_size": batch_size}
    changes = {name: value for name, value in changes.items() if value is not None}
    units = bfloat16_units(place)
    print(f"{describe(place)}, units for bfloat16: {units}, PyTorch {torch.__version__}", flush=True)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        drawn = draw_faces(_DIFFERENT_FACES, Path(folder, "jpegs"))
        for name in networks:
            subject = make_subject(name, params, changes, drawn, Path(folder), place)
            results.append(measure(name, subject, rounds, seconds, place))
    print(f"\n{table(results)}\n\nImages a second, medians; ratio: bfloat16 to float32.")
    for result in results:
        if result.wrong:
            print(f"{result.name}: auto chooses what is slower here; see facevae/nn/precision.py")
    if output:
        facts = {result.name: {"float32": result.float32, "bfloat16": result.bfloat16} for result in results}
        write_json(output, {"device": describe(place), "units": units, "images_per_second": facts})


def make_subject(
    name: str, params: Path, changes: dict[str, Any], drawn: Faces, folder: Path, device: torch.device
) -> Subject:
    """A network by its name, with the settings of params.yaml and `changes` to them, and drawn faces."""
    if name in CASES:
        (case,) = load_cases(params, [name], changes)
        data = prepare_data(case, drawn, case.settings.batch_size, folder / name)
        training = make_training(case, data, device, torch.channels_last)
        batch = tuple(torch.from_numpy(np.array(part[: case.settings.batch_size])) for part in data.rows(case))
        network, terms_of, settings = training.network, training.terms_of_bytes, case.settings
    elif name == "aligner":
        settings = load_section(params, "train_aligner", AlignerSettings).model_copy(update=changes)
        batch = (_images(drawn, settings.batch_size)[:, ::2, ::2].contiguous(),)
        frame = (batch[0].shape[2], batch[0].shape[1])
        around = surroundings(batch[0].numpy(), settings.seed).to(device)
        network, terms_of = Aligner(settings.width), aligner_terms_of(settings, around, frame)
    else:
        settings = load_section(params, "train_identity", IdentitySettings).model_copy(update=changes)
        images = _images(drawn, settings.batch_size)[:, 45:173, 25:153].contiguous()
        batch = (images, torch.arange(settings.batch_size) % _PERSONS)
        body = start_from(None, images.shape[1], settings.embedding)
        network = PersonClassifier(body, torch.randn(_PERSONS, settings.embedding))
        terms_of = identity_terms_of(settings)
    network.to(device=device, memory_format=torch.channels_last)
    return Subject(network, terms_of, settings, tuple(part.to(device) for part in batch))


def _images(drawn: Faces, count: int) -> Tensor:
    return torch.from_numpy(np.stack([drawn.images[number % len(drawn.images)] for number in range(count)]))


def measure(name: str, subject: Subject, rounds: int, seconds: float, device: torch.device) -> Result:
    """Both precisions in turns, each `rounds` times for `seconds`."""
    torch.set_num_threads(subject.settings.threads)
    rates: dict[str, list[float]] = {precision: [] for precision in _PRECISIONS}
    if bfloat16_units(device) == "none":
        del rates["bfloat16"]
    for number in range(1, rounds + 1):
        for precision, values in rates.items():
            watch = Stopwatch(seconds, device)
            _train(subject, precision, itertools.repeat(subject.batch), watch)
            values.append(watch.rate(subject.settings.batch_size))
        shown = ", ".join(f"{precision} {values[-1]:.4g}" for precision, values in rates.items())
        print(f"{name}: round {number} of {rounds}: {shown}", flush=True)
    auto = choose_precision(subject.settings, device)
    return Result(name, subject.settings.batch_size, rates["float32"], rates.get("bfloat16", []), auto)


def _train(subject: Subject, precision: str, batches: Any, watch: Stopwatch) -> None:
    optimizer = make_optimizer(subject.network, subject.settings)
    train_barely(subject.network, subject.terms_of, batches, optimizer, watch, _PRECISIONS[precision])


def table(results: Sequence[Result]) -> str:
    """A Markdown table, a row per network."""
    rows = ["| network | batch | float32 | bfloat16 | ratio | auto |", "|---|---:|---:|---:|---:|---|"]
    for result in results:
        other = f"{statistics.median(result.bfloat16):.4g} | {result.ratio:.2f}" if result.bfloat16 else "- | -"
        rate = statistics.median(result.float32)
        rows.append(f"| {result.name} | {result.batch_size} | {rate:.4g} | {other} | {result.auto} |")
    return "\n".join(rows)


if __name__ == "__main__":
    run(main)
