"""In which precision a network computes: a table of networks by what a processor has for bfloat16."""

import os
from typing import Literal, NamedTuple

import torch
from pydantic import Field

from facevae.core.params import Section

Precision = Literal["auto", "float32", "bfloat16"]

# What there is for bfloat16: matrix units (Intel AMX, or those of a GPU), AMD's vector instructions (avx512_bf16),
# those of another maker, or nothing.
Units = Literal["matrix", "AMD vector", "vector", "none"]

OTHER = "other"
"""A network that has no row of its own in the table."""

# The networks that train faster in bfloat16; `python -m bench.precision` measures them. Images a second in bfloat16
# beside float32, as far as they are known:
# - matrix: 1.3 to 3 times as many on two cores of a server processor with AMX.
# - AMD vector, as reported from an AMD EPYC with one thread: dae-unet 115 to 120 beside 66 to 71; vae-deep and
#   classifier alike; the report's networks 28.7 beside 46.5. identity has the classifier's layers; aligner: not known.
# - vector: fewer for all, on the processor of the first line with ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16.
_FASTER_IN_BFLOAT16: dict[Units, tuple[str, ...]] = {
    "matrix": ("dae-unet", "dae-report", "vae-deep", "vae-report", "classifier", "identity", "aligner", OTHER),
    "AMD vector": ("dae-unet",),
    "vector": (),
    "none": (),
}


class Computation(Section):
    """How a network computes, in training and ever after: part of its results, not of the machine."""

    # PyTorch's sums depend on the number of threads that share them.
    threads: int = Field(ge=1, le=256)
    precision: Precision

    @property
    def network(self) -> str:
        """What the table calls the network."""
        return OTHER


class Choice(NamedTuple):
    """A precision, and if the machine decided, why, in a few words."""

    dtype: torch.dtype
    why: str | None

    def __str__(self) -> str:
        return str(self.dtype).removeprefix("torch.") + (f" (auto: {self.why})" if self.why else "")


def choose_precision(settings: Computation, device: torch.device) -> Choice:
    """What a network computes in; weights and losses are float32 in any case.

    `auto` follows the table: bfloat16 where it is known to be faster for this network, else float32.
    """
    if settings.precision != "auto":
        return Choice({"float32": torch.float32, "bfloat16": torch.bfloat16}[settings.precision], None)
    units, network = bfloat16_units(device), settings.network
    faster = network in _FASTER_IN_BFLOAT16[units]
    if units == "matrix":
        why = "matrix units"
    elif units == "none":
        why = "no units for bfloat16"
    else:
        why = f"{'faster' if faster else 'bfloat16 not known to be faster'} for {network} with {units} instructions"
    limit = _onednn_limit()
    if device.type == "cpu" and limit:
        why += f", ONEDNN_MAX_CPU_ISA={limit}"
    return Choice(torch.bfloat16 if faster else torch.float32, why)


def pick_precision(settings: Computation, device: torch.device) -> torch.dtype:
    """The dtype of `choose_precision`."""
    return choose_precision(settings, device).dtype


def bfloat16_units(device: torch.device) -> Units:
    """What a device has for bfloat16. A processor's are those that oneDNN, which computes convolutions, may use."""
    if device.type == "cuda":
        return "matrix" if torch.cuda.is_bf16_supported(including_emulation=False) else "none"
    if device.type != "cpu":
        return "none"
    # An older PyTorch does not say what the processor has.
    has = getattr(torch.cpu, "get_capabilities", dict)()
    limit = _onednn_limit()
    if has.get("amx_bf16") and (not limit or "AMX" in limit):
        return "matrix"
    # Each level of oneDNN includes those before it: ..., AVX512_CORE_BF16, AVX512_CORE_FP16 (or AVX10_1_512), AMX.
    if has.get("avx512_bf16") and (not limit or any(level in limit for level in ("BF16", "FP16", "AVX10", "AMX"))):
        return "AMD vector" if str(has.get("cpu_name", "")).startswith("AMD") else "vector"
    return "none"


def _onednn_limit() -> str:
    """The instructions that oneDNN is held down to by the environment; empty: it may use all."""
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    return "" if limit in ("ALL", "DEFAULT") else limit
