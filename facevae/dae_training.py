"""Training the denoiser on cached pairs of clean and noisy images."""

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

from facevae.arrays import DaeArrays
from facevae.batches import Batch
from facevae.dae import (
    DaeSettings,
    add_fresh_noise,
    augment,
    denoise,
    denoising_terms,
    make_network,
    mean_colour,
    with_sigma,
)
from facevae.errors import FacevaeError
from facevae.layers import as_unit_floats
from facevae.losses import PIXEL_LOSSES
from facevae.runs import Run
from facevae.steps import Step
from facevae.training import Terms, fit

# Enough images to know what one constant colour scores.
_BASELINE_SAMPLE = 256
_SHOWN = 8


def train_denoiser(arrays: DaeArrays, settings: DaeSettings, run: Run) -> tuple[nn.Module, list[dict[str, float]]]:
    """Train on the train split but its last `valid_share`, which makes the history's valid_ columns.

    The test split stays unseen. Returns the network and its history. Raises FacevaeError if the network does not
    fit the images.
    """
    settings = with_sigma(settings, arrays.manifest["noise"]["sigma"])
    clean, noisy = arrays.clean["train"], arrays.noisy["train"]
    valid_count = round(len(clean) * settings.valid_share)
    train_count = len(clean) - valid_count
    torch.manual_seed(settings.seed)
    try:
        network = make_network(settings, *clean.shape[1:3])
    except ValueError as error:
        raise FacevaeError(
            where=f"dae.{settings.architecture}", expected=str(error), found="other ones", fix="change the lists"
        ) from None

    # The last ones of the train split: validation images, where there are any.
    watched = [as_unit_floats(torch.from_numpy(np.array(part[-_SHOWN:]))) for part in (clean, noisy)]

    def pictures(model: nn.Module) -> Tensor:
        with torch.no_grad():
            output = denoise(model.eval(), watched[1].to(run.device)).cpu()
        return make_grid(torch.cat([*watched, output]), nrow=len(output))

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
        (clean[:train_count],) if settings.fresh_noise is not None else (clean[:train_count], noisy[:train_count]),
        (clean[train_count:], noisy[train_count:]),
        settings,
        run,
        run.log("dae ", pictures),
        section="dae",
        observe=observe,
    )
    return network, history


def dae_terms_of(settings: DaeSettings) -> Terms:
    """The denoiser's objective for a batch of clean and noisy bytes, of clean ones alone where it makes its own noise.

    Validation always takes the stored noise. `settings` as `with_sigma` leaves them.
    """

    def terms_of(model: nn.Module, batch: Batch, step: Step) -> dict[str, Tensor]:
        images = augment(batch, settings, step) if step.training else batch
        clean, *noisy = (as_unit_floats(part) for part in images)
        if step.training and settings.fresh_noise is not None:
            noisy = [add_fresh_noise(clean, settings.fresh_noise, step)]
        return denoising_terms(model, clean, *noisy, settings, step)

    return terms_of


def _constant_colour_loss(clean: np.ndarray, settings: DaeSettings) -> float:
    """The loss of answering the train images' mean colour to each of them, on some that stand for all."""
    some = np.array(clean[:: max(1, len(clean) // _BASELINE_SAMPLE)])
    images = as_unit_floats(torch.from_numpy(some))
    constant = mean_colour(some).view(1, 3, 1, 1).expand_as(images)
    return float(PIXEL_LOSSES[settings.loss](constant, images).double().mean())
