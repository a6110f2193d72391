"""How good the autoencoder is: its reconstructions, its latents, its samples, and its edits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from facevae.celeba.pairs import Pairs
from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.data.arrays import VaeArrays
from facevae.evaluation.counterfactual import SCORE_COLUMNS, WAY_SCORE_COLUMNS, score_counterfactuals
from facevae.evaluation.edit_metrics import (
    METHOD_STRENGTH_COLUMNS,
    compare_methods,
    compare_strengths,
    explained_changes,
    mean_verdict,
    methods_summary,
)
from facevae.evaluation.edits import (
    VERDICT_COLUMNS,
    EditVerdict,
    Faces,
    check_judged,
    embed_all,
    judge_strengths,
    judge_vectors,
)
from facevae.evaluation.judge import judge_images
from facevae.evaluation.plausibility import possible
from facevae.evaluation.probe import classify_by_vectors, linear_probe
from facevae.evaluation.reconstruction import RETENTION_COLUMNS, attribute_retention, reconstruct
from facevae.evaluation.samples import frechet_distances
from facevae.evaluation.ways import COLUMNS as WAY_COLUMNS
from facevae.evaluation.ways import Ways, residual_metrics, ways_summary
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

    `judge`: None where no attribute could be learned. `embed`: by what persons are compared, and the name of its
    network; None where neither network is there.
    """

    vae: Vae
    judge: Classifier | None
    embed: tuple[str, Embed] | None
    vectors: AttributeVectors
    mixture: Mixture
    posteriors: Posteriors


class VaeEvaluation(Section):
    """Section `evaluate_vae`: which edits are shown and judged, how many pictures of what, what is measured."""

    # Of the pictures; null: those that `labels.most_balanced` chooses.
    attributes: Annotated[list[str], Field(min_length=1)] | None
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
    seed: int = Field(ge=0, lt=2**63)

    @field_validator("strengths")
    @classmethod
    def _one_adds_and_all_differ(cls, strengths: list[float]) -> list[float]:
        if max(strengths) <= 0:
            raise ValueError("at least one number above 0: methods are compared at those")
        if len(set(strengths)) < len(strengths):
            raise ValueError("each strength once")
        return strengths


Rows = list[dict[str, float | str]]


@dataclass(frozen=True)
class VaeReport:
    """`metrics` for metrics.json, in groups; `tables`: by name the columns and rows of all that is measured besides.

    `verdicts` on every attribute's edits, and of each the mean changes of all of the judge's probabilities, a row of
    `changes`; `curves`: verdicts by attribute, method and strength.
    """

    metrics: dict[str, dict[str, float]]
    tables: dict[str, tuple[Sequence[str], Rows]]
    verdicts: list[EditVerdict]
    changes: np.ndarray
    curves: list[EditVerdict]

    def summary(self, settings: VaeEvaluation) -> str:
        """The metrics in a few lines for a reader, and what could not be measured."""
        vae, edits, frechet, probe = (self.metrics.get(group, {}) for group in ("vae", "edits", "frechet", "probe"))
        more = {str(row["measure"]): float(row["value"]) for row in self.tables["summary"][1]}
        lines = [
            (
                f"reconstruction PSNR {vae['psnr_db']:.2f} dB, SSIM {vae['ssim']:.3f}, "
                f"KL {vae['kl_nats']:.1f} nats in {vae['active_dimensions']} active dimensions"
            )
        ]
        if "judge_accuracy" in more:
            lines.append(
                f"the judge is right on {more['judge_accuracy']:.1%} of the attributes of reconstructions "
                f"({more['judge_accuracy_on_images']:.1%} on the images)"
            )
        if frechet:
            lines.append(
                f"Frechet distance of {more['frechet_images']:.0f} in the judge's features: reconstructions "
                f"{frechet['reconstructions']:.2f}, mixture samples {frechet['mixture_samples']:.2f}, prior samples "
                f"{frechet['prior_samples']:.2f} (train images {frechet['train_images']:.2f})"
            )
        if probe:
            lines.append(
                f"linear probe of the latents: accuracy {probe['accuracy']:.1%}, balanced "
                f"{probe['balanced_accuracy']:.1%} (always the majority: {more['majority_accuracy']:.1%})"
            )
        if edits:
            lines.append(
                f"edits at {'the recommended strengths' if settings.strength is None else settings.strength}: "
                f"detection rate {edits['detection_rate']:.0%} on average, leakage {edits['leakage']:.3f}, identity "
                f"kept {edits['identity_kept']:.3f} (cosine to the face {more['edits_identity']:.3f}, "
                f"its reconstruction's {more['edits_identity_reconstruction']:.3f}, by "
                f"{'the identity network' if more['identity_network'] else 'the judge'})"
            )
        parts = {"attributes of reconstructions": "judge_accuracy" in more, "Frechet distances": frechet}
        missing = [part for part, found in (parts | {"probe": probe, "edits": edits}).items() if not found]
        if missing:
            lines.append(f"not measured, for want of an attribute or of faces that show it: {', '.join(missing)}")
        lines += ways_summary(self.tables["ways"][1], self.tables["counterfactual_ways"][1])
        return "\n".join([*lines, methods_summary(self.tables["methods"][1], self.tables["method_strengths"][1])])


