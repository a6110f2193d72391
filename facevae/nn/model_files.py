"""Models as safetensors files that carry what is needed to rebuild them; nothing is pickled."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write


def save_weights(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write named tensors and the facts to rebuild a model from (JSON-able), whole or not at all."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(path) as temporary:
        # Not save_file, whose error on a full disk is none of the system's: a command says those in one line.
        metadata = {"facts": json.dumps(facts, sort_keys=True, allow_nan=False)}
        temporary.write_bytes(save(contiguous, metadata))


def load_weights(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a file of `save_weights` whose facts say that it is a `kind`.

    Raises FacevaeError if the file is missing, broken or of another kind.
    """
    make_it = f"make it with `dvc repro` or python -m stages.{_MADE_BY.get(kind, 'train_' + kind)}"
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise FacevaeError(where=path, expected=f"a {kind} model", found="no such file", fix=make_it) from None
    except SafetensorError as error:
        raise FacevaeError(where=path, expected="a safetensors file", found=str(error), fix=make_it) from None
    facts = json.loads(metadata.get("facts", "{}"))
    if facts.get("kind") != kind:
        found = f"facts of kind {facts.get('kind')!r}"
        raise FacevaeError(where=path, expected=f"a {kind} model", found=found, fix=make_it)
    return tensors, facts


_MADE_BY = {"attribute_vectors": "attribute_vectors", "mixture": "fit_mixture", "latents": "encode"}
