"""The data in figures: how many images of how many persons, what the attributes are like, what two splits share."""

import mmap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from pydantic import Field

from facevae.celeba.forms import parse_attributes, parse_identities, parse_landmarks, parse_partitions
from facevae.celeba.splits import PARTITIONS
from facevae.celeba.tables import (
    ATTRIBUTES_FILE,
    IDENTITY_FILE,
    LANDMARKS,
    LANDMARKS_FILE,
    PARTITION_FILE,
    SKIPPED,
    NumberTable,
)
from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.data.arrays import DaeArrays, VaeArrays
from facevae.imaging.archive import Archive
from facevae.imaging.codec import decoded_size

_ROWS_AT_ONCE = 4096

_BYTES_AT_ONCE = 16_000_000

_SKIPPED_COLUMNS = ["image", "reason"]


class ReportSettings(Section):
    """Section `report_data`: how many faces the contact sheet shows."""

    faces: int = Field(ge=1, le=50)


@dataclass(frozen=True)
class DataReport:
    """Numbers and tables: `metrics`, rows of `summary` with more of them, of `attributes` and of `sizes`.

    What is undefined is left out. `repeated`: a row for each image whose pixels stand in another split as well.

    `correlations`: (V, V) float64 in [-1, 1], of the V attributes `varying` that some images have and some have not.
    """

    metrics: dict[str, int]
    summary: list[dict[str, float | str]]
    attributes: list[dict[str, float | str]]
    varying: tuple[str, ...]
    correlations: np.ndarray
    sizes: list[dict[str, int | str]]
    repeated: list[dict[str, int | str]]

    def correlation_rows(self) -> list[dict[str, float | str]]:
        """A row for each varying attribute: its correlations with all of them."""
        return [
            {"attribute": name, **dict(zip(self.varying, row, strict=True))}
            for name, row in zip(self.varying, self.correlations.tolist(), strict=True)
        ]


def describe_data(folder: Path, archives: Mapping[str, Archive], dae: DaeArrays, vae: VaeArrays) -> DataReport:
    """Describe the raw files in `folder`, the archives, of which `raw` is the first, and the cached arrays.

    Rates and correlations are those of the raw images that are annotated, brightness that of the VAE's images. Raises
    FacevaeError if a file is missing or damaged.
    """
    images = archives["raw"].names
    table = parse_attributes(folder / ATTRIBUTES_FILE)
    rows = table.find_rows(images)
    values, partitions = table.values_at(rows[rows >= 0]), parse_partitions(folder / PARTITION_FILE).find(images)
    attributes = attribute_rates(table.names, values, partitions[rows >= 0])
    correlations = phi_coefficients(values)
    varies = ~np.isnan(correlations.diagonal())
    # Two that vary, but are never known of one image: nothing speaks for a correlation.
    correlations = np.nan_to_num(correlations[varies][:, varies])
    landmarks = parse_landmarks(folder / LANDMARKS_FILE)
    placed = landmarks.find_rows(images)
    placed = placed[placed >= 0]
    identities = parse_identities(folder / IDENTITY_FILE)
    repeated = [*repeated_rows("dae", dae.clean, dae.images), *repeated_rows("vae", vae.images, vae.names)]
    shared = {
        kind: {"images_in_two_splits": len({row["content"] for row in repeated if row["arrays"] == kind})}
        | _persons_in_two(named, identities)
        for kind, named in (("dae", dae.images), ("vae", vae.names))
    }
    metrics = {
        "images": len(images),
        "images_skipped": count_skipped(folder / SKIPPED),
        **({"persons": len(np.unique(_known(identities, images)))} if len(identities) else {}),
        # Of the DAE and of the VAE together: 0, or the tests are no tests.
        **{name: sum(found.get(name, 0) for found in shared.values()) for name in shared["dae"] | shared["vae"]},
    }
    splits = {"dae": dae.images, "vae": vae.names}
    quantities = {
        "images_with_landmarks": len(placed),
        "annotated_rows": len(table),
        "attributes": len(table.names),
        **_strongest(correlations),
        **_mean_and_std("brightness", np.concatenate([brightness(split) for split in vae.images.values()])),
        **(_mean_and_std("eye_distance", eye_distances(landmarks.values[placed])) if len(placed) else {}),
        **{f"{kind}_{split}_images": len(names) for kind, named in splits.items() for split, names in named.items()},
        **{f"{kind}_{name}": count for kind, found in shared.items() for name, count in found.items()},
    }
    summary: list[dict[str, float | str]] = [{"quantity": name, "value": value} for name, value in quantities.items()]
    varying = tuple(name for name, kept in zip(table.names, varies, strict=True) if kept)
    sizes = [row for what, archive in archives.items() for row in size_rows(what, archive)]
    return DataReport(metrics, summary, attributes, varying, correlations, sizes, repeated)


