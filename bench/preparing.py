"""The ways from CelebA's files to the VAE's array that bench/preparation.py measures; each runs in a fresh process.

torch is imported by the way that needs it: what a process has imported is in its memory, and in that of its workers.
"""

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facevae.celeba.tables import IMAGES
from facevae.core.params import load_section
from facevae.imaging.archive import open_archive
from facevae.imaging.codec import decode_image
from facevae.imaging.frames import SquareFrame
from facevae.jobs.workers import ordered_map
from facevae.preparation.crop_settings import VaeCrop
from stages import add_noise, cache_arrays, crop_pad

if TYPE_CHECKING:
    from torch.utils.data import Dataset

_MODULES = {"crop_pad": crop_pad, "add_noise": add_noise, "cache_arrays": cache_arrays}
VAE_STAGES = ("crop_pad vae", "cache_arrays vae")
DAE_STAGES = ("crop_pad dae", "add_noise", "cache_arrays dae")


def run_stage(name: str, project: Path, workers: int) -> float:
    """Seconds that a stage, as dvc.yaml starts it, takes in a folder with params.yaml and data/."""
    module_name, *model = name.split()
    module = _MODULES[module_name]
    with contextlib.chdir(project), _as_main(module), _silence():
        started = time.perf_counter()
        module.main(*model, workers=workers)
        return time.perf_counter() - started


def run_pipeline(project: Path, workers: int) -> dict[str, float]:
    """Seconds of each of the two stages between the zip and the array."""
    return {name: run_stage(name, project, workers) for name in VAE_STAGES}


def run_usual_way(project: Path, workers: int) -> dict[str, float]:
    """Seconds of torchvision's data set, its annotation read, image after image into one array."""
    import torch
    import torchvision  # noqa: F401

    torch.set_num_threads(1)
    settings = load_section(project / "params.yaml", "crop_pad.vae", VaeCrop)
    started = time.perf_counter()
    usual_array(project / "unpacked", settings)
    return {"all": time.perf_counter() - started}


def usual_array(root: Path, settings: VaeCrop) -> np.ndarray:
    """(N, size, size, 3) uint8 of all images below torchvision's `root`, in the order of their names."""
    dataset = _torchvision_celeba(root, settings)
    array = np.empty((len(dataset), settings.size, settings.size, 3), np.uint8)
    for row, (image, _) in enumerate(dataset):
        array[row] = image.permute(1, 2, 0).numpy()
    return array


def run_plain_decoding(project: Path, workers: int) -> dict[str, float]:
    """Seconds in which the processes decode and frame all images and neither store nor return them."""
    settings = load_section(project / "params.yaml", "crop_pad.vae", VaeCrop)
    frame = partial(_decode_and_frame, SquareFrame(settings.crop, settings.size, settings.resample))
    started = time.perf_counter()
    with open_archive(project / "data/raw" / IMAGES) as archive:
        for _ in ordered_map(frame, ((archive.where(name), archive.read(name)) for name in archive.names), workers):
            pass
    return {"all": time.perf_counter() - started}


WAYS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "this pipeline": run_pipeline,
    "the usual way": run_usual_way,
    "plain parallel decoding": run_plain_decoding,
}


def settle(project: Path) -> None:
    """Bring the raw files into the page cache and let the system write what it still has to."""
    for path in (project / "data/raw", project / "unpacked"):
        for file in path.rglob("*.*"):
            file.read_bytes()
    os.sync()


def _decode_and_frame(frame: SquareFrame, item: tuple[str, bytes]) -> None:
    where, data = item
    frame(decode_image(data, where))


def _torchvision_celeba(root: Path, settings: VaeCrop) -> "Dataset":
    from torchvision.datasets import CelebA
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, PILToTensor, Resize

    class CelebaOfAnySize(CelebA):
        """CelebA's own files alone have the check sums that the class looks for."""

        def _check_integrity(self) -> bool:
            return True

    scale = Resize(settings.size, InterpolationMode(settings.resample))
    return CelebaOfAnySize(root, split="all", transform=Compose([CenterCrop(settings.crop), scale, PILToTensor()]))


@contextlib.contextmanager
def _as_main(module: object) -> Iterator[None]:
    """Let `module` be the one that was started: workers import it first, below `python -m stages.crop_pad` too."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No progress, and no bar in a terminal."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
