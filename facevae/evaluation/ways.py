"""The ways of editing a photograph compared: how often an edit is seen, and what is left of the photograph.

Everything is measured against the photograph itself, where the verdicts of the module `edits` start from its
reconstruction: what the autoencoder loses counts here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.evaluation.edits import Edit, Faces
from facevae.latents.residual import CLEARLY, SEARCHED_TO, residual_edit, smallest_strengths, times_ahead
from facevae.latents.vectors import AttributeVectors
from facevae.nn.layers import as_bytes, from_bytes

PLAIN, RESIDUAL, PER_FACE = WAYS = ("plain", "residual", "residual_per_face")

# A pixel counts as changed if a colour of it does by more grey levels.
_CHANGED_LEVELS = 2

# An attribute's region are the pixels that its change moves by this share, at least, of the pixel that it moves most.
_REGION_SHARE = 0.25


@dataclass(frozen=True)
class WayVerdict:
    """What is measured of one attribute's edits in one way, means over faces without it.

    `strength`: the mean over the faces, where each has its own; `detection_rate`: share of the edits on which the
    judge sees the attribute; `leakage`: mean absolute change of its other probabilities from those on the photograph;
    `identity`: cosine between the embeddings of photograph and edit; `changed_pixels`: share of the pixels of which a
    colour differs by more than 2 grey levels; `psnr_outside_db`: PSNR to the photograph outside of the attribute's
    region.
    """

    attribute: str
    way: str
    strength: float
    faces: int
    detection_rate: float
    leakage: float
    identity: float
    changed_pixels: float
    psnr_outside_db: float


COLUMNS = tuple(field.name for field in fields(WayVerdict))


class Ways:
    """Judges the same edits in every way: an observer of `Faces.judge_edits`, which makes the plain ones.

    `images`: the faces' photographs, (N, S, S, 3) uint8; `seen`: the judge's probabilities on them, (N, A); `regions`:
    by attribute the region, (S, S) bool, where the truth is known; elsewhere it is where the edits themselves change
    the reconstructions most, on average; `vectors`: where an edit may change an image. Judged are the first `most` of
    the faces that are edited, and strengths for each searched on the first `searched`.
    """

    def __init__(
        self,
        faces: Faces,
        images: np.ndarray,
        seen: np.ndarray,
        regions: Mapping[str, np.ndarray],
        vectors: AttributeVectors,
        most: int,
        searched: int,
    ) -> None:
        if faces.embed is None or faces.persons is None:
            raise ValueError("faces with embeddings")
        self.faces, self.images, self.seen, self.regions, self.vectors = faces, images, seen, regions, vectors
        self.most, self.searched = most, searched
        self.verdicts: list[WayVerdict] = []
        # Reconstructions by the face's number: the faces that lack one attribute are mostly those that lack another.
        self.before: dict[int, Tensor] = {}

    def __call__(
        self, asked: Edit, rows: np.ndarray, edited: Tensor, probabilities: np.ndarray, embeddings: Tensor
    ) -> None:
        """Judge an edit of faces `rows` of which the plain images, (n, 3, S, S), and what they look like are known."""
        rows, edited, probabilities, embeddings = (
            part[: self.most] for part in (rows, edited, probabilities, embeddings)
        )
        images, before = from_bytes(self.images[rows]), self._reconstructions(rows)
        region = self.regions.get(asked.attribute)
        if region is None:
            region = region_of((edited - before).abs().amax(1).mean(0).numpy())

        def judge(
            way: str, rows: np.ndarray, strengths: Tensor, edits: Tensor, seen: np.ndarray, found: Tensor
        ) -> None:
            self.verdicts.append(self._verdict(asked.attribute, way, rows, strengths, edits, seen, found, region))

        everywhere = torch.full((len(rows),), asked.strength)
        judge(PLAIN, rows, everywhere, edited, probabilities, embeddings)
        residual = self._residual(asked, everywhere, rows, images, before)
        judge(RESIDUAL, rows, everywhere, residual, *self.faces.look_at(residual))
        if self.searched:
            rows, images, before = (part[: self.searched] for part in (rows, images, before))
            strengths = self._search(asked, rows, images, before)
            residual = self._residual(asked, strengths, rows, images, before)
            judge(PER_FACE, rows, strengths, residual, *self.faces.look_at(residual))

    def _search(self, asked: Edit, rows: np.ndarray, images: Tensor, before: Tensor) -> Tensor:
        column = self.faces.names.index(asked.attribute)

        def seen(strengths: np.ndarray) -> np.ndarray:
            edits = self._residual(asked, torch.from_numpy(strengths), rows, images, before)
            return self.faces.look_at(edits, embed=False)[0][:, column] > CLEARLY

        return torch.from_numpy(smallest_strengths(seen, len(rows), SEARCHED_TO * asked.strength)[0])

    def _residual(self, asked: Edit, strengths: Tensor, rows: np.ndarray, images: Tensor, before: Tensor) -> Tensor:
        times, places = times_ahead(strengths.numpy()), self.vectors.places([asked.attribute], images.shape[-1])
        moved = self.faces.latents[rows] + (torch.from_numpy(times) * strengths)[:, None] * asked.vector
        ahead = self.faces.decode(moved).numpy()
        return torch.from_numpy(residual_edit(images.numpy(), before.numpy(), ahead, times, places))

    def _reconstructions(self, rows: np.ndarray) -> Tensor:
        new = [row for row in rows.tolist() if row not in self.before]
        if new:
            self.before |= zip(new, self.faces.decode(self.faces.latents[new]), strict=True)
        return torch.stack([self.before[row] for row in rows.tolist()])

    def _verdict(
        self, attribute: str, way: str, rows: np.ndarray, strengths: Tensor, edits: Tensor, after: np.ndarray,
        embeddings: Tensor, region: np.ndarray,
    ) -> WayVerdict:  # fmt: skip
        column = self.faces.names.index(attribute)
        others = np.arange(after.shape[1]) != column
        change = np.abs(after - self.seen[rows])[:, others]
        originals = self.images[rows]
        levels = np.abs(as_bytes(edits).astype(np.int16) - originals).max(3)
        assert self.faces.persons is not None
        return WayVerdict(
            attribute=attribute,
            way=way,
            strength=float(strengths.mean()),
            faces=len(rows),
            detection_rate=float((after[:, column] > 0.5).mean()),
            leakage=float(change.mean()) if others.any() else 0.0,
            identity=float(F.cosine_similarity(self.faces.persons[rows], embeddings).mean()),
            changed_pixels=float((levels > _CHANGED_LEVELS).mean()),
            psnr_outside_db=float(psnr_outside_db(edits, from_bytes(originals), region).mean()),
        )


def region_of(change: np.ndarray) -> np.ndarray:
    """The region of an attribute whose change is so large on average: (S, S) -> (S, S) bool, a quarter of the most."""
    return (change >= _REGION_SHARE * change.max()) & (change > 0)


def psnr_outside_db(edits: Tensor, images: Tensor, region: np.ndarray) -> Tensor:
    """PSNR over the pixels outside of a region, (S, S) bool: (N, 3, S, S) twice -> (N,), at most 100."""
    outside = torch.from_numpy(~region).to(edits.dtype)
    squares = ((edits - images).square() * outside).sum((1, 2, 3)) / (3 * outside.sum()).clamp_min(1)
    return (-10 * squares.clamp_min(1e-10).log10()).clamp_max(100)


Rows = Sequence[Mapping[str, float | str]]


def residual_metrics(verdicts: Sequence[WayVerdict], way_scores: Rows) -> dict[str, float]:
    """Means over the attributes of what is left of a photograph after a residual edit, and where faces are drawn of the
    share of the true change that it makes; what is not known is left out.
    """
    rows = [vars(verdict) for verdict in verdicts]
    found = {"identity": mean_of(rows, RESIDUAL, "identity")} if rows else {}
    return found | ({"explained_change": mean_of(way_scores, RESIDUAL, "explained_change")} if way_scores else {})


def mean_of(rows: Rows, way: str, measure: str) -> float:
    """The mean of a measure over the attributes that were edited in this way."""
    return float(np.mean([float(row[measure]) for row in rows if row["way"] == way]))


def ways_summary(rows: Rows, way_scores: Rows) -> list[str]:
    """A line per way for a reader: means over the attributes, against the photographs."""
    lines = []
    for way in WAYS:
        if not any(row["way"] == way for row in rows):
            continue
        measures = ("detection_rate", "identity", "leakage", "changed_pixels", "psnr_outside_db")
        seen, identity, leakage, changed, outside = (mean_of(rows, way, measure) for measure in measures)
        text = (
            f"{way.replace('_', ' ')} edits against the photograph: seen {seen:.0%}, cosine {identity:.3f}, leakage "
            f"{leakage:.3f}, {changed:.0%} of the pixels changed, {outside:.1f} dB outside of the region"
        )
        if any(row["way"] == way for row in way_scores):
            text += f", {mean_of(way_scores, way, 'explained_change'):.3f} of the drawn change"
        lines.append(text)
    return lines
