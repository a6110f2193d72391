"""Small data for the tests of the networks: parameters of tiny trainings, and arrays made on the spot."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from facevae.celeba.pairs import Drawing, write_pairs
from facevae.core.files import write_json
from facevae.data.arrays import MANIFEST, UNKNOWN, VaeArrays, write_npy, write_rows
from facevae.imaging.codec import encode_png
from facevae.training.loop.step import StepContext

NAMES = ("Bright", "Striped", "Nobody")
SIZE = 16
SPLITS = {"train": 24, "valid": 5, "test": 8}

TRAINING = {
    "optimizer": "adam",
    "learning_rate": 0.01,
    "schedule": "constant",
    "warmup_epochs": 0.0,
    "weight_decay": 0.0,
    "gradient_clip": None,
    "batch_size": 7,
    "epochs": 2,
    "patience": None,
    "keep": "last",
    "ema": None,
    "flip": True,
    "seed": 0,
    "threads": 1,
    "precision": "float32",
}
LISTS = {
    "encoder_layers": 2,
    "encoder_filters": [32, 16],
    "encoder_kernel_sizes": [3, 3],
    "encoder_strides": [2, 2],
    "decoder_layers": 2,
    "decoder_filters": [16, 32],
    "decoder_kernel_sizes": [3, 3],
    "decoder_strides": [2, 2],
    "output_kernel_size": 3,
    "activation": "relu",
}
CLASSIFIER = {**TRAINING, "width": 8, "max_positive_weight": 10.0}
DAE = {
    **TRAINING,
    "learning_rate": 0.005,
    "epochs": 30,
    "architecture": "unet",
    "unet": {"width": 8, "levels": 1, "blocks": 1},
    "report": {**LISTS, "latent_dim": None},
    "loss": "l1",
    "fresh_noise": None,
    "subsampled_share": 0.0,
    "jpeg_share": 0.0,
    "crop": 16,
    "valid_share": 0.2,
}
VAE = {
    **TRAINING,
    "learning_rate": 0.001,
    "architecture": "deep",
    "deep": {"width": 8, "levels": 2, "blocks": 1},
    "report": LISTS,
    "latent_dim": 6,
    "reconstruction": "gaussian",
    "beta": 1.0,
    "kl_warmup_epochs": 1.0,
    "free_bits": 0.0,
    "feature_weight": 0.3,
    "attribute_weight": 0.0,
    "feature_network": "classifier",
    "classifier": CLASSIFIER,
    "vgg19": {"layers": ["relu1_1"], "weights": None},
}
PARAMS: dict[str, dict[str, Any]] = {
    "dae": DAE,
    "vae": VAE,
    "train_judge": {**CLASSIFIER, "epochs": 20},
    "train_identity": {
        **TRAINING,
        "embedding": 8,
        "scale": 6.0,
        "margin": 0.0,
        "least_images": 2,
        "least_persons": 2,
        "epochs": 2,
    },
    "train_aligner": {**TRAINING, "images": None, "width": 8, "turn": 30.0, "epochs": 1},
    "evaluate_aligner": {"pictures": 2, "faces": 2, "seed": 0},
    "explore_latents": {
        "attribute": "Bright",
        "points": 20,
        "perplexity": 5.0,
        "pairs": 2,
        "steps": 2,
        "diagrams": 1,
        "diagram_cells": 3,
        "grid_rows": 2,
        "grid_columns": 2,
        "grid_spacing": 2,
        "seed": 0,
    },
    "attribute_vectors": {
        "method": "regression",
        "ridge": 0.01,
        "conditional": [],
        "bootstrap": 3,
        "strengths": [0.5, 1.0, 2.0],
        "success": 0.9,
        "faces": 3,
        "context": [],
        "seed": 0,
    },
    "fit_mixture": {"components": 2, "covariance": "diag", "seed": 0},
    "evaluate_dae": {"faces": 2, "self_ensemble": False, "sweep_sigmas": [25.0], "sweep_images": 2},
    "evaluate_vae": {
        "attributes": ["Bright", "Striped"],
        "strengths": [-1.0, 1.0],
        "strength": None,
        "faces": 2,
        "samples": 9,
        "edited_faces": 3,
        "compared_faces": 2,
        "frechet_images": 8,
        "lpips": None,
        "seed": 0,
    },
}


def training_step(length: int, seed: int = 0, epoch: float = 0.0) -> StepContext:
    """A step of training in a single process; its random numbers come from the seed."""
    return StepContext(epoch, (seed, 0, 0), length)


def validation_step(length: int) -> StepContext:
    """A step of validation, where nothing is random."""
    return StepContext(0.0, None, length)


def make_params(folder: Path, **sections: dict[str, Any]) -> Path:
    """Write params.yaml with the sections above; `sections` replace single values of theirs."""
    data = {name: {**section, **sections.get(name, {})} for name, section in PARAMS.items()}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def faces(bright: np.ndarray, striped: np.ndarray) -> np.ndarray:
    """Pictures (N, SIZE, SIZE, 3) uint8, light or dark, with or without dark lines across, no two alike."""
    count = len(bright)
    levels = np.where(bright, 190, 60)[:, None, None, None] + 3 * np.arange(count)[:, None, None, None] % 40
    lines = np.where((np.arange(SIZE) % 4 == 0)[None, :, None, None] & striped[:, None, None, None], 50, 0)
    return np.broadcast_to(levels - lines, (count, SIZE, SIZE, 3)).astype(np.uint8)


def labels() -> np.ndarray:
    """Of all rows, (N, A) of 0 or 1: the first two attributes in every combination in every split, the third never."""
    numbers = np.arange(sum(SPLITS.values()))
    return np.stack([numbers % 2, numbers // 2 % 2, 0 * numbers], axis=1)


def make_vae_arrays(folder: Path, values: np.ndarray | None = None, names: tuple[str, ...] = NAMES) -> Path:
    """Write a folder of arrays as stages.cache_arrays does for the VAE; `values` in place of the labels above."""
    folder.mkdir(parents=True)
    drawn = labels()
    images = faces(drawn[:, 0] == 1, drawn[:, 1] == 1)
    signs = {1: 1, 0: -1, UNKNOWN: 0}
    written = np.vectorize(signs.get, otypes=[int])(drawn if values is None else values)
    write_npy(folder / "images.npy", images.shape, images)
    splits = [split for split, count in SPLITS.items() for _ in range(count)]
    write_rows(folder, [f"{number}.png" for number in range(len(images))], splits, names, written)
    framing = {"crop": SIZE, "size": SIZE, "resample": "box"}
    manifest = {"kind": "vae", "shape": list(images.shape), "splits": SPLITS, "framing": framing}
    write_json(folder / MANIFEST, {**manifest, "attributes": list(names)})
    return folder


def make_dae_arrays(folder: Path, height: int = 24, width: int = 20, pad: int = 1) -> Path:
    """Write a folder of arrays as stages.cache_arrays does for the DAE: 10 train and 4 test images."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[:height, :width]
    waves = [[np.sin(x / (3 + n) + c) * np.cos(y / 5 + n) for c in range(3)] for n in range(14)]
    clean = (128 + 90 * np.array(waves)).transpose(0, 2, 3, 1)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    for name, images in (("clean", clean), ("noisy", noisy)):
        write_npy(folder / f"{name}.npy", clean.shape, images.round().clip(0, 255).astype(np.uint8))
    splits = {"train": 10, "test": 4}
    write_rows(folder, [f"{number}.png" for number in range(14)], ["train"] * 10 + ["test"] * 4)
    manifest = {"kind": "dae", "shape": list(clean.shape), "splits": splits, "framing": {"pad": pad}}
    write_json(folder / MANIFEST, {**manifest, "noise": {"sigma": 25.0, "seed": 0}})
    return folder


def make_pairs(path: Path) -> Path:
    """Write pairs of the faces above: two identities, each without and with lines, and one with equal drawings."""
    plain = faces(np.array([True, False]), np.array([False, False]))
    striped = faces(np.array([True, False]), np.array([True, True]))
    drawings = [
        Drawing(number, encode_png(base), frozenset(), {"Striped": encode_png(other), "Bright": encode_png(base)})
        for number, (base, other) in enumerate(zip(plain, striped, strict=True))
    ]
    write_pairs(path, drawings)
    return path


def vae_arrays(
    images: dict[str, np.ndarray], attributes: dict[str, np.ndarray], names: tuple[str, ...] = NAMES
) -> VaeArrays:
    """Arrays in memory."""
    rows = {split: [str(number) for number in range(len(part))] for split, part in images.items()}
    return VaeArrays(images, attributes, names, rows, {})


def rebuilt(build: Callable[[dict[str, Any]], Any], metadata: dict[str, Any], weights: dict[str, Any]) -> Any:
    """What `load_model` makes of a file's metadata and tensors."""
    network = build(metadata)
    if network is not None:
        network.load_state_dict(weights)
        network.eval()
    return network
