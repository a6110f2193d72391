"""Faces found in a photograph of any size and brought to the aligned images' frame.

Boxes of a detector, or the likeliest views of a search where it finds none, are brought to their place by the aligner
in a few steps; what does not come to rest at something that it takes for a face is none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facevae.alignment.boxes import FINEST, LONGEST, find_boxes
from facevae.alignment.similarity import compose, inverse, moved, scale_of, similarity, turn_of
from facevae.alignment.views import SIDE, Pyramid, cut_out

# Steps from a box to near its face; two more, the last with views around, bring it there.
_FIRST_STEPS = 2

# Logits below this are not followed.
_WORTH_A_LOOK = -3.0

# Where YuNet's box of a face lies in the frame of CelebA's aligned images, in a view's coordinates: its centre, and the
# root of its area. Of 120 faces of other pictures than those that anything is measured on.
_BOX_CENTRE, _BOX_SIZE = np.array([0.0, 0.17]), 1.13

# Around the last view others are looked at, every second one as its mirror image, and what they say is averaged: shift
# x, y, log scale, turn.
_JITTER = np.array(
    [[0, 0, 0, 0], [0, 0, 0, 0], [0.04, 0.02, 0.08, 0.05], [-0.04, 0.02, 0.08, -0.05], [-0.04, -0.02, -0.08, -0.05],
     [0.04, -0.02, -0.08, 0.05]]
)  # fmt: skip

# The search: views from the whole of the shorter side down to this share of it, each so many times smaller than the
# one before, and so far apart in shares of their side. The aligner reaches as far as to the next.
_LEAST_SHARE, _SHRINK, _STRIDE = 0.2, 1.8, 0.45
_CANDIDATES = 8

_AT_ONCE = 64

# What the features of a face, from the brows to the chin, take of a view; and how much of that must be in the picture.
_FEATURES = np.array([[-0.4, -0.2], [0.4, -0.2], [0.4, 0.6], [-0.4, 0.6]])
_LEAST_INSIDE = 0.9


@dataclass(frozen=True)
class Face:
    """A face in a picture. `matrix` (2, 3): from the pixels of the aligned images' frame to the picture's.

    `logit`: the aligner's. `inside`: the share of the features' box that is in the picture.
    """

    matrix: np.ndarray
    frame: tuple[int, int]
    logit: float
    inside: float

    @property
    def centre(self) -> tuple[float, float]:
        """The frame's centre in the picture."""
        x, y = moved(self.matrix, np.array([[side / 2 for side in self.frame]]))[0]
        return float(x), float(y)

    @property
    def scale(self) -> float:
        """Pixels of the picture for each of the frame."""
        return float(scale_of(self.matrix))

    @property
    def degrees(self) -> float:
        """By how much it is turned, clockwise."""
        return math.degrees(float(turn_of(self.matrix)))

    @property
    def whole(self) -> bool:
        """Whether the features are in the picture."""
        return self.inside >= _LEAST_INSIDE


# Views (n, 3, VIEW, VIEW) float32 in [0, 1] -> (n, 5) float32: shift x and y, log scale, turn, the logit of a face.
Aligner = Callable[[np.ndarray], np.ndarray]


