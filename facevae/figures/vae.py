"""The pictures of an evaluation: unseen faces, reconstructed and edited, and samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facevae.data.arrays import VaeArrays
from facevae.data.labels import most_balanced
from facevae.evaluation.edits import EditVerdict
from facevae.evaluation.vae import Models, VaeEvaluation, VaeReport
from facevae.figures.base import bars, heat_map, labelled_lines
from facevae.figures.sheets import image_sheet
from facevae.latents.arithmetic import edit
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.mixture import prior_draws
from facevae.latents.residual import residual_edit
from facevae.models.vae import Vae
from facevae.nn.layers import as_bytes, from_bytes

# Attributes that have a sheet where none are named.
_CHOSEN = 4


def draw_pictures(
    folder: Path,
    models: Models,
    arrays: VaeArrays,
    report: VaeReport,
    settings: VaeEvaluation,
    device: torch.device,
) -> None:
    """Write all pictures into `folder`: reconstructions, what the judge loses on them by attribute, samples of both
    kinds, the judge's verdicts on edits, by attribute, by strength and as a matrix of changes, a sheet of strengths per
    chosen attribute, and the ways of editing side by side. What was not measured has no picture.
    """
    vae, vectors = models.vae, models.vectors
    images, labels = arrays.images["test"], arrays.attributes["test"]

    faces = images[: settings.faces]
    reconstructions = as_bytes(decode_all(vae, posterior_means(vae, faces, device), device))
    image_sheet(folder / "reconstructions.png", [faces, reconstructions], ["unseen face", "reconstruction"])

    for name, source, z in (
        ("prior_samples", "prior", prior_draws(vae.settings.latent_dim, settings.samples, settings.seed)),
        ("mixture_samples", "mixture", models.mixture.sample(settings.samples, settings.seed)),
    ):
        samples = as_bytes(decode_all(vae, z, device))
        rows = [samples[start : start + 8] for start in range(0, len(samples), 8)]
        image_sheet(folder / f"{name}.png", rows, [], title=f"samples from the {source}")

    asked = settings.attributes
    if asked is None:
        asked = most_balanced(arrays.attributes["train"], arrays.attribute_names, _CHOSEN)
    for attribute in asked:
        column = arrays.attribute_names.index(attribute)
        lacking = images[np.flatnonzero(labels[:, column] == 0)[: settings.faces]]
        if len(lacking):
            _strength_sheet(
                folder / f"{attribute}.png",
                vae,
                lacking,
                torch.from_numpy(vectors.of(attribute)),
                attribute,
                settings,
                device,
            )

    _ways_sheet(folder / "ways.png", models, arrays, asked, settings, device)

    _, retention = report.tables["attributes"]
    if retention:
        bars(
            folder / "attributes_lost.png",
            [str(row["attribute"]).replace("_", " ") for row in retention],
            {"lost": [float(row["accuracy_loss"]) for row in retention]},
            "what the judge no longer gets right on reconstructions",
            "share of the faces",
        )
    if report.verdicts:
        _draw_verdicts(folder, report, arrays.attribute_names, settings)


def _draw_verdicts(folder: Path, report: VaeReport, names: Sequence[str], settings: VaeEvaluation) -> None:
    """Write edits.png, leakage.png and strengths.png."""
    at = "the recommended strengths" if settings.strength is None else f"strength {settings.strength:g}"
    bars(
        folder / "edits.png",
        [f"{verdict.attribute.replace('_', ' ')} ({verdict.strength:g})" for verdict in report.verdicts],
        {
            "detection rate": [verdict.detection_rate for verdict in report.verdicts],
            "leakage": [verdict.leakage for verdict in report.verdicts],
        },
        f"edits of unseen faces at {at}",
        "share, probability",
    )
    heat_map(
        folder / "leakage.png",
        report.changes,
        [verdict.attribute for verdict in report.verdicts],
        [name.replace("_", " ") for name in names],
        f"mean absolute change of the judge's probabilities at {at}",
        "edited",
        "changed",
    )
    if report.curves:
        _success_curves(folder / "strengths.png", report.curves)


def _ways_sheet(
    path: Path,
    models: Models,
    arrays: VaeArrays,
    attributes: Sequence[str],
    settings: VaeEvaluation,
    device: torch.device,
) -> None:
    """Three rows per chosen attribute: unseen faces without it, their plain and their residual edits."""
    vae, vectors = models.vae, models.vectors
    images, labels = arrays.images["test"], arrays.attributes["test"]
    rows, titles = [], []
    for attribute in attributes:
        column = arrays.attribute_names.index(attribute)
        lacking = np.flatnonzero(labels[:, column] == 0)[: settings.faces]
        if not len(lacking):
            continue
        given = settings.strength
        strength = vectors.recommendation(attribute).strength if given is None else given
        z = models.posteriors.mu["test"][lacking]
        moved = edit(z, torch.from_numpy(vectors.of(attribute)), strength)
        before, after = (decode_all(vae, at, device) for at in (z, moved))
        residual = residual_edit(from_bytes(images[lacking]).numpy(), before.numpy(), after.numpy())
        rows += [images[lacking], as_bytes(after), as_bytes(torch.from_numpy(residual))]
        titles += ["unseen face", f"{attribute.replace('_', ' ')}, plain", "residual"]
    if rows:
        image_sheet(path, rows, titles, title="ways of editing at the strengths that are judged")


def _success_curves(path: Path, curves: Sequence[EditVerdict]) -> None:
    """Success against leakage: a line per method, a point per strength, means over the attributes."""
    lines: dict[str, list[tuple[float, float, str]]] = {}
    for method in dict.fromkeys(verdict.method for verdict in curves):
        mine = [verdict for verdict in curves if verdict.method == method]
        for strength in dict.fromkeys(verdict.strength for verdict in mine):
            at = [verdict for verdict in mine if verdict.strength == strength]
            point = (
                float(np.mean([v.leakage for v in at])),
                float(np.mean([v.success_rate for v in at])),
                f"{strength:g}",
            )
            lines.setdefault(method.replace("_", " "), []).append(point)
    labelled_lines(
        path, lines, "edits by method and strength, means over the attributes",
        "leakage: mean change of the other probabilities", "success rate",
    )  # fmt: skip


def _strength_sheet(
    path: Path,
    vae: Vae,
    images: np.ndarray,
    vector: Tensor,
    attribute: str,
    settings: VaeEvaluation,
    device: torch.device,
) -> None:
    """A row per unseen face without the attribute: the face, its reconstruction, its edits by strength."""
    z = posterior_means(vae, images, device)
    strengths = [0.0, *settings.strengths]
    columns = [images, *(as_bytes(decode_all(vae, edit(z, vector, strength), device)) for strength in strengths)]
    titles = ["unseen face", "reconstruction", *(f"strength {strength:g}" for strength in settings.strengths)]
    image_sheet(path, [np.stack(row) for row in zip(*columns, strict=True)], [], titles, attribute.replace("_", " "))