def check_evaluable(
    arrays: VaeArrays,
    models: Models,
    vae_metadata: dict[str, Any],
    judge_metadata: dict[str, Any],
    settings: VaeEvaluation,
) -> None:
    """Raise FacevaeError unless the models were made from arrays like these and every chosen attribute has a vector."""
    vectors = models.vectors
    for name in settings.attributes or ():
        if name not in vectors.names:  # as the data call it: `of` takes a common word for it as well
            raise FacevaeError(
                where="evaluate_vae.attributes", expected=f"one of {', '.join(vectors.names)}", found=name,
                fix="correct it; an attribute that all or none of the train images have gets no vector",
            )  # fmt: skip
    check_judged(arrays, vae_metadata, judge_metadata, models.posteriors.mu["test"])
    image_size = arrays.images["test"].shape[1]
    latent_dim = vae_metadata["settings"]["latent_dim"]
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


# What is decided by; all else that is measured stands in tables.
_RECONSTRUCTION_METRICS = ("psnr_db", "ssim", "lpips", "kl_nats", "active_dimensions")
_RETENTION_METRICS = ("judge_balanced_accuracy", "largest_attribute_loss")
_PROBE_METRICS = ("accuracy", "balanced_accuracy", "roc_auc")
_EDIT_METRICS = ("detection_rate", "success_rate", "leakage", "identity_kept")

_OF_RECOMMENDED_EDITS_ALONE = ("identity", "identity_reconstruction", "identity_kept", "detection_rate_all")

# In the table `summary`, in this order, as far as they are known.
_SUMMARY = (
    "reconstruction_loss", "latent_dimensions", "kl_nats_of_largest_dimension", "judge_accuracy",
    "judge_accuracy_on_images", "judge_balanced_accuracy_on_images", "majority_accuracy", "dot_product_accuracy",
    "dot_product_balanced_accuracy", "frechet_images", "frechet_pixels", "frechet_seed", "edits_identity",
    "edits_identity_reconstruction", "identity_network",
)  # fmt: skip

PREDICTION_COLUMNS = ("attribute", "predictor", "measure", "value")