def attribute_rates(names: tuple[str, ...], values: np.ndarray, partitions: np.ndarray) -> list[dict[str, float | str]]:
    """A row for each attribute: the share of all images that have it, and that in each partition with images.

    `values`: (n, A), 1, -1 or 0; `partitions`: (n,), indices in splits.PARTITIONS, -1 for an image in none. Shares
    are of the images that it is known of, empty where there is none; where it is not known of all, `known` is how many.
    """
    import pandas as pd

    unknown = (values == 0).any()
    has = pd.DataFrame(np.where(values == 0, np.nan, values > 0) if unknown else values > 0, columns=names)
    rates = {f"{split}_rate": has[partitions == number].mean() for number, split in enumerate(PARTITIONS)}
    table = pd.DataFrame({"rate": has.mean()} | rates)
    table = table[[name for name in table if not table[name].isna().all() or name == "rate"]]
    if unknown:
        table["known"] = has.notna().sum()
    return table.rename_axis("attribute").reset_index().to_dict("records")


def phi_coefficients(values: np.ndarray) -> np.ndarray:
    """Correlations of attributes, (n, A) of 1, -1 or 0 -> (A, A) in [-1, 1]; NaN for one that all images have or none.

    Pearson's coefficient of two variables that have two values each, which is called phi, over the images that both
    are known of; NaN also where one of the two does not vary among these.
    """
    if (values == 0).any():
        return _phi_of_known(values)
    products = np.zeros((values.shape[1], values.shape[1]))
    for start in range(0, len(values), _ROWS_AT_ONCE):
        part = values[start : start + _ROWS_AT_ONCE].astype(np.float64)
        products += part.T @ part
    sums = values.sum(0, dtype=np.float64)
    # Whole numbers all, and so exact: an attribute without variance is known by its 0.
    covariances = len(values) * products - np.outer(sums, sums)
    variances = covariances.diagonal()
    with np.errstate(invalid="ignore"):
        return covariances / np.sqrt(np.outer(variances, variances))


def _phi_of_known(values: np.ndarray) -> np.ndarray:
    """The same, each pair of attributes over its own images."""
    import pandas as pd

    known = pd.DataFrame(np.where(values == 0, np.nan, values))
    return known.corr().to_numpy().clip(-1, 1)


def eye_distances(landmarks: np.ndarray) -> np.ndarray:
    """Pixels from eye to eye: (n, 10) in LANDMARKS' order -> (n,)."""
    x, y = (
        landmarks[:, LANDMARKS.index(f"righteye_{axis}")] - landmarks[:, LANDMARKS.index(f"lefteye_{axis}")]
        for axis in "xy"
    )
    return np.hypot(x, y)


def brightness(images: np.ndarray) -> np.ndarray:
    """Mean grey level of each image, in [0, 255]: (n, H, W, 3) uint8 -> (n,)."""
    return np.fromiter((image.mean() for image in _one_by_one(images)), np.float64, len(images))


def digests(images: np.ndarray) -> np.ndarray:
    """Eight bytes that tell an image from all with other pixels: (n, H, W, 3) uint8 -> (n,) uint64."""
    found = (blake2b(image.tobytes(), digest_size=8).digest() for image in _one_by_one(images))
    return np.fromiter((int.from_bytes(digest) for digest in found), np.uint64, len(images))


