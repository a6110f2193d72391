"""How well embeddings tell apart persons that no network was trained on: verification, all pairs of images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from facevae.data.persons import Persons, Unseen
from facevae.models.classifier import Classifier
from facevae.models.identity import Embed, IdentityNetwork
from facevae.nn.layers import as_unit_floats


def identity_kept(faces: Tensor, reconstructions: Tensor, edits: Tensor) -> Tensor:
    """How much of the person an edit keeps, beside what the reconstruction keeps: (N, E) thrice -> (N,) in [-1, 3].

    1 + cos(face, edit) - cos(face, reconstruction): 1 where the edit is as much the person as the reconstruction is,
    less by the cosine that it loses. A difference, not a ratio: the ratio of two cosines has no bounds where the
    reconstruction's is near 0.
    """
    return 1 + F.cosine_similarity(faces, edits) - F.cosine_similarity(faces, reconstructions)


_PIXELS = 32


@dataclass(frozen=True)
class Verification:
    """How well the cosine of two images' embeddings tells whether they are one person's.

    `auc`: area under the ROC curve, `pairs` pairs of one person against all others, 0.5 by chance;
    `equal_error_rate`: the share of wrong answers at the threshold where both kinds of pairs have the same share.
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
    false_alarms, hits, _ = roc_curve(same, (embeddings @ embeddings.T).numpy()[first, second])
    misses = 1 - hits
    nearest = np.argmin(np.abs(false_alarms - misses))
    return Verification(
        auc=float(auc(false_alarms, hits)),
        equal_error_rate=float((false_alarms[nearest] + misses[nearest]) / 2),
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


def identity_metrics(
    network: IdentityNetwork | None, persons: Persons, judge: Classifier, unseen: Unseen, device: torch.device
) -> dict[str, float]:
    """How many persons and images the network was trained on, and how well it tells unseen persons apart.

    Beside it the judge's embedding, which stands in where there is no network, and the pixels. Nothing of that if the
    test split has no two images of one unseen person.
    """
    trained = {"persons": len(persons.identities), "images": len(persons.rows)}
    found: dict[str, float] = dict(trained if network else dict.fromkeys(trained, 0))
    embeddings: dict[str, Embed] = {"_judge": judge.to(device).eval().embedding, "_pixels": pixels}
    if network is not None:
        embeddings = {"": network.to(device).eval()} | embeddings
    for name, embed in embeddings.items():
        verified = verify_unseen(unseen, embed, device)
        if verified is not None:
            found |= {f"auc{name}": verified.auc, f"equal_error_rate{name}": verified.equal_error_rate}
            found |= {"unseen_persons": verified.persons, "unseen_pairs": verified.pairs}
    return found


def in_words(metrics: Mapping[str, float], persons: Persons, least_images: int, least_persons: int) -> str:
    """What came of it, or why nothing was trained, in one line."""
    if not metrics["persons"]:
        return (
            f"no network, the judge's features stand in: {len(persons.identities)} persons have "
            f"{least_images} images or more in the train split, {least_persons} are needed"
        )
    if "auc" not in metrics:
        return f"{metrics['persons']} persons; no two images of another one in the test split to measure it with"
    return (
        f"{metrics['persons']} persons; unseen ones told apart with a ROC AUC of {metrics['auc']:.3f} "
        f"(the judge's features {metrics['auc_judge']:.3f}, pixels {metrics['auc_pixels']:.3f})"
    )
