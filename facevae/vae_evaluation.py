"""How well the autoencoder reconstructs, and whether an edit does what it says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from facevae.arrays import VaeArrays
from facevae.classifier import Classifier
from facevae.errors import FacevaeError
from facevae.latents import edit, explained_change
from facevae.layers import as_unit_floats
from facevae.losses import kl_divergence
from facevae.metrics import psnr_db, ssim
from facevae.pairs import Pairs
from facevae.params import Section
from facevae.steps import Step
from facevae.vae import Vae, active_dimensions, vae_terms
from facevae.vectors import METHODS, AttributeVectors, posterior_means

SCORE_COLUMNS = (
    "attribute",
    "identities",
    *(f"{method}_against_{truth}" for method in METHODS for truth in ("reconstruction", "truth")),
)


class VaeEvaluation(Section):
    """Section `evaluate_vae`: which edits are shown and judged, and how many pictures of what."""

    attributes: list[str] = Field(min_length=1)
    strengths: list[float] = Field(min_length=1, max_length=9)
    strength: float
    faces: int = Field(ge=1, le=16)
    samples: int = Field(ge=1, le=64)
    edited_faces: int = Field(ge=1)
    seed: int = Field(ge=0)


@dataclass(frozen=True)
class EditVerdict:
    """What the judge says of one attribute's edits on faces without it; shares and probabilities in [0, 1].

    `seen_before`: share whose unedited reconstruction shows the attribute to the judge; `flipped`: share of the
    others that show it after the edit; `leakage`: mean absolute change of the other attributes' probabilities.
    """

    attribute: str
    faces: int
    seen_before: float
    flipped: float
    leakage: float


@dataclass(frozen=True)
class VaeReport:
    """`metrics` for metrics.json; `verdicts` of every attribute; `scores`, the counterfactual rows, may be empty."""

    metrics: dict[str, Any]
    verdicts: list[EditVerdict]
    scores: list[dict[str, float | str]]

    def summary(self, settings: VaeEvaluation) -> str:
        """The metrics in a few lines for a reader."""
        reconstruction, edits = self.metrics["reconstruction"], self.metrics["edits"]
        lines = [
            (
                f"reconstruction PSNR {reconstruction['psnr_db']:.2f} dB, SSIM {reconstruction['ssim']:.3f}, "
                f"KL {reconstruction['kl_nats']:.1f} nats in {reconstruction['active_dimensions']} active dimensions"
            ),
            (
                f"edits at strength {settings.strength:g}: judge sees {edits['mean_flipped']:.0%} on average, "
                f"leakage {edits['mean_leakage']:.3f}"
            ),
        ]
        if self.scores:
            means = self.metrics["counterfactual"]
            lines.append(
                "explained change against the truth's reconstruction: "
                + ", ".join(f"{method} {means[f'mean_{method}_against_reconstruction']:.2f}" for method in METHODS)
            )
        return "\n".join(lines)


def check_fit(
    arrays: VaeArrays,
    vectors: AttributeVectors,
    vae_facts: dict[str, Any],
    judge_facts: dict[str, Any],
    settings: VaeEvaluation,
) -> None:
    """Raise FacevaeError unless the models were made from arrays like these and every chosen attribute has a vector."""
    for name in settings.attributes:
        vectors.of(name)
    image_size = arrays.images["test"].shape[1]
    for where, found in (("the VAE", vae_facts["image_size"]), ("the judge", judge_facts["image_size"])):
        if found != image_size:
            raise FacevaeError(
                where=where, expected=f"a model of {image_size}-pixel images", found=f"one of {found}-pixel images",
                fix="train it on the same arrays",
            )  # fmt: skip
    if tuple(judge_facts["attributes"]) != arrays.attribute_names:
        raise FacevaeError(
            where="the judge", expected=f"the arrays' {len(arrays.attribute_names)} attributes",
            found="others", fix="run stages.train_judge on the same arrays",
        )  # fmt: skip
    latent_dim = vae_facts["settings"]["latent_dim"]
    length = vectors.vectors[vectors.method].shape[1]
    if length != latent_dim or not set(vectors.names) <= set(arrays.attribute_names):
        raise FacevaeError(
            where="the attribute vectors", expected=f"{latent_dim} numbers for attributes of these arrays",
            found=f"{length} numbers for {', '.join(vectors.names[:3])} ...",
            fix="run stages.attribute_vectors on the same VAE and arrays",
        )  # fmt: skip


def evaluate_autoencoder(
    vae: Vae,
    judge: Classifier,
    vectors: AttributeVectors,
    arrays: VaeArrays,
    pairs: Iterable[Pairs],
    settings: VaeEvaluation,
    device: torch.device,
) -> VaeReport:
    """Everything that is measured, on the test split and on the pairs."""
    images, labels = arrays.images["test"], arrays.attributes["test"]
    reconstruction = reconstruction_metrics(vae, images, device)
    verdicts = judge_edits(
        vae, judge, images, labels, arrays.attribute_names, vectors, settings.strength, settings.edited_faces, device
    )
    scores = counterfactual_scores(vae, pairs, vectors, settings.strength, device)
    metrics = {"reconstruction": reconstruction, **edit_metrics(verdicts, scores, settings.attributes)}
    return VaeReport(metrics, verdicts, scores)


@torch.no_grad()
def reconstruction_metrics(
    vae: Vae, images: np.ndarray, device: torch.device, batch_size: int = 64
) -> dict[str, float]:
    """Means over images, uint8 (N, S, S, 3): of the decoded posterior mean, and of the posterior's KL in nats."""
    columns: dict[str, list[float]] = {}
    means, kls = [], []
    for start in range(0, len(images), batch_size):
        batch = as_unit_floats(torch.from_numpy(images[start : start + batch_size].copy())).to(device)
        mu, logvar = vae.encode(batch)
        reconstruction = vae.decode(mu)
        terms = vae_terms(vae, batch, vae.settings, None, vae.settings.beta, Step(0, None, len(batch)))
        found = {
            "psnr_db": psnr_db(reconstruction, batch),
            "ssim": ssim(reconstruction, batch),
            "reconstruction_loss": terms["reconstruction_loss"],
            "kl_nats": terms["kl_divergence"],
        }
        for name, values in found.items():
            columns.setdefault(name, []).extend(values.tolist())
        means.append(mu.cpu())
        kls.append(kl_divergence(mu, logvar).cpu())
    latents = torch.cat(means)
    return {name: float(np.mean(values)) for name, values in columns.items()} | {
        "active_dimensions": active_dimensions(latents),
        "latent_dimensions": latents.shape[1],
        "kl_nats_of_largest_dimension": float(torch.cat(kls).mean(0).max()),
    }


