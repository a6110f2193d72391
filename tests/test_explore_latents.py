"""Pictures of the latent space: who is in them, what lies between, and the same bytes each time."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from colour_models import COLOURS, Pixels, pictures
from model_data import NAMES, SIZE, VAE, make_vae_arrays, vae_arrays
from raw_data import files_below, one_line

from facevae.data.arrays import open_vae
from facevae.figures import latents as latent_pictures
from facevae.figures.latents import LatentExploration, check_explorable, choose_analogies, draw_explorations
from facevae.latents.posteriors import Posteriors, encode_splits, save_posteriors
from facevae.models.vae import Vae, metadata_of
from facevae.nn.model_files import save_weights
from facevae.training.vae import VaeSettings
from stages import explore_latents

CPU = torch.device("cpu")
SECTION = {
    "attribute": "Bright",
    "points": 12,
    "perplexity": 3.0,
    "pairs": 1,
    "steps": 1,
    "diagrams": 1,
    "diagram_cells": 3,
    "grid_rows": 2,
    "grid_columns": 2,
    "grid_spacing": 2,
    "seed": 0,
}


def settings(**changes):
    return LatentExploration(**{**SECTION, **changes})


# --- who is chosen for an analogy


def test_analogies_are_between_faces_that_differ_in_the_attribute_alone():
    # Of the two faces that have it, one is young as the first is and one is bald; latents are no better reason.
    labels = np.array([[0, 1, 0], [1, 0, 1], [1, 1, 0], [0, 1, 1]], np.int8)
    latents = np.array([[0.0], [0.1], [5.0], [9.0]])
    assert choose_analogies(labels, 0, latents, 1, 0).tolist() == [[0, 2, 3]]
    assert choose_analogies(labels, 0, latents, 9, 3).tolist() == [[0, 2, 3]]


def test_analogies_are_between_the_closest_of_equals():
    labels = np.array([[0], [1], [1], [0], [1], [0]], np.int8)
    latents = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 4.5], [50.0, 0.0], [-60.0, 0.0], [900.0, 0.0]])
    ((a, b, c),) = choose_analogies(labels, 0, latents, 1, 0)
    assert (a, b) == (0, 2) and c in (3, 5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nobody_is_twice_in_the_analogies(seed):
    generator = np.random.default_rng(5)
    labels, latents = generator.integers(0, 2, (60, 4)), generator.normal(size=(60, 7))
    found = choose_analogies(labels, 2, latents, 6, seed)
    assert found.shape == (6, 3) and len(set(found.ravel().tolist())) == 18
    assert labels[found, 2].tolist() == [[0, 1, 0]] * 6
    assert found.tolist() == choose_analogies(labels, 2, latents, 6, seed).tolist()
    assert found.tolist() != choose_analogies(labels, 2, latents, 6, seed + 3).tolist()


def test_as_many_analogies_as_there_are_faces_for():
    labels = np.array([[0]] * 5 + [[1]] * 9, np.int8)
    assert choose_analogies(labels, 0, np.random.default_rng(0).normal(size=(14, 2)), 20, 0).shape == (2, 3)


# --- what the pictures show: of an autoencoder whose latents are the colours, the blue lost


@pytest.fixture
def drawn(monkeypatch):
    """What the pictures are made of, by the file's name, and no file."""
    found = {}
    for name in ("scatter", "image_sheet", "mosaic"):
        monkeypatch.setattr(latent_pictures, name, lambda path, *rest: found.setdefault(path.stem, rest))
    return found


def colours(train=12, test=8):
    """Faces of one pixel with colours of their own; every other one is Red. The arrays and their latents."""
    numbers = np.random.default_rng(0).integers(1, 6, (train + test, 3))
    numbers[:, 0], numbers[:, 1] = 1 + np.arange(train + test) % 2, 2 + np.arange(train + test) % 3
    images, labels = pictures(*numbers), np.stack([numbers[:, 0] - 1, 0 * numbers[:, 0], 0 * numbers[:, 0]], 1)
    cut = {"train": slice(train), "test": slice(train, None)}
    arrays = vae_arrays(
        {key: images[part] for key, part in cut.items()}, {k: labels[p] for k, p in cut.items()}, COLOURS
    )
    mu = {key: torch.from_numpy(part.reshape(-1, 3) / np.float32(255)) for key, part in arrays.images.items()}
    return arrays, Posteriors(mu, mu, mu["train"], 1)


def explore(tmp_path, arrays, posteriors, **changes):
    draw_explorations(tmp_path, Pixels(), arrays, posteriors, settings(attribute="Red", **changes), CPU)


def without_blue(images):
    return images * np.array([1, 1, 0], np.uint8)


def as_pixels(z):
    return without_blue((z * 255).round().numpy().astype(np.uint8)).reshape(*z.shape[:-1], 1, 1, 3)