class FaceFinder:
    """An aligner, the frame, (width, height), of the aligned images that it learned from, and how it looks for faces.

    `boxed`: the share of these images' faces that the detector of boxes sees. Where it did not see them, all sizes and
    places of a picture are searched; where it does, that it sees nothing is to be believed, and a search would take
    more things for faces than it found. `threads`: of the detector; 0: one for each core.
    """

    def __init__(self, aligner: Aligner, frame: tuple[int, int], boxed: float, threads: int = 0) -> None:
        self.aligner, self.frame, self.search, self._threads = aligner, frame, boxed < BOXED, threads
        half = min(frame) / 2
        # From a view's coordinates to the frame's pixels.
        self._to_frame = np.array([[half, 0, frame[0] / 2], [0, half, frame[1] / 2]])

    def faces(self, image: np.ndarray, least: float = 0.0) -> list[Face]:
        """The faces in a picture (H, W, 3) uint8, the largest first; logits below `least` are none."""
        pyramid = Pyramid(image)
        boxed, found = self._from_boxes(pyramid), []
        if len(boxed):
            found = self._settle(pyramid, boxed, least)
            if len(found) < len(boxed) or min(face.logit for face in found) < _SURE:
                # A box says nothing of how its face is turned, and the aligner reaches to a bit over 60 degrees.
                lying = compose(boxed[:, None], _QUARTERS).reshape(-1, 2, 3)
                found = _surer(found, self._settle(pyramid, lying, least + _SURER), _SURER)
        if not found and self.search and len(searched := self._search(pyramid)):
            found = self._settle(pyramid, searched, max(least, SEARCHED))
        return sorted(found, key=lambda face: -face.scale)

    def align_photograph(self, image: np.ndarray) -> np.ndarray | None:
        """The largest whole face in a picture (H, W, 3) uint8, in the aligned images' frame, (h, w, 3); None: none."""
        whole = [face for face in self.faces(image) if face.whole]
        return cut_out(Pyramid(image), whole[0].matrix, self.frame) if whole else None

    def refine(self, pyramid: Pyramid, views: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Bring views (n, 2, 3) that are near their faces to them: the views, their logits, how far the last step went.

        The last step averages over views around; how far it goes, (n,), is measured in halves of the view's side.
        """
        views = compose(views, _as_matrices(self._answers(pyramid, views)))
        every = compose(views[:, None], similarity(*_JITTER.T))
        mirrored = np.tile(np.arange(len(_JITTER)) % 2 == 1, len(views))
        answers = self._answers(pyramid, every.reshape(-1, 2, 3), mirrored)
        # Each answer is in its own view's coordinates.
        last = compose(every, _as_matrices(answers).reshape(every.shape)).mean(1)
        went = np.linalg.norm(moved(compose(inverse(views), last), _CORNERS) - _CORNERS, axis=-1).mean(-1)
        return last, answers[:, 4].reshape(len(views), -1).mean(1), went

    def _answers(self, pyramid: Pyramid, views: np.ndarray, mirrored: np.ndarray | None = None) -> np.ndarray:
        """The network's answers to views (n, 2, 3), some of them asked of their mirror images: (n, 5)."""
        mirrored = np.zeros(len(views), bool) if mirrored is None else mirrored
        found = []
        for first in range(0, len(views), _AT_ONCE):
            images = pyramid.views(views[first : first + _AT_ONCE])
            flips = mirrored[first : first + _AT_ONCE]
            images[flips] = images[flips, :, ::-1]
            answers = self.aligner(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).astype(np.float64)
            answers[flips] *= (-1, 1, 1, -1, 1)
            found.append(answers)
        return np.concatenate(found)

    def _from_boxes(self, pyramid: Pyramid) -> np.ndarray:
        """A view around each box that the detector finds: (n, 2, 3)."""
        for longest in (LONGEST, FINEST):
            image = pyramid.scaled(longest)
            boxes = find_boxes(image, self._threads)
            if len(boxes) or max(pyramid.size) <= LONGEST:
                break
        boxes = boxes[:, :4] * (max(pyramid.size) / max(image.shape[:2]))
        half = np.sqrt(boxes[:, 2] * boxes[:, 3]) / _BOX_SIZE
        shift = boxes[:, :2] + boxes[:, 2:] / 2 - half[:, None] * _BOX_CENTRE
        return similarity(shift[:, 0], shift[:, 1], np.log(half), np.zeros(len(boxes)))

    def _search(self, pyramid: Pyramid) -> np.ndarray:
        """The likeliest of views of all sizes and places: (n, 2, 3)."""
        width, height = pyramid.size
        views, half = [], min(width, height) / 2
        while 2 * half >= max(_LEAST_SHARE * min(width, height), 16):
            step = _STRIDE * 2 * half
            x, y = (
                np.linspace(0.6 * half, side - 0.6 * half, max(1, math.ceil((side - 1.2 * half) / step) + 1))
                for side in (width, height)
            )
            x, y = (part.ravel() for part in np.meshgrid(x, y))
            views.append(similarity(x, y, np.full(len(x), math.log(half)), np.zeros(len(x))))
            half /= _SHRINK
        if not views:
            return np.empty((0, 2, 3))
        every = np.concatenate(views)
        logits = self._answers(pyramid, every)[:, 4]
        best = np.argsort(-logits, kind="stable")[:_CANDIDATES]
        return every[best[logits[best] > _WORTH_A_LOOK]]

    def _settle(self, pyramid: Pyramid, starts: np.ndarray, least: float) -> list[Face]:
        """The faces that views (n, 2, 3) come to rest at, each once, the likeliest first."""
        views = starts
        for _ in range(_FIRST_STEPS):
            answers = self._answers(pyramid, views)
            views = compose(views, _as_matrices(answers))
        views = views[_different(views, answers[:, 4], _WORTH_A_LOOK)]
        if not len(views):
            return []
        views, logits, went = self.refine(pyramid, views)
        resting = np.where(went <= RESTLESS, logits, -np.inf)
        return [
            Face(self._placed(views[index]), self.frame, float(logits[index]), _inside(views[index], pyramid.size))
            for index in _different(views, resting, least)
        ]

    def _placed(self, view: np.ndarray) -> np.ndarray:
        """From a view's matrix to the frame's."""
        return compose(view, inverse(self._to_frame))


BOXED = 0.8
"""The least share of an aligner's faces that the detector sees if it is to be relied on."""

SEARCHED = 2.0
"""The least logit of a face that no detector has seen."""

RESTLESS = 0.15
"""A view that still goes farther than this in its last step has not come to rest at a face."""

# A face to the left, to the right, and upside down.
_QUARTERS = similarity(*np.zeros((3, 3)), np.arange(1, 4) * (np.pi / 2))

# By so much must the logit of a face that lies be larger than that of one in its place that stands.
_SURER = 2.0

# A logit of which no face that lies has been seen when it was taken to stand: of these it was 3.6 to 5.8.
_SURE = 6.5

_CORNERS = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])


