"""What a training shows while it runs: a bar or a line per epoch, and TensorBoard."""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

Item = TypeVar("Item")


class RunLog:
    """Terminal and TensorBoard of one training. `folder` null: no TensorBoard; `prefix` stands before each line.

    `pictures(model)` returns an image (3, H, W) in [0, 1] for TensorBoard, drawn anew after each epoch.
    """

    def __init__(
        self, folder: Path | None, prefix: str = "", pictures: Callable[[nn.Module], Tensor] | None = None
    ) -> None:
        self.writer = SummaryWriter(str(folder)) if folder else None
        self.prefix, self.pictures = prefix, pictures

    def line(self, text: str) -> None:
        """One line, flushed: without a terminal prints are kept back otherwise."""
        print(f"{self.prefix}{text}", flush=True)

    def track(self, items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
        """Show a bar of an epoch's steps in a terminal; nothing elsewhere, where `epoch` prints a line."""
        if not sys.stderr.isatty():
            yield from items
            return
        columns = TextColumn(f"{self.prefix}{what}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        with Progress(*columns, transient=True) as bar:
            task = bar.add_task(what, total=total)
            for item in items:
                yield item
                bar.advance(task)

    def epoch(self, row: dict[str, float], epochs: int, images_per_second: float, model: nn.Module) -> None:
        """Print and log one row of the history."""
        number = int(row["epoch"])
        shown = {name: value for name, value in row.items() if name not in ("epoch", "learning_rate")}
        values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self.line(f"epoch {number}/{epochs}  {values}  {images_per_second:.0f} images/s")
        if self.writer:
            for name, value in row.items():
                if name != "epoch":
                    split, _, term = name.partition("_")
                    tag = f"{term}/{split}" if split in ("train", "valid") else name
                    self.writer.add_scalar(tag, value, number)
            if self.pictures:
                self.writer.add_image("reconstructions", self.pictures(model), number)
            self.writer.flush()
