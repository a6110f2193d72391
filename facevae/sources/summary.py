"""A plan of photos in words: what is in it, what is changed, what is left out."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from facevae.celeba.splits import PARTITIONS
from facevae.imaging.archive import Flaw
from facevae.sources.photos import Plan


def describe(plan: Plan) -> list[str]:
    """Lines that say what is in a plan: sizes, attributes, persons, splits, what is changed."""
    photos = plan.photos
    sizes = Counter("{}x{}".format(*photo.header.size) for photo in photos).most_common()
    lines = [f"sizes: {_counted(sizes)}"]
    if plan.size is not None:
        lines[0] += "; {} to {}x{}".format(
            "the face in each is brought" if plan.align else "all are brought", *plan.size
        )
    kinds = Counter(f"{photo.header.format} {photo.header.mode}" for photo in photos).most_common()
    lines.append(f"formats: {_counted(kinds)}")
    if plan.names:
        unknown = int((plan.values == 0).sum())
        lines.append(f"attributes: {len(plan.names)}, {_some(plan.names)}")
        if unknown:
            lines.append(f"unknown labels: {unknown:,} of {plan.values.size:,}")
        if len(photos) > 1 and (same := [plan.names[column] for column in np.flatnonzero(_one_kind(plan.values))]):
            lines.append(f"the same for all images, so that nothing is learned of it: {_some(same)}")
    else:
        lines.append("attributes: none")
    persons = len({photo.person for photo in photos})
    lines.append(f"persons: {persons:,}" if persons < len(photos) else "persons: one for each image")
    counts = Counter(plan.partitions)
    lines.append("split: " + ", ".join(f"{counts[number]:,} {name}" for number, name in enumerate(PARTITIONS)))
    # Without the sizes that were scaled, of which there may be thousands.
    changes = Counter(re.sub(r" from [0-9]+x[0-9]+", "", change) for photo in photos for change in plan.changes(photo))
    if changes:
        lines.append(f"changed: {_counted(changes.most_common())}")
    return lines + [f"note: {note}" for note in plan.notes]


def numbered(count: int, what: str) -> str:
    """1 image, 2,000 images."""
    return f"{count:,} {what}{'s' * (count != 1)}"


def left_out(flaws: Iterable[Flaw], most: int = 10) -> list[str]:
    """A line for each kind of flaw, the most frequent first: how many images, why, and the first of them."""
    kinds: dict[str, list[str]] = {}
    for flaw in sorted(flaws):
        kinds.setdefault(re.sub(r"[0-9]+", "#", flaw.reason.partition(", ")[0]), []).append(
            f"{flaw.image}: {flaw.reason}"
        )
    ordered = sorted(kinds.values(), key=len, reverse=True)
    lines = [one[0] if len(one) == 1 else f"{len(one):,} images, such as {one[0]}" for one in ordered[:most]]
    lines += [f"for {len(ordered) - most} more reasons, others"] * (len(ordered) > most)
    # A name may have line ends in it, and bytes that are no text.
    return [f"left out: {''.join(mark if mark.isprintable() else '?' for mark in line)}" for line in lines]


def _one_kind(values: np.ndarray) -> np.ndarray:
    """(A,) bool: which attributes no two images are known to differ in."""
    return ~((values > 0).any(axis=0) & (values < 0).any(axis=0))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + " ..." * (len(names) > 5)


def _counted(counts: Sequence[tuple[str, int]], most: int = 5) -> str:
    words = ", ".join(f"{what} ({count:,})" for what, count in counts[:most])
    return words + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
