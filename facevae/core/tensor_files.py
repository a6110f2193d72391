"""Named arrays as safetensors files that say in their metadata what they are; nothing is pickled, no PyTorch needed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], metadata: dict[str, Any]) -> None:
    """Write named arrays and metadata (JSON-able), whole or not at all."""
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with atomic_write(path) as temporary:
        # Not save_file, whose error on a full disk is none of the system's: a command says those in one line.
        header = {"facts": json.dumps(metadata, sort_keys=True, allow_nan=False)}
        temporary.write_bytes(save(contiguous, header))


def load_arrays(path: Path, kind: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and metadata of a file of `save_arrays` whose metadata say that it is a `kind`.

    Raises FacevaeError if the file is missing, broken or of another kind.
    """
    wanted = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} file"
    make_it = f"make it with `dvc repro` or python -m stages.{_MADE_BY.get(kind, 'train_' + kind)}"
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise FacevaeError(where=path, expected=wanted, found="no such file", fix=make_it) from None
    except SafetensorError as error:
        raise FacevaeError(where=path, expected="a safetensors file", found=str(error), fix=make_it) from None
    with readable(path):
        metadata = dict(json.loads(header.get("facts", "{}")))
    if metadata.get("kind") != kind:
        found = f"facts of kind {metadata.get('kind')!r}"
        raise FacevaeError(where=path, expected=wanted, found=found, fix=make_it)
    return arrays, metadata


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What a file that says nonsense of itself makes libraries raise, as one line."""
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:200]
        raise FacevaeError(
            where=path, expected="a model of this version of facevae", found=f"another ({why})",
            fix="train it again with `dvc repro`, or fetch it with `dvc pull`",
        ) from None  # fmt: skip


_MADE_BY = {"attribute_vectors": "attribute_vectors", "mixture": "fit_mixture", "latents": "encode"}
