"""File names of images: their endings and stems, and many of them in little memory."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

IMAGE_FOLDER = "img_align_celeba"

"""The folder of the raw images in their archive; folders below it are part of their names."""

IMAGE_SUFFIXES = frozenset(
    {
        ".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
    }
)  # fmt: skip


def stem(name: str) -> str:
    """The identity of an image whatever its format: its name, with its folders, without the suffix."""
    return name[: name.rfind(".")] if name.rfind(".") > name.rfind("/") + 1 else name


class Names(Sequence[str]):
    """File names as bytes of one width, `array` (N,): a sixth of the memory that strings take.

    None may end in a zero byte.
    """

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    @classmethod
    def of(cls, names: Iterable[str], count: int, width: int) -> "Names":
        """`count` names of at most `width` bytes in UTF-8."""
        return cls(np.fromiter((name.encode() for name in names), f"S{max(1, width)}", count))

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int | slice) -> "str | Names":
        return Names(self.array[index]) if isinstance(index, slice) else self.array[index].decode()

    def __iter__(self) -> Iterator[str]:
        return (name.decode() for name in self.array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return f"Names({list(self[:3])}, {len(self)} in all)"

    def take(self, rows: np.ndarray) -> "Names":
        """The names at these places, in their order."""
        return Names(self.array[rows])

    def find(self, name: str) -> int:
        """The place of `name`; they must be sorted. Raises KeyError if it is none of them."""
        encoded = name.encode()
        place = int(np.searchsorted(self.array, encoded))
        if place == len(self.array) or self.array[place] != encoded:
            raise KeyError(name)
        return place

    def without(self, others: "Names") -> "Names":
        """Those that are not among `others`, sorted, each once."""
        return Names(np.setdiff1d(self.array, others.array))
