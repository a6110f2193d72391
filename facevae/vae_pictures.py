"""The pictures of an evaluation: unseen faces, reconstructed and edited, and samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facevae.arrays import VaeArrays
from facevae.edit_evaluation import EditVerdict
from facevae.latents import edit
from facevae.layers import as_bytes
from facevae.plots import bars, image_sheet
from facevae.posteriors import decode_all, posterior_means
from facevae.sample_evaluation import prior_draws
from facevae.vae import Vae
from facevae.vae_evaluation import Models, VaeEvaluation


def draw_pictures(
    folder: Path,
    models: Models,
    arrays: VaeArrays,
    verdicts: Sequence[EditVerdict],
    settings: VaeEvaluation,
    device: torch.device,
) -> None:
    """Write all pictures into `folder`: reconstructions, samples of both kinds, the judge's verdicts on edits, and a
    sheet of strengths per chosen attribute.
    """
    vae, vectors = models.vae, models.vectors
    images, labels = arrays.images["test"], arrays.attributes["test"]

    faces = images[: settings.faces]
    reconstructions = as_bytes(decode_all(vae, posterior_means(vae, faces, device), device))
    image_sheet(folder / "reconstructions.png", [faces, reconstructions], ["unseen face", "reconstruction"])

    for name, source, z in (
        ("prior_samples", "prior", prior_draws(vae, settings.samples, settings.seed)),
        ("mixture_samples", "mixture", models.mixture.sample(settings.samples, settings.seed)),
    ):
        samples = as_bytes(decode_all(vae, z, device))
        rows = [samples[start : start + 8] for start in range(0, len(samples), 8)]
        image_sheet(folder / f"{name}.png", rows, [], title=f"samples from the {source}")

    for attribute in settings.attributes:
        column = arrays.attribute_names.index(attribute)
        lacking = images[np.flatnonzero(labels[:, column] == 0)[: settings.faces]]
        if len(lacking):
            _strength_sheet(
                folder / f"{attribute}.png", vae, lacking, vectors.of(attribute), attribute, settings, device
            )

    bars(
        folder / "edits.png",
        [verdict.attribute for verdict in verdicts],
        {
            "share flipped": [verdict.flipped for verdict in verdicts],
            "leakage, mean change of the others": [verdict.leakage for verdict in verdicts],
        },
        f"edits of unseen faces at strength {settings.strength:g}, seen by the judge",
        "share, probability",
    )


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