def evaluate_autoencoder(
    models: Models, arrays: VaeArrays, pairs: Iterable[Pairs], settings: VaeEvaluation, device: torch.device
) -> VaeReport:
    """Everything that is measured, on the test split and on the pairs.

    Each test image is looked at once: its latent is that of `models.posteriors`, its reconstruction is made for all
    measures together. What needs a judge, or an attribute that has images of both kinds in a split, is left out where
    there is none.
    """
    vae, judge, vectors = models.vae, models.judge, models.vectors
    # The judge looks at every image, reconstruction and edit: with channels last in two thirds of the time on a CPU.
    if judge is not None:
        judge.to(memory_format=torch.channels_last)
    names, images, labels = arrays.attribute_names, arrays.images["test"], arrays.attributes["test"]
    mu, logvar = models.posteriors.mu, models.posteriors.logvar["test"]
    probe = linear_probe(mu["train"], arrays.attributes["train"], mu["test"], labels)
    compared = min(len(images), settings.frechet_images)
    reconstructed = reconstruct(
        vae, judge, images, mu["test"], logvar, device, embedded=compared, lpips_network=settings.lpips
    )
    retention: Rows = []
    frechet: dict[str, float] = {}
    verdicts, changes, curves, way_verdicts = [], np.empty((0, len(names))), [], []
    truth = score_counterfactuals(vae, pairs, vectors, device)
    scores = truth.scores
    if judge is not None:
        judged = judge_images(judge, images, device)
        retention = attribute_retention(judged.probabilities, reconstructed.probabilities, labels, names)
        if min(compared, len(arrays.images["train"])) > 1:  # a covariance
            frechet = frechet_distances(
                vae, judge, models.mixture, judged.embeddings[:compared], reconstructed.embeddings,
                arrays.images["train"], settings.seed, device,
            )  # fmt: skip
        assert models.embed is not None  # the judge stands in
        embed = models.embed[1]
        persons = judged.embeddings if embed == judge.embedding else embed_all(embed, images, device)
        able = possible(labels, arrays.attributes["train"], names, vectors.context)
        faces = Faces(vae, judge, mu["test"], labels, names, device, possible=able, embed=embed, persons=persons)
        # Half of the faces, and few of those with searched strengths, which cost seven edits each: a fifth of the time.
        some = -(-settings.edited_faces // 2)
        ways = Ways(faces, images, judged.probabilities, truth.regions, vectors, some, settings.compared_faces)
        verdicts, changes = judge_vectors(faces, vectors, settings.strength, settings.edited_faces, ways)
        way_verdicts = ways.verdicts
        strengths = [strength for strength in settings.strengths if strength > 0]
        curves = judge_strengths(faces, vectors, vectors.names, strengths, settings.compared_faces)
    by_vectors = dot_products(arrays, models)
    edits, retained = mean_verdict(verdicts), retention_metrics(retention, scores)
    measures, by_probe = reconstructed.measures, mean_predictions(probe)
    dot_product = mean_predictions(by_vectors[vectors.method])
    groups = {
        "vae": {name: measures[name] for name in _RECONSTRUCTION_METRICS if name in measures}
        | {name: retained[name] for name in _RETENTION_METRICS if name in retained},
        "frechet": frechet,
        "probe": {name: by_probe[name] for name in _PROBE_METRICS if name in by_probe},
        "vectors": {"roc_auc": dot_product["roc_auc"]} if dot_product else {},
        "edits": {name: edits[name] for name in _EDIT_METRICS if name in edits}
        | explained_changes(scores, vectors.method),
        "residual": residual_metrics(way_verdicts, truth.way_scores),
    }
    metrics = {name: group for name, group in groups.items() if group}
    known = measures | retained | {f"edits_{name}": value for name, value in edits.items()}
    known |= {f"dot_product_{name}": value for name, value in dot_product.items() if name != "roc_auc"}
    if by_probe:
        known["majority_accuracy"] = by_probe["majority_accuracy"]
    if frechet:
        # The protocol of the Frechet distances: so many images of so many pixels, samples from this seed.
        known |= {"frechet_images": compared, "frechet_pixels": images.shape[1], "frechet_seed": settings.seed}
    if models.embed is not None:
        # 1 where a network that was trained on persons compares them, 0 where the judge stands in.
        known["identity_network"] = int(models.embed[0] == "identity")
    rest = {name: known[name] for name in _SUMMARY if name in known}
    areas = {method: found["roc_auc"] for method, found in by_vectors.items()}
    verdict_columns = list(verdicts[0].row()) if verdicts else VERDICT_COLUMNS
    curve_columns = [name for name in verdict_columns if name not in _OF_RECOMMENDED_EDITS_ALONE]
    methods = compare_methods(scores, areas)
    tables: dict[str, tuple[Sequence[str], Rows]] = {
        "summary": (("measure", "value"), [{"measure": name, "value": value} for name, value in rest.items()]),
        "attributes": (RETENTION_COLUMNS, retention),
        "edits": (verdict_columns, [verdict.row() for verdict in verdicts]),
        "strengths": (curve_columns, [verdict.row() for verdict in curves]),
        "methods": (list(methods[0]) if methods else ("method", "roc_auc"), methods),
        "method_strengths": (METHOD_STRENGTH_COLUMNS, compare_strengths(curves)),
        "predictions": (PREDICTION_COLUMNS, predictions(names, probe, by_vectors[vectors.method], vectors.names)),
        "counterfactual": (SCORE_COLUMNS, scores),
        "ways": (WAY_COLUMNS, [vars(verdict) for verdict in way_verdicts]),
        "counterfactual_ways": (WAY_SCORE_COLUMNS, truth.way_scores),
    }
    return VaeReport(metrics, tables, verdicts, changes, curves)


def dot_products(arrays: VaeArrays, models: Models) -> dict[str, dict[str, np.ndarray]]:
    """What each method's vectors say as classifiers of the test images, of the attributes that have vectors."""
    vectors, mu = models.vectors, models.posteriors.mu
    columns = [arrays.attribute_names.index(name) for name in vectors.names]
    valid, test = (arrays.attributes[split][:, columns] for split in ("valid", "test"))
    return {
        method: classify_by_vectors(torch.from_numpy(found), mu["valid"], valid, mu["test"], test)
        for method, found in vectors.vectors.items()
    }


def mean_predictions(found: dict[str, np.ndarray]) -> dict[str, float]:
    """Means over the attributes of which each measure, (A,), is known; measures known of none are left out."""
    return {name: float(np.nanmean(values)) for name, values in found.items() if not np.isnan(values).all()}


def predictions(
    names: Sequence[str], probe: dict[str, np.ndarray], by_vectors: dict[str, np.ndarray], with_vector: Sequence[str]
) -> Rows:
    """What the test images' attributes are predicted from, and how well: rows of attribute, predictor, measure, value.

    Predictors: `majority`, the train images' more frequent kind; `probe`; `dot_product` with the vector that edits use,
    (A,) of the attributes `with_vector`. What is not known of an attribute has no row.
    """
    rows: Rows = []
    for column, name in enumerate(names):
        found = [("majority", "accuracy", probe["majority_accuracy"][column])]
        found += [("probe", key, values[column]) for key, values in probe.items() if key != "majority_accuracy"]
        if name in with_vector:
            place = list(with_vector).index(name)
            found += [("dot_product", key, values[place]) for key, values in by_vectors.items()]
        rows += [
            dict(zip(PREDICTION_COLUMNS, (name, predictor, measure, float(value)), strict=True))
            for predictor, measure, value in found
            if not np.isnan(value)
        ]
    return rows


def retention_metrics(retention: Rows, scores: Rows) -> dict[str, float]:
    """Means over attributes of the judge's accuracies, on reconstructions and `_on_images`; and the largest loss.

    Where faces are drawn, only attributes that change more than 100 pixels count for the largest loss.
    """
    found: dict[str, float] = {}
    for name in ("accuracy", "balanced_accuracy"):
        for column, metric in ((name, f"judge_{name}_on_images"), (f"{name}_reconstruction", f"judge_{name}")):
            if retention:
                found[metric] = float(np.mean([float(row[column]) for row in retention]))
    large = {row["attribute"] for row in scores if float(row["pixels"]) > _LARGE_PIXELS}
    lost = [float(row["accuracy_loss"]) for row in retention if not scores or row["attribute"] in large]
    return found | {"largest_attribute_loss": max(lost)} if lost else found
