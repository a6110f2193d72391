"""The usual ways to train the same networks: a DataLoader that decodes JPEGs, and the package pythae."""

import contextlib
import io
import itertools
import logging
import multiprocessing
import tempfile
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from bench.cases import Case, Data, make_training
from bench.measuring import Stopwatch, train_barely
from facevae.core.machine import available_cores
from facevae.imaging.frames import PadFrame
from facevae.models.vae import Vae
from facevae.nn.layers import as_unit_floats
from facevae.nn.precision import pick_precision
from facevae.training.classifier import ClassifierSettings
from facevae.training.dae import DaeSettings
from facevae.training.loop.batches import Batch
from facevae.training.loop.optimizer import make_optimizer
from facevae.training.loop.settings import TrainingSettings
from facevae.training.vae import VaeSettings


class JpegFaces(Dataset):
    """Faces decoded and framed one by one when they are asked for, as with `torchvision.datasets.CelebA`.

    That class itself wants CelebA's own annotation files, with the right checksums.
    """

    def __init__(self, case: Case, data: Data) -> None:
        self.jpegs, self.sigma = data.jpegs, case.sigma / 255
        self.labels = torch.from_numpy(data.labels) if isinstance(case.settings, ClassifierSettings) else None
        self.transform = _transform(case)

    def __len__(self) -> int:
        return len(self.jpegs)

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        """An image (3, H, W) in [0, 1]; beside it the same with noise, or its labels, where the case needs them."""
        image = self.transform(Image.open(self.jpegs[number]))
        if self.sigma:
            return image, (image + self.sigma * torch.randn_like(image)).clamp_(0, 1)
        return (image,) if self.labels is None else (image, self.labels[number])


def start_workers_as_scripts_do() -> None:
    """Let this process start a DataLoader's workers as a script does: a spawned one would spawn them as well."""
    multiprocessing.set_start_method(None, force=True)


def measure_loader(case: Case, data: Data, device: torch.device, seconds: float, *, compiled: bool) -> float:
    """Images a second from a DataLoader; layout, precision and optimizer are the pipeline's."""
    training = make_training(case, data, device, torch.channels_last, compiled=compiled)
    optimizer = make_optimizer(training.network, case.settings)
    precision, watch = pick_precision(case.settings, device), Stopwatch(seconds, device)
    batches = _batches(case, data, device, torch.channels_last)
    train_barely(training.network, training.terms_of_floats, batches, optimizer, watch, precision)
    return watch.rate(case.settings.batch_size)


def measure_plain(case: Case, data: Data, device: torch.device, seconds: float) -> float:
    """Images a second as most scripts are written: a DataLoader, float32, and PyTorch's defaults for the rest."""
    torch.set_num_threads(case.settings.threads)
    training = make_training(case, data, device, torch.contiguous_format)
    optimizer = _plain_optimizer(training.network, case.settings)
    batches, watch = _batches(case, data, device, torch.contiguous_format), Stopwatch(seconds, device)
    train_barely(training.network, training.terms_of_floats, batches, optimizer, watch, torch.float32)
    return watch.rate(case.settings.batch_size)


def measure_pythae(case: Case, data: Data, device: torch.device, seconds: float) -> float:
    """Images a second of pythae's VAE and trainer, with the case's encoder and decoder, from floats in memory."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class WrappedEncoder(BaseEncoder):
        def __init__(self, vae: Vae) -> None:
            super().__init__()
            self.inner = vae.encoder

        def forward(self, x: Tensor) -> ModelOutput:
            mu, logvar = self.inner(x)
            return ModelOutput(embedding=mu, log_covariance=logvar)

    class WrappedDecoder(BaseDecoder):
        def __init__(self, vae: Vae) -> None:
            super().__init__()
            self.inner = vae.decoder

        def forward(self, z: Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.inner(z))

    class Ticks(TrainingCallback):
        def on_train_step_end(self, *_: object, **__: object) -> None:
            if watch.tick():
                raise _EnoughError

    torch.set_num_threads(case.settings.threads)
    settings, images = case.settings, torch.from_numpy(np.array(data.rows(case)[0]))
    assert isinstance(settings, VaeSettings)
    dataset = BaseDataset(as_unit_floats(images).contiguous(), torch.zeros(len(images)))
    vae = Vae(settings, case.size[0])
    config = VAEConfig(input_dim=tuple(dataset.data.shape[1:]), latent_dim=settings.latent_dim)
    model = VAE(config, WrappedEncoder(vae), WrappedDecoder(vae))
    with tempfile.TemporaryDirectory() as folder, _silence():
        trainer_config = BaseTrainerConfig(
            output_dir=folder, per_device_train_batch_size=settings.batch_size, num_epochs=10**6,
            optimizer_cls=_plain_optimizer(vae, settings).__class__.__name__, learning_rate=settings.learning_rate,
            optimizer_params={"weight_decay": settings.weight_decay}, no_cuda=device.type != "cuda",
        )  # fmt: skip
        trainer = BaseTrainer(model, dataset, training_config=trainer_config, callbacks=[Ticks()])
        watch = Stopwatch(seconds, device)
        with contextlib.suppress(_EnoughError):
            trainer.train()
    return watch.rate(settings.batch_size)


class _EnoughError(Exception):
    """The stopwatch has enough; pythae's trainer knows no other way to stop."""


def _transform(case: Case) -> transforms.Compose:
    settings, frame = case.settings, case.frame
    if isinstance(frame, PadFrame):
        steps: list = [transforms.Pad(frame.pad, padding_mode="edge")]
    else:
        steps = [transforms.CenterCrop(frame.crop), transforms.Resize(frame.size)]
    if isinstance(settings, DaeSettings) and settings.crop is not None:
        steps.append(transforms.RandomCrop(settings.crop))
    if settings.flip:
        steps.append(transforms.RandomHorizontalFlip())
    return transforms.Compose([*steps, transforms.ToTensor()])


def _batches(case: Case, data: Data, device: torch.device, layout: torch.memory_format) -> Iterator[Batch]:
    """Epoch after epoch of batches on the device."""
    loader = DataLoader(
        JpegFaces(case, data), case.settings.batch_size, shuffle=True, num_workers=available_cores(),
        pin_memory=device.type == "cuda", persistent_workers=True,
    )  # fmt: skip
    for _ in itertools.count():
        for batch in loader:
            on_device = (part.to(device, non_blocking=True) for part in batch)
            yield tuple(part.contiguous(memory_format=layout) if part.ndim == 4 else part for part in on_device)


def _plain_optimizer(network: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings.optimizer]
    return kind(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """pythae logs and draws a bar for each epoch."""
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
