"""Training the denoiser on cached pairs of clean and noisy images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.data import Subset

from facevae.core.errors import FacevaeError
from facevae.data.arrays import DaeArrays, mean_colour
from facevae.data.noise import FreshSigma
from facevae.data.persons import hold_back
from facevae.models.dae import DaeArchitecture, denoise, make_network
from facevae.nn.layers import as_unit_floats, from_bytes
from facevae.nn.losses import PIXEL_LOSSES
from facevae.nn.model_files import load_weights
from facevae.training.fresh_noise import add_fresh_noise
from facevae.training.loop.augmentation import random_crop, random_flip
from facevae.training.loop.batches import Batch
from facevae.training.loop.fit import Objective, fit
from facevae.training.loop.run import Run
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext


class DaeSettings(DaeArchitecture, TrainingSettings):
    """Section `dae`: the denoiser's network, its loss and its training."""

    loss: Literal["bce", "mse", "l1", "charbonnier", "psnr"]
    # The share of the images whose fresh noise is as JPEG keeps it, with less colour and in half of the resolution.
    subsampled_share: float = Field(ge=0, le=1)
    # The share of the images that are then stored as JPEGs of any quality.
    jpeg_share: float = Field(ge=0, le=1)
    # The noise that each step draws anew: that of add_noise's sigma (`same`), of another, of one from a range; null:
    # none, it trains on add_noise's copies.
    fresh_noise: FreshSigma | None
    crop: int | None = Field(ge=16)
    valid_share: float = Field(ge=0, le=0.5)

    @model_validator(mode="after")
    def _noise_is_fresh(self) -> "DaeSettings":
        for name in ("subsampled_share", "jpeg_share"):
            if self.fresh_noise is None and getattr(self, name):
                raise ValueError(f"{name} 0, since fresh_noise is null: stored noise stays as it is")
        return self

    @model_validator(mode="after")
    def _crop_fits_the_network(self) -> "DaeSettings":
        if self.crop is None:
            return self
        if self.unet is not None and self.crop <= 2**self.unet.levels:
            raise ValueError(f"a crop above {2**self.unet.levels}, since unet.levels is {self.unet.levels}")
        if self.report is not None and self.report.latent_dim is not None:
            raise ValueError("crop null, since report.latent_dim is a number: a dense bottleneck takes whole images")
        if self.report is not None and self.crop % self.report.reduction:
            raise ValueError(f"a crop that the report's strides divide: they shrink by {self.report.reduction}")
        return self


def denoising_terms(
    network: nn.Module, clean: Tensor, noisy: Tensor, settings: DaeSettings, step: StepContext
) -> dict[str, Tensor]:
    """Loss of each image, (N,): clean, noisy (N, 3, H, W) in [0, 1]."""
    with step.autocast():
        output = network(noisy)
    return {"loss": PIXEL_LOSSES[settings.loss](output.float(), clean)}


def with_sigma(settings: DaeSettings, stored: float | list[float]) -> DaeSettings:
    """The settings with the sigma of the stored noise where fresh noise is to be the same."""
    return settings.model_copy(update={"fresh_noise": stored}) if settings.fresh_noise == "same" else settings


def augment(images: Sequence[Tensor], settings: DaeSettings, step: StepContext) -> tuple[Tensor, ...]:
    """The same random crop and flip of all, as the settings ask for: uint8 (N, H, W, 3) each.

    A side of the image that is smaller than the crop stays whole.
    """
    if settings.crop is not None:
        images = random_crop(step, settings.crop, *images)
    return random_flip(step, *images) if settings.flip else tuple(images)


# Enough images to know what one constant colour scores.
_BASELINE_SAMPLE = 256

_SHOWN = 8


