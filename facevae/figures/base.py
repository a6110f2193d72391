"""Charts of numbers and mosaics of images, by matplotlib. Nothing is measured here."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevae.core.files import atomic_write
from facevae.figures.sheets import MAX_WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100


def bars(path: Path, names: Sequence[str], series: dict[str, Sequence[float]], title: str, xlabel: str) -> None:
    """Write horizontal bars, a group of them per name, each with its value to two digits, as one PNG."""
    figure = _figure((8, 0.28 * len(names) * max(1, len(series)) ** 0.5 + 1.2))
    axis = figure.subplots()
    thickness = 0.8 / len(series)
    positions = np.arange(len(names))
    for index, (label, values) in enumerate(series.items()):
        drawn = axis.barh(positions + (index - (len(series) - 1) / 2) * thickness, values, thickness, label=label)
        axis.bar_label(drawn, fmt=_two_digits, padding=2, fontsize=7, color="0.35")
    axis.set_yticks(positions, names, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.08, y=0.02)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel(xlabel)
    axis.set_title(title, pad=6 if len(series) == 1 else 28)
    axis.grid(axis="x", alpha=0.3)
    if len(series) > 1:
        # Between title and bars, of which it covers none.
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(series), frameon=False)
    figure.tight_layout()
    _save(figure, path)


def heat_map(
    path: Path,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    title: str,
    row_label: str = "",
    column_label: str = "",
    symmetric: bool = False,
) -> None:
    """Write a matrix (R, C) as colours, its rows and columns named, as one PNG.

    `symmetric`: values in [-1, 1] around 0, in two colours; else from 0 to the largest. A matrix without rows is a
    blank picture: a stage owes each of its outputs.
    """
    if not len(rows):
        values, rows, columns = np.full((1, 1), np.nan), [""], [""]
    # Inches of a cell: smaller where there are too many columns for the width.
    side = min(0.17, (MAX_WIDTH / _DPI - 3.2) / len(columns))
    figure = _figure((side * len(columns) + 3.2, side * len(rows) + 2.4))
    axis = figure.subplots()
    limits = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} if symmetric else {"cmap": "magma_r", "vmin": 0}
    picture = axis.imshow(values, aspect="equal", **limits)
    axis.set_xticks(range(len(columns)), [name.replace("_", " ") for name in columns], rotation=90, fontsize=41 * side)
    axis.set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows], fontsize=41 * side)
    axis.set_xlabel(column_label)
    axis.set_ylabel(row_label)
    axis.set_title(title, fontsize=11)
    figure.colorbar(picture, ax=axis, fraction=0.04, pad=0.02)
    figure.tight_layout()
    _save(figure, path)


def heat_maps(path: Path, maps: np.ndarray, names: Sequence[str], title: str) -> None:
    """Write square maps (N, G, G) of values in [0, 1], light where they are high, each with its name, as one PNG.

    Without maps a blank picture.
    """
    across = 8
    down = max(1, -(-len(maps) // across))
    figure = _figure((across * 1.2, down * 1.4 + 0.4))
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, values, name in zip(axes, maps, names, strict=False):
        axis.imshow(values, cmap="magma", vmin=0, vmax=1)
        axis.set_title(name.replace("_", " "), fontsize=7, pad=3)
    figure.suptitle(title, fontsize=11)
    figure.tight_layout(pad=0.4)
    _save(figure, path)


def labelled_lines(
    path: Path, lines: Mapping[str, Sequence[tuple[float, float, str]]], title: str, xlabel: str, ylabel: str
) -> None:
    """Write lines through points (x, y, what stands beside the point) as one PNG, a legend beside it naming them."""
    figure = _figure((9.5, 5.5))
    axis = figure.subplots()
    for name, points in lines.items():
        axis.plot([x for x, _, _ in points], [y for _, y, _ in points], marker="o", markersize=4, label=name)
        for x, y, text in points:
            axis.annotate(text, (x, y), xytext=(4, -9), textcoords="offset points", fontsize=7, color="0.35")
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.set_title(title)
    axis.grid(alpha=0.3)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    figure.tight_layout()
    _save(figure, path)


def scatter(path: Path, panels: Mapping[str, Mapping[str, np.ndarray]], title: str, xlabel: str, ylabel: str) -> None:
    """Write points as one PNG: panels side by side on the same axes, each with (n, 2) by the name of their kind.

    All panels have the same kinds in the same order; a kind has one colour, and the last lies on top.
    """
    figure = _figure((4.6 * len(panels) + 0.4, 5.2))
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True, squeeze=False)[0]
    for axis, (name, kinds) in zip(axes, panels.items(), strict=True):
        for points in kinds.values():
            axis.scatter(points[:, 0], points[:, 1], s=9, alpha=0.6, linewidths=0)
        axis.set_title(name, fontsize=11)
        axis.set_xlabel(xlabel)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(ylabel)
    names = list(next(iter(panels.values())))
    figure.legend(axes[0].collections, names, loc="lower center", ncols=len(names), markerscale=2)
    figure.suptitle(title, fontsize=13)
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    _save(figure, path)


def mosaic(path: Path, panels: Sequence[np.ndarray], framed: np.ndarray, title: str) -> None:
    """Write grids of images without gaps as one PNG: `panels` of (R, C, H, W, 3) uint8, two beside each other.

    `framed`: (R, C) bool, the cells of each panel that get a frame. A panel that is wider than a picture may be is
    shown smaller.
    """
    from matplotlib.patches import Rectangle

    rows, columns, height, width = panels[0].shape[:4]
    across, scale = _fitting_panels(len(panels), columns * width, 2 if width < 100 else 1)
    down = -(-len(panels) // across)
    # The title wants seven inches.
    size = max(7, across * (columns * width * scale + 0.3)), down * (rows * height * scale + 0.3) + 0.35
    figure = _figure(size)
    for axis, panel in zip_longest(figure.subplots(down, across, squeeze=False).flat, panels):
        axis.set_axis_off()
        if panel is None:
            continue
        axis.imshow(panel.swapaxes(1, 2).reshape(rows * height, columns * width, 3))
        for row, column in np.argwhere(framed):
            corner = column * width - 0.5, row * height - 0.5
            axis.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="tab:orange", linewidth=2.5))
    figure.suptitle(title, fontsize=12)
    figure.tight_layout(pad=0.4, rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    _save(figure, path)


def _fitting_panels(count: int, width: int, scale: int) -> tuple[int, float]:
    """How many panels of `width` pixels stand beside each other, two or one, and the inches of one of these pixels."""
    room = MAX_WIDTH / _DPI
    across = 2 if count > 1 and width / _DPI <= room / 2 - 0.3 else 1
    return across, min(scale / _DPI, (room / across - 0.3) / width)


def _two_digits(value: float) -> str:
    """0.00 for what rounds to it from below, too."""
    return f"{round(value, 2) + 0.0:.2f}"


def _figure(size: tuple[float, float]) -> "Figure":
    from matplotlib.figure import Figure  # takes a second, which what only reads parameters here shall not wait for

    return Figure(figsize=size)


def _save(figure: "Figure", path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
