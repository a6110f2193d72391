"""One person's photograph, its faces and their strengths: what stays in memory between two movements of a slider."""

import base64
import io
from dataclasses import replace
from pathlib import PurePath
from threading import Lock
from typing import Any

import numpy as np
from PIL import Image

from facevae.app.page.opened import open_photograph
from facevae.inference.editing import Editor, add_change
from facevae.inference.faces import Faces
from facevae.inference.photographs import FORMATS, suffix_for

PREVIEW = 1024
"""Pixels of the longest side of what the browser shows: a photograph's own pixels are edited when it is downloaded."""

_QUALITY = 88

# Pixels a side that JPEG codes together, with its colours at half the size.
_BLOCK = 16

# A close-up is so much wider than the face's square, on each side; it has to be this much less than the photograph.
_MARGIN, _WORTH_IT = 0.1, 0.6


class Session:
    """Edits of one photograph. Methods may be called from several threads."""

    def __init__(self, faces: Faces, data: bytes, name: str) -> None:
        """`data`: a file's bytes. Raises FacevaeError if it is not a whole image, or shows no face."""
        self.portrait = open_photograph(faces, data, face="all")
        self.name, self._data = PurePath(name).name or "photograph", data
        self.strengths: list[dict[str, float]] = [{} for _ in self.portrait.faces]
        self.face, self.closed = 0, False
        self._lock = Lock()
        self._editors = [Editor(faces.models, face.pixels[None]) for face in self.portrait.faces]
        self._changes: list[np.ndarray | None] = [None for _ in self.portrait.faces]
        self._shown = self.portrait.photograph.visible()
        self.size = (self._shown.shape[1], self._shown.shape[0])
        self.close_up = False
        self._look()

    def describe(self) -> str:
        """The photograph's name and size, its faces, and whether the models can do much with them."""
        width, height = self.size
        count = len(self.strengths)
        words = f"{self.name}, {width} × {height}, " + ("one face" if count == 1 else f"{count} faces")
        if not (unlike := self.portrait.unlike()):
            return words
        which = "unlike" if count == 1 else f"number {', '.join(str(face + 1) for face in unlike)} unlike"
        return f"{words}, {which} those that the models were trained on: expect little"

    def outlines(self) -> list[list[list[float]]]:
        """Of each face the four corners of its square, as shares of the sides of what is shown."""
        sides = np.array(self._preview.pixels.shape[1::-1])[:, None]
        return [(corners / sides).T.tolist() for corners in map(self._corners, self._matrices)]

    def can_come_closer(self) -> bool:
        """Whether a close-up of the chosen face shows less than the whole photograph."""
        left, top, right, bottom = self._box(True)
        return (right - left) * (bottom - top) < _WORTH_IT * self.size[0] * self.size[1]

    def look(self, close_up: bool) -> dict[str, Any]:
        """Show the chosen face close up, or the whole photograph; see `picture`."""
        with self._lock:
            self.close_up = close_up
            self._look()
            return self._picture() | {"base": data_url(self._preview.pixels)}

    def picture(self) -> dict[str, Any]:
        """What the browser needs to show the edit over `base`, the photograph as it was: `patch`, or None for none.

        `image` is a data URL, `x` and `y` are its place in pixels of the base.
        """
        with self._lock:
            return self._picture()

    def choose(self, face: int) -> None:
        """Edit another face, counted from 0."""
        self.face = max(0, min(face, len(self.strengths) - 1))

    def move(self, attribute: str, strength: float) -> dict[str, Any]:
        """Give an attribute of the chosen face a strength; see `picture`."""
        with self._lock:
            self._set({**self.strengths[self.face], attribute: strength})
            return self._picture()

    def reset(self) -> dict[str, Any]:
        """Take all changes of the chosen face back; see `picture`."""
        with self._lock:
            self._set({})
            return self._picture()

    def suggest(self, attribute: str) -> tuple[float, str]:
        """The smallest strength with which the judge clearly sees an attribute on the chosen face; what that says."""
        strength, search = self.portrait.strengths([attribute], self.face)[attribute], self.portrait.search(attribute)
        if not search.tried[self.face]:
            return strength, "recommended, since the judge sees it already or does not know it"
        if search.found[self.face]:
            return strength, f"it takes {strength:.3g} for the judge to see it clearly here"
        return strength, f"the judge does not clearly see it here, even with {strength:.3g}"

    def judged(self) -> dict[str, tuple[float, float]]:
        """The judge's probability of each attribute on the chosen face, before and after; without a judge nothing."""
        editor = self._editors[self.face]
        judge = editor.models.judge
        if judge is None:
            return {}
        before, after = editor.probabilities({})[0], editor.probabilities(self.strengths[self.face])[0]
        return dict(zip(judge.names, zip(before.tolist(), after.tolist(), strict=True), strict=True))

    def download(self) -> tuple[str, bytes]:
        """A name and the bytes of the edited photograph as a file, in the size and format of the one that was given."""
        with self._lock:
            changes = [dict(strengths) for strengths in self.strengths]
        name, photograph = PurePath(self.name), self.portrait.photograph
        suffix = suffix_for(photograph.format, name)
        if any(changes) or FORMATS[suffix] != photograph.format:
            data = self.portrait.encode(self.portrait.edited(changes), suffix)
        else:
            data = self._data
        return f"{name.stem}_edited{suffix}", data

    def close(self) -> None:
        """Let the photograph go, whoever still holds the session."""
        if not self.closed:
            self.closed = True
            with self._lock:
                del self.portrait, self._preview, self._shown, self._editors, self._changes, self._data

    def _set(self, strengths: dict[str, float]) -> None:
        face = self.face
        kept = {name: strength for name, strength in strengths.items() if strength}
        self._changes[face] = self._editors[face].additions(kept)[0] if kept else None
        self.strengths[face] = kept

    def _look(self) -> None:
        """Prepare what is shown: pixels as small as the browser needs them, and where the faces are in them."""
        left, top, right, bottom = self._box(self.close_up)
        pixels = shrunk(self._shown[top:bottom, left:right])
        self._preview = replace(self.portrait.photograph, pixels=pixels, alpha=None)
        # One scale for both axes, so that a matrix stays a similarity; they differ by less than half a pixel.
        scale = (pixels.shape[1] / (right - left) + pixels.shape[0] / (bottom - top)) / 2
        moved = [face.matrix - np.array([[0, 0, left], [0, 0, top]]) for face in self.portrait.faces]
        self._matrices = [scale * matrix for matrix in moved]

    def _box(self, close_up: bool) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is shown, in pixels of the photograph."""
        if not close_up:
            return (0, 0, *self.size)
        corners = self._corners(self.portrait.faces[self.face].matrix)
        margin = _MARGIN * np.ptp(corners, 1)
        low, high = (corners.min(1) - margin).clip(0, self.size), (corners.max(1) + margin).clip(0, self.size)
        return (*np.floor(low).astype(int).tolist(), *np.ceil(high).astype(int).tolist())

    def _corners(self, matrix: np.ndarray) -> np.ndarray:
        """The corners of a face's square by its matrix, (2, 4)."""
        side = self.portrait.faces[0].pixels.shape[0]
        return matrix @ np.array([[0, side, side, 0], [0, 0, side, side], [1, 1, 1, 1]])

    def _picture(self) -> dict[str, Any]:
        found, boxes = self._preview, []
        for matrix, change in zip(self._matrices, self._changes, strict=True):
            if change is not None:
                found = add_change(found, matrix, change)
                boxes.append(self._corners(matrix))
        if not boxes:
            return {"patch": None}
        height, width = found.pixels.shape[:2]
        corners = np.concatenate(boxes, 1)
        # Blocks of JPEG, in which an unchanged pixel comes out as in the base.
        left, top = (np.floor(corners.min(1) / _BLOCK).clip(0) * _BLOCK).astype(int)
        right, bottom = (np.ceil(corners.max(1) / _BLOCK) * _BLOCK).astype(int)
        inside = found.pixels[top : min(bottom, height), left : min(right, width)]
        if not inside.size:
            return {"patch": None}
        return {"patch": {"image": data_url(inside), "x": int(left), "y": int(top)}}


def shrunk(pixels: np.ndarray, side: int = PREVIEW) -> np.ndarray:
    """(H, W, 3) uint8 so that the longest side has at most `side` pixels."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.BOX if max(image.size) > 4 * side else Image.Resampling.LANCZOS)
    return np.array(image)


def data_url(pixels: np.ndarray) -> str:
    """An image, (H, W, 3) uint8, as a JPEG that stands in a page's own text."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