def in_two(parts: Iterable[np.ndarray]) -> int:
    """How many different values stand in more than one of the parts, each (n,)."""
    _, counts = np.unique(np.concatenate([np.unique(part) for part in parts]), return_counts=True)
    return int((counts > 1).sum())


REPEATED_COLUMNS = ("arrays", "content", "split", "image")


def repeated_rows(
    arrays: str, images: Mapping[str, np.ndarray], names: Mapping[str, list[str]]
) -> list[dict[str, int | str]]:
    """A row for each image whose pixels are those of an image of another split, the same ones after each other.

    `images`: (n, H, W, 3) uint8 of each split, and their names. `content`: a number for each of these contents, from 1.
    """
    found = {split: digests(part) for split, part in images.items()}
    contents, counts = np.unique(np.concatenate([np.unique(part) for part in found.values()]), return_counts=True)
    in_several = contents[counts > 1]
    return [
        {"arrays": arrays, "content": number, "split": split, "image": names[split][row]}
        for number, content in enumerate(in_several, start=1)
        for split, part in found.items()
        for row in np.flatnonzero(part == content)
    ]


def size_rows(what: str, archive: Archive) -> list[dict[str, int | str]]:
    """A row for each size of the archive's images, the most common one first. Their headers alone are decoded."""
    if archive.facts:
        height, width, _ = archive.tiffs().shape
        sizes = Counter({(width, height): len(archive.names)})
    else:
        sizes = Counter(decoded_size(archive.read(name), archive.where(name)) for name in archive.names)
    return [
        {"what": what, "width": width, "height": height, "images": count}
        for (width, height), count in sizes.most_common()
    ]


def count_skipped(path: Path) -> int:
    """Rows of the list of images that were left out. Raises FacevaeError if it is missing or no such list."""
    import pandas as pd

    try:
        # The header as a row, for else pandas would take a surplus first column for an index.
        header, *rows = pd.read_csv(path, header=None, dtype=str, na_filter=False).to_numpy().tolist()
        if header == _SKIPPED_COLUMNS:
            return len(rows)
        found = f"the columns {', '.join(header)}"[:60]
    except FileNotFoundError:
        found = "no such file"
    except pd.errors.EmptyDataError:
        found = "an empty file"
    except ValueError as error:  # not UTF-8, or a row with more cells
        found = str(error)
    raise FacevaeError(
        where=path, expected="a CSV with the columns image and reason", found=found, fix="run stages.download"
    )


def _persons_in_two(names: Mapping[str, list[str]], identities: NumberTable) -> dict[str, int]:
    """How many persons stand in two of the splits; nothing where nobody is known."""
    persons = [_known(identities, named) for named in names.values()]
    return {"persons_in_two_splits": in_two(persons)} if any(map(len, persons)) else {}


def _one_by_one(images: np.ndarray) -> Iterator[np.ndarray]:
    """The images. Pages of a memory map that were touched count as this process's memory: they are given back."""
    pages = getattr(images, "_mmap", None)
    held = 0
    for image in images:
        yield image
        held += image.nbytes
        if held > _BYTES_AT_ONCE and hasattr(pages, "madvise"):
            held = 0
            pages.madvise(mmap.MADV_DONTNEED)


def _known(identities: NumberTable, images: list[str]) -> np.ndarray:
    """The persons on the images, (n,); images of unknown persons are left out."""
    found = identities.find(images)
    return found[found >= 0]


def _strongest(correlations: np.ndarray) -> dict[str, float]:
    """The correlation of two attributes that is farthest from 0, if there are two."""
    pairs = correlations[np.triu_indices(len(correlations), 1)]
    return {"strongest_correlation": float(pairs[np.abs(pairs).argmax()])} if len(pairs) else {}


def _mean_and_std(name: str, values: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation."""
    return {f"{name}_mean": float(values.mean()), f"{name}_std": float(values.std())}
