"""Measure the models that come with facevae on CelebA's files, and compare with their card.

    make photographs CELEBA=DIR
    python -m bench.shipped --celeba DIR [--models NAME|DIR] [--write]

DIR holds CelebA's files as they come, all or a part. They are prepared as settings/photographs.yaml says, in a folder
that is kept for the next time. All networks run by onnxruntime, as the command line runs them. Every figure is of the
test partition, which nothing was trained on or chosen by; the card says within what tolerance it holds, for other
images of CelebA, other processors and other releases of the libraries. One that is farther off ends in exit code 1.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from bench.photographs import DEGREES, SCALES, SIZE
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.data.arrays import VaeArrays, open_vae
from facevae.inference.editing import LUMA, Editor
from facevae.inference.models import ModelFolder
from facevae.inference.sets import DEFAULT, resolve
from facevae.jobs.progress import track

SIGMAS = (15, 25, 50)

STORED, WEAK = 25, 5
"""The sigmas of noise that is stored as files of photographs store it before it is removed."""

GROUPS = ("Male", "Young", "Pale_Skin")
"""Edits and reconstructions are worse where images are rare: of each, and of those without it."""

# Of attributes that people ask for, with as many faces each.
EDITED, FACES = ("Smiling", "Eyeglasses"), 100

# Images that are denoised, by us and by the slower filters; composite photographs.
_DENOISED, _FILTERED, _PICTURES, _SEED = 64, 16, 100, 100

_AT_ONCE = 256

# How far a figure may be from the card's, by its unit; a share of it where that is relative.
TOLERANCES = {"dB": 0.15, "%": 1.5, "AUC": 0.01, "px": 0.6, "pictures": 3, "leakage": 0.012, "seen %": 8.0}

Figures = dict[str, tuple[float, str]]


def main(
    celeba: Annotated[Path | None, typer.Option(help="A directory with CelebA's files.")] = None,
    models: Annotated[str, typer.Option(help="A set that comes with facevae, or a folder.")] = DEFAULT,
    prepared: Annotated[Path, typer.Option(help="Where the prepared images are kept.")] = Path(
        ".checkpoints/photographs"
    ),
    write: Annotated[bool, typer.Option("--write", help="Make what was measured the card's figures.")] = False,
) -> None:
    """Measure the models and print each figure beside the card's."""
    folder = resolve(models)
    if celeba is not None:
        prepare(celeba, prepared)
    arrays, opened = open_vae(prepared / "data/vae/arrays"), ModelFolder(folder, "cpu")
    side = arrays.images["test"].shape[1]
    if side != opened.image_size:
        raise FacevaeError(
            where=prepared, expected=f"images of {opened.image_size} pixels, as the models have",
            found=f"{side} pixels", fix="give --celeba, to prepare them with the settings photographs",
        )  # fmt: skip
    found: Figures = {}
    whole = aligned_images(prepared / "data/raw")
    for measure in (
        lambda: reconstruction(opened, arrays),
        lambda: probe(opened, arrays),
        lambda: denoising(opened, whole),
        lambda: faces_found(opened, whole),
        lambda: edits(opened, arrays),
    ):
        for name, value in measure().items():
            print(f"{name}: {value[0]:.4g} {value[1]}", flush=True)
            found[name] = value
    path = folder / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    if write:
        card["figures"] = {name: {"value": round(value, 4), "unit": unit} for name, (value, unit) in found.items()}
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        return
    wrong = disagreements(card["figures"], found)
    print("\n".join(wrong) or f"all {len(found)} figures are the card's, within its tolerances")
    if wrong:
        sys.exit(1)


def disagreements(card: dict[str, dict], found: Figures) -> list[str]:
    """A line for each figure that is farther from the card's than its unit allows, or that one of both lacks."""
    lines = [f"{name}: on one side only" for name in sorted(set(card) ^ set(found))]
    for name in (name for name in found if name in card):
        expected, (value, unit) = card[name]["value"], found[name]
        if not abs(value - expected) <= TOLERANCES[unit]:
            lines.append(f"{name}: {value:.4g} {unit}, where the card has {expected:.4g} (within {TOLERANCES[unit]:g})")
    return lines


