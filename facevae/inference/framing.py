"""Which face of a photograph is meant, and how it is framed for the model: `--face` and `--frame`."""

import sys
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from facevae.alignment.similarity import compose, scale_of
from facevae.alignment.views import Pyramid, cut_out
from facevae.core.errors import FacevaeError
from facevae.finding.finder import Face
from facevae.inference.face_choice import check_face
from facevae.inference.models import ModelFolder

Way = Literal["auto", "centre", "aligned"]

LEAST_SCALE = 0.5
"""Pixels of a photograph for each of the model's square, at least: of a smaller face there is nothing to see."""

OR_CENTRE = ", or its centred square as it is: frame centre"
"""Ends advice where faces are looked for: the option --frame of the command, or `frame` of the Python interface."""


@dataclass(frozen=True)
class FramedFace:
    """A face of a photograph: `pixels` (S, S, 3) uint8, the model's square, and `words` that say which and where.

    `matrix` (2, 3) takes places in the square to places in the photograph, as alignment/composite.py counts them.
    """

    pixels: np.ndarray
    matrix: np.ndarray
    words: str


class Framing:
    """Frames the faces of photographs for a model.

    `way`: `centre` cuts the centred square, `aligned` finds faces, `auto` finds them but in an image of the model's or
    its training images' size, which it takes as it is; and where there is no aligner, it cuts the
    centred square. `face`: `largest`, `all`, or a number, the largest being 1. Raises FacevaeError for other words.
    """

    def __init__(self, models: ModelFolder, way: Way = "auto", face: str = "largest") -> None:
        if way not in get_args(Way):
            raise FacevaeError(
                where=f"frame {way}", expected="auto, centre or aligned", found=repr(way), fix="leave it out for auto"
            )
        check_face(face, f"face {face}")
        self.models, self.frame, self.way, self.face = models, models.frame, way, face

    def __call__(self, image: np.ndarray, where: object) -> list[FramedFace]:
        """The faces of an image (H, W, 3) uint8 that are meant. Raises FacevaeError naming `where` if there is none."""
        height, width = image.shape[:2]
        side = self.frame.square.size
        as_it_is = (width, height) in ((side, side), self.frame.source) or not self.models.has_aligner
        if self.way == "centre" or (self.way == "auto" and as_it_is):
            return [FramedFace(self.frame(image, where), self.frame.matrix(image), self.frame.describe(image))]
        faces = self.models.finder.faces(image)
        if not faces:
            raise FacevaeError(
                where=where, expected="a face", found=f"none in {width}x{height} pixels",
                fix=f"take another photograph{OR_CENTRE}",
            )  # fmt: skip
        return [self._framed(image, faces, number) for number in self._chosen(faces, where)]

    def _chosen(self, faces: list[Face], where: object) -> list[int]:
        """The numbers, from 0, of the faces that are meant and can be framed."""
        if self.face not in ("largest", "all"):
            number = int(self.face)
            if not 1 <= number <= len(faces):
                raise FacevaeError(
                    where=where, expected=f"at least {number} faces, for face {number}", found=str(len(faces)),
                    fix="give a smaller number: the largest face is 1",
                )  # fmt: skip
            self._check(faces[number - 1], where)
            return [number - 1]
        usable = [number for number, face in enumerate(faces) if face.whole and self._scale(face) >= LEAST_SCALE]
        if not usable:
            self._check(faces[0], where)
        if self.face != "all":
            return usable[:1]
        if left := len(faces) - len(usable):
            of = f"{left} of {len(faces)} faces"
            print(f"note: {where}: left out {of}, cut off by the border or too small", file=sys.stderr)
        return usable

    def _check(self, face: Face, where: object) -> None:
        """Raise FacevaeError if a face is cut off or too small."""
        at = _place(face)
        if not face.whole:
            raise FacevaeError(
                where=where, expected="a whole face", found=f"one {at} that the photograph's border cuts off",
                fix=f"take another photograph{OR_CENTRE}",
            )  # fmt: skip
        if self._scale(face) < LEAST_SCALE:
            least, found = (round(scale * self.frame.square.size) for scale in (LEAST_SCALE, self._scale(face)))
            raise FacevaeError(
                where=where, expected=f"a face whose square has at least {least} pixels a side",
                found=f"one of {found} {at}", fix="take a larger photograph",
            )  # fmt: skip

    def _matrix(self, face: Face) -> np.ndarray:
        """From the model's square to the photograph."""
        width, height = self.frame.source
        in_frame = self.frame.matrix(np.empty((height, width, 0), np.uint8))
        return compose(face.matrix, in_frame)

    def _scale(self, face: Face) -> float:
        return float(scale_of(self._matrix(face)))

    def _framed(self, image: np.ndarray, faces: list[Face], number: int) -> FramedFace:
        face, side = faces[number], self.frame.square.size
        matrix = self._matrix(face)
        which = "the face" if len(faces) == 1 else f"face {number + 1} of {len(faces)}"
        words = f"{image.shape[1]}x{image.shape[0]}, {which} {_place(face)}"
        return FramedFace(cut_out(Pyramid(image), matrix, (side, side)), matrix, words)


def _place(face: Face) -> str:
    """Where a face is, in words."""
    x, y = face.centre
    degrees = round(face.degrees)
    turned = f", turned {abs(degrees)} degrees {'clockwise' if degrees > 0 else 'anticlockwise'}" if degrees else ""
    return f"at {round(x)}, {round(y)}{turned}"
