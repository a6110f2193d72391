"""Denoisers on images of any size: whole, in tiles, and what they refuse."""

import re

import numpy as np
import pytest
import torch
from model_data import DAE
from model_data import LISTS as RELU_LISTS
from onnx_models import UNCHANGED, convolved, write_denoiser
from raw_data import one_line, photo
from torch import nn

from facevae.inference.denoising import CLEAN, Denoiser, noise_sigma
from facevae.inference.models import ModelFolder
from facevae.inference.photographs import Photograph
from facevae.inference.pixels import as_bytes, unit_floats
from facevae.inference.tiling import measured_reach, reach_of
from facevae.models.dae import denoise, make_network
from facevae.training.dae import DaeSettings

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


def denoiser(chosen: DaeSettings, height: int = 24, width: int = 24, network: nn.Module | None = None) -> Denoiser:
    """The network by PyTorch, with the facts that its ONNX file gets."""
    module = network or random_network(chosen, height, width)
    multiple, reach = reach_of(chosen)
    dense = chosen.report is not None and chosen.report.latent_dim is not None

    @torch.inference_mode()
    def answer(batch: np.ndarray) -> np.ndarray:
        return denoise(module, torch.from_numpy(batch)).numpy()

    return Denoiser(answer, {"dense": dense, "multiple": multiple, "reach": reach, "height": height, "width": width})


def noisy(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (40, 19)])
@pytest.mark.parametrize("name", NETWORKS)
def test_images_keep_their_size(name, size):
    made, image = denoiser(settings(**NETWORKS[name])), noisy(*size)
    made.check_size(size, "x")
    found = made(image)
    assert found.shape == image.shape and found.dtype == np.uint8 and found.std() > 1


@pytest.mark.parametrize("self_ensemble", [False, True])
def test_an_image_that_the_network_takes_goes_through_it_whole(self_ensemble):
    """With `self_ensemble` it is the mean of two answers, each from black to white."""
    chosen, image = settings(**NETWORKS["unet"]), photo(3, 48, 40)
    network, batch = random_network(chosen), torch.from_numpy(unit_floats(image[None]))
    with torch.no_grad():
        expected = denoise(network, batch)
        if self_ensemble:
            expected = (expected + denoise(network, batch.flip(3)).flip(3)) / 2
    made = denoiser(chosen, network=network)
    found = made(image, self_ensemble=self_ensemble)
    assert np.array_equal(found, as_bytes(expected.numpy())[0])
    assert not np.array_equal(found, made(image)) or not self_ensemble


def test_a_network_that_changes_nothing_gives_the_image_back():
    chosen, image = settings(**NETWORKS["unet"]), noisy(61, 47)
    made = denoiser(chosen, network=make_network(chosen, 24, 24))  # its head begins at zero
    for tile in (16, 512):
        assert np.array_equal(made(image, tile=tile), image)


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_join_without_a_seam(name):
    made, image = denoiser(settings(**NETWORKS[name])), noisy(203, 181)
    whole, tiled = made(image), made(image, tile=50)
    # Sums are added up in another order where the shapes are others.
    assert np.abs(whole.astype(int) - tiled).max() <= 1 and (whole != tiled).mean() < 0.01


def test_tiles_of_an_onnx_file_join_without_a_seam(tmp_path):
    """A single convolution, of which every value is known: inside the image tiles show no zeros around them."""
    kernel = np.random.default_rng(0).normal(0, 0.2, (3, 3, 3, 3))
    write_denoiser(tmp_path, kernel)
    made, image = ModelFolder(tmp_path, "cpu").denoiser, noisy(64, 48)
    expected = (255 * convolved(image, kernel)).round()
    for tile in (16, 512):
        assert np.abs(made(image, tile=tile) - expected).max() <= 1 and expected.std() > 10