def train_denoiser(
    arrays: DaeArrays, identities: Mapping[str, int], settings: DaeSettings, run: Run, start: Path | None = None
) -> tuple[nn.Module, list[dict[str, float]]]:
    """Train on the train split but its last `valid_share`, which makes the history's valid_ columns.

    Nobody is in both: `identities` is a number of the person for each image's stem, as far as known. The test split
    stays unseen. `start`: a trained denoiser, whose weights are those of the first step. Returns the network and its
    history. Raises FacevaeError if the network does not fit the images, or the denoiser to start from the network.
    """
    settings = with_sigma(settings, arrays.manifest["noise"]["sigma"])
    clean, noisy = arrays.clean["train"], arrays.noisy["train"]
    held = hold_back(arrays.images["train"], identities, round(len(clean) * settings.valid_share))
    train, valid = ([_rows(part, which) for part in (clean, noisy)] for which in (~held, held))
    torch.manual_seed(settings.seed)
    try:
        network = make_network(settings, *clean.shape[1:3])
    except ValueError as error:
        raise FacevaeError(
            where=f"dae.{settings.architecture}", expected=str(error), found="other ones", fix="change the lists"
        ) from None
    if start is not None:
        _start_from(start, network, settings)

    # Validation images, where there are any.
    shown = (np.flatnonzero(held) if held.any() else np.arange(len(held)))[-_SHOWN:]
    watched = [from_bytes(part[shown]) for part in (clean, noisy)]

    def pictures(model: nn.Module) -> Tensor:
        with torch.no_grad():
            output = denoise(model.eval(), watched[1].to(run.device)).cpu()
        return torch.stack([*watched, output])

    baseline = _constant_colour_loss(clean, settings)

    def observe(_: nn.Module, row: dict[str, float]) -> str | None:
        row["constant_colour_loss"] = baseline
        loss = row.get("valid_loss", row["train_loss"])
        if loss < baseline:
            return None
        return (
            f"the denoiser is no better than one constant colour: loss {loss:.4g}, that colour's {baseline:.4g}; "
            f"if this lasts, it has collapsed: lower dae.learning_rate (now {settings.learning_rate:g})"
        )

    history = fit(
        network,
        dae_terms_of(settings),
        tuple(train[:1] if settings.fresh_noise is not None else train),
        tuple(valid),
        settings,
        run,
        run.log("dae ", pictures),
        section="dae",
        observe=observe,
    )
    return network, history


def _start_from(path: Path, network: nn.Module, settings: DaeSettings) -> None:
    """Copy the weights of a trained denoiser. Raises FacevaeError if it is none, or not of this architecture."""
    tensors, metadata = load_weights(path, "dae")
    found, group = metadata.get("settings", {}), settings.architecture
    wanted = {name: weight.shape for name, weight in network.state_dict().items()}
    if {name: weight.shape for name, weight in tensors.items()} != wanted:
        raise FacevaeError(
            where=path, expected=f"a denoiser of the architecture {group} and of dae.{group}'s values, to start from",
            found=f"{(name := found.get('architecture'))}: {found.get(name)}", fix="set these as they are in the file",
        )  # fmt: skip
    network.load_state_dict(tensors)


def _rows(array: np.ndarray, which: np.ndarray) -> np.ndarray | Subset:
    """The chosen rows, (n,) bool; a slice where they are neighbours, as they are where all persons differ."""
    numbers = np.flatnonzero(which)
    if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1:
        return array[numbers[0] : numbers[-1] + 1]
    return Subset(array, numbers) if len(numbers) else array[:0]


def dae_terms_of(settings: DaeSettings) -> Objective:
    """The denoiser's objective for a batch of clean and noisy bytes, of clean ones alone where it makes its own noise.

    Validation always takes the stored noise. `settings` as `with_sigma` leaves them.
    """

    def terms_of(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        images = augment(batch, settings, step) if step.training else batch
        clean, *noisy = (as_unit_floats(part) for part in images)
        if step.training and settings.fresh_noise is not None:
            noisy = [add_fresh_noise(clean, settings.fresh_noise, step, settings.subsampled_share, settings.jpeg_share)]
        return denoising_terms(model, clean, *noisy, settings, step)

    return terms_of


def _constant_colour_loss(clean: np.ndarray, settings: DaeSettings) -> float:
    """The loss of answering the train images' mean colour to each of them, on some that stand for all."""
    some = np.array(clean[:: max(1, len(clean) // _BASELINE_SAMPLE)])
    images = from_bytes(some)
    constant = torch.from_numpy(mean_colour(some)).view(1, 3, 1, 1).expand_as(images)
    return float(PIXEL_LOSSES[settings.loss](constant, images).double().mean())
