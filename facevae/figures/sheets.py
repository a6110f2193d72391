"""Sheets of images, drawn by Pillow alone: the command line makes them too, without matplotlib."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from facevae.core.files import atomic_write

MAX_WIDTH = 1200
"""Pixels that a picture is wide at most: with a browser's margins it then fits a window of 1,400."""

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
    picture = Image.new("RGB", (width, sheet.size[1]), "white")
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            resized = Image.fromarray(np.ascontiguousarray(image)).resize(sheet.cell, Image.Resampling.LANCZOS)
            picture.paste(resized, sheet.corner(row, column))
    for band in range(sheet.bands):
        for row, text in enumerate(row_titles):
            _, y = sheet.corner(row, band * sheet.across)
            _write(picture, (14, y + sheet.cell[1] / 2), text, sheet.cell[1], upwards=True)
    for column, text in enumerate(column_titles):
        x, y = sheet.corner(0, column)
        _write(picture, (x + sheet.cell[0] / 2, y - 12), text, sheet.cell[0])
    if title:
        _write(picture, (width / 2, 16), title, width, largest=18)
    file = io.BytesIO()
    picture.save(file, "PNG")
    with atomic_write(path) as temporary:
        temporary.write_bytes(file.getvalue())


def _write(
    picture: Image.Image, centre: tuple[float, float], text: str, length: int, *, largest: int = 15,
    upwards: bool = False,
) -> None:  # fmt: skip
    """Write a text, no longer than `length` pixels and no higher than `largest`, centred at (x, y)."""
    size = largest
    while size > 5 and _font(size).getlength(text) > length:
        size -= 1
    left, top, right, bottom = _font(size).getbbox(text)
    label = Image.new("L", (max(1, round(right)), max(1, round(bottom))))
    ImageDraw.Draw(label).text((0, 0), text, 255, _font(size))
    label = label.crop((int(left), int(top), label.width, label.height))
    if upwards:
        label = label.transpose(Image.Transpose.ROTATE_90)
    corner = round(centre[0] - label.width / 2), round(centre[1] - label.height / 2)
    picture.paste("black", (max(0, corner[0]), max(0, corner[1])), label)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


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
