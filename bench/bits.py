"""What the bits of a trained model depend on: one stage trained again and again, each time with one thing changed.

    python -m bench.bits

Needs the cached arrays (`dvc repro cache_arrays_dae cache_arrays_vae`). Prints a line for each change: whether the
model is the same, bit for bit, and how far the last validation loss is from the first run's.
"""

import csv
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer
import yaml

from facevae.core.errors import FacevaeError

SECTIONS = {"train_dae": "dae", "train_vae": "vae", "train_judge": "train_judge"}
EPOCHS = 2


class Change(NamedTuple):
    """What is other than in the first run: parameters of the section, environment variables."""

    what: str
    params: Mapping[str, Any] = MappingProxyType({})
    environment: Mapping[str, str] = MappingProxyType({})


CHANGES = [
    Change("nothing"),
    Change("OMP_NUM_THREADS=1 in the environment", environment={"OMP_NUM_THREADS": "1"}),
    Change("glibc's own handling of freed memory", environment={"MALLOC_MMAP_THRESHOLD_": "131072"}),
    Change("the parameter threads: 1", params={"threads": 1}),
    Change("the environment's MKL_CBWR=COMPATIBLE", environment={"MKL_CBWR": "COMPATIBLE"}),
    Change("oneDNN limited to AVX2", environment={"ONEDNN_MAX_CPU_ISA": "AVX2"}),
    Change("PyTorch's own loops limited to AVX2", environment={"ATEN_CPU_CAPABILITY": "avx2"}),
    Change("the other precision", params={"precision": "other"}),
]
OTHER = {"float32": "bfloat16", "bfloat16": "float32"}


class Result(NamedTuple):
    digest: str
    valid_loss: float


def train(stage: str, change: Change, folder: Path) -> Result:
    """Train the stage with the change, for few epochs, into a folder of its own."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params[SECTIONS[stage]] |= {"epochs": EPOCHS, "schedule": "constant", **change.params}
    if stage == "train_vae":
        params["vae"]["classifier"]["epochs"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    command = [sys.executable, "-m", f"stages.{stage}"]
    for option, value in (("params", "params.yaml"), ("model", "m.safetensors"), ("results", "r"), ("logs", "logs")):
        command += [f"--{option}", str(folder / value)]
    environment = {**os.environ, **change.environment, "DVC_ROOT": str(folder)}
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise FacevaeError(
            where=stage, expected="a run to the end", found=done.stderr.strip()[-200:], fix="see the message"
        )
    with open(folder / "r/history.csv", encoding="utf-8", newline="") as file:
        loss = float(list(csv.DictReader(file))[-1]["valid_loss"])
    return Result(hashlib.sha256((folder / "m.safetensors").read_bytes()).hexdigest(), loss)


def main(
    stage: Annotated[str, typer.Option(help="train_dae, train_vae or train_judge.")] = "train_judge",
    precision: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
) -> None:
    """Train a stage again and again, each time with one thing changed, and say whether the bits are the same."""
    with tempfile.TemporaryDirectory() as scratch:
        first = train(stage, Change("first", {"precision": precision}), Path(scratch))
        print(f"{stage}, {precision}, {EPOCHS} epochs; the model beside that of the first run", flush=True)
        for what, params, environment in CHANGES:
            chosen = OTHER[precision] if "precision" in params else precision
            found = train(stage, Change(what, {**params, "precision": chosen}, environment), Path(scratch))
            verdict = "same bits" if found.digest == first.digest else "DIFFERENT"
            away = abs(found.valid_loss / first.valid_loss - 1)
            print(f"{what:40} {verdict:10} valid_loss {found.valid_loss:.6g} ({away:.1e} away)", flush=True)


if __name__ == "__main__":
    typer.run(main)
