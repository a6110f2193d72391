"""Attributes of faces changed: in the model's square, and what that comes to in a photograph.

`faces`: (N, S, S, 3) uint8, framed for the model. `strengths`: by attribute, 1 for as much as a typical face has of it,
negative to remove it; a number for all faces, or one for each, (N,).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from facevae.finding.composite import composite
from facevae.inference.models import ModelFolder
from facevae.inference.photographs import Photograph
from facevae.inference.pixels import as_bytes, unit_floats
from facevae.latents.residual import CLEARLY, SEARCHED_TO, kept_change, residual_edit, smallest_strengths, times_ahead

Strengths = Mapping[str, float | np.ndarray]

# Of red, green and blue (ITU-R BT.601), as Pillow makes grey of them.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

# Peak signal-to-noise ratio is infinite for equal images; no reconstruction comes near this.
_MOST_DB = 100.0


@dataclass(frozen=True)
class Search:
    """`strengths` (N,): what was settled on for each face. Both (N,) bool: `tried`, whether it was searched on that
    face, which did not show the attribute before; `found`, whether the judge clearly sees it with what was found.
    """

    strengths: np.ndarray
    tried: np.ndarray
    found: np.ndarray


class Editor:
    """Edits faces, each of which is encoded once."""

    def __init__(self, models: ModelFolder, faces: np.ndarray) -> None:
        self.models, self.faces = models, faces

    @cached_property
    def latents(self) -> np.ndarray:
        """Posterior means, (N, D)."""
        return self.models.encode(self.faces)

    @cached_property
    def reconstructions(self) -> np.ndarray:
        """(N, 3, S, S) in [0, 1]: the ground from which every edit starts."""
        return self.models.decode(self.latents)

    def psnr_db(self) -> np.ndarray:
        """PSNR of each face's reconstruction, (N,): how well the model can represent it."""
        errors = np.square(self.reconstructions - unit_floats(self.faces)).mean((1, 2, 3), dtype=np.float64)
        return (-10 * np.log10(errors.clip(1e-10))).clip(None, _MOST_DB)

    def plain(self, strengths: Strengths) -> np.ndarray:
        """The decoded edits, (N, S, S, 3) uint8; without any strength the reconstructions."""
        return as_bytes(self._decoded(strengths))

    def residual(self, strengths: Strengths) -> np.ndarray:
        """The faces with what changes, (N, S, S, 3) uint8; without any strength the faces."""
        return as_bytes(self._residual(strengths))

    def additions(self, strengths: Strengths) -> np.ndarray:
        """What is to be added to the faces' photographs: (N, 3, S, S) float32 in units of the whole range."""
        if not any(np.any(strength) for strength in strengths.values()):
            return np.zeros_like(self.reconstructions)
        return kept_change(self.reconstructions, *self._ahead(strengths), self._places(strengths))

    def probabilities(self, strengths: Strengths) -> np.ndarray:
        """What the judge sees on the residual edits, (N, A). Raises ValueError without a judge."""
        if self.models.judge is None:
            raise ValueError("no judge")
        return self.models.judge.probabilities(self._residual(strengths))

    def search(self, attribute: str, recommended: float) -> Search:
        """For each face the smallest strength with which the judge clearly sees the attribute.

        Up to twice the recommended one, which it is where the judge clearly sees it with none. A face on which the
        judge sees the attribute without any change gets the recommended one, and so do all without a judge that knows
        it.
        """
        count, judge = len(self.faces), self.models.judge
        strengths = np.full(count, recommended, np.float32)
        if judge is None or attribute not in judge.names:
            return Search(strengths, np.zeros(count, bool), np.zeros(count, bool))
        place = judge.names.index(attribute)

        def seen(tried: np.ndarray) -> np.ndarray:
            return self.probabilities({attribute: tried})[:, place] > CLEARLY

        tried = self.probabilities({})[:, place] <= 0.5
        if not tried.any():
            return Search(strengths, tried, tried)
        smallest, found = smallest_strengths(seen, count, SEARCHED_TO * recommended)
        return Search(np.where(tried, smallest, strengths), tried, tried & found)

    def _residual(self, strengths: Strengths) -> np.ndarray:
        images = unit_floats(self.faces)
        if not strengths:
            return images
        return residual_edit(images, self.reconstructions, *self._ahead(strengths), self._places(strengths))

    def _places(self, strengths: Strengths) -> np.ndarray:
        """Where these attributes may change the faces, (S, S); all of them everywhere that one of them may."""
        changing = [name for name, strength in strengths.items() if np.any(strength)]
        return self.models.fitting_vectors.places(changing, self.faces.shape[1])

    def _ahead(self, strengths: Strengths) -> tuple[np.ndarray, np.ndarray]:
        """The decoded edits at a times their strengths, (N, 3, S, S), and a, (N,): as far as the strongest may go."""
        columns = [np.broadcast_to(np.abs(np.float32(strength)), len(self.faces)) for strength in strengths.values()]
        times = times_ahead(np.max(columns, 0))
        return self._decoded({name: times * strength for name, strength in strengths.items()}), times

    def _decoded(self, strengths: Strengths) -> np.ndarray:
        if not strengths:
            return self.reconstructions
        vectors = np.stack([self.models.fitting_vectors.of(name) for name in strengths])
        columns = [np.broadcast_to(np.float32(strength), len(self.faces)) for strength in strengths.values()]
        return self.models.decode(self.latents + np.stack(columns, 1) @ vectors)


def add_change(photograph: Photograph, matrix: np.ndarray, change: np.ndarray) -> Photograph:
    """The photograph with the change of its face added: (2, 3) where that is, (3, S, S) in the model's size.

    A black-and-white photograph stays one: of the change its brightness is added.
    """
    if photograph.colourless:
        change = np.repeat(np.tensordot(LUMA, change, 1)[None], 3, 0)
    return replace(photograph, pixels=composite(photograph.pixels, matrix, change))
