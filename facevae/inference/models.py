"""The models of a folder, each opened when it is first used, checked on its own and against the others.

A wrong file ends in one line. Vectors and mixture may be stored in half precision; all is computed in float32.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facevae.core.errors import FacevaeError
from facevae.core.tensor_files import readable
from facevae.finding.finder import FaceFinder
from facevae.inference.denoising import Denoiser
from facevae.inference.networks import Network, open_network
from facevae.inference.pixels import unit_floats
from facevae.inference.portrait_frame import PortraitFrame
from facevae.latents.mixture import Mixture, load_mixture
from facevae.latents.vectors import AttributeVectors, load_vectors

_BATCH = 64

_TOGETHER = "make both in one run of `dvc repro`"


@dataclass(frozen=True)
class Judge:
    """The classifier that says which of the attributes `names` an image shows."""

    network: Network
    names: tuple[str, ...]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """(N, 3, S, S) float32 in [0, 1] -> (N, A)."""
        return _batched(self.network, images)


@dataclass(frozen=True)
class ModelFolder:
    """The models in `path`; `device` as networks.open_network takes it. Properties raise FacevaeError."""

    path: Path
    device: str = "auto"

    @cached_property
    def frame(self) -> PortraitFrame:
        """How images are framed for the autoencoder."""
        facts = self._encoder[1]
        with readable(self.path / "encoder.onnx"):
            frame = PortraitFrame.from_facts(facts["framing"])
            if frame.square.size != facts["image_size"]:
                raise ValueError(f"framed for {frame.square.size} pixels, built for {facts['image_size']}")
        return frame

    @property
    def image_size(self) -> int:
        """Pixels of the model's square, a side."""
        return self.frame.square.size

    @property
    def latent_dim(self) -> int:
        """Dimensions of the latent space."""
        with readable(self.path / "encoder.onnx"):
            return int(self._encoder[1]["latent_dim"])

    @property
    def least_psnr_db(self) -> float | None:
        """The PSNR in dB that 99 of 100 reconstructions of validation faces exceed; None where nobody measured it."""
        with readable(self.path / "encoder.onnx"):
            found = self._encoder[1].get("least_psnr_db")
            return None if found is None else float(found)

    def encode(self, faces: np.ndarray) -> np.ndarray:
        """Posterior means: (N, S, S, 3) uint8 -> (N, D)."""
        network = self._encoder[0]
        parts = (faces[first : first + _BATCH] for first in range(0, len(faces), _BATCH))
        return np.concatenate([network(unit_floats(part)) for part in parts])

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """(N, D) float32 -> (N, 3, S, S) in [0, 1]."""
        return _batched(self._decoder, latents)

    @cached_property
    def judge(self) -> Judge | None:
        """None without one in the folder."""
        path = self.path / "judge.onnx"
        if not path.exists():
            return None
        network, facts = open_network(self.path, "judge", self.device)
        with readable(path):
            names, found = _checked_names(facts["attributes"]), facts["image_size"]
        if found != self.image_size:
            raise FacevaeError(
                where=path, expected=f"a judge of {self.image_size}-pixel images, as encoder.onnx has",
                found=f"one of {found}-pixel images", fix=_TOGETHER,
            )  # fmt: skip
        if not names:
            return None
        with readable(path):
            answers = network(np.zeros((1, 3, found, found), np.float32)).shape[1]
            if answers != len(names):
                raise ValueError(f"{answers} probabilities, {len(names)} names")
        return Judge(network, names)

    @property
    def has_aligner(self) -> bool:
        """Whether faces can be found."""
        return self._aligner_path.exists()

    @cached_property
    def finder(self) -> FaceFinder:
        """What finds faces. Raises FacevaeError too if its aligner learned another frame than the autoencoder."""
        path, source = self._aligner_path, self.frame.source
        network, facts = open_network(self.path, "aligner", self.device)
        with readable(path):
            across, down = facts["frame"]
            finder = FaceFinder(network, (int(across), int(down)), float(facts["boxed"]))
        if finder.frame != source:
            raise FacevaeError(
                where=path, expected=f"an aligner of {source[0]}x{source[1]} pixels, as the autoencoder's images",
                found=f"one of {across}x{down}", fix=_TOGETHER,
            )  # fmt: skip
        return finder

    @cached_property
    def denoiser(self) -> Denoiser:
        """The denoiser."""
        network, facts = open_network(self.path, "denoiser", self.device)
        with readable(self.path / "denoiser.onnx"):
            for name, least in (("multiple", 1), ("reach", 0), ("height", 1), ("width", 1)):
                if type(facts[name]) is not int or facts[name] < least:
                    raise ValueError(f"{name} is {facts[name]!r}")
            if type(facts["dense"]) is not bool:
                raise ValueError(f"dense is {facts['dense']!r}")
        return Denoiser(network, facts)

    @cached_property
    def vectors(self) -> AttributeVectors:
        """The attribute vectors."""
        path = self.path / "attribute_vectors.safetensors"
        vectors = load_vectors(path)
        if not vectors.names:
            raise FacevaeError(
                where=path, expected="attribute vectors", found="none: no attribute that some of the train images had "
                "and some had not", fix="train on images with such an attribute",
            )  # fmt: skip
        with readable(path):
            _checked_names(list(vectors.names))
            rows = len(vectors.vectors[vectors.method])
            if rows != len(vectors.names) or len(vectors.recommended) not in (0, rows):
                raise ValueError(f"{rows} vectors, {len(vectors.names)} names, {len(vectors.recommended)} strengths")
            _check_maps(vectors.maps, rows)
            for name in vectors.names:
                _check_numbers(name, vars(vectors.recommendation(name)))
        return vectors

    @cached_property
    def fitting_vectors(self) -> AttributeVectors:
        """The attribute vectors, of this autoencoder's latent space."""
        vectors = self.vectors
        self._check_latents("attribute_vectors.safetensors", vectors.vectors[vectors.method].shape[1])
        return vectors

    def check_edits(self) -> None:
        """Open all that edits need, so that what is wrong with it is said before anything is written."""
        _ = self.fitting_vectors, self._decoder, self.judge

    @property
    def has_mixture(self) -> bool:
        """Whether there is a mixture to sample from."""
        return (self.path / "mixture.safetensors").exists()

    @cached_property
    def mixture(self) -> Mixture:
        """The mixture of this autoencoder's latent space."""
        mixture = load_mixture(self.path / "mixture.safetensors")
        self._check_latents("mixture.safetensors", mixture.means.shape[1])
        return mixture

    @cached_property
    def _encoder(self) -> tuple[Network, dict[str, Any]]:
        return open_network(self.path, "encoder", self.device)

    @cached_property
    def _decoder(self) -> Network:
        network, facts = open_network(self.path, "decoder", self.device)
        with readable(self.path / "decoder.onnx"):
            found = facts["latent_dim"], facts["image_size"]
        if found != (self.latent_dim, self.image_size):
            raise FacevaeError(
                where=self.path / "decoder.onnx", expected=f"a decoder of {self.latent_dim} dimensions to "
                f"{self.image_size} pixels, as encoder.onnx has", found=f"one of {found[0]} to {found[1]}",
                fix=_TOGETHER,
            )  # fmt: skip
        return network

    @property
    def _aligner_path(self) -> Path:
        return self.path / "aligner.onnx"

    def _check_latents(self, name: str, found: int) -> None:
        if found != self.latent_dim:
            raise FacevaeError(
                where=self.path / name, expected=f"{self.latent_dim} latent dimensions, as encoder.onnx has",
                found=str(found), fix=_TOGETHER,
            )  # fmt: skip


def _checked_names(names: Any) -> tuple[str, ...]:
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names) and len({*names}) == len(names)):
        raise TypeError(f"names {names!r}")
    return tuple(names)


def _check_numbers(name: str, numbers: dict[str, Any]) -> None:
    for key, value in numbers.items():
        if not isinstance(value, int | float) and not (value is None and key != "strength"):
            raise TypeError(f"{key} of {name} is {value!r}")


def _check_maps(maps: np.ndarray | None, count: int) -> None:
    if maps is not None and not (maps.ndim == 3 and len(maps) == count and maps.shape[1] == maps.shape[2] > 0):
        raise ValueError(f"maps of {maps.shape} for {count} names")
    if maps is not None and not (maps.min(initial=0) >= 0 and maps.max(initial=0) <= 1):
        raise ValueError("maps with values outside of 0 to 1")


def _batched(network: Network, batch: np.ndarray) -> np.ndarray:
    if len(batch) <= _BATCH:
        return network(batch)
    return np.concatenate([network(batch[first : first + _BATCH]) for first in range(0, len(batch), _BATCH)])
