"""How good the autoencoder is: its reconstructions, its latents, its samples, and its edits."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field

from facevae.arrays import VaeArrays
from facevae.classifier import Classifier
from facevae.edit_evaluation import EditVerdict, counterfactual_scores, edit_metrics, judge_edits
from facevae.errors import FacevaeError
from facevae.mixture import Mixture
from facevae.pairs import Pairs
from facevae.params import Section
from facevae.posteriors import Posteriors
from facevae.probe import linear_probe
from facevae.reconstruction_evaluation import reconstruction_metrics, survival
from facevae.sample_evaluation import frechet_distances
from facevae.vae import Vae
from facevae.vectors import METHODS, AttributeVectors

# An attribute is large enough to be missed in a reconstruction if drawing it changes more pixels.
_LARGE_PIXELS = 100
# The networks of LPIPS pool the image away below it.
_SMALLEST_FOR_LPIPS = 32


@dataclass(frozen=True)
class Models:
    """What is evaluated, the judge, and what was made of the VAE's latents."""

    vae: Vae
    judge: Classifier
    vectors: AttributeVectors
    mixture: Mixture
    posteriors: Posteriors


class VaeEvaluation(Section):
    """Section `evaluate_vae`: which edits are shown and judged, how many pictures of what, what is measured."""

    attributes: list[str] = Field(min_length=1)
    strengths: list[float] = Field(min_length=1, max_length=9)
    strength: float
    faces: int = Field(ge=1, le=16)
    samples: int = Field(ge=1, le=64)
    edited_faces: int = Field(ge=1)
    # Of how many images the Frechet distances are.
    frechet_images: int = Field(ge=2)
    # The network that LPIPS compares images in, with torchvision's weights, or null for none.
    lpips: Literal["alex", "vgg", "squeeze"] | None
    seed: int = Field(ge=0)


@dataclass(frozen=True)
class VaeReport:
    """`metrics` for metrics.json; `attributes`: what survives reconstruction; `verdicts` on every attribute's edits;
    `scores`, the counterfactual rows, may be empty.
    """

    metrics: dict[str, Any]
    attributes: list[dict[str, float | str]]
    verdicts: list[EditVerdict]
    scores: list[dict[str, float | str]]

    def summary(self, settings: VaeEvaluation) -> str:
        """The metrics in a few lines for a reader."""
        reconstruction, edits = self.metrics["reconstruction"], self.metrics["edits"]
        frechet, probe = self.metrics["frechet"], self.metrics["probe"]
        lines = [
            (
                f"reconstruction PSNR {reconstruction['psnr_db']:.2f} dB, SSIM {reconstruction['ssim']:.3f}, "
                f"KL {reconstruction['kl_nats']:.1f} nats in {reconstruction['active_dimensions']} active dimensions"
            ),
            (
                f"the judge is right on {reconstruction['judge_accuracy_reconstruction']:.1%} of the attributes of "
                f"reconstructions ({reconstruction['judge_accuracy']:.1%} on the images)"
            ),
            (
                f"Frechet distance of {frechet['images']} in the judge's features: reconstructions "
                f"{frechet['reconstructions']:.2f}, mixture samples {frechet['mixture_samples']:.2f}, prior samples "
                f"{frechet['prior_samples']:.2f} (train images {frechet['train_images']:.2f})"
            ),
            (
                f"linear probe of the latents: accuracy {probe['accuracy']:.1%}, balanced "
                f"{probe['balanced_accuracy']:.1%} (always the majority: {probe['majority_accuracy']:.1%})"
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
    models: Models,
    vae_facts: dict[str, Any],
    judge_facts: dict[str, Any],
    settings: VaeEvaluation,
) -> None:
    """Raise FacevaeError unless the models were made from arrays like these and every chosen attribute has a vector."""
    vectors = models.vectors
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
    length = models.posteriors.mu["test"].shape[1]
    if length != latent_dim:
        raise FacevaeError(
            where="the latents", expected=f"latents of {latent_dim} dimensions", found=f"of {length}",
            fix="run stages.encode with the same VAE",
        )  # fmt: skip
    if settings.lpips is not None and image_size < _SMALLEST_FOR_LPIPS:
        raise FacevaeError(
            where="evaluate_vae.lpips", expected=f"images of at least {_SMALLEST_FOR_LPIPS} pixels",
            found=f"{image_size}", fix="set it to null",
        )  # fmt: skip
    length = models.mixture.means.shape[1]
    if length != latent_dim:
        raise FacevaeError(
            where="the mixture", expected=f"one of {latent_dim} latent dimensions", found=f"one of {length}",
            fix="run stages.fit_mixture on the same VAE and arrays",
        )  # fmt: skip


def evaluate_autoencoder(
    models: Models, arrays: VaeArrays, pairs: Iterable[Pairs], settings: VaeEvaluation, device: torch.device
) -> VaeReport:
    """Everything that is measured, on the test split and on the pairs."""
    vae, judge, vectors = models.vae, models.judge, models.vectors
    images, labels = arrays.images["test"], arrays.attributes["test"]
    reconstruction = reconstruction_metrics(vae, images, device, settings.lpips)
    survived = survival(vae, judge, images, labels, arrays.attribute_names, device)
    mu = models.posteriors.mu
    probe = linear_probe(mu["train"], arrays.attributes["train"], mu["test"], labels)
    if np.isnan(probe["accuracy"]).all():
        raise FacevaeError(
            where="the splits", expected="an attribute that some train and test images have and some have not",
            found="none", fix="provide or annotate more images",
        )  # fmt: skip
    frechet = frechet_distances(vae, judge, models.mixture, arrays, settings.frechet_images, settings.seed, device)
    verdicts = judge_edits(
        vae, judge, images, labels, arrays.attribute_names, vectors, settings.strength, settings.edited_faces, device
    )
    scores = counterfactual_scores(vae, pairs, vectors, settings.strength, device)
    metrics = {
        "reconstruction": reconstruction | survival_metrics(survived, scores),
        "frechet": frechet,
        "probe": {name: float(np.nanmean(values)) for name, values in probe.items()},
        **edit_metrics(verdicts, scores, settings.attributes),
    }
    return VaeReport(metrics, survived, verdicts, scores)


def survival_metrics(survived: list[dict[str, float | str]], scores: list[dict[str, float | str]]) -> dict[str, float]:
    """Means over attributes of the judge's accuracies, and the largest loss of an attribute.

    Where faces are drawn, only attributes that change more than 100 pixels count for the largest loss.
    """
    found = {
        f"judge_{name}": float(np.mean([float(row[name]) for row in survived]))
        for name in ("accuracy", "accuracy_reconstruction", "balanced_accuracy", "balanced_accuracy_reconstruction")
    }
    large = {row["attribute"] for row in scores if float(row["pixels"]) > _LARGE_PIXELS}
    lost = [float(row["lost"]) for row in survived if not scores or row["attribute"] in large]
    return found | {"judge_largest_loss": max(lost)} if lost else found
