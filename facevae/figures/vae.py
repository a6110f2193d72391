"""The pictures of an evaluation: unseen faces, reconstructed and edited, and samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from facevae.data.arrays import VaeArrays
from facevae.data.labels import most_balanced
from facevae.evaluation.edits import EditVerdict
from facevae.evaluation.plausibility import possible
from facevae.evaluation.vae import Models, VaeEvaluation, VaeReport
from facevae.figures.base import bars, heat_map, labelled_lines
from facevae.figures.sheets import image_sheet
from facevae.latents.arithmetic import edit
from facevae.latents.encoding import decode_all, posterior_means
from facevae.latents.mixture import prior_draws
from facevae.latents.residual import residual_edit, times_ahead
from facevae.latents.vectors import AttributeVectors
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
    """Write all pictures into `folder`: reconstructions, what the judge loses on them by attribute, samples from the
    mixture and from the prior, the judge's verdicts on edits, by attribute, by strength and as a matrix of changes, a
    sheet of strengths per chosen attribute, and the ways of editing side by side. Edits are shown on faces that can
    have the attribute, as they are judged (see `plausibility`). What was not measured has no picture.
    """
    vae, vectors = models.vae, models.vectors
    images, labels = arrays.images["test"], arrays.attributes["test"]

    faces = images[: settings.faces]
    reconstructions = as_bytes(decode_all(vae, posterior_means(vae, faces, device), device))
    image_sheet(folder / "reconstructions.png", [faces, reconstructions], ["unseen face", "reconstruction"])

    _samples_sheet(folder / "samples.png", models, report.metrics.get("frechet", {}), settings, device)

    asked = settings.attributes
    if asked is None:
        asked = most_balanced(arrays.attributes["train"], arrays.attribute_names, _CHOSEN)
    able = possible(labels, arrays.attributes["train"], arrays.attribute_names, vectors.context)
    for attribute in asked:
        column = arrays.attribute_names.index(attribute)
        rows = shown_faces(labels[:, column], able[:, column], settings.faces)
        if len(rows):
            title = attribute.replace("_", " ")
            if (labels[:, column] == 0).sum() > ((labels[:, column] == 0) & able[:, column]).sum():
                title += f" (only on faces that could have it, as far as {', '.join(vectors.context)} tells)"
            _strength_sheet(folder / f"{attribute}.png", vae, images[rows], vectors, attribute, title, settings, device)

    _ways_sheet(folder / "ways.png", models, arrays, asked, able, settings, device)

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
    able: np.ndarray,
    settings: VaeEvaluation,
    device: torch.device,
) -> None:
    """Three rows per chosen attribute: unseen faces without it, their plain and their residual edits."""
    vae, vectors = models.vae, models.vectors
    images, labels = arrays.images["test"], arrays.attributes["test"]
    rows, titles = [], []
    for attribute in attributes:
        column = arrays.attribute_names.index(attribute)
        lacking = shown_faces(labels[:, column], able[:, column], settings.faces)
        if not len(lacking):
            continue
        given = settings.strength
        strength = vectors.recommendation(attribute).strength if given is None else given
        z = models.posteriors.mu["test"][lacking]
        vector = torch.from_numpy(vectors.of(attribute))
        times = times_ahead(np.full(len(z), strength))
        moved = (edit(z, vector, by * strength) for by in (0, 1, float(times[0])))
        before, after, ahead = (decode_all(vae, at, device) for at in moved)
        faces, places = from_bytes(images[lacking]).numpy(), vectors.places([attribute], images.shape[1])
        residual = residual_edit(faces, before.numpy(), ahead.numpy(), times, places)
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
    vectors: AttributeVectors,
    attribute: str,
    title: str,
    settings: VaeEvaluation,
    device: torch.device,
) -> None:
    """A row per unseen face without the attribute: the face, its reconstruction, its edits by strength."""
    z, columns = posterior_means(vae, images, device), strength_columns(vectors, attribute, settings.strengths)
    latents = [z, *(edit(z, torch.from_numpy(vector), strength) for _, vector, strength in columns)]
    cells = [images, *(as_bytes(decode_all(vae, moved, device)) for moved in latents)]
    titles = ["unseen face", "reconstruction", *(title for title, _, _ in columns)]
    image_sheet(path, [np.stack(row) for row in zip(*cells, strict=True)], [], titles, title)


def strength_columns(
    vectors: AttributeVectors, attribute: str, strengths: Sequence[float]
) -> list[tuple[str, np.ndarray, float]]:
    """Title, vector (D,) and strength of a sheet's edits: those of all sheets, then what suits its attribute.

    The recommended strength has a column of its own in the same place of every sheet, be it larger than the others or
    one of them; so has the vector to one kind of what the attribute is, where there is one.
    """
    vector, recommended = vectors.of(attribute), vectors.recommendation(attribute).strength
    columns = [(f"strength {strength:g}", vector, strength) for strength in strengths]
    columns.append((f"recommended: {recommended:g}", vector, recommended))
    if attribute in vectors.kinds:
        strength = vectors.kinds[attribute].strength
        columns.append((f"one kind: {strength:g}", vectors.of(attribute, "one_kind"), strength))
    return columns


def shown_faces(labels: np.ndarray, able: np.ndarray, most: int) -> np.ndarray:
    """Numbers of the first `most` faces known to lack an attribute that can have it, (n,) twice -> (at most `most`,).

    Where none can, of those that lack it.
    """
    lacking = labels == 0
    return np.flatnonzero(lacking & able if (lacking & able).any() else lacking)[:most]


def _samples_sheet(
    path: Path, models: Models, frechet: Mapping[str, float], settings: VaeEvaluation, device: torch.device
) -> None:
    """Samples from the mixture, then as many from the prior, with their Frechet distances where these are known.

    In one picture: what the prior gives looks like a fault of the autoencoder unless one sees that it is not.
    """
    rows: list[np.ndarray] = []
    titles: list[str] = []
    words: list[str] = []
    for source, z in (
        ("mixture", models.mixture.sample(settings.samples, settings.seed)),
        ("prior", prior_draws(models.vae.settings.latent_dim, settings.samples, settings.seed)),
    ):
        samples = as_bytes(decode_all(models.vae, z, device))
        found = [samples[start : start + 8] for start in range(0, len(samples), 8)]
        rows, titles = rows + found, titles + [source] * len(found)
        distance = frechet.get(f"{source}_samples")
        words.append(source if distance is None else f"{source} (Frechet distance {distance:.2f})")
    better, other = words
    image_sheet(path, rows, titles, title=f"samples: from the {better}, to be used, and from the {other}, to compare")
