"""A photograph whose faces have been found and encoded, so that one edit after another is quick."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.inference.editing import Editor, Search, add_change
from facevae.inference.framing import FramedFace
from facevae.inference.given import Given, give_back
from facevae.inference.models import ModelFolder
from facevae.inference.photographs import FORMATS, Photograph, encode_photograph
from facevae.inference.pixels import as_bytes

# By attribute a strength; True or None: searched on the face.
Wanted = Mapping[str, float | bool | None]

LARGEST = 1000.0
"""Far beyond all faces; the sums of still larger strengths leave what floats can hold."""


class Portrait:
    """A photograph and its faces.

    `faces`: each one's square as the model sees it (`pixels`, (S, S, 3) uint8), `matrix` (2, 3) from there to the
    photograph's pixels, and `words` that say where it is.
    """

    def __init__(self, models: ModelFolder, given: Given, faces: Sequence[FramedFace]) -> None:
        self.models, self.given, self.faces = models, given, list(faces)
        self._searches: dict[str, Search] = {}

    @cached_property
    def editor(self) -> Editor:
        """Edits of all its faces."""
        return Editor(self.models, np.stack([face.pixels for face in self.faces]))

    @property
    def photograph(self) -> Photograph:
        """As it was given."""
        return self.given.photograph

    def edit(self, changes: Wanted | Sequence[Wanted], face: int = 0, *, every: bool = False) -> Any:
        """The photograph with changed faces, of the kind that was given; see `Faces` for kinds and strengths.

        `changes`: of face number `face`, counted from 0, or with `every` of each; or a list, a mapping for each face.
        """
        return give_back(self.edited(changes, face, every=every), self.given)

    def edited(self, changes: Wanted | Sequence[Wanted], face: int = 0, *, every: bool = False) -> Photograph:
        """`edit` as a photograph, to be written with `encode`."""
        found = self.photograph
        for number, strengths in enumerate(self._for_each(changes, face, every)):
            if any(strengths.values()):
                change = self._alone(number).additions(strengths)[0]
                found = add_change(found, self.faces[number].matrix, change)
        return found

    def save(self, path: str | Path, changes: Wanted | Sequence[Wanted], face: int = 0, *, every: bool = False) -> None:
        """Write the photograph with changed faces, in the format that the path's ending names.

        All that the original says is kept, as far as the format can hold it: EXIF, profile of colours, 16 bits, a
        JPEG's quality. Pillow's own `save` of what `edit` returns keeps little more than the pixels. A file at `path`
        is replaced. Raises FacevaeError if it is the photograph itself.
        """
        target, source = Path(path), self.given.where
        if isinstance(source, Path) and target.resolve() == source.resolve():
            raise FacevaeError(
                where=target, expected="an output that is not the photograph", found="the photograph itself",
                fix="name another; photographs are never overwritten",
            )  # fmt: skip
        if target.suffix.lower() not in FORMATS:
            raise FacevaeError(
                where=target, expected=f"a name that ends in {' or '.join(FORMATS)}", found=target.name,
                fix="such as .png",
            )  # fmt: skip
        data = self.encode(self.edited(changes, face, every=every), target.suffix)
        try:
            with atomic_write(target) as temporary:
                temporary.write_bytes(data)
        except OSError as error:
            raise FacevaeError(
                where=target, expected="a file that can be written", found=error.strerror or "an error",
                fix="name another",
            ) from None  # fmt: skip

    def square(self, changes: Wanted, face: int = 0, *, plain: bool = False) -> np.ndarray:
        """The model's square of an edited face, (S, S, 3) uint8; `plain`: as the autoencoder decodes it."""
        editor, strengths = self._alone(face), self.settled(changes, face)
        return (editor.plain(strengths) if plain else editor.residual(strengths))[0]

    def reconstruct(self, face: int = 0) -> Any:
        """A face as the autoencoder sees it: the model's square, as an array or Pillow's image."""
        self._check_face(face)
        square = as_bytes(self.editor.reconstructions[face : face + 1])[0]
        if self.given.kind == "array":
            return square
        return give_back(Photograph(square, "PNG"), self.given)

    def strengths(self, attributes: Sequence[str], face: int = 0) -> dict[str, float]:
        """The smallest strength with which the judge clearly sees each attribute on a face.

        The recommended one where it sees it already, or where there is no judge.
        """
        self._check_face(face)
        names = _listed(attributes, "the attributes", 'such as ["Smiling"]')
        return {name: float(self.search(self.models.vectors.named(name)).strengths[face]) for name in names}

    def search(self, attribute: str) -> Search:
        """The strengths of all faces, and on which of them they were found by a search."""
        if attribute not in self._searches:
            advice = self.models.vectors.recommendation(attribute)
            self._searches[attribute] = self.editor.search(attribute, advice.strength)
        return self._searches[attribute]

    def judged(self, changes: Wanted, face: int = 0) -> dict[str, float]:
        """The judge's probability of each attribute on an edited face, in [0, 1]; without a judge nothing."""
        check_mapping(changes)
        if self.models.judge is None:
            return {}
        found = self._alone(face).probabilities(self.settled(changes, face))[0]
        return dict(zip(self.models.judge.names, found.tolist(), strict=True))

    def psnr_db(self) -> np.ndarray:
        """PSNR of each face's reconstruction, (faces,), in dB."""
        return self.editor.psnr_db()

    def unlike(self) -> dict[int, float]:
        """The faces that are unlike all that the models know, by number: the PSNR of their reconstructions, in dB.

        Below that of 99 in 100 of the training's validation faces; an edit of such a face can't be expected to do well.
        """
        least = self.models.least_psnr_db
        if least is None:
            return {}
        return {number: value for number, value in enumerate(self.psnr_db().tolist()) if value < least}

    def encode(self, edited: Photograph | Any, suffix: str | None = None) -> bytes:
        """A file of an edited photograph, from `edited`, with all of the original that its format can hold.

        `suffix`: such as `.jpg`; the original's own without it.
        """
        if not isinstance(edited, Photograph):
            raise FacevaeError(
                where="encode", expected="what Portrait.edited returned", found=type(edited).__name__,
                fix="Portrait.save writes a file at once",
            )  # fmt: skip
        suffix = (suffix or self.given.suffix).lower()
        if suffix not in FORMATS:
            raise FacevaeError(
                where="encode", expected=f"a suffix among {', '.join(FORMATS)}", found=suffix, fix="such as .png"
            )
        return encode_photograph(edited, suffix)

    def _for_each(self, changes: Wanted | Sequence[Wanted], face: int, every: bool) -> list[dict[str, float]]:
        if isinstance(changes, Mapping):
            self._check_face(face)
            asked = [changes if every or number == face else {} for number in range(len(self.faces))]
        else:
            asked = _listed(changes, "the changes", 'such as {"Smiling": 1.0}, or one for each face')
            if len(asked) != len(self.faces):
                raise FacevaeError(
                    where="the changes", expected=f"{len(self.faces)} mappings, one for each face",
                    found=str(len(asked)), fix="leave those of other faces empty",
                )  # fmt: skip
        return [self.settled(wanted, number) for number, wanted in enumerate(asked)]

    def settled(self, changes: Wanted, face: int = 0) -> dict[str, float]:
        """A number for each attribute, by its own name. Raises FacevaeError for an unknown one, or one named twice."""
        self._check_face(face)
        check_mapping(changes)
        found = {}
        for word, wanted in changes.items():
            name = self.models.vectors.named(word)
            if name in found:
                raise FacevaeError(
                    where=f"attribute {name}", expected="each attribute once", found="it twice", fix="leave one out"
                )
            if wanted is None or wanted is True:
                found[name] = float(self.search(name).strengths[face])
            elif wanted is False:  # which would be a strength of 0, and may be meant to take it away
                raise FacevaeError(
                    where=name, expected=f"a strength from -{LARGEST:g} to {LARGEST:g}, or True", found="False",
                    fix="such as -1.0 to take it away; 0 leaves it as it is",
                )  # fmt: skip
            elif isinstance(wanted, int | float | np.number) and abs(wanted) <= LARGEST:  # NaN compares as false
                found[name] = float(wanted)
            else:
                raise FacevaeError(
                    where=name, expected=f"a strength from -{LARGEST:g} to {LARGEST:g}, or True", found=repr(wanted),
                    fix="such as 1.0",
                )  # fmt: skip
        return found

    def _check_face(self, face: int) -> None:
        if not 0 <= face < len(self.faces):
            raise FacevaeError(
                where=self.given.where, expected=f"a face from 0 to {len(self.faces) - 1}", found=str(face),
                fix="open it with face='all' to have each",
            )  # fmt: skip

    def _alone(self, face: int) -> Editor:
        """The editor of one face, with what is known of it already."""
        self._check_face(face)
        if len(self.faces) == 1:
            return self.editor
        one = Editor(self.models, self.editor.faces[face : face + 1])
        one.latents = self.editor.latents[face : face + 1]
        one.reconstructions = self.editor.reconstructions[face : face + 1]
        return one


def check_mapping(changes: Any, where: str = "the changes") -> None:
    """Raise FacevaeError if they are no mapping of attributes to strengths."""
    if not isinstance(changes, Mapping):
        raise FacevaeError(
            where=where, expected="a mapping of attributes to strengths", found=type(changes).__name__,
            fix='such as {"Smiling": 1.0}',
        )  # fmt: skip


def _listed(given: Any, where: str, fix: str) -> list[Any]:
    """What is in a list. A word is none, though it can be taken apart."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise FacevaeError(where=where, expected="a list", found=repr(given), fix=fix)
    return list(given)