def prepare(celeba: Path, folder: Path) -> None:
    """CelebA's files as the settings `photographs` frame them, in `folder`; not again if that was done already."""
    from facevae.app.presets import read_settings, text_of

    settings = read_settings(Path("settings"))["photographs"]
    settings["download"]["celeba"]["path"] = str(celeba.resolve())
    params, root = text_of(settings), Path.cwd()
    if (folder / "params.yaml").exists() and (folder / "params.yaml").read_text(encoding="utf-8") == params:
        return
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(root), "DVC_ROOT": str(folder.resolve())}
    (folder / "next.yaml").write_text(params, encoding="utf-8")
    for stage in ("download", "crop_pad vae", "cache_arrays vae"):
        name, *words = stage.split()
        command = [sys.executable, "-m", f"stages.{name}", *words, "--params", "next.yaml"]
        if subprocess.run(command, cwd=folder, env=environment).returncode:
            sys.exit(1)
    (folder / "next.yaml").rename(folder / "params.yaml")


def aligned_images(raw: Path) -> np.ndarray:
    """Whole images of the test partition, evenly spread, (N, 218, 178, 3) uint8."""
    from facevae.data.aligned import read_aligned

    partitions = raw / "list_eval_partition.txt"
    data = read_aligned(raw / "img_align_celeba.zip", partitions, ("test",), max(_DENOISED, _PICTURES), None, 1)
    return data.images["test"]


def reconstruction(models: ModelFolder, arrays: VaeArrays) -> Figures:
    """PSNR of the reconstructions of the test images, of all and of the groups."""
    images, labels = arrays.images["test"], arrays.attributes["test"]
    psnr = _psnr_of(models, images)
    found = {"reconstruction": (float(psnr.mean()), "dB")}
    found["reconstruction, worst hundredth below"] = (float(np.percentile(psnr, 1)), "dB")
    for name, rows in _groups(labels, arrays.attribute_names).items():
        found[f"reconstruction, {name}"] = (float(psnr[rows].mean()), "dB")
    return found


def probe(models: ModelFolder, arrays: VaeArrays) -> Figures:
    """What a logistic regression reads from the latents, means over the attributes."""
    import torch

    from facevae.evaluation.probe import linear_probe

    latents = {split: torch.from_numpy(_encoded(models, arrays.images[split], split)) for split in ("train", "test")}
    read = linear_probe(
        latents["train"], arrays.attributes["train"], latents["test"], arrays.attributes["test"]
    )  # fmt: skip
    return {
        "linear probe": (100 * float(np.nanmean(read["accuracy"])), "%"),
        "linear probe, area under the curve": (float(np.nanmean(read["roc_auc"])), "AUC"),
    }


def denoising(models: ModelFolder, images: np.ndarray) -> Figures:
    """PSNR after denoising whole images, the best classical filter beside it, and of images without noise."""
    from facevae.evaluation.classical import CLASSICAL

    found: Figures = {}
    clean, generator = images[:_DENOISED], np.random.default_rng(_SEED)
    noise = generator.standard_normal(clean.shape, np.float32)
    for sigma in SIGMAS:
        noisy = (clean + sigma * noise).round().clip(0, 255).astype(np.uint8)
        ours = [_psnr(models.denoiser(image), truth) for image, truth in zip(noisy, clean, strict=True)]
        best = max(
            np.mean([_psnr(255 * denoise(noisy[row], sigma), clean[row]) for row in range(_FILTERED)])
            for denoise in CLASSICAL.values()
        )
        theirs = [_psnr(image, truth) for image, truth in zip(noisy, clean, strict=True)]
        found[f"noisy, sigma {sigma}"] = (float(np.mean(theirs)), "dB")
        found[f"denoised, sigma {sigma}"] = (float(np.mean(ours)), "dB")
        gain = float(np.mean(ours[:_FILTERED]) - best)
        found[f"above the best of {len(CLASSICAL)} classical filters that are told the sigma, {sigma}"] = (gain, "dB")
    grey = np.repeat((clean @ LUMA)[..., None], 3, 3).round().astype(np.uint8)
    noisy, noisy_grey, weak = (
        (image + sigma * noise[..., :planes]).round().clip(0, 255).astype(np.uint8)
        for image, sigma, planes in ((clean, STORED, 3), (grey, STORED, 1), (clean, WEAK, 3))
    )
    stored = {
        **{f"{STORED}, {what}": ([store(image) for image in noisy], clean) for what, store in _STORED.items()},
        f"{STORED}, black and white": (noisy_grey, grey),
        f"{WEAK}": (weak, clean),
        f"{WEAK}, {_USUAL}": ([_STORED[_USUAL](image) for image in weak], clean),
    }
    for what, (images, truths) in stored.items():
        for done, answer in (("noisy", lambda image: image), ("denoised", models.denoiser)):
            psnr = [_psnr(answer(image), truth) for image, truth in zip(images, truths, strict=True)]
            found[f"{done}, sigma {what}"] = (float(np.mean(psnr)), "dB")
    same = [_psnr(models.denoiser(image), image) for image in clean]
    found["denoised without noise, to the image itself"] = (float(np.mean(same)), "dB")
    return found


