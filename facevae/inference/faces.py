"""The Python interface: `facevae.load("celeba")`, and what its answer can do with images."""

from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.inference.framing import FramedFace, Framing, Way
from facevae.inference.given import Given, give_back, take
from facevae.inference.models import ModelFolder
from facevae.inference.pixels import as_bytes
from facevae.inference.portrait import Portrait, Wanted, check_mapping
from facevae.inference.sets import resolve
from facevae.inference.threads import in_threads
from facevae.latents.arithmetic import lerp, slerp
from facevae.latents.mixture import prior_draws

if TYPE_CHECKING:
    import pandas


# Bytes of photographs that are kept between finding the faces of all and editing the first.
_KEPT = 2**25


def load(models: str | Path = "celeba", device: str = "auto") -> "Faces":
    """Models to work on faces with.

    `models`: the name of a set that comes with facevae (`celeba`: photographs of real faces, for non-commercial
    research), or a folder such as the pipeline's `models/`. `device`: `auto` (a GPU where onnxruntime has one, else
    the CPU), `cpu`, or a GPU such as `cuda:0`. Files are opened when they are first needed.

    Raises facevae.FacevaeError if there is no such set or folder.
    """
    return Faces(ModelFolder(resolve(models), device))


class Faces:
    """What can be done with faces. Images are Pillow's, arrays (H, W, 3) uint8, paths, or the bytes of files.

    An answer is of the kind that was given: of a Pillow image a Pillow image, of an array an array; of a path or bytes
    a Pillow image. A list of images, or an array (N, H, W, 3), gets a list, or an array, of answers. All methods raise
    facevae.FacevaeError, whose text is one line, for what a caller can mend.
    """

    def __init__(self, models: ModelFolder) -> None:
        self.models = models

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that can be changed."""
        return self.models.vectors.names

    @property
    def image_size(self) -> int:
        """Pixels of the model's square, a side."""
        return self.models.image_size

    def attributes(self) -> "pandas.DataFrame":
        """What can be changed, the attributes whose edits work best first.

        Indexed by `attribute`. `strength`: the recommended one; `success_rate`: of validation faces without the
        attribute, edited so, the share on which the judge sees it; `leakage`: the mean change of its other
        probabilities; `method`: how the vectors were found. NaN where it could not be measured. Needs pandas, which the
        light install does not bring.
        """
        try:
            import pandas as pd
        except ImportError:
            raise FacevaeError(
                where="Faces.attributes", expected="pandas, to make a table", found="none installed",
                fix="pip install pandas, or take models.vectors.rows()",
            ) from None  # fmt: skip

        table = pd.DataFrame(self.models.vectors.rows()).set_index("attribute")
        return table.astype({"strength": float, "success_rate": float, "leakage": float})

    def open(self, image: Any, *, face: str | int = "largest", frame: Way = "auto") -> Portrait:
        """A photograph with its faces found and encoded, to try several edits on.

        `face`: `largest`, `all`, or a number, the largest being 1. `frame`: `aligned` finds faces, `centre` takes the
        centred square, `auto` finds faces but in an image of the model's or its training images' size.
        """
        given, framing = take(image), Framing(self.models, frame, str(face))
        return Portrait(self.models, given, framing(given.photograph.visible(), given.where))

    def openers(
        self, paths: Sequence[Path], *, face: str | int = "largest", frame: Way = "auto",
        on_bad: Callable[[Path, FacevaeError | OSError], None] | None = None,
    ) -> list[tuple[Path, Callable[[], Portrait]]]:  # fmt: skip
        """These files, each with what opens it, after faces have been found in all of them. Several threads may call.

        `on_bad` is told of a file that is no image or has no such face, which is then left out; without it that ends
        the call. Small photographs are kept until they are opened; large ones are read a second time: a folder of them
        need not fit into memory.
        """
        framing = Framing(self.models, frame, str(face))

        def found(path: Path) -> tuple[Given, list[FramedFace]] | FacevaeError | OSError:
            try:
                given = take(path)
                return given, framing(given.photograph.visible(), path)
            except (FacevaeError, OSError) as error:
                if on_bad is None:
                    raise
                return error

        def opener(path: Path, faces: list[FramedFace], kept: Given | None) -> Callable[[], Portrait]:
            return lambda: Portrait(self.models, kept or take(path), faces)

        made, room = [], _KEPT
        for path, result in zip(paths, in_threads(found, paths), strict=True):
            if isinstance(result, Exception):
                assert on_bad is not None
                on_bad(path, result)
                continue
            given, faces = result
            room -= given.photograph.pixels.nbytes
            made.append((path, opener(path, faces, given if room >= 0 or len(paths) == 1 else None)))
        return made

    def edit(
        self, image: Any, changes: Wanted | None = None, /, *, face: str | int = "largest", frame: Way = "auto",
        **strengths: float | bool | None,
    ) -> Any:  # fmt: skip
        """The photograph with attributes of its faces changed, in its own size.

        `strengths`: by attribute a number, 1 for as much as a typical face has and negative to remove; True or None for
        the smallest that the judge clearly sees on that face. Attributes whose names are no Python words, or are `face`
        or `frame`, go into the mapping `changes`. For `face` and `frame` see `open`.

            faces.edit(photo, Smiling=1.5, Eyeglasses=True)

        Pillow's own `save` of the answer keeps little more than the pixels; `faces.open(photo).save(path, changes)`
        keeps EXIF, profile of colours and a JPEG's quality.
        """
        check_mapping(changes or {}, "edit")
        for name in strengths:
            if name in (changes or {}):
                raise FacevaeError(
                    where=f"attribute {name}", expected="each attribute once", found="it twice", fix="leave one out"
                )
        wanted = {**(changes or {}), **strengths}
        if not wanted:
            raise FacevaeError(
                where="edit", expected="an attribute to change", found="none", fix="such as edit(image, Smiling=1.0)"
            )
        return _each(image, lambda one: self.open(one, face=face, frame=frame).edit(wanted, every=face == "all"))

    def reconstruct(self, image: Any, *, face: str | int = "largest", frame: Way = "auto") -> Any:
        """The face as the autoencoder sees it: the model's square, (S, S, 3) uint8 or Pillow's."""
        return _each(image, lambda one: self.open(one, face=face, frame=frame).reconstruct())

    def interpolate(
        self, first: Any, last: Any, steps: int = 8, *, spherical: bool = True, face: str | int = "largest",
        frame: Way = "auto",
    ) -> np.ndarray:  # fmt: skip
        """One face turned into another in at least 2 steps: (steps, S, S, 3) uint8.

        The two ends are the faces' reconstructions. `spherical`: along the arc between the two latents, not the chord
        (White 2016, arXiv 1609.04468, section 2.1).
        """
        _check_whole("steps", steps, 2)
        a, b = (self.open(image, face=face, frame=frame).editor.latents[0] for image in (first, last))
        return self.between(a, b, steps, spherical)

    def between(self, a: np.ndarray, b: np.ndarray, steps: int, spherical: bool = True) -> np.ndarray:
        """Images of the latents from one, (D,), to another in at least 2 steps: (steps, S, S, 3) uint8."""
        _check_whole("steps", steps, 2)
        t = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
        return as_bytes(self.models.decode((slerp if spherical else lerp)(a, b, t).astype(np.float32)))

    def sample(
        self, count: int = 16, *, seed: int = 0, source: Literal["mixture", "prior"] | None = None
    ) -> np.ndarray:
        """Faces that nobody has: (count, S, S, 3) uint8. The same seed draws the same faces.

        `source`: the Gaussian mixture that was fitted to the training's faces (the default where there is one), or the
        prior, a normal distribution.
        """
        _check_whole("count", count, 1)
        _check_whole("seed", seed, 0)
        if self.draws_from(source) == "mixture":
            return as_bytes(self.models.decode(self.models.mixture.sample(count, seed)))
        return as_bytes(self.models.decode(prior_draws(self.models.latent_dim, count, seed)))

    def draws_from(self, source: str | None) -> str:
        """`mixture` or `prior`: None is the mixture where there is one. Raises FacevaeError for another word."""
        if source not in (None, "mixture", "prior"):
            raise FacevaeError(
                where="source", expected="mixture or prior", found=repr(source), fix="leave it out for what there is"
            )
        return source or ("mixture" if self.models.has_mixture else "prior")

    def denoise(self, image: Any, *, self_ensemble: bool = False) -> Any:
        """The image without its noise, in its own size, with its bits and transparency.

        `self_ensemble`: averaged with the answer to the mirror image; better, half as fast.
        """
        return _each(image, lambda one: self._denoise(take(one), self_ensemble))

    def noise(self, image: Any) -> Any:
        """The sigma of an image's Gaussian noise in grey levels of 8 bits, as far as the denoiser can tell: a float.

        Below 2 it is none that anybody sees.
        """
        return _each(image, lambda one: self._noise(take(one)))

    def _noise(self, given: Given) -> float:
        return self.models.denoiser.photograph(given.photograph, where=given.where)[1]

    def _denoise(self, given: Given, self_ensemble: bool) -> Any:
        denoiser = self.models.denoiser
        return give_back(
            denoiser.photograph(given.photograph, self_ensemble=self_ensemble, where=given.where)[0], given
        )


def _check_whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, Integral) or value < least:
        raise FacevaeError(
            where=name, expected=f"a whole number, at least {least}", found=repr(value), fix="give another"
        )


def _each(image: Any, answer: Any) -> Any:
    """The answer to an image, or those to several."""
    if isinstance(image, list | tuple):
        return [answer(one) for one in image]
    if isinstance(image, np.ndarray) and image.ndim == 4:
        return np.stack([answer(one) for one in image]) if len(image) else image
    return answer(image)
