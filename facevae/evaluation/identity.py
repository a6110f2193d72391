"""How well embeddings tell apart persons that no network was trained on: verification, all pairs of images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.data.persons import Persons, Unseen
from facevae.models.classifier import Classifier
from facevae.models.identity import Embed, IdentityNetwork
from facevae.nn.layers import as_unit_floats

# Images of more pixels a side are averaged to so many, for the embedding that any other should be better than.
_PIXELS = 32


def identity_kept(faces: Tensor, reconstructions: Tensor, edits: Tensor) -> Tensor:
    """How much of the person an edit keeps, beside what the reconstruction keeps: (N, E) thrice -> (N,) in [-1, 3].

    1 + cos(face, edit) - cos(face, reconstruction): 1 where the edit is as much the person as the reconstruction is,
    less by the cosine that it loses. A difference, not a ratio: the ratio of two cosines has no bounds where the
    reconstruction's is near 0.
    """
    return 1 + F.cosine_similarity(faces, edits) - F.cosine_similarity(faces, reconstructions)


@dataclass(frozen=True)
class Verification:
    """How well the cosine of two images' embeddings tells whether they are one person's.

    `auc`: area under the ROC curve, `pairs` pairs of one person against all others, 0.5 by chance;
    `equal_error_rate`: the share of wrong answers where both kinds of pairs have the same, on the ROC curve with
    straight lines between its points.
    `persons`: those with several images.
    """

    auc: float
    equal_error_rate: float
    persons: int
    pairs: int


def verify(embeddings: Tensor, identities: np.ndarray) -> Verification:
    """How well cosines tell pairs of one person's images from all others, of which there are both: (n, E), (n,)."""
    # Imported here because the training that asks for this after each epoch shall not start with it.
    from sklearn.metrics import auc, roc_curve

    embeddings = F.normalize(embeddings, dim=1)
    first, second = np.triu_indices(len(embeddings), 1)
    same = identities[first] == identities[second]
    # Every threshold: a curve without its intermediate points crosses somewhere else.
    false_alarms, hits, _ = roc_curve(same, (embeddings @ embeddings.T).numpy()[first, second], drop_intermediate=False)
    return Verification(
        auc=float(auc(false_alarms, hits)),
        # Misses less false alarms fall from 1 to -1 along the curve: the rate at which they are equal.
        equal_error_rate=float(np.interp(0, false_alarms - (1 - hits), false_alarms)),
        persons=int((np.unique(identities, return_counts=True)[1] > 1).sum()),
        pairs=int(same.sum()),
    )


@torch.no_grad()
def verify_unseen(unseen: Unseen, embed: Embed, device: torch.device, batch_size: int = 64) -> Verification | None:
    """Tell the persons apart by `embed`'s embeddings.

    None if there is nothing to tell: no two images are one person's, or all are.
    """
    if len(set(unseen.identities.tolist())) in (len(unseen.images), 1):
        return None
    starts = range(0, len(unseen.images), batch_size)
    parts = (torch.from_numpy(unseen.images[start : start + batch_size]) for start in starts)
    embeddings = [embed(as_unit_floats(part.to(device))).float().cpu() for part in parts]
    return verify(torch.cat(embeddings), unseen.identities)


def verification_auc(unseen: Unseen, embed: Embed, device: torch.device) -> float | None:
    """The area under the ROC curve alone, for a training that watches it."""
    verified = verify_unseen(unseen, embed, device)
    return None if verified is None else verified.auc


def pixels(images: Tensor) -> Tensor:
    """The embedding to be better than: pixels, averaged to 32 x 32 if more, less their mean: (N, 3, S, S) -> (N, E)."""
    small = F.adaptive_avg_pool2d(images, min(images.shape[2], _PIXELS)).flatten(1)
    return small - small.mean(1, keepdim=True)


VERIFICATION_COLUMNS = ("embedding", "roc_auc", "equal_error_rate", "persons", "pairs")


def identity_metrics(
    network: IdentityNetwork | None, persons: Persons, judge: Classifier | None, unseen: Unseen, device: torch.device
) -> tuple[dict[str, float], list[dict[str, float | str]]]:
    """How well unseen persons are told apart by what compares them here: metrics, and a row for each embedding.

    `persons`: how many the network was trained on, 0 without one; `roc_auc` and `equal_error_rate` of its embedding, or
    of the judge's, which stands in for it. The rows have the judge's embedding, if there is a judge, and the pixels
    beside it. Without two images of one unseen person in the test split there are neither rates nor rows.
    """
    embeddings: dict[str, Embed] = {"pixels": pixels}
    if judge is not None:
        embeddings = {"judge": judge.to(device).eval().embedding} | embeddings
    if network is not None:
        embeddings = {"identity": network.to(device).eval()} | embeddings
    rows: list[dict[str, float | str]] = []
    for name, embed in embeddings.items():
        found = verify_unseen(unseen, embed, device)
        if found is not None:
            values = (name, found.auc, found.equal_error_rate, found.persons, found.pairs)
            rows.append(dict(zip(VERIFICATION_COLUMNS, values, strict=True)))
    metrics: dict[str, float] = {"persons": len(persons.identities) if network else 0}
    for row in rows[:1] if network or judge else ():
        metrics |= {name: float(row[name]) for name in ("roc_auc", "equal_error_rate")}
    return metrics, rows


def identity_summary(
    metrics: Mapping[str, float],
    rows: Sequence[Mapping[str, float | str]],
    persons: Persons,
    least_images: int,
    least_persons: int,
    *,
    judge: bool = True,
) -> str:
    """What came of it, or why nothing was trained, in one line. `judge`: whether there is one."""
    if not metrics["persons"]:
        instead = "the judge's features stand in" if judge else "and no judge to stand in for it"
        return (
            f"no network, {instead}: {len(persons.identities)} persons have "
            f"{least_images} images or more in the train split, {least_persons} are needed"
        )
    if not rows:
        return f"{metrics['persons']} persons; no two images of another one in the test split to measure it with"
    areas = {str(row["embedding"]): float(row["roc_auc"]) for row in rows}
    beside = f"the judge's features {areas['judge']:.3f}, " if judge else ""
    return (
        f"{metrics['persons']} persons; unseen ones told apart with a ROC AUC of {areas['identity']:.3f} "
        f"({beside}pixels {areas['pixels']:.3f})"
    )