@pytest.mark.parametrize("name", NETWORKS)
def test_no_pixel_looks_farther_than_is_said(name):
    chosen = settings(**NETWORKS[name])
    multiple, halo = reach_of(chosen)
    side = -(-2 * halo // multiple) * multiple + 4 * multiple
    network, middle = random_network(chosen, side, side), side // 2
    image = torch.rand(1, 3, side, side, requires_grad=True)
    network(image)[0, :, middle, middle].sum().backward()
    seen = image.grad.abs().sum((0, 1)).nonzero() - middle
    assert seen.numel() and seen.abs().max() <= halo < 4 * seen.abs().max() + 4 * multiple
    assert halo % multiple == 0


def test_how_far_a_network_looks_is_measured():
    """A kernel of 9 looks 4 pixels far: a cell of 4, and one more; nothing is farther than `most`."""
    blur = nn.Conv2d(3, 3, 9, padding=4)
    assert measured_reach(blur, 4, 40) == 8 and measured_reach(blur, 2, 40) == 6 and measured_reach(blur, 2, 4) == 4


def test_progress_is_shown_where_there_are_tiles(capsys):
    made = denoiser(settings(**NETWORKS["flat unet"]))
    made(noisy(60, 20), tile=32, what="denoise x")
    assert re.fullmatch(r"denoise x: 2 of 2 tiles, [\d.]+/s\n", capsys.readouterr().out)
    made(noisy(30, 20), tile=32, what="denoise x")
    assert capsys.readouterr().out == ""


def test_too_small():
    made = denoiser(settings(**NETWORKS["deep unet"]))
    made.check_size((8, 8), "x")
    with one_line("a.jpg", "at least 8 pixels on each side", "found 7x90"):
        made.check_size((7, 90), "a.jpg")


def test_a_dense_bottleneck_takes_one_size():
    chosen = settings(architecture="report", report={**LISTS, "latent_dim": 5})
    network, image = random_network(chosen, 24, 44), noisy(42, 22)
    made = denoiser(chosen, 24, 44, network)
    for size in ((44, 24), (42, 22), (40, 20)):
        made.check_size(size, "x")
    for size in ((44, 22), (46, 26), (43, 23), (32, 12), (24, 44)):
        with one_line("a.jpg", "44x24 pixels", f"found {size[0]}x{size[1]}"):
            made.check_size(size, "a.jpg")
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")[None]
    with torch.no_grad():
        expected = as_bytes(network(torch.from_numpy(unit_floats(padded))).numpy())[0, 1:-1, 1:-1]
    assert np.array_equal(made(image), expected)


@pytest.mark.parametrize("sigma", [3, 8, 25, 50])
def test_how_strong_noise_was(sigma):
    """Of what was taken out exactly; where noise pushed values beyond black or white it says nothing of them."""
    clean = np.tile(np.arange(256, dtype=np.uint8)[:, None], (256, 1, 3)).reshape(256, 256, 3)
    noise = np.random.default_rng(sigma).normal(0, sigma, clean.shape)
    taken = noise_sigma((clean + noise).round().clip(0, 255).astype(np.uint8), clean)
    assert taken == pytest.approx(sigma, rel=0.1)


def test_an_image_without_noise_has_none(tmp_path):
    assert noise_sigma(photo(3), photo(3)) < CLEAN
    write_denoiser(tmp_path, UNCHANGED)
    image = noisy(30, 20)
    assert noise_sigma(image, ModelFolder(tmp_path, "cpu").denoiser(image)) < CLEAN


def test_black_and_white_stays_so_whatever_the_network_answers():
    """Also in three equal planes, as most programs store it."""

    def answer(batch: np.ndarray) -> np.ndarray:
        return batch + np.array([0.1, 0.0, -0.04], np.float32)[:, None, None]

    made = Denoiser(answer, {"dense": False, "multiple": 8, "reach": 16, "height": 24, "width": 24})
    planes = np.full((24, 24, 3), 100, np.uint8)
    for photograph in (Photograph(planes, "PNG"), Photograph(planes, "PNG", grey=True)):
        assert (made.photograph(photograph)[0].pixels == 105).all()
    coloured = planes.copy()
    coloured[0, 0, 0] = 0
    assert made.photograph(Photograph(coloured, "PNG"))[0].pixels[9, 9].tolist() == [126, 100, 90]


def test_which_tiles_there_are_depends_on_the_image_alone():
    """Two for one that a tile could hold, so that two are computed at once; a small one stays whole."""
    sizes: list[tuple[int, int]] = []

    def answer(batch: np.ndarray) -> np.ndarray:
        sizes.append(batch.shape[2:])
        return batch

    made = Denoiser(answer, {"dense": False, "multiple": 8, "reach": 16, "height": 24, "width": 24})
    for size, expected in (
        ((240, 200), [(200, 240)]),
        ((300, 240), [(240, 168)] * 2),
        ((1600, 800), [(800, 816)] * 2),
        ((1608, 200), [(200, 552), (200, 568), (200, 552)]),
    ):
        sizes.clear()
        image = noisy(*size)
        assert np.array_equal(made(image), image)
        assert sorted(sizes) == sorted(expected), size
