"""Training the denoiser on cached pairs of clean and noisy images."""

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.utils import make_grid

from facevae.arrays import DaeArrays
from facevae.dae import DaeSettings, denoise, denoising_terms, make_network
from facevae.errors import FacevaeError
from facevae.layers import as_unit_floats
from facevae.logs import RunLog
from facevae.runs import Run
from facevae.training import fit


def train_denoiser(arrays: DaeArrays, settings: DaeSettings, run: Run) -> tuple[nn.Module, list[dict[str, float]]]:
    """Train on the train split but its last `valid_share`, which makes the history's valid_ columns.

    The test split stays unseen. Returns the network and its history. Raises FacevaeError if the network does not
    fit the images.
    """
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

    def terms_of(model: nn.Module, batch: tuple[Tensor, ...], epoch: float, generator: torch.Generator | None):
        images, noised = (as_unit_floats(part) for part in batch)
        return denoising_terms(model, images, noised, settings, generator)

    watched = (
        as_unit_floats(torch.from_numpy(np.array(noisy[-4:]))),
        as_unit_floats(torch.from_numpy(clean[-4:].copy())),
    )

    def pictures(model: nn.Module) -> Tensor:
        with torch.no_grad():
            output = denoise(model.eval(), watched[0].to(run.device)).cpu()
        return make_grid(torch.cat([watched[1], watched[0], output]), nrow=4)

    history = fit(
        network,
        terms_of,
        (clean[:train_count], noisy[:train_count]),
        (clean[train_count:], noisy[train_count:]),
        settings,
        device=run.device,
        log=RunLog(run.logs, "dae ", pictures),
        checkpoint=run.checkpoint,
    )
    return network, history
