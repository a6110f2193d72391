"""Arrays to pictures. Nothing is measured here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from facevae.core.files import atomic_write

_DPI = 100

# Pixels that a picture is wide at most: with a browser's margins it then fits a window of 1,400.
MAX_WIDTH = 1200

# Pixels between the images of a sheet, and between its bands.
_GAP, _BAND_GAP = 4, 16

# Pixels for the titles above columns and for the sheet's own, and for those before rows.
_COLUMN_TITLE, _SHEET_TITLE, _ROW_TITLE = 22, 32, 30


@dataclass(frozen=True)
class _Sheet:
    """Where the cells of a sheet lie, in pixels. What is too wide goes on below, in a further band."""

    cell: tuple[int, int]  # width and height
    rows: int
    across: int  # columns in a band
    bands: int
    left: int
    top: int
    header: int  # above the rows of each band

    @property
    def size(self) -> tuple[int, int]:
        height = self.top + self.bands * (self._band_height + _BAND_GAP) - _BAND_GAP
        return self.left + self.across * (self.cell[0] + _GAP), height

    @property
    def _band_height(self) -> int:
        return self.header + self.rows * (self.cell[1] + _GAP)

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """x and y of a cell's upper left corner."""
        band, place = divmod(column, self.across)
        y = self.top + band * (self._band_height + _BAND_GAP) + self.header + row * (self.cell[1] + _GAP)
        return self.left + place * (self.cell[0] + _GAP), y


def image_sheet(
    path: Path,
    rows: Sequence[np.ndarray],
    row_titles: Sequence[str],
    column_titles: Sequence[str] = (),
    title: str = "",
    max_width: int | None = MAX_WIDTH,
) -> None:
    """Write images as one PNG: `rows` of (n, H, W, 3) uint8, a title before each row and above each column.

    Columns that do not fit into `max_width` pixels stand below the others, each time with all rows and their titles.
    """
    sheet = _laid_out(rows, any(row_titles), any(column_titles), bool(title), max_width)
    # The titles above narrow columns and the title over all want room as well.
    width = max(sheet.size[0], min(9 * len(title), max_width or 9 * len(title)))
    height = sheet.size[1]
    canvas = np.full((height, width, 3), 255, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            x, y = sheet.corner(row, column)
            resized = Image.fromarray(np.ascontiguousarray(image)).resize(sheet.cell, Image.Resampling.LANCZOS)
            canvas[y : y + sheet.cell[1], x : x + sheet.cell[0]] = resized
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    # Placed pixel by pixel: an axis for each image would take seconds for a sheet.
    figure.figimage(canvas, 0, 0, origin="upper")

    def write(x: float, y: float, text: str, **how: Any) -> None:
        figure.text(x / width, 1 - y / height, text, ha="center", va="center", **how)

    for band in range(sheet.bands):
        for row, text in enumerate(row_titles):
            _, y = sheet.corner(row, band * sheet.across)
            write(14, y + sheet.cell[1] / 2, text, rotation=90, fontsize=_fitting(text, sheet.cell[1]))
    for column, text in enumerate(column_titles):
        x, y = sheet.corner(0, column)
        write(x + sheet.cell[0] / 2, y - 12, text, fontsize=_fitting(text, sheet.cell[0]))
    if title:
        write(width / 2, 16, title, fontsize=min(13.0, 1.5 * width / len(title)))
    _save(figure, path)


def _laid_out(rows: Sequence[np.ndarray], named_rows: bool, named: bool, titled: bool, limit: int | None) -> _Sheet:
    """The sheet of these rows: its images as large as fits, and in several bands rather than smaller than they are."""
    height, width = rows[0].shape[1:3]
    columns = max(len(row) for row in rows)
    left, header = _ROW_TITLE if named_rows else _GAP, _COLUMN_TITLE if named else 0
    # Small images are shown twice their size.
    scale, across = 2.0 if width < 100 else 1.25, columns
    if limit is not None:
        fitting = ((limit - left) / columns - _GAP) / width
        if fitting >= 1:
            scale = min(scale, fitting)
        else:
            scale = min(scale, (limit - left - _GAP) / width)
            across = (limit - left) // (int(width * scale) + _GAP)
    bands = -(-columns // across)
    return _Sheet(
        cell=(int(width * scale), max(1, int(height * scale))), rows=len(rows), across=-(-columns // bands),
        bands=bands, left=left, top=_GAP + (_SHEET_TITLE if titled else 0), header=header,
    )  # fmt: skip


def _fitting(text: str, pixels: int) -> float:
    """A font size with which the text is no longer than so many pixels, at most 11."""
    return min(11.0, 1.35 * pixels / max(1, len(text)))


def bars(path: Path, names: Sequence[str], series: dict[str, Sequence[float]], title: str, xlabel: str) -> None:
    """Write horizontal bars, a group of them per name, each with its value to two digits, as one PNG."""
    figure = Figure(figsize=(8, 0.28 * len(names) * max(1, len(series)) ** 0.5 + 1.2))
    axis = figure.subplots()
    thickness = 0.8 / len(series)
    positions = np.arange(len(names))
    for index, (label, values) in enumerate(series.items()):
        drawn = axis.barh(positions + (index - (len(series) - 1) / 2) * thickness, values, thickness, label=label)
        axis.bar_label(drawn, fmt="%.2f", padding=2, fontsize=7, color="0.35")
    axis.set_yticks(positions, names, fontsize=8)
    axis.invert_yaxis()
    axis.margins(x=0.08, y=0.02)
    axis.axvline(0, color="black", linewidth=0.8)
    axis.set_xlabel(xlabel)
    axis.set_title(title)
    axis.grid(axis="x", alpha=0.3)
    if len(series) > 1:
        axis.legend()
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
    figure = Figure(figsize=(side * len(columns) + 3.2, side * len(rows) + 2.4))
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


def labelled_lines(
    path: Path, lines: Mapping[str, Sequence[tuple[float, float, str]]], title: str, xlabel: str, ylabel: str
) -> None:
    """Write lines through points (x, y, what stands beside the point) as one PNG, a legend naming them."""
    figure = Figure(figsize=(8, 5.5))
    axis = figure.subplots()
    for name, points in lines.items():
        axis.plot([x for x, _, _ in points], [y for _, y, _ in points], marker="o", markersize=4, label=name)
        for x, y, text in points:
            axis.annotate(text, (x, y), xytext=(4, -9), textcoords="offset points", fontsize=7, color="0.35")
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.set_title(title)
    axis.grid(alpha=0.3)
    axis.legend()
    figure.tight_layout()
    _save(figure, path)


def scatter(path: Path, panels: Mapping[str, Mapping[str, np.ndarray]], title: str, xlabel: str, ylabel: str) -> None:
    """Write points as one PNG: panels side by side on the same axes, each with (n, 2) by the name of their kind.

    All panels have the same kinds in the same order; a kind has one colour, and the last lies on top.
    """
    figure = Figure(figsize=(4.6 * len(panels) + 0.4, 5.2))
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
    rows, columns, height, width = panels[0].shape[:4]
    across, scale = _fitting_panels(len(panels), columns * width, 2 if width < 100 else 1)
    down = -(-len(panels) // across)
    # The title wants seven inches.
    size = max(7, across * (columns * width * scale + 0.3)), down * (rows * height * scale + 0.3) + 0.35
    figure = Figure(figsize=size)
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


def _save(figure: Figure, path: Path) -> None:
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
