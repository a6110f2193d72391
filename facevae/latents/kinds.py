"""Kinds of an attribute: hats are caps and felt hats, blue and red ones, and the mean of all of them is no hat."""

import numpy as np
from threadpoolctl import threadpool_limits

# Along an axis of kinds, faces with the attribute vary so many times as much as the others do. In latents of drawn and
# of real faces hats do so most (94 and 11 times along the first axis), then glasses (44 and 9); smiles 4 and 3.
_OWN_VARIANCE = 8.0

# Added to variances, in units of the prior's: a dimension that says nothing varies by less (Burda et al. 2016).
_INACTIVE = 0.01

# Kinds at most, and images in each on average at least.
_KINDS, _IMAGES = 8, 50


def kinds_of(latents: np.ndarray, labels: np.ndarray, vectors: np.ndarray) -> dict[int, np.ndarray]:
    """A vector to each kind of those attributes that have kinds, by the attribute's number: (K, D) float32 each.

    `latents` (N, D); `labels` (N, A), 1, 0, or -1 where unknown; `vectors` (A, D) go to the mean of all kinds. Kinds
    are clusters (k-means) of what least squares on all attributes leave of the latents with the attribute, along axes
    in which these vary more than 8 times as much as latents without it: axes of the attribute's own, such as a hat's
    colour, and not of the faces that have it. A kind's vector is the attribute's plus the cluster's mean along these
    axes, less the share of the variance that faces without the attribute have, too.
    """
    residuals, floor = _unexplained(latents.astype(np.float64), labels), _INACTIVE * np.eye(latents.shape[1])
    found = {}
    for attribute, vector in enumerate(vectors):
        having, lacking = (residuals[labels[:, attribute] == kind] for kind in (1, 0))
        count = min(_KINDS, len(having) // _IMAGES)
        if count < 2 or len(lacking) < 2:
            continue
        root = np.linalg.cholesky(np.cov(lacking.T) + floor)
        whitened = np.linalg.solve(root, (having - having.mean(0)).T)
        variances, axes = np.linalg.eigh(np.cov(whitened))
        own = variances > _OWN_VARIANCE
        if own.any():
            means = _cluster_means(whitened.T @ axes[:, own], count)
            offsets = means * (1 - 1 / variances[own]) @ (root @ axes[:, own]).T
            found[attribute] = (vector + offsets).astype(np.float32)
    return found


def _unexplained(latents: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What least squares on all attributes leave of the latents: (N, D), (N, A) -> (N, D).

    An unknown label is the attribute's share of those that are known.
    """
    known = labels >= 0
    shares = (labels * known).sum(0) / known.sum(0).clip(1)
    x, z = np.where(known, labels, shares) - shares, latents - latents.mean(0)
    return z - x @ np.linalg.lstsq(x, z, rcond=None)[0]


def _cluster_means(places: np.ndarray, count: int) -> np.ndarray:
    """(n, d) -> at most (count, d), on one thread: sums depend on how many threads share them."""
    # Imported where it is used: it takes a second.
    from sklearn.cluster import KMeans

    with threadpool_limits(1):
        clusters = KMeans(count, n_init=10, random_state=0).fit(places).labels_
    return np.array([places[clusters == cluster].mean(0) for cluster in np.unique(clusters)])
