"""facevae: faces denoised, and edited in the latent space of an autoencoder; and the pipeline that trains the models.

import facevae
faces = facevae.load("celeba")
faces.edit("ann.jpg", Smiling=1.5, Eyeglasses=True).save("ann_smiles.png")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facevae.core.errors import FacevaeError
    from facevae.inference.faces import Faces, load
    from facevae.inference.portrait import Portrait

__all__ = ["Faces", "FacevaeError", "Portrait", "load"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: a stage's --help, which imports this package too, waits for nothing.
    if name == "FacevaeError":
        from facevae.core.errors import FacevaeError

        return FacevaeError
    if name in ("Faces", "load"):
        from facevae.inference import faces

        return getattr(faces, name)
    if name == "Portrait":
        from facevae.inference.portrait import Portrait

        return Portrait
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
