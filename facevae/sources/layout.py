"""What the folders that images lie in say: the splits, where they are called so, and below these the persons."""

from collections.abc import Sequence
from dataclasses import dataclass

from facevae.sources.labels import SPLIT_WORDS


@dataclass(frozen=True)
class Layout:
    """Of each image its partition, None where folders say nothing of it; and its person's folder, "" for none.

    `notes` say what was taken for what.
    """

    partitions: list[int] | None
    persons: list[str]
    notes: list[str]


def read_layout(names: Sequence[str]) -> Layout:
    """Read paths: lfw/ann/1.jpg, where lfw holds all of them, is ann's; train/ann/1.jpg is ann's, for the training.

    Of ann/1.jpg and ann/2.jpg alone nothing is said.
    """
    folders = [name.split("/")[:-1] for name in names]
    common = _common(folders)
    notes = []
    if common:
        notes.append(f"all images lie in {'/'.join(folders[0][:common])}: persons and splits are looked for below")
    below = [parts[common:] for parts in folders]
    partitions = None
    if all(parts and parts[0].lower() in SPLIT_WORDS for parts in below):
        partitions = [SPLIT_WORDS[parts[0].lower()] for parts in below]
        words = ", ".join(sorted({parts[0] for parts in below}))
        notes.append(f"the folders {words} are taken for the splits")
        below = [parts[1:] for parts in below]
    return Layout(partitions, [parts[0] if parts else "" for parts in below], notes)


def _common(folders: Sequence[Sequence[str]]) -> int:
    """How many of the first folders all images have in common."""
    shortest, longest = min(folders), max(folders)
    depth = 0
    while depth < len(shortest) and shortest[depth] == longest[depth]:
        depth += 1
    return depth