@torch.no_grad()
def judge_edits(
    vae: Vae,
    judge: Classifier,
    images: np.ndarray,
    labels: np.ndarray,
    attribute_names: Sequence[str],
    vectors: AttributeVectors,
    strength: float,
    most: int,
    device: torch.device,
) -> list[EditVerdict]:
    """Edit unseen faces that lack each attribute and ask the judge: images (N, S, S, 3), labels (N, A) of 0 or 1.

    At most the first `most` faces per attribute. Left out are attributes that every face has, and those that the judge
    sees in every reconstruction already: nothing is left to flip. Raises FacevaeError if no attribute is left.
    """
    latents = posterior_means(vae, images, device)
    before = _probabilities(vae, judge, latents, device)
    verdicts = []
    for attribute in vectors.names:
        column = list(attribute_names).index(attribute)
        rows = np.flatnonzero(labels[:, column] == 0)[:most]
        seen_before = before[rows, column] > 0.5
        if seen_before.all():  # also of no rows
            continue
        after = _probabilities(vae, judge, edit(latents[rows], vectors.of(attribute), strength), device)
        flipped = (after[:, column] > 0.5)[~seen_before]
        others = np.arange(after.shape[1]) != column
        verdicts.append(
            EditVerdict(
                attribute,
                len(rows),
                float(seen_before.mean()),
                float(flipped.mean()),
                float(np.abs(after - before[rows])[:, others].mean()),
            )
        )
    if not verdicts:
        raise FacevaeError(
            where="the test split", expected="a face without one of the attributes that have a vector",
            found="none", fix="provide or annotate more images",
        )  # fmt: skip
    return verdicts