def test_maps_show_training_and_unseen_faces_by_attribute(tmp_path, drawn):
    explore(tmp_path, *colours(train=30), points=20)
    for name in ("pca", "tsne"):
        panels = drawn[name][0]
        assert list(panels) == ["12 training faces", "8 unseen faces"]
        assert all(list(panel) == ["without Red", "with Red"] for panel in panels.values())
        assert [len(kind) for panel in panels.values() for kind in panel.values()] == [6, 6, 4, 4]
    assert "of the variance" in drawn["pca"][2] and "perplexity 3)" in drawn["tsne"][1]


def test_half_of_the_points_are_unseen(tmp_path, drawn):
    explore(tmp_path, *colours(), points=9)
    assert list(drawn["pca"][0]) == ["5 training faces", "4 unseen faces"]


def test_maps_of_fewer_faces_than_wanted(tmp_path, drawn):
    explore(tmp_path, *colours(train=7, test=5), points=2000, perplexity=30.0)
    assert list(drawn["pca"][0]) == ["7 training faces", "5 unseen faces"]
    assert "perplexity 3.67)" in drawn["tsne"][1]


def test_points_of_the_plane_are_the_faces_latents(tmp_path, drawn):
    arrays, posteriors = colours()
    explore(tmp_path, arrays, posteriors, points=20)
    (training, unseen) = drawn["pca"][0].values()
    everyone = np.concatenate([*training.values(), *unseen.values()])
    order = np.concatenate([np.flatnonzero(arrays.attributes["train"][:, 0] == kind) for kind in (0, 1)])
    order = np.concatenate([order, *(12 + np.flatnonzero(arrays.attributes["test"][:, 0] == kind) for kind in (0, 1))])
    latents = torch.cat([posteriors.mu["train"], posteriors.mu["test"]]).double()[torch.from_numpy(order)]
    centred = latents - latents.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    assert np.allclose(np.abs(everyone), (centred @ axes[:2].T).abs().numpy(), atol=1e-6)


def test_interpolations_start_and_end_at_the_faces(tmp_path, drawn):
    arrays, posteriors = colours()
    explore(tmp_path, arrays, posteriors, pairs=2, steps=3)
    rows, row_titles, titles = drawn["interpolations"]
    assert row_titles == ["line", "arc"] * 2 and [row.shape for row in rows] == [(7, 1, 1, 3)] * 4
    assert titles == ["unseen face", "reconstruction", "25%", "50%", "75%", "reconstruction", "unseen face"]
    ends = [tuple(row[end].ravel()) for row in rows for end in (0, -1)]
    assert set(ends) <= {tuple(face.ravel()) for face in arrays.images["test"]}
    for line, arc in (rows[:2], rows[2:]):
        a, b = (line[end].astype(float) for end in (0, -1))
        assert (line[[0, -1]] == arc[[0, -1]]).all()
        assert (line[[1, -2]] == without_blue(line[[0, -1]])).all() and (arc[[1, -2]] == line[[1, -2]]).all()
        assert np.allclose(line[3], (a + b) / 2 * [1, 1, 0], atol=1)
        # Colours have angles below 90 degrees: the arc's middle is the lighter one.
        assert (arc[3].astype(int) >= line[3]).all()


def test_corners_of_the_j_diagrams_are_reconstructions(tmp_path, drawn):
    arrays, posteriors = colours()
    explore(tmp_path, arrays, posteriors, diagrams=2)
    panels, framed, title = drawn["j_diagrams"]
    assert len(panels) == 2 and title.startswith("Red") and framed.sum() == 3
    chosen = choose_analogies(arrays.attributes["test"], 0, posteriors.mu["test"].numpy(), 2, 0)
    for panel, numbers in zip(panels, chosen, strict=True):
        assert panel.shape == (5, 3, 1, 1, 3)
        assert (panel[framed] == arrays.images["test"][numbers]).all()
        a, b, c = posteriors.mu["test"][torch.from_numpy(numbers)]
        corners = panel[1:-1][[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == as_pixels(torch.stack([a, b, c, (c + b - a).clamp(0, 1)]))).all()
        blank = panel[[0, -1, -1], [1, 1, -1]]
        assert (blank == 255).all()


def test_the_grid_holds_a_face_and_its_neighbours(tmp_path, drawn):
    arrays, posteriors = colours(test=9)
    explore(tmp_path, arrays, posteriors)
    (grid,), framed, title = drawn["mine_grid"]
    assert grid.shape == (3, 3, 1, 1, 3) and framed.tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]
    assert "3 nearest neighbours" in title
    shown = sorted(map(tuple, grid[framed].reshape(-1, 3).tolist()))
    mu, known = posteriors.mu["test"], without_blue(arrays.images["test"]).reshape(-1, 3)
    nearest_four = [row.argsort(stable=True)[:4].tolist() for row in torch.cdist(mu, mu)]
    assert shown in [sorted(map(tuple, known[numbers].tolist())) for numbers in nearest_four]


