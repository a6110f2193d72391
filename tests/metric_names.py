"""All metrics that the stages write, by stage: no more than 40, so that a table of them can be read."""

import json
from pathlib import Path
from typing import Any

NAMES = {
    "report_data": (
        "data.images", "data.images_skipped", "data.persons", "data.images_in_two_splits",
        "data.persons_in_two_splits",
    ),
    "train_judge": ("judge.balanced_accuracy",),
    "train_identity": ("identity.persons", "identity.roc_auc", "identity.equal_error_rate"),
    "evaluate_aligner": ("aligner.found", "aligner.corner_error"),
    "evaluate_dae": (
        "dae.psnr_db", "dae.ssim", "dae.bce", "dae.psnr_db_noisy", "dae.sweep_psnr_db",
    ),
    "evaluate_vae": (
        "vae.psnr_db", "vae.ssim", "vae.lpips", "vae.kl_nats", "vae.active_dimensions", "vae.judge_balanced_accuracy",
        "vae.largest_attribute_loss",
        "frechet.train_images", "frechet.reconstructions", "frechet.mixture_samples", "frechet.prior_samples",
        "probe.accuracy", "probe.balanced_accuracy", "probe.roc_auc",
        "vectors.roc_auc",
        "edits.detection_rate", "edits.success_rate", "edits.leakage",
        "edits.identity_kept", "edits.explained_change", "edits.lowest_explained_change",
        "residual.identity", "residual.explained_change",
    ),
    "export": ("export.grey_levels",),
}  # fmt: skip

# Drawn faces have the first, photographs the second, no data set both.
OF_DRAWINGS = {"edits.explained_change", "edits.lowest_explained_change", "residual.explained_change"}
OF_PERSONS = {"data.persons", "data.persons_in_two_splits", "identity.roc_auc", "identity.equal_error_rate"}

# Those that are left out where the data don't tell: nobody knows who is who, no two images are one person's, no weights
# of LPIPS, no drawings to compare an edit with or none of a large attribute, no face found.
OPTIONAL = OF_DRAWINGS | OF_PERSONS | {"vae.lpips", "vae.largest_attribute_loss", "aligner.corner_error"}


def metric_names(path: Path) -> list[str]:
    """The names in a metrics.json as DVC prints them, with dots."""

    def walk(node: Any, prefix: str) -> list[str]:
        if isinstance(node, dict):
            return [name for key, value in node.items() for name in walk(value, f"{prefix}.{key}" if prefix else key)]
        assert isinstance(node, int | float) and not isinstance(node, bool), f"{prefix} is no number"
        return [prefix]

    return walk(json.loads(path.read_text(encoding="utf-8")), "")


def assert_listed(path: Path, stage: str) -> None:
    """Raise AssertionError unless the stage's metrics.json has the metrics listed here and no other."""
    found = metric_names(path)
    assert set(found) <= set(NAMES[stage]), "a metric that tests/metric_names.py does not list"
    assert set(NAMES[stage]) - set(found) <= OPTIONAL
