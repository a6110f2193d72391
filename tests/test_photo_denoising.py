"""Denoisers on images of any size: whole, in tiles, and what they refuse."""

import re

import numpy as np
import pytest
import torch
from model_data import DAE
from model_data import LISTS as RELU_LISTS
from raw_data import one_line, photo
from torch import nn

from facevae.app.denoise import check_size, denoise_photo, reach
from facevae.models.dae import denoise, make_network, metadata_of
from facevae.nn.layers import as_bytes, as_unit_floats
from facevae.training.dae import DaeSettings

CPU = torch.device("cpu")
# A relu that is off would hide a part of what a network looks at.
LISTS = {**RELU_LISTS, "activation": "tanh"}
NETWORKS = {
    "unet": {"unet": {"width": 4, "levels": 1, "blocks": 1}},
    "deep unet": {"unet": {"width": 4, "levels": 2, "blocks": 2}},
    "flat unet": {"unet": {"width": 4, "levels": 0, "blocks": 1}},
    "report": {"architecture": "report", "report": {**LISTS, "latent_dim": None}},
    "report with odd strides": {
        "architecture": "report",
        "report": {**LISTS, "encoder_kernel_sizes": [5, 3], "encoder_strides": [3, 2], "decoder_kernel_sizes": [4, 3],
                   "decoder_strides": [2, 3], "latent_dim": None},
    },
}  # fmt: skip


def settings(**changes):
    return DaeSettings.model_validate({**DAE, "crop": None, **changes})


def random_network(chosen: DaeSettings, height: int = 24, width: int = 24) -> nn.Module:
    """Whose answer to a pixel depends on all that it can see."""
    torch.manual_seed(1)
    network = make_network(chosen, height, width).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.02, 0.15)
    return network


def noisy(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (40, 19)])
@pytest.mark.parametrize("name", NETWORKS)
def test_images_keep_their_size(name, size):
    chosen = settings(**NETWORKS[name])
    check_size(metadata_of(chosen, 24, 24), size, "x")
    image = noisy(*size)
    found = denoise_photo(random_network(chosen), metadata_of(chosen, 24, 24), image, CPU)
    assert found.shape == image.shape and found.dtype == np.uint8 and found.std() > 1


@pytest.mark.parametrize("self_ensemble", [False, True])
def test_an_image_that_the_network_takes_goes_through_it_whole(self_ensemble):
    chosen = settings(**NETWORKS["unet"])
    network, image = random_network(chosen), photo(3, 48, 40)
    batch = as_unit_floats(torch.from_numpy(image[None]))
    expected = as_bytes(denoise(network, batch, self_ensemble=self_ensemble))[0]
    found = denoise_photo(network, metadata_of(chosen, 24, 24), image, CPU, self_ensemble=self_ensemble)
    assert np.array_equal(found, expected)
    assert (
        not np.array_equal(found, denoise_photo(network, metadata_of(chosen, 24, 24), image, CPU)) or not self_ensemble
    )


def test_a_network_that_changes_nothing_gives_the_image_back():
    chosen, image = settings(**NETWORKS["unet"]), noisy(61, 47)
    network = make_network(chosen, 24, 24)  # its head begins at zero
    for tile in (16, 512):
        assert np.array_equal(denoise_photo(network, metadata_of(chosen, 24, 24), image, CPU, tile=tile), image)


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_join_without_a_seam(name):
    chosen = settings(**NETWORKS[name])
    network, facts, image = random_network(chosen), metadata_of(chosen, 24, 24), noisy(203, 181)
    whole = denoise_photo(network, facts, image, CPU)
    tiled = denoise_photo(network, facts, image, CPU, tile=50)
    # Sums are added up in another order where the shapes are others.
    assert np.abs(whole.astype(int) - tiled).max() <= 1 and (whole != tiled).mean() < 0.01


@pytest.mark.parametrize("name", NETWORKS)
def test_no_pixel_looks_farther_than_is_said(name):
    chosen = settings(**NETWORKS[name])
    multiple, halo = reach(chosen)
    side = -(-2 * halo // multiple) * multiple + 4 * multiple
    network, middle = random_network(chosen, side, side), side // 2
    image = torch.rand(1, 3, side, side, requires_grad=True)
    network(image)[0, :, middle, middle].sum().backward()
    seen = image.grad.abs().sum((0, 1)).nonzero() - middle
    assert seen.numel() and seen.abs().max() <= halo < 4 * seen.abs().max() + 4 * multiple
    assert halo % multiple == 0


def test_progress_is_shown_where_there_are_tiles(capsys):
    chosen = settings(**NETWORKS["flat unet"])
    network, facts = random_network(chosen), metadata_of(chosen, 24, 24)
    denoise_photo(network, facts, noisy(60, 20), CPU, tile=32, what="denoise x")
    assert re.fullmatch(r"denoise x: 2 of 2 tiles, [\d.]+/s\n", capsys.readouterr().out)
    denoise_photo(network, facts, noisy(30, 20), CPU, tile=32, what="denoise x")
    assert capsys.readouterr().out == ""


def test_too_small():
    facts = metadata_of(settings(**NETWORKS["deep unet"]), 24, 24)
    check_size(facts, (8, 8), "x")
    with one_line("a.jpg", "at least 8 pixels on each side", "found 7x90"):
        check_size(facts, (7, 90), "a.jpg")


def test_a_dense_bottleneck_takes_one_size():
    chosen = settings(architecture="report", report={**LISTS, "latent_dim": 5})
    network, facts = random_network(chosen, 24, 44), metadata_of(chosen, 24, 44)
    image = noisy(42, 22)
    for size in ((44, 24), (42, 22), (40, 20)):
        check_size(facts, size, "x")
    for size in ((44, 22), (46, 26), (43, 23), (32, 12), (24, 44)):
        with one_line("a.jpg", "44x24 pixels", f"found {size[0]}x{size[1]}"):
            check_size(facts, size, "a.jpg")
    padded = as_unit_floats(torch.from_numpy(np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")[None]))
    with torch.no_grad():
        expected = as_bytes(network(padded))[0, 1:-1, 1:-1]
    assert np.array_equal(denoise_photo(network, facts, image, CPU), expected)
