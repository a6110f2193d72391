"""What a part of bench/on_gpu.py knows and tells: where it computes, its time, its parameters, what it has found."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from bench.rooms import ROOT
from facevae.app.presets import merge, read_settings, text_of

# To try the script on a CPU: settings/celeba.yaml with the smallest networks that there are.
SMALL = {
    "dae": {"unet": {"width": 4, "levels": 1, "blocks": 1}, "crop": 16, "batch_size": 4, "epochs": 1, "threads": 1},
    "vae": {
        "deep": {"width": 8, "levels": 1, "blocks": 0}, "latent_dim": 4, "batch_size": 4, "epochs": 1, "threads": 1,
        "classifier": {"width": 8, "batch_size": 4, "epochs": 1, "threads": 1},
    },
    "train_judge": {"width": 8, "batch_size": 4, "epochs": 1, "threads": 1},
}  # fmt: skip


@dataclass
class Work:
    """One part at work. `ends`: when its time is over, by time.monotonic(); `found`: the file for what it finds.

    `shared` is for what later parts use, `folder` for the part alone; `output` is what is kept of all.
    """

    device: torch.device
    small: bool
    sample: Path | None
    shared: Path
    folder: Path
    output: Path
    ends: float
    found: Path
    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """What is left of the time."""
        return self.ends - time.monotonic()

    def say(self, line: str) -> None:
        """A line for the report."""
        print(line, flush=True)
        self.lines.append(line)
        self.save()

    def save(self) -> None:
        """Write what is known so far."""
        told = json.dumps({"lines": self.lines, "figures": self.figures})
        temporary = self.found.with_suffix(".new")
        temporary.write_text(told, encoding="utf-8")
        temporary.replace(self.found)

    def params(self, changes: dict[str, Any] | None = None) -> Path:
        """A parameter file: settings/celeba.yaml over the default, `changes` over it."""
        values = read_settings(ROOT / "settings")["celeba"]
        where = self.folder / "params.yaml"
        for change in (SMALL if self.small else {}, changes or {}):
            values = merge(values, change, where)
        where.write_text(text_of(values), encoding="utf-8")
        return where
