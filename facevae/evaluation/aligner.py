"""How well faces are found and framed in pictures of which their places are known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageOps
from pydantic import Field

from facevae.alignment.similarity import compose, corner_error, corners, moved
from facevae.core.params import Section
from facevae.core.tensor_files import readable
from facevae.finding.finder import Face, FaceFinder
from facevae.finding.pictures import no_face, place_face
from facevae.jobs.progress import track
from facevae.models.aligner import Aligner, from_metadata
from facevae.nn.model_files import load_model

COLUMNS = ("picture", "image", "found", "corner_error", "logit", "scale", "degrees")

UNKNOWN = ("image", "corner_error", "logit", "scale", "degrees")
"""The columns that are empty where there is no face, or none was found."""

SIZE = (400, 300)
"""Of the pictures."""

_SCALES, _DEGREES = (0.4, 1.0), 25.0

# A frame whose corners are farther off than this share of its shorter side is not the face's.
_FARTHEST = 0.5


class AlignerEvaluation(Section):
    """Section evaluate_aligner: pictures with a face, as many without; `faces`: how many the picture shows."""

    pictures: int = Field(ge=1)
    faces: int = Field(ge=1, le=64)
    seed: int = Field(ge=0, lt=2**63)


@dataclass(frozen=True)
class AlignmentReport:
    """`rows` of COLUMNS, and of the first pictures with a face what was `shown`: the picture with the found frame in
    it, (n, *SIZE, 3), the face in that frame and the aligned image itself, (n, h, w, 3); all uint8."""

    rows: list[dict[str, float | str | None]]
    shown: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def metrics(self) -> dict[str, float]:
        """The share of faces that are found, and the median of the corner errors of those, in their own pixels."""
        found = {"found": float(np.mean([row["found"] for row in self._with_face()]))}
        errors = self._errors()
        return found | ({"corner_error": float(np.median(errors))} if errors else {})

    def summary(self) -> str:
        """Both in words, with what else the rows tell."""
        faces, errors = self._with_face(), self._errors()
        others = [row for row in self.rows if row["picture"].startswith("without")]
        words = f"{len(errors)} of {len(faces)} faces found"
        if errors:
            median, most = np.median(errors), np.percentile(errors, 95)
            words += f", corners {median:.1f} pixels off (median; 95th percentile {most:.1f})"
        wrong = sum(bool(row["found"]) for row in others)
        return f"{words}; {wrong} of {len(others)} pictures without a face taken for one"

    def _with_face(self) -> list[dict[str, float | str | None]]:
        return [row for row in self.rows if row["picture"].startswith("with ")]

    def _errors(self) -> list[float]:
        return [row["corner_error"] for row in self._with_face() if row["found"]]


def evaluate_aligner(
    finder: FaceFinder, names: Sequence[str], images: np.ndarray, settings: AlignerEvaluation
) -> AlignmentReport:
    """Look for faces in pictures made of aligned images (n, H, W, 3) uint8, and in as many without a face.

    `images` may be smaller than the frame that the finder's aligner learned; errors are in that one's pixels.
    """
    rows: list[dict[str, float | str | None]] = []
    shown: list[tuple[np.ndarray, ...]] = []
    width, height = images.shape[2], images.shape[1]
    shrink = np.diag([width / finder.frame[0], height / finder.frame[1], 1])[:2]
    for number in track(range(settings.pictures), settings.pictures, "pictures with a face", "pictures"):
        row = number * len(images) // settings.pictures
        placed = place_face(images[row], number, SIZE, settings.seed, scales=_SCALES, degrees=_DEGREES)
        truth = compose(placed.matrix, shrink)
        faces = finder.faces(placed.picture)
        errors = [float(corner_error(face.matrix, truth, finder.frame)) for face in faces]
        best = int(np.argmin(errors)) if errors else None
        if best is not None and errors[best] > _FARTHEST * min(finder.frame):
            best = None
        face = None if best is None else faces[best]
        rows.append(_row(f"with {number}", names[row], face, None if best is None else errors[best]))
        if number < settings.faces:
            shown.append(_shown(placed.picture, face, images[row]))
    for number in track(range(settings.pictures), settings.pictures, "pictures without a face", "pictures"):
        faces = finder.faces(no_face(images, number, SIZE, settings.seed + 1))
        rows.append(_row(f"without {number}", "", faces[0] if faces else None, None))
    pictures, found, aligned = (np.stack(part) for part in zip(*shown, strict=True))
    return AlignmentReport(rows, (pictures, found, aligned))


def _row(picture: str, image: str, face: Face | None, error: float | None) -> dict[str, float | str | None]:
    measured = (None, None, None) if face is None else (face.logit, face.scale, face.degrees)
    return dict(zip(COLUMNS, (picture, image, int(face is not None), error, *measured), strict=True))


def _shown(picture: np.ndarray, face: Face | None, aligned: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture with the frame drawn into it, the face in that frame, grey where there is none, and the truth."""
    if face is None:
        return picture, _on_white(np.full_like(aligned, 128)), _on_white(aligned)
    height, width = aligned.shape[:2]
    to_picture = compose(face.matrix, np.diag([face.frame[0] / width, face.frame[1] / height, 1])[:2])
    image = Image.fromarray(picture)
    cut = image.transform((width, height), Image.Transform.AFFINE, tuple(to_picture.ravel()), Image.Resampling.BICUBIC)
    outline = [tuple(point) for point in moved(face.matrix, corners(face.frame))]
    ImageDraw.Draw(image).line([*outline, outline[0]], fill=(255, 255, 0), width=3)
    return np.asarray(image), _on_white(np.asarray(cut)), _on_white(aligned)


def _on_white(image: np.ndarray) -> np.ndarray:
    """An image of any size in the middle of a white one of SIZE."""
    shown = ImageOps.pad(Image.fromarray(image), SIZE, color=(255, 255, 255))
    return np.asarray(shown)


def load_finder(path: Path, device: torch.device) -> FaceFinder:
    """The finder with the aligner of a file, computed by PyTorch. Raises FacevaeError if it is missing or none."""
    with readable(path):
        network, metadata = load_model(path, "aligner", from_metadata)
        frame, boxed = tuple(metadata["frame"]), float(metadata["boxed"])
    return FaceFinder(as_function(network.to(device), device), frame, boxed)


def as_function(network: Aligner, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """An aligner on a device, from arrays to arrays: (n, 3, VIEW, VIEW) float32 -> (n, 5) float32."""

    @torch.inference_mode()
    def answer(views: np.ndarray) -> np.ndarray:
        # Channels last, as views are cut out: it is quicker so.
        images = torch.from_numpy(views).to(device, memory_format=torch.channels_last)
        return network(images).cpu().numpy()

    return answer
