"""A denoiser at several noise levels, beside doing nothing and beside scikit-image's classical denoisers."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from facevae.data.arrays import DaeArrays
from facevae.data.noise import Noise
from facevae.evaluation.classical import CLASSICAL
from facevae.evaluation.dae import DaeEvaluation, without_border
from facevae.evaluation.image_metrics import psnr_db, ssim
from facevae.imaging.names import stem
from facevae.jobs.progress import track
from facevae.models.dae import denoise
from facevae.nn.layers import as_bytes, as_unit_floats

# The model that is evaluated, among the other denoisers.
MODEL = "model"

SWEEP_COLUMNS = ("sigma", "denoiser", "images", "psnr_db", "ssim")


@dataclass(frozen=True)
class Sweep:
    """`rows` of SWEEP_COLUMNS: means over the same `images` test images.

    `shown`: of the first of them, for each sigma, the noisy one, what each denoiser makes of it and the clean one,
    (columns, H, W, 3) uint8; `columns` names them.
    """

    images: int
    rows: list[dict[str, float | str]]
    shown: list[np.ndarray]
    columns: list[str]

    @property
    def psnr_db(self) -> float:
        """Of the model, mean over the sigmas."""
        return float(np.mean([row["psnr_db"] for row in self.rows if row["denoiser"] == MODEL]))

    def summary(self) -> str:
        """A table: a line per denoiser, PSNR and SSIM per sigma."""
        sigmas = list(dict.fromkeys(row["sigma"] for row in self.rows))
        lines = ["PSNR in dB and SSIM at sigma".ljust(30) + "".join(f"{sigma:>12g}" for sigma in sigmas)]
        for denoiser in dict.fromkeys(row["denoiser"] for row in self.rows):
            cells = [f"{row['psnr_db']:.2f} {row['ssim']:.3f}" for row in self.rows if row["denoiser"] == denoiser]
            lines.append(f"  {str(denoiser).replace('_', ' '):28}" + "".join(f"{cell:>12}" for cell in cells))
        return "\n".join(lines)


@torch.no_grad()
def sweep_noise(network: nn.Module, arrays: DaeArrays, settings: DaeEvaluation, device: torch.device) -> Sweep:
    """Denoise the first `sweep_images` test images at each of `sweep_sigmas`, with the model and every classical way.

    The noise is that of stage add_noise for the same seed, sigma and image. Classical denoisers are told the sigma, the
    model is not. Measured, as everywhere, without the border that crop_pad put around the image.
    """
    pad = arrays.manifest["framing"].get("pad", 0)
    clean = arrays.clean["test"][: settings.sweep_images]
    names = arrays.images["test"][: len(clean)]
    network.to(device, memory_format=torch.channels_last)
    rows, shown = [], []
    columns = ["noisy", *CLASSICAL, MODEL]
    for sigma in settings.sweep_sigmas:
        noise = Noise(sigma, arrays.manifest["noise"]["seed"])
        measured: dict[str, list[tuple[float, float]]] = {column: [] for column in columns}
        for name, image in track(zip(names, clean, strict=True), len(clean), f"sigma {sigma:g}"):
            truth = without_border(_as_batch(image), pad)
            noisy = noise(stem(name), image)
            inside = noisy[pad:-pad, pad:-pad] if pad else noisy
            answers = {"noisy": _as_batch(inside)}
            for method, denoise_classically in CLASSICAL.items():
                answers[method] = torch.from_numpy(denoise_classically(inside, sigma)).permute(2, 0, 1)[None]
            whole = denoise(network, _as_batch(noisy).to(device), self_ensemble=settings.self_ensemble)
            answers[MODEL] = without_border(whole.cpu(), pad)
            for column, answer in answers.items():
                measured[column].append((float(psnr_db(answer, truth)), float(ssim(answer, truth))))
            if name == names[0]:
                shown.append(as_bytes(torch.cat([*answers.values(), truth])))
        for column, pairs in measured.items():
            psnr, similarity = (float(mean) for mean in np.mean(pairs, axis=0))
            values = (sigma, column, len(clean), psnr, similarity)
            rows.append(dict(zip(SWEEP_COLUMNS, values, strict=True)))
    return Sweep(len(clean), rows, shown, [*columns, "clean"])


def _as_batch(image: np.ndarray) -> Tensor:
    """One image of bytes, (H, W, 3), as floats (1, 3, H, W)."""
    return as_unit_floats(torch.from_numpy(image.copy())[None])
