"""Images of one size as uncompressed TIFFs: what the archives between stages hold.

Everything opens them, and their pixels are plain bytes behind a header that is the same for all of one size. So writing
and reading one costs a copy of its bytes, a hundredth of what a PNG costs, for at most twice the size: see
`python -m bench.preparation --only formats`.
"""

import io

import numpy as np
from PIL import Image

from facevae.imaging.codec import decode

SUFFIX = ".tif"


class TiffFormat:
    """TIFFs of `width` x `height` pixels. `size`: the bytes of each."""

    def __init__(self, width: int, height: int) -> None:
        self.shape = height, width, 3
        self._header = _header(width, height)
        self.size = len(self._header) + width * height * 3

    def encode(self, image: np.ndarray) -> bytes:
        """`image`, of `shape` uint8, as Pillow would write it."""
        if image.shape != self.shape or image.dtype != np.uint8:
            raise ValueError(f"{image.shape} {image.dtype} is not {self.shape} uint8")
        return self._header + image.tobytes()

    def decode(self, data: bytes, where: object) -> np.ndarray:
        """The image in `data`, however it is written, uint8. Raises FacevaeError naming `where` if it is not whole."""
        if len(data) == self.size and data.startswith(self._header):
            return np.frombuffer(data, np.uint8, offset=len(self._header)).reshape(self.shape)
        return decode(data, where)


def _header(width: int, height: int) -> bytes:
    """What Pillow writes before the pixels, which come last."""
    image = np.arange(width * height * 3, dtype=np.uint32).astype(np.uint8).reshape(height, width, 3)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "TIFF")
    data, pixels = file.getvalue(), image.tobytes()
    if not data.endswith(pixels):
        raise RuntimeError("this Pillow writes TIFFs whose pixels are not at their end")
    return data[: -len(pixels)]
