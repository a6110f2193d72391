"""How good the autoencoder is: its reconstructions, its latents, its samples, and its edits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from facevae.celeba.pairs import Pairs
from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.data.arrays import VaeArrays
from facevae.evaluation.counterfactual import counterfactual_scores
from facevae.evaluation.edit_metrics import compare_methods, edit_metrics, methods_summary
from facevae.evaluation.edits import EditVerdict, Faces, check_judged, judge_strengths, judge_vectors
from facevae.evaluation.plausibility import possible
from facevae.evaluation.probe import classify_by_vectors, linear_probe
from facevae.evaluation.reconstruction import reconstruction_metrics, survival
from facevae.evaluation.samples import frechet_distances
from facevae.latents.mixture import Mixture
from facevae.latents.posteriors import Posteriors
from facevae.latents.vectors import AttributeVectors
from facevae.models.classifier import Classifier
from facevae.models.identity import Embed
from facevae.models.vae import Vae

# An attribute is large enough to be missed in a reconstruction if drawing it changes more pixels.
_LARGE_PIXELS = 100

# The networks of LPIPS pool the image away below it.
_SMALLEST_FOR_LPIPS = 32


@dataclass(frozen=True)
class Models:
    """What is evaluated, the judge, and what was made of the VAE's latents.

    `embed`: by what persons are compared, and the name of its network.
    """

    vae: Vae
    judge: Classifier
    embed: tuple[str, Embed]
    vectors: AttributeVectors
    mixture: Mixture
    posteriors: Posteriors


class VaeEvaluation(Section):
    """Section `evaluate_vae`: which edits are shown and judged, how many pictures of what, what is measured."""

    attributes: list[str] = Field(min_length=1)
    # Of the pictures; those above 0 are judged, too, of every method.
    strengths: list[float] = Field(min_length=1, max_length=9)
    # That edits are judged at; null: each attribute's recommended one.
    strength: float | None
    faces: int = Field(ge=1, le=16)
    samples: int = Field(ge=1, le=64)
    edited_faces: int = Field(ge=1)
    # How many of these every method and strength is judged on.
    compared_faces: int = Field(ge=1)
    # Of how many images the Frechet distances are.
    frechet_images: int = Field(ge=2)
    # The network that LPIPS compares images in, with torchvision's weights, or null for none.
    lpips: Literal["alex", "vgg", "squeeze"] | None
    seed: int = Field(ge=0)

    @field_validator("strengths")
    @classmethod
    def _one_adds(cls, strengths: list[float]) -> list[float]:
        if max(strengths) <= 0:
            raise ValueError("at least one number above 0: methods are compared at those")
        return strengths


@dataclass(frozen=True)
class VaeReport:
    """`metrics` for metrics.json; `attributes`: what survives reconstruction; `verdicts` on every attribute's edits,
    and of each the mean changes of all of the judge's probabilities, a row of `changes`; `curves`: verdicts by method
    and strength; `methods`: their comparison; `predictions`: what the latents say of each attribute; `scores`, the
    counterfactual rows, may be empty.
    """

    metrics: dict[str, Any]
    attributes: list[dict[str, float | str]]
    verdicts: list[EditVerdict]
    changes: np.ndarray
    curves: list[EditVerdict]
    methods: list[dict[str, float | str]]
    predictions: list[dict[str, float | str]]
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
                f"edits at {'the recommended strengths' if settings.strength is None else settings.strength}: the "
                f"judge sees {edits['mean_seen']:.0%} on average, leakage {edits['mean_leakage']:.3f}, identity kept "
                f"{edits['mean_identity_kept']:.3f} (cosine to the face {edits['mean_identity']:.3f}, its "
                f"reconstruction's {edits['mean_identity_reconstruction']:.3f}, by "
                f"{'the identity network' if edits['identity_network'] else 'the judge'})"
            ),
        ]
        return "\n".join([*lines, methods_summary(self.methods)])


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
    check_judged(arrays, vae_facts, judge_facts, models.posteriors.mu["test"])
    image_size = arrays.images["test"].shape[1]
    latent_dim = vae_facts["settings"]["latent_dim"]
    length = vectors.vectors[vectors.method].shape[1]
    if length != latent_dim or not set(vectors.names) <= set(arrays.attribute_names):
        raise FacevaeError(
            where="the attribute vectors", expected=f"{latent_dim} numbers for attributes of these arrays",
            found=f"{length} numbers for {', '.join(vectors.names[:3])} ...",
            fix="run stages.attribute_vectors on the same VAE and arrays",
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
    names = arrays.attribute_names
    able = possible(labels, arrays.attributes["train"], names, vectors.context)
    faces = Faces(vae, judge, mu["test"], labels, names, device, possible=able, images=images, embed=models.embed[1])
    verdicts, changes = judge_vectors(faces, vectors, settings.strength, settings.edited_faces)
    strengths = [strength for strength in settings.strengths if strength > 0]
    plain = Faces(vae, judge, mu["test"], labels, names, device, possible=able)
    curves = judge_strengths(plain, vectors, vectors.names, strengths, settings.compared_faces)
    scores = counterfactual_scores(vae, pairs, vectors, device)
    by_vectors = dot_products(arrays, models)
    areas = {method: found["roc_auc"] for method, found in by_vectors.items()}
    chosen = by_vectors[vectors.method]
    metrics = {
        "reconstruction": reconstruction | survival_metrics(survived, scores),
        "frechet": frechet,
        "probe": {name: float(np.nanmean(values)) for name, values in probe.items()},
        "dot_product": {name: float(np.nanmean(values)) for name, values in chosen.items() if known(values)},
        **edit_metrics(verdicts, scores, settings.attributes),
    }
    # A number, as DVC wants its metrics: whether a network that knows persons compared them, or the judge.
    metrics["edits"]["identity_network"] = int(models.embed[0] == "identity")
    methods = compare_methods(curves, scores, areas)
    metrics["methods"] = {str(row["method"]): {k: v for k, v in row.items() if k != "method"} for row in methods}
    rows = predictions(names, probe, chosen, vectors)
    return VaeReport(metrics, survived, verdicts, changes, curves, methods, rows, scores)


def dot_products(arrays: VaeArrays, models: Models) -> dict[str, dict[str, np.ndarray]]:
    """What each method's vectors say as classifiers of the test images, of the attributes that have vectors."""
    vectors, mu = models.vectors, models.posteriors.mu
    columns = [arrays.attribute_names.index(name) for name in vectors.names]
    valid, test = (arrays.attributes[split][:, columns] for split in ("valid", "test"))
    return {
        method: classify_by_vectors(found, mu["valid"], valid, mu["test"], test)
        for method, found in vectors.vectors.items()
    }


def predictions(
    names: Sequence[str], probe: dict[str, np.ndarray], by_vectors: dict[str, np.ndarray], vectors: AttributeVectors
) -> list[dict[str, float | str]]:
    """A row per attribute with what the probe and its vector's dot product reach on the test images; empty: unknown."""
    rows: list[dict[str, float | str]] = []
    for column, name in enumerate(names):
        found = {key: values[column] for key, values in probe.items()}
        row = vectors.names.index(name) if name in vectors.names else None
        found |= {f"dot_{key}": np.nan if row is None else values[row] for key, values in by_vectors.items()}
        rows.append({"attribute": name, **{key: "" if np.isnan(v) else float(v) for key, v in found.items()}})
    return rows


def known(values: np.ndarray) -> bool:
    """Whether any of the values is not NaN."""
    return bool((~np.isnan(values)).any())


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
