"""What bench/training.py measures: models with the settings of params.yaml, and drawn faces to train them on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from facevae.celeba.attributes import ATTRIBUTES
from facevae.core.errors import FacevaeError
from facevae.core.params import Section, load_section
from facevae.data.arrays import write_npy
from facevae.data.noise import Noise, NoiseSettings, ends
from facevae.drawing import draw as faces
from facevae.imaging.codec import encode_jpeg
from facevae.imaging.frames import PadFrame, SquareFrame
from facevae.models.classifier import Classifier
from facevae.models.dae import make_network
from facevae.models.vae import Vae
from facevae.preparation.crop_settings import DaeCrop, VaeCrop
from facevae.training.classifier import ClassifierSettings, classifier_terms, classifier_terms_of, positive_weights
from facevae.training.dae import DaeSettings, dae_terms_of, denoising_terms, with_sigma
from facevae.training.feature_losses import ClassifierLoss
from facevae.training.loop.batches import Batch, Rows
from facevae.training.loop.fit import Objective
from facevae.training.loop.settings import TrainingSettings
from facevae.training.loop.step import StepContext
from facevae.training.vae import VaeSettings, vae_terms, vae_terms_of

# Section of params.yaml, what is changed in it, size of the images in pixels (None: padded whole ones).
_CASES: dict[str, tuple[str, dict[str, Any], int | None]] = {
    "dae-unet": ("dae", {"architecture": "unet"}, None),
    "dae-report": ("dae", {"architecture": "report", "crop": None}, None),
    "vae-deep-64": ("vae", {"architecture": "deep", "feature_network": "classifier"}, 64),
    "vae-deep-128": ("vae", {"architecture": "deep", "feature_network": "classifier"}, 128),
    "vae-report-128": ("vae", {"architecture": "report", "feature_network": "classifier"}, 128),
    "judge-128": ("train_judge", {}, 128),
}
CASES = tuple(_CASES)
_SETTINGS: dict[str, type[TrainingSettings]] = {
    "dae": DaeSettings,
    "vae": VaeSettings,
    "train_judge": ClassifierSettings,
}
# More different ones would train no faster or slower.
_DIFFERENT_FACES = 256


class _AnySection(Section):
    """A section as it is written, with the groups of all architectures."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class Case:
    """A model, its settings, how its images are framed, and for the denoiser the noise in grey levels."""

    name: str
    settings: TrainingSettings
    frame: PadFrame | SquareFrame
    sigma: float

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the cached images."""
        return self.frame(np.zeros((faces.HEIGHT, faces.WIDTH, 3), np.uint8)).shape[:2]

    def without_features(self) -> "Case":
        """The VAE's case without the distance in a classifier's features."""
        return replace(self, settings=self.settings.model_copy(update={"feature_weight": 0.0}))


@dataclass(frozen=True)
class Faces:
    """Drawn faces, as JPEGs of CelebA's size in `folder`: `images` (n, 218, 178, 3) uint8, `labels` (n, 40) int8."""

    folder: Path
    images: Sequence[np.ndarray]
    labels: np.ndarray


@dataclass(frozen=True)
class Data:
    """`count` images to train a case on, as JPEGs and as arrays, with their labels (count, 40); faces repeat."""

    jpegs: list[Path]
    arrays: list[Path]
    labels: np.ndarray

    def rows(self, case: Case) -> Rows:
        """What the pipeline opens: memory-mapped images, and the labels for the judge."""
        images = tuple(np.load(path, mmap_mode="r") for path in self.arrays)
        if isinstance(case.settings, DaeSettings) and case.settings.fresh_noise is not None:
            return images[:1]  # its noise is its own
        return (*images, self.labels) if isinstance(case.settings, ClassifierSettings) else images


@dataclass(frozen=True)
class Training:
    """A network with its objective, for a batch of bytes (n, H, W, 3) and for one of floats (n, 3, H, W) in [0, 1]."""

    network: nn.Module
    terms_of_bytes: Objective
    terms_of_floats: Objective

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """The parts that the objective calls."""
        return (self.network.encoder, self.network.decoder) if isinstance(self.network, Vae) else (self.network,)


def load_cases(params: Path, names: Sequence[str], changes: dict[str, Any]) -> list[Case]:
    """The named cases with params.yaml's settings, and `changes` to them. Raises FacevaeError for an unknown name."""
    unknown = [name for name in names if name not in CASES]
    if unknown:
        raise FacevaeError(where="--cases", expected=f"some of {', '.join(CASES)}", found=unknown[0], fix="correct it")
    return [_load_case(params, name, changes) for name in names]


