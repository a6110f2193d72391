"""A plan of photos in words: what is in it, what is changed, what is left out."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from facevae.celeba.splits import PARTITIONS
from facevae.imaging.archive import Flaw
from facevae.sources.photos import Plan, changes_of


def describe(plan: Plan) -> list[str]:
    """Lines that say what is in a plan: sizes, attributes, persons, splits, what is changed."""
    photos = plan.photos
    sizes = Counter("{}x{}".format(*photo.header.size) for photo in photos).most_common()
    lines = [f"sizes: {_counted(sizes)}"]
    if plan.size is not None:
        lines[0] += "; all are brought to {}x{}".format(*plan.size)
    kinds = Counter(f"{photo.header.format} {photo.header.mode}" for photo in photos).most_common()
    lines.append(f"formats: {_counted(kinds)}")
    if plan.names:
        unknown = int((plan.values == 0).sum())
        lines.append(f"attributes: {len(plan.names)}, {', '.join(plan.names[:5])}{' ...' * (len(plan.names) > 5)}")
        if unknown:
            lines.append(f"unknown labels: {unknown:,} of {plan.values.size:,}")
    else:
        lines.append("attributes: none")
    persons = len({photo.person for photo in photos})
    lines.append(f"persons: {persons:,}" if persons < len(photos) else "persons: one for each image")
    counts = Counter(plan.partitions)
    lines.append("split: " + ", ".join(f"{counts[number]:,} {name}" for number, name in enumerate(PARTITIONS)))
    # Without the sizes that were scaled, of which there may be thousands.
    changes = Counter(
        re.sub(r" from [0-9]+x[0-9]+", "", change) for photo in photos for change in changes_of(photo.header, plan.size)
    )
    if changes:
        lines.append(f"changed: {_counted(changes.most_common())}")
    return lines + [f"note: {note}" for note in plan.notes]


def reasons(flaws: Iterable[Flaw], most: int = 10) -> list[str]:
    """A line for each kind of flaw, the most frequent first: how many images, why, and the first of them."""
    kinds: dict[str, list[str]] = {}
    for flaw in sorted(flaws):
        kinds.setdefault(re.sub(r"[0-9]+", "#", flaw.reason.partition(", ")[0]), []).append(
            f"{flaw.image}: {flaw.reason}"
        )
    ordered = sorted(kinds.values(), key=len, reverse=True)
    lines = [one[0] if len(one) == 1 else f"{len(one):,} images, such as {one[0]}" for one in ordered[:most]]
    return lines + [f"and {len(ordered) - most} more reasons"] * (len(ordered) > most)


def _counted(counts: Sequence[tuple[str, int]], most: int = 5) -> str:
    words = ", ".join(f"{what} ({count:,})" for what, count in counts[:most])
    return words + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
