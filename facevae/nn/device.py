"""What a machine computes with: its device and its memory. No model, no data."""

import os

import torch

from facevae.core.allocator import keep_freed_memory
from facevae.core.errors import FacevaeError


def pick_device(name: str) -> torch.device:
    """`auto`: the GPU where there is one, else the CPU; or a device by its PyTorch name. A GPU always has its number.

    Under torchrun a GPU without a number means the one of the process's LOCAL_RANK.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if device.type == "cuda" and device.index is None:  # a thread can be told to use a GPU by its number only
            device = torch.device("cuda", torch.cuda.current_device())
    except (RuntimeError, AssertionError, ImportError) as error:
        raise FacevaeError(
            where="device", expected="auto, cpu or a GPU that this machine has, such as cuda:0",
            found=f"{name} ({_first_words(str(error))})", fix="leave it out to let the machine decide",
        ) from None  # fmt: skip
    return device


def _first_words(text: str) -> str:
    # "Expected one of cpu, cuda, ipu, ...", two dozen kinds, hardly one of which is in this machine.
    return "no such device" if text.startswith("Expected one of ") else text.splitlines()[0].partition(". ")[0]


def measure_on(name: str, threads: int) -> torch.device:
    """`pick_device` for a stage that measures a model: with as many threads as the model was trained with.

    Sums depend on how many threads share them; the number of cores, or OMP_NUM_THREADS, shall not change a metric.
    """
    torch.set_num_threads(threads)
    keep_freed_memory()
    return pick_device(name)


def prepare(device: torch.device) -> None:
    """Make this process compute the same bits each time, and as fast as that allows."""
    if device.type == "cuda":
        # cuBLAS is deterministic with a workspace of its own only; read when its first handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.set_float32_matmul_precision("high")  # what stays float32 may use TF32
    # Not use_deterministic_algorithms, which does the same and loads the compiler to tell it.
    torch.set_deterministic_debug_mode("error" if device.type == "cpu" else "warn")
    # Deterministic mode also fills each new tensor with NaN, to show reads of memory that was never written.
    torch.utils.deterministic.fill_uninitialized_memory = False
    keep_freed_memory()


def describe(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device} with {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else str(device)