def _load_case(params: Path, name: str, changes: dict[str, Any]) -> Case:
    section, own_changes, size = _CASES[name]
    raw = load_section(params, section, _AnySection).model_dump()
    settings = _SETTINGS[section].model_validate(raw | own_changes | changes)
    if isinstance(settings, DaeSettings):
        sigma = load_section(params, "add_noise", NoiseSettings).sigma
        settings = with_sigma(settings, sigma)
        # Of a range the upper end: how strong the noise is changes no time.
        return Case(name, settings, PadFrame(load_section(params, "crop_pad.dae", DaeCrop).pad), ends(sigma)[1])
    assert size is not None
    crop = load_section(params, "crop_pad.vae", VaeCrop)
    return Case(name, settings, SquareFrame(crop.crop, size, crop.resample), 0.0)


def draw_faces(count: int, folder: Path) -> Faces:
    """Draw up to `count` faces and write them as JPEGs, in format and size those of CelebA."""
    attributes = [faces.sample_attributes(0, number) for number in range(min(count, _DIFFERENT_FACES))]
    images = [faces.draw(0, number, present) for number, present in enumerate(attributes)]
    labels = np.array([[name in present for name in ATTRIBUTES] for present in attributes], dtype=np.int8)
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(image))
    return Faces(folder, images, labels)


def prepare_data(case: Case, drawn: Faces, count: int, folder: Path) -> Data:
    """Write the arrays of `case` into `folder`, whole batches of about `count` rows, at least one."""
    folder.mkdir(parents=True)
    count = max(1, count // case.settings.batch_size) * case.settings.batch_size
    numbers = [row % len(drawn.images) for row in range(count)]
    variants = {"images": [case.frame(image) for image in drawn.images]}
    if isinstance(case.settings, DaeSettings):
        noise = Noise(case.sigma, 0)
        variants["noisy"] = [noise(str(number), image) for number, image in enumerate(variants["images"])]
    for name, images in variants.items():
        write_npy(folder / f"{name}.npy", (count, *images[0].shape), (images[number] for number in numbers))
    jpegs = [drawn.folder / f"{number}.jpg" for number in numbers]
    return Data(jpegs, [folder / f"{name}.npy" for name in variants], drawn.labels[numbers])


def make_training(
    case: Case, data: Data, device: torch.device, layout: torch.memory_format, *, compiled: bool = False
) -> Training:
    """The network of a case, not trained, in the memory layout `layout`, with the objective that the pipeline has."""
    settings = case.settings
    torch.manual_seed(settings.seed)
    if isinstance(settings, DaeSettings):
        training = _denoiser(settings, case.size)
    elif isinstance(settings, VaeSettings):
        training = _autoencoder(settings, case.size[0], device, layout)
    else:
        assert isinstance(settings, ClassifierSettings)
        training = _classifier(settings, case.size[0], data, device)
    training.network.to(device=device, memory_format=layout)
    if compiled:
        for network in training.networks:
            network.compile()
    return training


def _denoiser(settings: DaeSettings, size: tuple[int, int]) -> Training:
    def terms_of_floats(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        return denoising_terms(model, *batch, settings, step)

    return Training(make_network(settings, *size), dae_terms_of(settings), terms_of_floats)


def _autoencoder(settings: VaeSettings, size: int, device: torch.device, layout: torch.memory_format) -> Training:
    features = None
    if settings.feature_weight > 0:
        # Not trained: its weights change no time.
        classifier = Classifier(size, settings.classifier.width, len(ATTRIBUTES))
        features = ClassifierLoss(classifier, torch.rand(8, 3, size, size)).to(device=device, memory_format=layout)

    def terms_of_floats(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        assert isinstance(model, Vae)
        return vae_terms(model, *batch, settings, features, settings.beta, step)

    return Training(Vae(settings, size), vae_terms_of(settings, features), terms_of_floats)


def _classifier(settings: ClassifierSettings, size: int, data: Data, device: torch.device) -> Training:
    weight = positive_weights(torch.from_numpy(data.labels), settings.max_positive_weight).to(device)

    def terms_of_floats(model: nn.Module, batch: Batch, step: StepContext) -> dict[str, Tensor]:
        assert isinstance(model, Classifier)
        return classifier_terms(model, *batch, weight, step)

    network = Classifier(size, settings.width, data.labels.shape[1])
    return Training(network, classifier_terms_of(settings, weight), terms_of_floats)