def test_a_grid_larger_than_the_test_split(tmp_path, drawn):
    explore(tmp_path, *colours(test=7), grid_rows=4, grid_columns=20, grid_spacing=1)
    (grid,), framed, _ = drawn["mine_grid"]
    assert grid.shape[:2] == (2, 3) and framed.all()


def test_the_seed_chooses_the_faces(tmp_path, drawn):
    found = []
    for seed in (0, 0, 1):
        drawn.clear()
        explore(tmp_path, *colours(test=40), seed=seed, pairs=3)
        found.append(np.concatenate(drawn["interpolations"][0]).tobytes())
    assert found[0] == found[1] != found[2]


# --- what does not fit


def facts(**changes):
    return {"image_size": 1, "settings": {"latent_dim": 3}, **changes}


def test_what_does_not_fit():
    arrays, posteriors = colours()
    check_explorable(arrays, posteriors, facts(), settings(attribute="Red"))
    with one_line("explore_latents.attribute", "one of Red, Green, Blue", "found Purple;"):
        check_explorable(arrays, posteriors, facts(), settings(attribute="Purple"))
    with one_line("explore_latents.attribute", "one test image with", "found 0 with Blue and 8 without"):
        check_explorable(arrays, posteriors, facts(), settings(attribute="Blue"))
    with one_line("the VAE", "of 1-pixel images", "one of 64-pixel images"):
        check_explorable(arrays, posteriors, facts(image_size=64), settings(attribute="Red"))
    with one_line("the latents", "latents of 5 dimensions", "found of 3", "stages.encode"):
        check_explorable(arrays, posteriors, facts(settings={"latent_dim": 5}), settings(attribute="Red"))


@pytest.mark.parametrize(("lacking", "having", "fits"), [(2, 1, True), (1, 5, False), (0, 3, False), (3, 0, False)])
def test_faces_for_one_analogy_are_needed(lacking, having, fits):
    labels = {"test": np.array([[0]] * lacking + [[1]] * having, np.int8)}
    arrays = vae_arrays({"test": np.zeros((lacking + having, 1, 1, 3), np.uint8)}, labels, ("Red",))
    posteriors = SimpleNamespace(mu={"test": torch.zeros(lacking + having, 3)})
    if fits:
        check_explorable(arrays, posteriors, facts(), settings(attribute="Red"))
        assert choose_analogies(labels["test"], 0, np.zeros((3, 3)), 4, 0).shape == (1, 3)
    else:
        with one_line("explore_latents.attribute", f"{having} with Red and {lacking} without", "choose another"):
            check_explorable(arrays, posteriors, facts(), settings(attribute="Red"))


# --- the stage


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with arrays, an autoencoder that has learnt nothing, and its latents."""
    folder = tmp_path_factory.mktemp("explore")
    torch.manual_seed(0)
    vae = Vae(VaeSettings.model_validate(VAE), SIZE).eval()
    save_weights(folder / "vae.safetensors", vae.state_dict(), metadata_of(vae.settings, SIZE, {}))
    arrays = open_vae(make_vae_arrays(folder / "arrays"))
    save_posteriors(folder / "latents.safetensors", encode_splits(vae, arrays.images, CPU))
    return folder


def run_stage(project, results, **changes):
    params = results.parent / "params.yaml"
    params.write_text(yaml.safe_dump({"explore_latents": {**SECTION, **changes}}))
    threads = torch.get_num_threads()
    try:
        explore_latents.main(
            params, "cpu", project / "arrays", project / "latents.safetensors", project / "vae.safetensors", results
        )
    finally:
        torch.set_num_threads(threads)
    return files_below(results)


def test_the_stage_draws_the_same_bytes_each_time(project, tmp_path, capsys):
    torch.manual_seed(1)
    first = run_stage(project, tmp_path / "1")
    assert sorted(first) == [
        "pictures/interpolations.png", "pictures/j_diagrams.png", "pictures/mine_grid.png", "pictures/pca.png",
        "pictures/tsne.png",
    ]  # fmt: skip
    assert str(tmp_path / "1") in capsys.readouterr().out
    torch.manual_seed(2)
    assert run_stage(project, tmp_path / "2") == first
    other = run_stage(project, tmp_path / "2", attribute="Striped")
    assert all((other[name] == first[name]) == (name.split("/")[1] in ("interpolations.png", "mine_grid.png"))
               for name in first)  # fmt: skip


def test_what_is_wrong_is_said_before_anything_is_drawn(project, tmp_path):
    with one_line("explore_latents.attribute", f"one of {', '.join(NAMES)}", "found Smilling"):
        run_stage(project, tmp_path / "r", attribute="Smilling")
    with one_line("explore_latents.attribute", "found 0 with Nobody and 8 without"):
        run_stage(project, tmp_path / "r", attribute="Nobody")
    with one_line("explore_latents.grid_rows", "found 0"):
        run_stage(project, tmp_path / "r", grid_rows=0)
    assert not (tmp_path / "r").exists()