def _as_matrices(answers: np.ndarray) -> np.ndarray:
    return similarity(*answers[:, :4].T)


def _different(views: np.ndarray, logits: np.ndarray, least: float) -> list[int]:
    """Which views (n, 2, 3) have a logit of at least `least`, the likeliest first, of those of one face it alone.

    Views are of one face if their centres are nearer than a third of the larger one's side.
    """
    kept: list[int] = []
    for index in np.argsort(-logits, kind="stable"):
        view = views[index]
        sides = [SIDE * max(scale_of(view), scale_of(views[other])) for other in kept]
        away = [math.dist(view[:, 2], views[other][:, 2]) for other in kept]
        if logits[index] >= least and all(distance > side / 3 for distance, side in zip(away, sides, strict=True)):
            kept.append(int(index))
    return kept


def _surer(standing: list[Face], lying: list[Face], by: float) -> list[Face]:
    """Faces that stand, but for those in whose place one lies with a logit so much larger; and other ones that lie."""
    found = list(standing)
    for face in lying:
        same = [other for other in found if _are_one(face, other)]
        if all(face.logit > other.logit + by for other in same):
            found = [other for other in found if not any(other is one for one in same)] + [face]
    return found


def _are_one(face: Face, other: Face) -> bool:
    """Whether two faces are nearer to each other than a third of the larger one's side."""
    side = min(face.frame) * max(face.scale, other.scale)
    return math.dist(face.centre, other.centre) <= side / 3


def _inside(view: np.ndarray, size: tuple[int, int]) -> float:
    """The share of a face's features that is within a picture of `size`, by a grid of points."""
    share = (np.arange(16) + 0.5) / 16
    low, high = _FEATURES.min(0), _FEATURES.max(0)
    points = low + (high - low) * np.stack(np.meshgrid(share, share), -1).reshape(-1, 2)
    places = moved(view, points)
    return float(((places >= 0) & (places < size)).all(1).mean())
