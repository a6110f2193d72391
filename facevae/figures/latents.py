"""The latent space in pictures: maps of the latents, ways between unseen faces, analogies, a neighbourhood."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from facevae.celeba.splits import evenly_spaced
from facevae.core.errors import FacevaeError
from facevae.core.params import Section
from facevae.data.arrays import UNKNOWN, VaeArrays
from facevae.data.labels import explorable, most_balanced
from facevae.figures.base import mosaic, scatter
from facevae.figures.sheets import image_sheet
from facevae.latents.arithmetic import j_diagram, lerp, mine_grid, slerp
from facevae.latents.encoding import decode_all
from facevae.latents.posteriors import Posteriors
from facevae.latents.projections import (
    fitting_grid,
    fitting_perplexity,
    grid_layout,
    nearest,
    neighbour_map,
    principal_plane,
)
from facevae.models.vae import Vae
from facevae.nn.layers import as_bytes
from facevae.preparation.named_attributes import ExploredName, check_names

# Of so many unseen faces the pairs of analogies are looked for: every one is compared with every other.
_COMPARED = 500


class LatentExploration(Section):
    """Section `explore_latents`: how many faces, steps and cells the pictures have, and which faces they show."""

    # What colours the maps, and what the analogies are of; null: that which `labels.most_balanced` chooses.
    attribute: str | None
    # Of the maps, at most; half of them unseen, where there are so many.
    points: int = Field(ge=2, le=20_000)
    # Of t-SNE; at most a third of the points counts.
    perplexity: float = Field(ge=1)
    # Pairs of unseen faces, and images between the two of a pair.
    pairs: int = Field(ge=1, le=20)
    steps: int = Field(ge=1, le=20)
    # J-diagrams, and the rows and columns of each.
    diagrams: int = Field(ge=1, le=20)
    diagram_cells: int = Field(ge=2, le=20)
    # Unseen faces of the MINE grid, and cells from one to the next.
    grid_rows: int = Field(ge=1, le=20)
    grid_columns: int = Field(ge=1, le=20)
    grid_spacing: int = Field(ge=1, le=10)
    # Chooses the faces.
    seed: int = Field(ge=0, lt=2**32)


def check_explorable(
    arrays: VaeArrays, posteriors: Posteriors, vae_metadata: dict[str, Any], settings: LatentExploration
) -> str | None:
    """The attribute to explore; None where no test faces show one, and none is asked for.

    Raises FacevaeError unless latents and VAE belong to arrays like these, whose test faces show what is asked for.
    """
    image_size, latent_dim = arrays.images["test"].shape[1], vae_metadata["settings"]["latent_dim"]
    if vae_metadata["image_size"] != image_size:
        raise FacevaeError(
            where="the VAE", expected=f"a model of {image_size}-pixel images",
            found=f"one of {vae_metadata['image_size']}-pixel images", fix="train it on the same arrays",
        )  # fmt: skip
    length = posteriors.mu["test"].shape[1]
    if length != latent_dim:
        raise FacevaeError(
            where="the latents", expected=f"latents of {latent_dim} dimensions", found=f"of {length}",
            fix="run stages.encode with the same VAE",
        )  # fmt: skip
    labels, names = arrays.attributes["test"], arrays.attribute_names
    usable = np.flatnonzero(explorable(labels))
    if settings.attribute is None:
        return next(iter(most_balanced(labels[:, usable], [names[column] for column in usable], 1)), None)
    check_names(arrays, ExploredName(attribute=settings.attribute))
    return settings.attribute


def draw_explorations(
    folder: Path,
    vae: Vae,
    arrays: VaeArrays,
    posteriors: Posteriors,
    settings: LatentExploration,
    device: torch.device,
) -> None:
    """Write into `folder` pca.png, tsne.png, interpolations.png, j_diagrams.png and mine_grid.png.

    Every point, and every face that others are made from, is a posterior's mean. `settings` with what
    `check_explorable` returned: without an attribute the maps have one colour, and there is no j_diagrams.png. A single
    test image turns into none.
    """
    _draw_maps(folder, arrays, posteriors, settings)
    if arrays.counts["test"] > 1:
        _draw_interpolations(folder / "interpolations.png", vae, arrays, posteriors, settings, device)
    if settings.attribute is not None:
        _draw_analogies(folder / "j_diagrams.png", vae, arrays, posteriors, settings, device)
    _draw_neighbourhood(folder / "mine_grid.png", vae, posteriors, settings, device)


def choose_analogies(labels: np.ndarray, attribute: int, latents: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Numbers of faces a, b and c of up to `count` analogies, none of them twice: (N, A), (N, D) -> (K, 3).

    a lacks the attribute in column `attribute` and b has it; they are the two that differ in the fewest other
    attributes and, among such, have the closest latents: what leads from a to b is to be the attribute and little
    else. c is any other face that lacks it. Where a label is unknown, -1, half a difference is counted.
    """
    from scipy.spatial.distance import cdist

    order = np.random.default_rng(seed).permutation(len(labels))[:_COMPARED]
    lacking, having = (order[labels[order, attribute] == kind] for kind in (0, 1))
    count = min(count, len(having), len(lacking) // 2)
    values = np.where(labels == UNKNOWN, 0.5, labels)
    differing = cdist(values[lacking], values[having], "cityblock").ravel()
    distances = cdist(latents[lacking], latents[having]).ravel()
    pairs: dict[int, int] = {}
    for place in np.lexsort((distances, differing)):
        a, b = int(lacking[place // len(having)]), int(having[place % len(having)])
        if len(pairs) < count and a not in pairs and b not in pairs.values():
            pairs[a] = b
    others = [int(number) for number in lacking if number not in pairs]
    return np.array([(a, b, c) for (a, b), c in zip(pairs.items(), others, strict=False)])


def _draw_maps(folder: Path, arrays: VaeArrays, posteriors: Posteriors, settings: LatentExploration) -> None:
    """Write pca.png and tsne.png: the same latents, those of training faces and of unseen ones side by side."""
    unseen = min(arrays.counts["test"], settings.points // 2)
    numbers = {
        split: np.array(evenly_spaced(range(arrays.counts[split]), min(arrays.counts[split], count)))
        for split, count in (("train", settings.points - unseen), ("test", unseen))
    }
    latents = np.concatenate([posteriors.mu[split].numpy()[chosen] for split, chosen in numbers.items()])
    attribute = settings.attribute
    labels = [_kinds(arrays, split, attribute)[chosen] for split, chosen in numbers.items()]
    found = np.unique(np.concatenate(labels))
    word = (attribute or "").replace("_", " ")
    names = {0: f"without {word}", 1: f"with {word}", UNKNOWN: f"{word} unknown" if attribute else "faces"}
    names = {kind: name for kind, name in names.items() if kind in found or (kind >= 0 and attribute)}

    def panels(places: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        sides = np.split(places, [len(numbers["train"])])
        return {
            f"{len(side)} {title}": {name: side[kinds == kind] for kind, name in names.items()}
            for title, side, kinds in zip(("training faces", "unseen faces"), sides, labels, strict=True)
        }

    plane, shares = principal_plane(latents)
    along = [
        f"{axis} principal axis, {share:.1%} of the variance"
        for axis, share in zip(("1st", "2nd"), shares, strict=True)
    ]
    scatter(folder / "pca.png", panels(plane), "latents along their principal axes (PCA)", *along)
    perplexity = fitting_perplexity(settings.perplexity, len(latents))
    title = f"latents as neighbours (t-SNE, perplexity {perplexity:.3g})"
    scatter(folder / "tsne.png", panels(neighbour_map(latents, perplexity, settings.seed)), title, "t-SNE 1", "t-SNE 2")


def _kinds(arrays: VaeArrays, split: str, attribute: str | None) -> np.ndarray:
    """A split's labels of an attribute, (n,); all UNKNOWN of none."""
    if attribute is None:
        return np.full(arrays.counts[split], UNKNOWN)
    return arrays.attributes[split][:, arrays.attribute_names.index(attribute)]


def _draw_interpolations(
    path: Path,
    vae: Vae,
    arrays: VaeArrays,
    posteriors: Posteriors,
    settings: LatentExploration,
    device: torch.device,
) -> None:
    """Two rows per pair of unseen faces: on the straight line, on the arc."""
    faces, mu = arrays.images["test"], posteriors.mu["test"].numpy()
    order = np.random.default_rng(settings.seed).permutation(len(faces))
    t = np.linspace(0, 1, settings.steps + 2, dtype=np.float32)[:, None]
    rows = []
    for a, b in zip(order[0 : 2 * settings.pairs : 2], order[1 : 2 * settings.pairs : 2], strict=False):
        for interpolate in (lerp, slerp):
            between = _decoded(vae, interpolate(mu[a], mu[b], t), device)
            rows.append(np.concatenate([faces[[a]], between, faces[[b]]]))
    shares = [f"{share:.0%}" for share in t[1:-1, 0]]
    titles = ["unseen face", "reconstruction", *shares, "reconstruction", "unseen face"]
    image_sheet(path, rows, ["line", "arc"] * (len(rows) // 2), titles)


def _draw_analogies(
    path: Path,
    vae: Vae,
    arrays: VaeArrays,
    posteriors: Posteriors,
    settings: LatentExploration,
    device: torch.device,
) -> None:
    """J-diagrams; above and below their corners the three faces that they are made of."""
    faces, mu = arrays.images["test"], posteriors.mu["test"].numpy()
    assert settings.attribute is not None
    column, cells = arrays.attribute_names.index(settings.attribute), settings.diagram_cells
    panels = []
    for chosen in choose_analogies(arrays.attributes["test"], column, mu, settings.diagrams, settings.seed):
        a, b, c = mu[chosen]
        panel = np.full((cells + 2, cells, *faces.shape[1:]), 255, np.uint8)
        panel[1:-1] = _decoded(vae, j_diagram(a, b, c, cells, cells), device)
        panel[0, 0], panel[0, -1], panel[-1, 0] = faces[chosen]
        panels.append(panel)
    framed = np.zeros((cells + 2, cells), bool)
    framed[0, 0] = framed[0, -1] = framed[-1, 0] = True
    word = settings.attribute.replace("_", " ")
    mosaic(path, panels, framed, f"{word}: what leads from the first face to the second, added to the third")


def _draw_neighbourhood(
    path: Path, vae: Vae, posteriors: Posteriors, settings: LatentExploration, device: torch.device
) -> None:
    """A MINE grid of an unseen face and its nearest neighbours, all of them reconstructed."""
    mu = posteriors.mu["test"].numpy()
    rows, columns = fitting_grid(settings.grid_rows, settings.grid_columns, len(mu))
    centre = int(np.random.default_rng(settings.seed).permutation(len(mu))[0])
    neighbours = nearest(mu, centre, rows * columns)
    layout = neighbours[grid_layout(mu[neighbours], rows, columns)]
    grid = mine_grid(mu[layout], settings.grid_spacing)
    framed = np.zeros(grid.shape[:2], bool)
    framed[:: settings.grid_spacing, :: settings.grid_spacing] = True
    title = f"an unseen face and its {rows * columns - 1} nearest neighbours (framed), and what lies between"
    mosaic(path, [_decoded(vae, grid, device)], framed, title)


def _decoded(vae: Vae, z: np.ndarray, device: torch.device) -> np.ndarray:
    """Images of latents: (..., D) -> (..., S, S, 3) uint8."""
    images = as_bytes(decode_all(vae, z.reshape(-1, z.shape[-1]), device))
    return images.reshape(*z.shape[:-1], *images.shape[1:])
