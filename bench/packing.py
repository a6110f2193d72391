"""A prepared project's square images as one small file, to train on elsewhere: JPEGs in a zip, with their labels."""

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.data.arrays import MANIFEST, VAE_FILES, VaeArrays, open_vae, write_npy, write_rows

QUALITY = 85
"""Of the JPEGs. Squares of 128 pixels take 4 kB each; at 75 they would take three quarters of that."""

# What a zip keeps of a file besides its bytes, twice its name of some ten letters included.
_BYTES_OF_AN_ENTRY = 130
_MEASURED = 256


def pack(arrays: Path, file: Path, most: int) -> str:
    """Write the images of cached arrays into `file`, at most `most` bytes; returns what it holds, in words.

    If not all fit, it holds the same share of every split, evenly spaced. Raises FacevaeError if there are no arrays,
    or if `most` is too little for an image of each split.
    """
    data = open_vae(arrays)
    everything = [image for images in data.images.values() for image in images[:: max(1, len(images) // _MEASURED)]]
    each = (
        sum(map(len, map(_jpeg, everything))) / len(everything) + _BYTES_OF_AN_ENTRY + 0.5 * len(data.attribute_names)
    )
    share = min(1.0, 0.97 * most / (each * sum(data.counts.values())))
    chosen = {split: _spaced(count, int(share * count)) for split, count in data.counts.items()}
    if share < 1 and not all(map(len, chosen.values())):
        raise FacevaeError(
            where=file, expected=f"room for an image of each split, {each / 1e3:.1f} kB each",
            found=f"{most / 1e6:g} MB", fix="allow more",
        )  # fmt: skip
    with atomic_write(file) as temporary:
        _write(data, chosen, temporary)
        size = temporary.stat().st_size
    counts = ", ".join(f"{len(rows)} {split}" for split, rows in chosen.items())
    return f"{file}: {counts} images, JPEGs of quality {QUALITY}, {size / 1e6:.1f} MB"


def _write(data: VaeArrays, chosen: dict[str, np.ndarray], file: Path) -> None:
    labels = {
        split: np.select([data.attributes[split][rows] == kind for kind in (1, 0)], [1, -1], 0).tolist()
        for split, rows in chosen.items()
    }
    facts = {
        "framing": data.manifest["framing"],
        "attributes": list(data.attribute_names),
        "names": {split: [data.names[split][row] for row in rows] for split, rows in chosen.items()},
        "labels": labels,
    }
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("facts.json", json.dumps(facts), zipfile.ZIP_DEFLATED)
        for split, rows in chosen.items():
            for number, row in enumerate(rows):
                packed.writestr(f"{split}/{number}.jpg", _jpeg(data.images[split][row]))


def unpack(file: Path, folder: Path) -> VaeArrays:
    """Make cached arrays of a packed file in `folder`, which is new, and open them.

    Raises FacevaeError if `file` is none that `pack` has written.
    """
    folder.mkdir(parents=True)
    try:
        with zipfile.ZipFile(file) as packed:
            facts = json.loads(packed.read("facts.json"))
            splits = {split: len(names) for split, names in facts["names"].items()}
            numbered = ((split, number) for split, count in splits.items() for number in range(count))
            entries = [packed.read(f"{split}/{number}.jpg") for split, number in numbered]
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise FacevaeError(
            where=file, expected="a file that pack has written", found=str(error), fix="pack again"
        ) from None
    side = facts["framing"]["size"]
    shape = (len(entries), side, side, 3)
    with ThreadPoolExecutor() as threads:
        write_npy(folder / VAE_FILES[0], shape, threads.map(_pixels, entries))
    each_split = [split for split, count in splits.items() for _ in range(count)]
    names = [name for some in facts["names"].values() for name in some]
    values = (np.array(row) for rows in facts["labels"].values() for row in rows)
    write_rows(folder, names, each_split, facts["attributes"], values)
    manifest = {"kind": "vae", "shape": shape, "splits": splits, "packed": QUALITY}
    manifest |= {"framing": facts["framing"], "attributes": facts["attributes"]}
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return open_vae(folder)


def _spaced(count: int, chosen: int) -> np.ndarray:
    return np.arange(chosen) * count // max(1, chosen)


def _jpeg(image: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(content, "JPEG", quality=QUALITY, optimize=True)
    return content.getvalue()


def _pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))
