"""Features of VGG19 (Simonyan & Zisserman 2015, arXiv 1409.1556), trained on ImageNet by torchvision's authors.

What the deep feature consistent loss compares images in (Hou et al. 2017, arXiv 1610.00291).
"""

import pickle
import zipfile
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from facevae.core.errors import FacevaeError
from facevae.core.params import Section

# Place of each in torchvision's list of layers: after the first convolution of each of the five blocks.
_PLACES = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29}

# torchvision's own file, as torch hub's folder keeps it.
_NAME = "vgg19-dcbb9e9d.pth"

_KEY = "vae.vgg19.weights"


class Vgg19Settings(Section):
    """Section `vae.vgg19`: the layers to compare images in, and a file of weights.

    `weights`: a path, or null for torchvision's own, which are fetched once (548 MB) and kept in torch hub's folder.
    """

    layers: list[Literal["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]] = Field(min_length=1)
    weights: str | None

    @field_validator("layers")
    @classmethod
    def _ascend(cls, layers: list[str]) -> list[str]:
        if layers != sorted(set(layers)):
            raise ValueError("layers in ascending order, each once")
        return layers


class Vgg19(nn.Module):
    """VGG19 up to the deepest of `layers`, which ascend; frozen, with random weights until some are loaded.

    On scale: Hou et al. took Simonyan & Zisserman's own weights, made with Caffe, whose inputs are BGR grey levels,
    0 to 255, less the mean (util.lua of houxianxu/DFC-VAE). torchvision's were trained anew, on RGB in [0, 1] less
    the mean, over a deviation of about 0.225 (pytorch/vision issues 28 and 223): inputs about 57 times smaller, and
    other weights. Each network's features have their own unit, so that a weight of the loss tuned for one, such as
    the paper's, says nothing for the other. The Caffe weights exist under torchvision's names, too: they would load
    here without a word and see inputs that they don't know.
    """

    def __init__(self, layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        places = [_PLACES[name] for name in layers]
        # Imported where VGG19 is asked for: torchvision takes seconds, and few trainings do.
        from torchvision.models import vgg19

        # On no device at first: most of its 144 million weights are the classifier's, which nothing here asks for.
        with torch.device("meta"):
            body = vgg19(init_weights=False).features[: max(places) + 1]
        self.body = body.to_empty(device="cpu")
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
        self.places = frozenset(places)
        self.smallest = 2 ** sum(isinstance(layer, nn.MaxPool2d) for layer in self.body)
        # ImageNet's, of RGB in [0, 1]: the inputs that torchvision trained with. No weights, so not saved as such.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def features(self, images: Tensor) -> list[Tensor]:
        """Output of each of the layers, never negative: (N, 3, S, S) in [0, 1] -> (N, C, H, W) each.

        H and W are S, S / 2, S / 4, S / 8 and S / 16, rounded down, from relu1_1 to relu5_1; C is 64, 128, 256, 512
        and 512. Raises ValueError, saying what would be right, if nothing is left of the images at the deepest.
        """
        side = min(images.shape[2:])
        if side < self.smallest:
            raise ValueError(f"images of at least {self.smallest} pixels for {self.layers[-1]}, these have {side}")
        h = (images - self.mean) / self.deviation
        outputs = []
        for place, layer in enumerate(self.body):
            # Its ReLUs write over their inputs, the convolutions' outputs. What is kept here is what a ReLU wrote,
            # and only convolutions and poolings read that.
            h = layer(h)
            if place in self.places:
                outputs.append(h)
        return outputs


def load_vgg19(settings: Vgg19Settings) -> Vgg19:
    """The network up to the deepest of the layers, with its weights, on the CPU.

    A file holds them by torchvision's names, `features.0.weight` and so on; whatever else it holds is not read.
    Raises FacevaeError if they can't be fetched, or the file is missing, no file of weights or not of VGG19's.
    """
    if settings.weights is None:
        where, weights = _KEY, _fetch()
    else:
        where = Path(settings.weights).expanduser()
        weights = _read(where)
    vgg = Vgg19(settings.layers)
    needed = vgg.body.state_dict(prefix="features.")
    missing = [name for name in needed if name not in weights]
    if missing:
        found = f"no {missing[0]} ({len(missing)} of {len(needed)} are missing)"
        raise FacevaeError(where=where, expected="VGG19's weights by torchvision's names", found=found, fix=_FIX_FILE)
    for name, own in needed.items():
        if weights[name].shape != own.shape:
            expected, found = (f"{name} of shape {tuple(tensor.shape)}" for tensor in (own, weights[name]))
            raise FacevaeError(where=where, expected=expected, found=found, fix=_FIX_FILE)
    vgg.body.load_state_dict({name.removeprefix("features."): weights[name] for name in needed})
    return vgg


_FIX_FILE = f"set {_KEY} to torchvision's own file, {_NAME}, or to null, which fetches it"


def _fetch() -> dict[str, Tensor]:
    """torchvision's weights, from torch hub's folder if they are there already."""
    from torchvision.models import VGG19_Weights

    official = VGG19_Weights.IMAGENET1K_V1
    try:
        # The sum is looked at when the file comes in, no more when it lies there: hence no code from it.
        return official.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except (OSError, HTTPException, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise FacevaeError(
            where=_KEY,
            expected=f"torchvision's weights from {official.url} or in {torch.hub.get_dir()}/checkpoints",
            found=_why(error),
            fix=f"try again, or fetch {_NAME} elsewhere and set {_KEY} to its path",
        ) from None


def _read(path: Path) -> dict[str, Tensor]:
    """Named tensors of a file of safetensors or torch.save; no code in it is run."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        # A zip, which torch.save writes since 2020, is read only where it is asked for; torchvision's file is older.
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except FileNotFoundError:
        raise FacevaeError(where=path, expected="VGG19's weights", found="no such file", fix=_FIX_FILE) from None
    except Exception as error:  # what a file that is no such file makes its readers raise has no end
        raise _no_weights(path, _why(error)) from None
    if not isinstance(state, dict):
        raise _no_weights(path, f"a {type(state).__name__} alone")
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def _no_weights(path: Path, found: str) -> FacevaeError:
    return FacevaeError(
        where=path, expected="named tensors, saved by safetensors or torch.save", found=found, fix=_FIX_FILE
    )


def _why(error: Exception) -> str:
    """The error in one line."""
    if isinstance(error, pickle.UnpicklingError):
        # PyTorch's own words are a page, and tell how to run the code in the file all the same.
        return "a pickle of more than tensors, or no pickle at all"
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
