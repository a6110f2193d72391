"""Arrays to pictures. Nothing is measured here."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from facevae.files import whole_file


def image_sheet(
    path: Path,
    rows: Sequence[np.ndarray],
    row_titles: Sequence[str],
    column_titles: Sequence[str] = (),
    title: str = "",
) -> None:
    """Write images as one PNG: `rows` of (n, H, W, 3) uint8, a title before each row and above each column."""
    columns = max(len(row) for row in rows)
    height, width = rows[0].shape[1:3]
    # One image pixel is at least one of the picture's, small images are shown twice their size.
    scale = (2 if width < 100 else 1.25) / 100
    figure = Figure(figsize=(columns * width * scale + 1.2, len(rows) * height * scale + 0.7))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for row, images in enumerate(rows):
        for column in range(columns):
            axis = axes[row, column]
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(False)
            if column < len(images):
                axis.imshow(images[column], interpolation="lanczos")
        axes[row, 0].set_ylabel(row_titles[row] if row < len(row_titles) else "", fontsize=11)
    for column, text in enumerate(column_titles):
        axes[0, column].set_title(text, fontsize=11)
    if title:
        figure.suptitle(title, fontsize=13)
    # tight_layout knows nothing of the title: 0.35 inches are kept for it.
    figure.tight_layout(pad=0.4, rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight() if title else 1))
    _save(figure, path)


def bars(path: Path, names: Sequence[str], series: dict[str, Sequence[float]], title: str, xlabel: str) -> None:
    """Write horizontal bars, a group of them per name, as one PNG."""
    figure = Figure(figsize=(8, 0.28 * len(names) * max(1, len(series)) ** 0.5 + 1.2))
    axis = figure.subplots()
    thickness = 0.8 / len(series)
    positions = np.arange(len(names))
    for index, (label, values) in enumerate(series.items()):
        axis.barh(positions + (index - (len(series) - 1) / 2) * thickness, values, thickness, label=label)
    axis.set_yticks(positions, names, fontsize=8)
    axis.invert_yaxis()
    axis.margins(y=0.02)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel(xlabel)
    axis.set_title(title)
    axis.grid(axis="x", alpha=0.3)
    if len(series) > 1:
        axis.legend()
    figure.tight_layout()
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
