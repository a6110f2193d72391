"""What must be done to a person's images, told from their headers, and the names under which they are packed."""

import re
import unicodedata
from collections.abc import Sequence

from facevae.imaging.archive import Flaw
from facevae.imaging.codec import Header
from facevae.imaging.names import IMAGE_FOLDER, stem

FRAMED = "framed by its face"
"""What `align` does to an image, in the words of changes_of."""

# Formats that are packed as they are where nothing is to be changed, and how their names end.
_KEPT = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}

# What a name in the annotation, or in an archive, can't hold.
_UNFIT = re.compile(r"[\s\\:\x00-\x1f\x7f]")


def changes_of(header: Header, size: tuple[int, int] | None, align: bool = False) -> list[str]:
    """What must be done to an image with this header, in words; nothing to one that is packed as it is.

    With `align` one of them is FRAMED: the pixels alone tell how.
    """
    found = []
    if header.turned:
        found.append("turned upright")
    if align:
        found.append(FRAMED)
    elif size is not None and header.size != size:
        found.append("scaled from {}x{} to cover {}x{}".format(*header.size, *size))
    if header.format not in _KEPT or header.mode != "RGB" or (found and header.format != "JPEG"):
        found.append(f"converted from {header.format} ({header.mode})")
    return found


def entry_names(
    names: Sequence[str], headers: dict[int, Header], size: tuple[int, int] | None, align: bool, flaws: list[Flaw]
) -> dict[int, str]:
    """The name in the archive for each image: its own, "_" for what that can't hold, its ending that of its format.

    Of images whose names differ in that alone none is taken: later stages tell them by their stems.
    """
    entries = {place: _entry_name(names[place], header, size, align) for place, header in headers.items()}
    owners: dict[str, list[int]] = {}
    for place, entry in entries.items():
        owners.setdefault(stem(entry), []).append(place)
    for places in owners.values():
        for place in places if len(places) > 1 else ():
            other = next(names[one] for one in places if one != place)
            flaws.append(Flaw(names[place], f"one of several images of this name, {other} another"))
            del entries[place]
    return entries


def _entry_name(name: str, header: Header, size: tuple[int, int] | None, align: bool) -> str:
    suffix = ".jpg" if changes_of(header, size, align) else _KEPT[header.format]
    # That folder is the archive's own, and no part of a name.
    return _UNFIT.sub("_", unicodedata.normalize("NFC", stem(name))).removeprefix(f"{IMAGE_FOLDER}/") + suffix