@torch.no_grad()
def counterfactual_scores(
    vae: Vae, pairs: Iterable[Pairs], vectors: AttributeVectors, strength: float, device: torch.device
) -> list[dict[str, float | str]]:
    """How much of an attribute's true change an edit makes, where the truth is known because faces are drawn.

    Of the same unseen identity x0 is drawn without and x1 with the attribute, r0 and r1 are their reconstructions and
    e is the edit of x0. A row per attribute, for each method: `against_reconstruction`,
    1 - sum |e - r1|^2 / sum |r0 - r1|^2, and `against_truth`, the same with x1 in place of r1; and how many
    identities were compared. An attribute that changes no reconstruction, cut off by the crop perhaps, is left out.
    """
    rows: list[dict[str, float | str]] = []
    for pair in pairs:
        if pair.attribute not in vectors.names:
            continue
        z0, z1 = (posterior_means(vae, images, device) for images in (pair.without, pair.having))
        r0, r1 = (decode_all(vae, z, device) for z in (z0, z1))
        if torch.equal(r0, r1):
            continue
        x1 = as_unit_floats(torch.from_numpy(pair.having))
        row: dict[str, float | str] = {"attribute": pair.attribute, "identities": len(pair.identities)}
        for method in METHODS:
            edited = decode_all(vae, edit(z0, vectors.of(pair.attribute, method), strength), device)
            row[f"{method}_against_reconstruction"] = explained_change(edited, r0, r1)
            row[f"{method}_against_truth"] = explained_change(edited, r0, x1)
        rows.append(row)
    return rows


@torch.no_grad()
def decode_all(vae: Vae, z: Tensor, device: torch.device, batch_size: int = 64) -> Tensor:
    """Images of latents, on the CPU: (N, D) -> (N, 3, S, S)."""
    parts = (z[start : start + batch_size] for start in range(0, len(z), batch_size))
    return torch.cat([vae.decode(part.to(device)).cpu() for part in parts])


def _probabilities(vae: Vae, judge: Classifier, latents: Tensor, device: torch.device) -> np.ndarray:
    """The judge's probabilities for the images of latents: (N, D) -> (N, A)."""
    parts = (latents[start : start + 64].to(device) for start in range(0, len(latents), 64))
    return torch.cat([judge(vae.decode(part)).sigmoid().cpu() for part in parts]).numpy()


def edit_metrics(
    verdicts: Sequence[EditVerdict], scores: Sequence[dict[str, float | str]], attributes: Sequence[str]
) -> dict[str, Any]:
    """The verdicts of the chosen attributes and their means over all, the counterfactual scores likewise."""
    found: dict[str, Any] = {
        "mean_flipped": float(np.mean([verdict.flipped for verdict in verdicts])),
        "mean_leakage": float(np.mean([verdict.leakage for verdict in verdicts])),
    }
    chosen = [verdict for verdict in verdicts if verdict.attribute in attributes]
    found |= {v.attribute: {"flipped": v.flipped, "leakage": v.leakage, "faces": v.faces} for v in chosen}
    if not scores:
        return {"edits": found}
    columns = [name for name in scores[0] if name not in ("attribute", "identities")]
    means = {f"mean_{column}": float(np.mean([float(row[column]) for row in scores])) for column in columns}
    shown = {
        str(row["attribute"]): {column: float(row[column]) for column in columns}
        for row in scores
        if row["attribute"] in attributes
    }
    return {"edits": found, "counterfactual": means | shown}