def _through_file(form: str, **options: object) -> Callable[[np.ndarray], np.ndarray]:
    """What a file of that format keeps of an image (H, W, 3) uint8."""

    def stored(image: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(image).save(file, form, **options)
        return np.asarray(Image.open(file).convert("RGB"))

    return stored


# Names of the card, and what makes the files that they name. All keep colour in half of the resolution.
_USUAL = "stored as JPEG of quality 90"
_STORED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    _USUAL: _through_file("JPEG", quality=90, subsampling="4:2:0"),
    "stored as JPEG of quality 75": _through_file("JPEG", quality=75, subsampling="4:2:0"),
    "stored as JPEG of quality 50": _through_file("JPEG", quality=50, subsampling="4:2:0"),
    "stored as WebP of quality 90": _through_file("WEBP", quality=90),
    "stored as AVIF of quality 90": _through_file("AVIF", quality=90, subsampling="4:2:0"),
}


def faces_found(models: ModelFolder, images: np.ndarray) -> Figures:
    """Of composite photographs how many faces are found, and how far their frames' corners are off."""
    from facevae.alignment.similarity import corner_error
    from facevae.finding.pictures import no_face, place_face

    errors, wrong = [], 0
    for number in track(range(_PICTURES), _PICTURES, "composite photographs", "pictures"):
        face = images[number]
        placed = place_face(face, number, SIZE, _SEED, scales=SCALES, degrees=DEGREES, oval=number % 2 == 0)
        if faces := models.finder.faces(placed.picture):
            errors.append(corner_error(faces[0].matrix, placed.matrix, (face.shape[1], face.shape[0])))
        wrong += bool(models.finder.faces(no_face(images, number, SIZE, _SEED)))
    return {
        f"faces found in {_PICTURES} composite photographs": (float(len(errors)), "pictures"),
        "their corners off, median": (float(np.median(errors)), "px"),
        f"taken for a face, of {_PICTURES} pictures without": (float(wrong), "pictures"),
    }


def edits(models: ModelFolder, arrays: VaeArrays) -> Figures:
    """Edits as `facevae edit` makes them without a strength, of faces without the attribute: of all, and of groups.

    `seen`: the judge sees it then; `leakage`: the mean change of its other probabilities from the photograph's.
    """
    images, labels, names = arrays.images["test"], arrays.attributes["test"], arrays.attribute_names
    judge, found = models.judge, {}
    if judge is None:
        return found
    for attribute in EDITED:
        place, column = judge.names.index(attribute), names.index(attribute)
        lacking = np.flatnonzero(labels[:, column] == 0)
        groups = {"": np.arange(len(lacking)), **_groups(labels[lacking], names)}
        for group, rows in groups.items():
            editor = Editor(models, images[lacking[rows[:: max(1, len(rows) // FACES)]][:FACES]])
            before = editor.probabilities({})
            unseen = before[:, place] < 0.5
            strengths = editor.search(attribute, models.vectors.recommendation(attribute).strength).strengths
            after = editor.probabilities({attribute: strengths})
            others = np.arange(len(judge.names)) != place
            of = f"{attribute}{', ' if group else ''}{group}"
            found[f"{of}: seen"] = (100 * float((after[unseen, place] > 0.5).mean()), "seen %")
            leakage = np.abs(after - before)[unseen][:, others].mean()
            found[f"{of}: leakage"] = (float(leakage), "leakage")
    return found


def _groups(labels: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The rows of each group and of its opposite, by words."""
    found = {}
    for name in GROUPS:
        if name in names:
            column, words = labels[:, names.index(name)], name.replace("_", " ").lower()
            found |= {words: np.flatnonzero(column == 1), f"not {words}": np.flatnonzero(column == 0)}
    return found


def _encoded(models: ModelFolder, images: np.ndarray, what: str) -> np.ndarray:
    starts = range(0, len(images), _AT_ONCE)
    parts = track(starts, len(starts), f"encode {what}", "batches")
    return np.concatenate([models.encode(np.asarray(images[first : first + _AT_ONCE])) for first in parts])


def _psnr_of(models: ModelFolder, images: np.ndarray) -> np.ndarray:
    starts = range(0, len(images), _AT_ONCE)
    parts = track(starts, len(starts), "reconstruct", "batches")
    return np.concatenate([Editor(models, np.asarray(images[first : first + _AT_ONCE])).psnr_db() for first in parts])


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = np.square(one.astype(np.float64) - other).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-10)))


if __name__ == "__main__":
    run(main)
