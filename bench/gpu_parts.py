"""The parts of bench/on_gpu.py, one in each process: python -m bench.gpu_parts TOLD FOUND.

TOLD is a JSON file that says which part, where and for how long; into FOUND, another one, a part writes its lines and
figures as soon as it has them, so that they are there when its time is over.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bench.gpu_sample import train_sample
from bench.gpu_trainings import check_loop, time_epochs
from bench.gpu_work import Work
from bench.measuring import matrix_product_rate
from facevae.core.errors import FacevaeError
from facevae.core.machine import available_cores
from facevae.nn.device import describe, pick_device, prepare
from facevae.nn.precision import bfloat16_units

# The cases of bench/training.py whose networks settings/celeba.yaml sets.
_CASES = ("dae-unet", "vae-deep-128", "judge-128")
_SMALL_CASES = ("judge-128",)


def machine(work: Work) -> None:
    """What there is, and FLOPs a second of a large matrix product in each precision."""
    device = work.device
    work.figures |= {"device": describe(device), "units for bfloat16": bfloat16_units(device)}
    work.figures |= {"cores": available_cores(), "PyTorch": torch.__version__, "CUDA": torch.version.cuda}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        work.figures |= {"memory": properties.total_memory, "capability": f"{properties.major}.{properties.minor}"}
    work.say(", ".join(f"{name} {value}" for name, value in work.figures.items()))
    for precision in (torch.float32, torch.bfloat16):
        if precision == torch.bfloat16 and bfloat16_units(device) == "none":
            work.say("bfloat16: no units for it, not measured")
            continue
        name = str(precision).removeprefix("torch.")
        rate = work.figures[f"matrix product, {name}"] = matrix_product_rate(device, precision)
        what = " (TF32 allowed)" if device.type == "cuda" and precision == torch.float32 else ""
        work.say(f"matrix product in {name}{what}: {rate / 1e12:.3g} TFLOP/s")


def table(work: Work) -> None:
    """bench/training.py's table: the bare step beside the loop, and the share of the matrix-product rate."""
    cases = _SMALL_CASES if work.small else _CASES
    output = work.shared / "training.json"
    seconds, images = ("0.05", "4") if work.small else ("1.0", "2048")
    words = [*(word for case in cases for word in ("--cases", case)), "--ways", "a", "--ways", "b"]
    words += ["--rounds", "1" if work.small else "2", "--seconds", seconds, "--images", images]
    words += ["--params", str(work.params()), "--device", str(work.device), "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "bench.training", *words, "--folder", str(work.folder)],
        stdout=subprocess.PIPE, stderr=sys.stderr, encoding="utf-8",
    )  # fmt: skip
    print(done.stdout, flush=True)
    for line in done.stdout.splitlines():
        if line.startswith("|"):
            work.say(line)
    if done.returncode:
        raise FacevaeError(
            where="bench.training", expected="to end well", found=f"exit code {done.returncode}", fix="see log.txt"
        )
    work.figures |= json.loads(output.read_text(encoding="utf-8"))
    work.save()


PARTS = {"machine": machine, "loop": check_loop, "table": table, "epoch": time_epochs, "train": train_sample}


def main(told: Path, found: Path) -> None:
    """Run one part."""
    facts: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    device = pick_device(facts["device"])
    prepare(device)
    ends = time.monotonic() + facts["seconds"]
    sample = facts["sample"] and Path(facts["sample"])
    shared, output = Path(facts["work"]), Path(facts["output"])
    folder = shared / facts["part"]
    folder.mkdir()
    work = Work(device, facts["small"], sample, shared, folder, output, ends, found)
    PARTS[facts["part"]](work)
    work.save()


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except FacevaeError as error:
        sys.exit(f"error: {error}")
