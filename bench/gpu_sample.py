"""The last part of bench/on_gpu.py: the networks of settings/celeba.yaml trained on the sample, as time allows."""

import csv
import json
import threading
import time
from collections.abc import Callable

import numpy as np

from bench.gpu_trainings import CASES_OF
from bench.gpu_work import Work
from bench.packing import unpack
from facevae.core.errors import FacevaeError
from facevae.core.params import load_section
from facevae.data.arrays import DaeArrays, VaeArrays
from facevae.training.classifier import ClassifierSettings, train_classifier
from facevae.training.dae import DaeSettings, train_denoiser
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.vae import VaeSettings, train_autoencoder

# The noise that the denoiser is trained for, in grey levels: that of the default.
_SIGMA = 25.0

# What of a part's time is for steps, where epochs are chosen to fit: the rest is for starting and validation.
_SHARE_OF_TIME = 0.7


def train_sample(work: Work) -> None:
    """The judge, the VAE and the denoiser of settings/celeba.yaml on the sample.

    Epochs are fewer than the settings say where these would not fit into the time; the learning rate's schedule is
    that of the fewer epochs. Squares take the place of the padded images that the pipeline trains the denoiser on.
    """
    if work.sample is None:
        work.say("no sample: name what pack has made with --sample")
        return
    arrays = unpack(work.sample, work.folder / "arrays")
    work.say("sample: " + ", ".join(f"{count} {split}" for split, count in arrays.counts.items()))
    rates = _rates(work)
    for section, (share, kind, train) in _TRAININGS.items():
        settings = load_section(work.params(), section, kind)
        seconds, epochs = share * work.seconds, settings.epochs
        if section in rates:
            epochs = int(_SHARE_OF_TIME * seconds * rates[section] / arrays.counts["train"])
            epochs = max(1, min(settings.epochs, epochs))
        run = Run(work.device, "auto")
        timer = threading.Timer(seconds, run.stopping.set)
        timer.start()
        began = time.monotonic()
        try:
            history = train(arrays, settings.model_copy(update={"epochs": epochs}), run)
        except FacevaeError as error:
            work.say(f"{section}: {error}")
            continue
        finally:
            timer.cancel()
        took = time.monotonic() - began
        work.figures[section] = {"epochs": epochs, "of": settings.epochs, "seconds": took, "last": history[-1]}
        terms = "  ".join(f"{name} {value:.4g}" for name, value in history[-1].items() if name.startswith("valid_"))
        work.say(f"{section}: {epochs} of {settings.epochs} epochs in {took:.0f} s: {terms}")
        with (work.output / f"history_{section}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*history[-1]], lineterminator="\n")
            writer.writeheader()
            writer.writerows(history)


def _rates(work: Work) -> dict[str, float]:
    """Images a second of the loop, by section, as far as the part `table` has measured them."""
    path = work.shared / "training.json"
    if not path.exists():
        return {}
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {section: cases[case]["medians"]["b"] for section, case in CASES_OF.items() if case in cases}


def _train_judge(arrays: VaeArrays, settings: ClassifierSettings, run: Run) -> list[dict[str, float]]:
    return train_classifier(arrays, settings, run, section="train_judge", prefix="judge ")[1]


def _train_vae(arrays: VaeArrays, settings: VaeSettings, run: Run) -> list[dict[str, float]]:
    return train_autoencoder(arrays, settings, run)[1]


def _train_dae(arrays: VaeArrays, settings: DaeSettings, run: Run) -> list[dict[str, float]]:
    clean, numbers = arrays.images["train"], np.random.default_rng(0)
    noisy = np.empty_like(clean)
    for start in range(0, len(clean), 256):  # a few at a time: floats take four times the bytes' memory
        part = clean[start : start + 256]
        noise = _SIGMA * numbers.standard_normal(part.shape, np.float32)
        noisy[start : start + 256] = np.rint(part + noise).clip(0, 255)
    pairs = DaeArrays({"train": clean}, {"train": noisy}, arrays.names, {"noise": {"sigma": _SIGMA}})
    return train_denoiser(pairs, {}, settings, run)[1]


# Of what is left of the time, the share of each; the sections are trained in this order.
_TRAININGS: dict[str, tuple[float, type[TrainingSettings], Callable[..., list[dict[str, float]]]]] = {
    "train_judge": (0.2, ClassifierSettings, _train_judge),
    "vae": (0.6, VaeSettings, _train_vae),
    "dae": (0.9, DaeSettings, _train_dae),
}
