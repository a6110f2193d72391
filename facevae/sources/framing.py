"""A person's photographs as training images: the face found and brought to the frame of CelebA's aligned images."""

from typing import NamedTuple

import numpy as np

from facevae.alignment.views import Pyramid, cut_out
from facevae.finding.finder import Face
from facevae.finding.shipped import shipped_finder

LEAST_SCALE = 0.5
"""Pixels of a photograph for each of the frame, at least: a smaller face would be blown up too far."""

# A face with this share of the largest one's size counts as large as that.
_NEARLY = 0.8


class Framed(NamedTuple):
    """A face in the frame, (218, 178, 3) uint8; None: there is none that can be used.

    `words`: what was done to it, or why there is none; `faces`: how many the photograph shows.
    """

    image: np.ndarray | None
    words: str
    faces: int


def frame_face(photograph: np.ndarray) -> Framed:
    """The largest whole face of a photograph (H, W, 3) uint8; of ones nearly as large the likeliest.

    One of them: labels and persons are said of a photograph, and of the others' faces nobody has said anything.
    """
    finder = shipped_finder()
    faces = finder.faces(photograph)
    whole = [face for face in faces if face.whole]
    if not whole or whole[0].scale < LEAST_SCALE:
        return Framed(None, _why_not(faces, whole, finder.frame), len(faces))
    # What the finder takes wrongly for a face, across two heads, say, is now and then a little larger than a true one.
    face = max((one for one in whole if one.scale >= _NEARLY * whole[0].scale), key=lambda one: one.logit)
    which = "its face" if len(faces) == 1 else f"the main one of {len(faces)} faces"
    words = f"framed by {which}: turned by {round(-face.degrees) or 0:+d} degrees, scaled by {1 / face.scale:.2f}"
    return Framed(cut_out(Pyramid(photograph), face.matrix, finder.frame), words, len(faces))


def _why_not(faces: list[Face], whole: list[Face], frame: tuple[int, int]) -> str:
    if not faces:
        return "no face is found in it"
    if not whole:
        return "a face that the photograph's border cuts off"
    found, least = ("x".join(str(round(scale * side)) for side in frame) for scale in (whole[0].scale, LEAST_SCALE))
    return f"a face whose frame has {found} pixels, where {least} are the least"
