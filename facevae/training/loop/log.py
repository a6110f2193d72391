"""What a training shows while it runs: a bar or a line per epoch, and TensorBoard."""

import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml
from torch import Tensor, nn

from facevae.jobs.progress import reporting

Item = TypeVar("Item")


class RunLog:
    """Terminal and TensorBoard of one training. `folder` null: no TensorBoard; `prefix` stands before each line.

    `pictures(model)` returns rows of images (R, N, 3, H, W) in [0, 1] for TensorBoard, made anew after each epoch.
    `settings`: the training's parameters, for TensorBoard's text. `mute`: says and writes nothing.
    """

    def __init__(
        self,
        folder: Path | None,
        prefix: str = "",
        pictures: Callable[[nn.Module], Tensor] | None = None,
        *,
        settings: Mapping[str, Any] | None = None,
        mute: bool = False,
    ) -> None:
        self.folder, self.writer = None if mute else folder, None
        self.prefix, self.pictures, self.mute = prefix, pictures, mute
        self.settings = settings or {}
        self.began: tuple[float, float] | None = None

    def start(self, epochs_done: float) -> None:
        """The first step follows. Raises OSError if there can be no folder for TensorBoard."""
        self.began = (time.perf_counter(), epochs_done)
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)

    def line(self, text: str) -> None:
        """One line, flushed: without a terminal prints are kept back otherwise."""
        if not self.mute:
            print(f"{self.prefix}{text}", flush=True)

    def track(
        self, items: Iterable[Item], done: int, total: int, what: str, batch_size: int, means: Callable[[], dict]
    ) -> Iterator[Item]:
        """Yield `items`, an epoch's steps, and show how far they are.

        `means()` gives the terms so far, for which it waits for the device; it is asked once a second at most.
        """
        if self.mute:
            yield from items
            return
        began, count = time.perf_counter(), 0

        def text() -> str:
            terms = "  ".join(f"{name} {value:.4g}" for name, value in means().items())
            return f"{count * batch_size / (time.perf_counter() - began):.0f} images/s  {terms}"

        with reporting(f"{self.prefix}{what}", total, "steps", done=done) as show:
            for count, item in enumerate(items, start=1):
                yield item
                show(done + count, text)

    def epoch(self, row: dict[str, float], epochs: int, images_per_second: float, model: nn.Module) -> None:
        """Print and log one row of the history."""
        if self.mute:
            return
        number = int(row["epoch"])
        shown = {name: value for name, value in row.items() if name not in ("epoch", "learning_rate")}
        values = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
        self.line(f"epoch {number}/{epochs}  {values}  {images_per_second:.0f} images/s{self._left(number, epochs)}")
        if self.folder:
            self._write(row, number, model)

    def close(self) -> None:
        """The training has ended."""
        if self.writer:
            self.writer.close()

    def _write(self, row: dict[str, float], number: int, model: nn.Module) -> None:
        """A row for TensorBoard. What an interrupted try logged after its checkpoint is replaced."""
        if self.writer is None:
            # Imported here because it takes seconds, and no step waits for it before there is something to write.
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(self.folder), purge_step=number if number > 1 else None)
            text = yaml.safe_dump(dict(self.settings), sort_keys=False)
            self.writer.add_text("parameters", textwrap.indent(text, "    "), number)  # indented: code in Markdown
        for name, value in row.items():
            if name != "epoch":
                split, _, term = name.partition("_")
                tag = f"{term}/{split}" if split in ("train", "valid") else name
                self.writer.add_scalar(tag, value, number)
        if self.pictures:
            rows, columns, channels, height, width = (images := self.pictures(model)).shape
            sheet = images.permute(2, 0, 3, 1, 4).reshape(channels, rows * height, columns * width)
            self.writer.add_image("reconstructions", sheet, number)
        self.writer.flush()

    def _left(self, number: int, epochs: int) -> str:
        started, epochs_before = self.began or (0.0, number)
        if number in (epochs, epochs_before):
            return ""
        seconds = (time.perf_counter() - started) / (number - epochs_before) * (epochs - number)
        return f"  {timedelta(seconds=round(seconds))} left"
