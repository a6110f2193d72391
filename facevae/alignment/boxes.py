"""Boxes around the faces of a photograph, by YuNet (Wu, Peng & Yu 2023) with OpenCV Zoo's weights of March 2023.

Only its boxes are used: its five points hardly turn with small faces. `python -m bench.yunet` made the file of its
weights; decoded and thinned out as OpenCV's FaceDetectorYN does it.
"""

from functools import cache

import numpy as np

from facevae.alignment.onnx_runtime import YUNET, import_onnxruntime, session_options

LONGEST = 480
"""Pixels of the longer side of the copy in which faces are looked for first."""

FINEST = 1600
"""And of the one that is looked through if there is none: small faces in large photographs."""

LEAST_SIDE = 16
"""A picture with a side shorter than this, scaled to `LONGEST`, has no face that could be seen."""

_STRIDES = (8, 16, 32)
_SCORE, _OVERLAP, _MOST = 0.5, 0.3, 500


def find_boxes(image: np.ndarray, threads: int = 0) -> np.ndarray:
    """The boxes in an image (H, W, 3) uint8: (n, 5), left, top, width, height in its pixels, and a score up to 1.

    The surest comes first. `threads` that compute; 0: one for each core.
    """
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return np.empty((0, 5))
    whole = _STRIDES[-1]  # the coarsest grid's cells are whole: black below and to the right
    pixels = np.zeros((1, 3, -height % whole + height, -width % whole + width), np.float32)
    pixels[0, :, :height, :width] = image[..., ::-1].transpose(2, 0, 1)  # blue first, as it was trained
    names = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox")]
    answers = iter(_session(threads).run(names, {"input": pixels}))
    grids = zip(_STRIDES, answers, answers, answers, strict=True)
    found = [decode(*parts, stride, pixels.shape[3] // stride) for stride, *parts in grids]
    return thin_out(np.concatenate(found))


def boxed_share(images: np.ndarray, most: int = 50) -> float:
    """The share of `most` of some images (n, H, W, 3) uint8, evenly spaced, in which there is a box."""
    chosen = images[np.unique(np.linspace(0, len(images) - 1, most).astype(int))]
    return float(np.mean([len(find_boxes(image)) > 0 for image in chosen]))


def decode(face: np.ndarray, object_: np.ndarray, box: np.ndarray, stride: int, columns: int) -> np.ndarray:
    """The boxes (n, 5), as find_boxes has them, of the cells that are sure enough.

    A grid of cells of `stride` pixels, `columns` to a row, row by row: how likely there is a face, (1, cells, 1), and
    anything, (1, cells, 1), in [0, 1]; (1, cells, 4): its centre from the cell's corner, the logarithm of its size,
    both in cells.
    """
    scores = np.sqrt(face[0, :, 0] * object_[0, :, 0])
    sure = np.flatnonzero(scores >= _SCORE)
    corner = np.stack([sure % columns, sure // columns], 1)
    size = np.exp(box[0, sure, 2:].astype(float))
    left_top = corner + box[0, sure, :2] - size / 2
    return np.concatenate([stride * left_top, stride * size, scores[sure, None]], 1)


def thin_out(boxes: np.ndarray) -> np.ndarray:
    """Without the boxes of (n, 5) that overlap a surer one: non-maximum suppression. The surest comes first."""
    boxes = boxes[np.argsort(-boxes[:, 4], kind="stable")[:_MOST]]
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]
    area = boxes[:, 2] * boxes[:, 3]
    waiting, kept = np.arange(len(boxes)), []
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        shared = (np.minimum(high[best], high[waiting]) - np.maximum(low[best], low[waiting])).clip(0).prod(1)
        waiting = waiting[shared <= _OVERLAP * (area[best] + area[waiting] - shared)]
    return boxes[kept]


@cache
def _session(threads: int):
    # Made when it is first needed: a face is not looked for in every command, and onnxruntime takes its time to load.
    onnxruntime = import_onnxruntime()
    return onnxruntime.InferenceSession(YUNET, session_options(threads), providers=["CPUExecutionProvider"])
