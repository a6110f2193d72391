"""A stranger's file, opened: nothing is decoded before its size is known."""

import io
import warnings
from typing import Any

from PIL import Image

from facevae.core.errors import FacevaeError
from facevae.inference.faces import Faces
from facevae.inference.portrait import Portrait

MEGAPIXELS = 100
"""Of a photograph that is taken: a file of some kilobytes can say that it has a billion pixels."""


def checked(data: bytes) -> bytes:
    """The bytes of a file that says it has no more than MEGAPIXELS. Raises FacevaeError; what is no image passes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            width, height = Image.open(io.BytesIO(data)).size
    except Image.DecompressionBombError:
        width, height = 0, 0
        found = "far more"
    except Exception:  # whatever Pillow's many readers raise: the decoder says it in words
        return data
    else:
        found = f"{width}x{height}"
    if not width or width * height > MEGAPIXELS * 1_000_000:
        raise FacevaeError(
            where="the photograph", expected=f"at most {MEGAPIXELS} megapixels", found=found, fix="scale it down"
        )
    return data


def open_photograph(faces: Faces, data: bytes, **options: Any) -> Portrait:
    """`Faces.open` of a stranger's file. Raises FacevaeError."""
    return faces.open(checked(data), **options)
