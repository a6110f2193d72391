"""Latents laid out in two dimensions. Pure functions on NumPy arrays; on one thread, since sums depend on how many.

`latents`: (N, D) floats.
"""

import numpy as np
from threadpoolctl import threadpool_limits


def principal_plane(latents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The latents along their two axes of greatest variance, and what share of it each has: (N, D) -> (N, 2), (2,).

    Where there is a single dimension, or a single latent, what is missing is zero.
    """
    from sklearn.decomposition import PCA

    count = min(2, *latents.shape)
    # Latents that are all alike have no variance to share: scikit-learn divides by it.
    with threadpool_limits(1), np.errstate(invalid="ignore"):
        found = PCA(count, svd_solver="full")
        plane = found.fit_transform(latents.astype(np.float64))
    missing = 2 - count
    shares = np.nan_to_num(found.explained_variance_ratio_)
    return np.pad(plane, ((0, 0), (0, missing))), np.pad(shares, (0, missing))


def fitting_perplexity(wanted: float, count: int) -> float:
    """The perplexity for `count` latents: the one that is wanted, but at most a third of the others.

    t-SNE looks at three times as many neighbours as its perplexity.
    """
    return min(wanted, (count - 1) / 3)


def neighbour_map(latents: np.ndarray, perplexity: float, seed: int = 0) -> np.ndarray:
    """t-SNE, in which neighbours stay neighbours and distances mean little: (N, D) -> (N, 2).

    Van der Maaten & Hinton 2008, "Visualizing data using t-SNE", from the principal plane. `perplexity` as
    `fitting_perplexity` allows, N at least 2.
    """
    from sklearn.manifold import TSNE

    plane, _ = principal_plane(latents)
    spread = plane[:, 0].std()
    if spread == 0:  # all are alike
        return plane
    start = (1e-4 / spread * plane).astype(np.float32)
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init=start, random_state=seed, n_jobs=1).fit_transform(latents)


def nearest(latents: np.ndarray, centre: int, count: int) -> np.ndarray:
    """Numbers of the `count` latents nearest to number `centre`, which comes first: (N, D) -> (count,)."""
    distances = np.linalg.norm(latents.astype(np.float64) - latents[centre], axis=1)
    distances[centre] = -1  # before those that are the same
    return np.argsort(distances, kind="stable")[:count]


def fitting_grid(rows: int, columns: int, count: int) -> tuple[int, int]:
    """Rows and columns, at least 1, of a grid that `count` faces fill: the wanted ones, the longer made shorter."""
    while rows * columns > max(1, count):
        rows, columns = (rows, columns - 1) if columns > rows else (rows - 1, columns)
    return rows, columns


def grid_layout(latents: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Where latents stand on a grid, those alike near each other: (rows * columns, D) -> numbers (rows, columns).

    Their ranks along the two principal axes, the first along the grid's longer side, are matched with the cells so
    that the sum of squared distances is the least (the assignment problem, as scikit-learn's plane and SciPy solve it).
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    count = rows * columns
    if len(latents) != count:
        raise ValueError(f"{count} latents for {rows} x {columns} cells, not {len(latents)}")
    plane, _ = principal_plane(latents)
    # Ranks fill the square evenly, whatever lies far outside.
    places = plane.argsort(0, kind="stable").argsort(0) / max(1, count - 1)
    if columns >= rows:
        places = places[:, ::-1]
    down, across = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    cells = np.stack([down.ravel(), across.ravel()], axis=1)
    _, numbers = linear_sum_assignment(cdist(cells, places, "sqeuclidean"))
    return numbers.reshape(rows, columns)
