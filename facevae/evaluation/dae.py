"""How well a denoiser denoises, beside doing nothing and beside answering one constant colour."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from facevae.core.params import Section
from facevae.data.arrays import DaeArrays, mean_colour
from facevae.evaluation.image_metrics import psnr_db, ssim
from facevae.jobs.progress import track
from facevae.models.dae import denoise
from facevae.nn.layers import as_bytes, as_unit_floats
from facevae.nn.losses import binary_cross_entropy, binary_entropy


class DaeEvaluation(Section):
    """Section `evaluate_dae`: how many faces the picture shows; the sweep over noise levels, in grey levels.

    `self_ensemble` averages the answers to an image and to its mirror image.
    """

    faces: int = Field(ge=1, le=16)
    self_ensemble: bool
    sweep_sigmas: list[Annotated[float, Field(gt=0, le=255)]] = Field(min_length=1)
    sweep_images: int = Field(ge=1)

    @field_validator("sweep_sigmas")
    @classmethod
    def _differ(cls, sigmas: list[float]) -> list[float]:
        # Pictures and tables name them by six digits.
        if len({f"{sigma:g}" for sigma in sigmas}) < len(sigmas):
            raise ValueError("each sigma once")
        return sigmas


@dataclass(frozen=True)
class DenoisingReport:
    """`means` over the test images; `per_image`: a row of each image's name and measures."""

    means: dict[str, float]
    per_image: list[dict[str, float | str]]

    @property
    def metrics(self) -> dict[str, float]:
        """What is decided by."""
        return {name: self.means[name] for name in _METRICS}

    @property
    def baselines(self) -> list[dict[str, float | str]]:
        """The means in rows: what the answer to a noisy image is, the measure, its value."""
        return [
            {"answer": answer, "measure": measure, "value": self.means[f"{measure}{suffix}"]}
            for answer, suffix in _ANSWERS.items()
            for measure in ("psnr_db", "ssim", "bce")
            if f"{measure}{suffix}" in self.means
        ]


_METRICS = ("psnr_db", "ssim", "bce", "psnr_db_noisy")

# Of what the measures with a suffix are. The clean image is the best answer: its own entropy is the BCE's floor.
_ANSWERS = {"denoised": "", "noisy": "_noisy", "constant_colour": "_constant_colour", "clean": "_floor"}


@torch.no_grad()
def evaluate_denoiser(
    network: nn.Module, arrays: DaeArrays, device: torch.device, *, self_ensemble: bool = False, batch_size: int = 8
) -> DenoisingReport:
    """Measure every test image, on its own pixels: the border that crop_pad put around it is cut off again.

    BCE comes with its floor, the images' own entropy, below which no prediction gets, and with the constant-colour
    baseline: the train images' mean colour as the answer to every image.
    """
    pad = arrays.manifest["framing"].get("pad", 0)
    clean_rows, noisy_rows = arrays.clean["test"], arrays.noisy["test"]
    constant = torch.from_numpy(mean_colour(arrays.clean["train"])).view(1, 3, 1, 1)
    columns: dict[str, list[float]] = {}
    network.to(device, memory_format=torch.channels_last)
    for start in track(range(0, len(clean_rows), batch_size), -(-len(clean_rows) // batch_size), "denoise", "batches"):
        rows = slice(start, start + batch_size)
        clean = as_unit_floats(torch.from_numpy(clean_rows[rows].copy()))
        noisy = as_unit_floats(torch.from_numpy(noisy_rows[rows].copy()))
        denoised = denoise(network, noisy.to(device), self_ensemble=self_ensemble).cpu()
        clean, noisy, denoised = (without_border(images, pad) for images in (clean, noisy, denoised))
        found = {
            "psnr_db_noisy": psnr_db(noisy, clean),
            "psnr_db": psnr_db(denoised, clean),
            "ssim_noisy": ssim(noisy, clean),
            "ssim": ssim(denoised, clean),
            "bce": binary_cross_entropy(denoised, clean),
            "bce_floor": binary_entropy(clean),
            "bce_constant_colour": binary_cross_entropy(constant.expand_as(clean), clean),
            "psnr_db_constant_colour": psnr_db(constant.expand_as(clean).contiguous(), clean),
        }
        for name, values in found.items():
            columns.setdefault(name, []).extend(values.tolist())
    rows: list[dict[str, float | str]] = [
        {"image": image, **dict(zip(columns, values, strict=True))}
        for image, *values in zip(arrays.images["test"], *columns.values(), strict=True)
    ]
    means = {name: float(np.mean(values)) for name, values in columns.items()}
    means["bce_above_floor"] = means["bce"] - means["bce_floor"]
    return DenoisingReport(means, rows)


def summary(means: dict[str, float]) -> str:
    """The means in three lines for a reader, each figure beside what it is to be compared with."""
    m = means
    return (
        f"PSNR {m['psnr_db']:.2f} dB (noisy input {m['psnr_db_noisy']:.2f}, "
        f"constant colour {m['psnr_db_constant_colour']:.2f})\n"
        f"SSIM {m['ssim']:.3f} (noisy input {m['ssim_noisy']:.3f})\n"
        f"BCE {m['bce']:.4f} (floor {m['bce_floor']:.4f}, so {m['bce_above_floor']:.4f} above; "
        f"constant colour {m['bce_constant_colour']:.4f})"
    )


@torch.no_grad()
def denoised_examples(
    network: nn.Module, noisy: np.ndarray, device: torch.device, *, self_ensemble: bool = False
) -> np.ndarray:
    """Denoised images as bytes: uint8 (N, H, W, 3) -> uint8 (N, H, W, 3)."""
    images = as_unit_floats(torch.from_numpy(noisy.copy())).to(device)
    return as_bytes(denoise(network.to(device), images, self_ensemble=self_ensemble))


def without_border(images: Tensor, pad: int) -> Tensor:
    """Images without their outermost `pad` pixels: (N, C, H, W) -> (N, C, H - 2 pad, W - 2 pad)."""
    return images[:, :, pad:-pad, pad:-pad] if pad else images
