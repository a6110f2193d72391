"""What is unusual about the data, in a line each, and what later stages will make of it."""

import numpy as np

from facevae.data.arrays import UNKNOWN, VaeArrays
from facevae.data.labels import both_kinds
from facevae.preparation.report_data import DataReport

# With fewer a figure that is measured on them says little: 1 of 20 is 5%.
_FEW_TEST_IMAGES = 20


def remarks(report: DataReport, arrays: VaeArrays) -> list[str]:
    """The lines, none for data in which everything can be learned and measured."""
    lines = [*_of_attributes(arrays)]
    tested = arrays.counts["test"]
    if tested < _FEW_TEST_IMAGES:
        few = f"{tested} test image{'s' * (tested != 1)}"
        lines.append(f"{few} of {sum(arrays.counts.values())}: what is measured on them says little")
    contents = report.metrics["images_in_two_splits"]
    if contents:
        lines.append(
            f"{contents} images stand in two splits, pixel by pixel, so that tests see what was trained on: "
            "results/data/repeated.csv has their names; cache_arrays.dae.same_images and cache_arrays.vae.same_images "
            "together keep them in one"
        )
    return lines


def _of_attributes(arrays: VaeArrays) -> list[str]:
    """What can't be learned, and of how many labels nothing is known."""
    labels, names = arrays.attributes["train"], arrays.attribute_names
    usable = both_kinds(labels)
    if not usable.any():
        which = names[0] if len(names) == 1 else f"each of the {len(names)} attributes"
        why = f"{which} is the same for all train images" if names else "the images have no attributes"
        rest = "no judge, no attribute vectors, no edits, and no vae.feature_network classifier; all else runs"
        return [f"{why}: {rest}"]
    lines = []
    constant = [name for name, use in zip(names, usable, strict=True) if not use]
    if constant:
        shown = ", ".join(constant[:5]) + (" ..." if len(constant) > 5 else "")
        lines.append(
            f"no vectors for {len(constant)} of {len(names)} attributes, that all or no train images have: {shown}"
        )
    values = np.concatenate(list(arrays.attributes.values()))
    unknown = int((values == UNKNOWN).sum())
    if unknown:
        lines.append(
            f"{unknown} of {values.size} labels are unknown and count in nothing: the column `known` of "
            "results/data/attributes.csv says how many of each attribute are not"
        )
    return lines
