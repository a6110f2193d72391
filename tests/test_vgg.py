"""VGG19's features and its files of weights."""

import email.message
import io
import os
import pickle
import urllib.error

import pytest
import torch
import torchvision.transforms.functional as TF
from pydantic import ValidationError
from raw_data import one_line
from safetensors.torch import save_file
from torch import nn
from torchvision.models import VGG19_Weights, vgg19

from facevae.models.vgg import Vgg19, Vgg19Settings, load_vgg19

THREE = ("relu1_1", "relu2_1", "relu3_1")
NAME = "vgg19-dcbb9e9d.pth"


def settings(path=None, layers=THREE):
    return Vgg19Settings(layers=list(layers), weights=None if path is None else str(path))


def random_weights(layers=THREE):
    """By torchvision's names, large enough that no layer's output fades."""
    weights = Vgg19(layers).body.state_dict(prefix="features.")
    return {name: 2.5 * tensor for name, tensor in weights.items()}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / NAME
    torch.save(random_weights(), path)
    return path


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The folder in which torch hub keeps what it has fetched."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch/hub/checkpoints"
    folder.mkdir(parents=True)
    return folder


def online(monkeypatch, answer):
    """Let torch hub find `answer` at any address: bytes, or an error."""

    class Answer(io.BytesIO):
        def info(self):
            return email.message.Message()

    def urlopen(_):
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer)

    monkeypatch.setattr("torch.hub.urlopen", urlopen)


@pytest.mark.parametrize("layers", [THREE, ("relu2_1",), ("relu1_1", "relu3_1")])
def test_features_are_those_of_torchvisions_own_layers(saved, layers):
    with torch.device("meta"):
        theirs = vgg19().features[:12]
    theirs = theirs.to_empty(device="cpu")
    theirs.load_state_dict({name.removeprefix("features."): tensor for name, tensor in torch.load(saved).items()})
    preset = VGG19_Weights.IMAGENET1K_V1.transforms()
    images = torch.rand(2, 3, 20, 20)
    before = images.clone()
    found = load_vgg19(settings(saved, layers)).features(images)
    assert torch.equal(images, before) and len(found) == len(layers)
    for features, layer in zip(found, layers, strict=True):
        # Each run on its own: nothing that comes later can have written over it.
        until = {"relu1_1": 2, "relu2_1": 7, "relu3_1": 12}[layer]
        expected = theirs[:until](TF.normalize(images, preset.mean, preset.std))
        assert features.std() > 0.01 and features.min() == 0
        assert torch.allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_known_answers():
    vgg = Vgg19(("relu1_1",))
    first = vgg.body[0]
    nn.init.zeros_(first.weight)
    nn.init.zeros_(first.bias)
    first.weight[0, 0, 1, 1], first.bias[0] = 2, 0.5
    first.weight[1, 2, 1, 1] = 3
    first.weight[2, 0] = 1
    # ImageNet's mean, one deviation more of red and one less of blue: (1, 0, -1) to the network.
    images = torch.tensor([0.485 + 0.229, 0.456, 0.406 - 0.225]).view(1, 3, 1, 1).expand(1, 3, 3, 3)
    (found,) = vgg.features(images)
    assert torch.allclose(found[0, 0], torch.full((3, 3), 2.5))
    assert not found[0, 1].any()
    # Beyond the border is the mean colour: zeros are added to what is normalised already.
    assert torch.allclose(found[0, 2], torch.tensor([[4.0, 6, 4], [6, 9, 6], [4, 6, 4]]))
    (alone,) = vgg.features(images[..., :1, :1])
    assert torch.allclose(alone[0, :3].flatten(), torch.tensor([2.5, 0, 1]))


def test_resolutions():
    layers = (*THREE, "relu4_1", "relu5_1")
    found = Vgg19(layers).features(torch.rand(1, 3, 16, 18))
    assert [tuple(features.shape[1:]) for features in found] == [
        (64, 16, 18), (128, 8, 9), (256, 4, 4), (512, 2, 2), (512, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("layer", "least"), [("relu2_1", 2), ("relu3_1", 4), ("relu5_1", 16)])
def test_too_small_images(layer, least):
    vgg = Vgg19(("relu1_1", layer))
    assert len(vgg.features(torch.rand(1, 3, least, least))) == 2
    with pytest.raises(ValueError, match=f"at least {least} pixels for {layer}, these have {least - 1}"):
        vgg.features(torch.rand(1, 3, least, least - 1))


def test_gradients_reach_the_images_and_nothing_else():
    vgg, images = Vgg19(THREE), torch.rand(1, 3, 16, 16, requires_grad=True)
    features = vgg.features(images)
    for output in features:
        (gradient,) = torch.autograd.grad(output.sum(), images, retain_graph=True)
        assert gradient.abs().min() > 0
    assert not vgg.training and not any(parameter.requires_grad for parameter in vgg.parameters())


def test_only_what_is_asked_for_is_built():
    vgg = Vgg19(("relu2_1",))
    assert [type(layer) for layer in vgg.body] == [nn.Conv2d, nn.ReLU] * 2 + [nn.MaxPool2d] + [nn.Conv2d, nn.ReLU]
    assert set(vgg.state_dict()) == {f"body.{place}.{kind}" for place in (0, 2, 5) for kind in ("weight", "bias")}


@pytest.mark.parametrize("layers", [("relu2_1", "relu1_1"), ("relu1_1", "relu1_1")])
def test_layers_ascend(layers):
    with pytest.raises(ValidationError, match="layers in ascending order, each once"):
        settings(layers=layers)


@pytest.mark.parametrize("layers", [(), ("relu1_2",)])
def test_layers_that_are_none(layers):
    with pytest.raises(ValidationError, match="layers"):
        settings(layers=layers)


def save_legacy(weights, path):
    """The way in which torchvision's own file is written."""
    torch.save(weights, path, _use_new_zipfile_serialization=False)


@pytest.mark.parametrize(("name", "save"), [(NAME, torch.save), (NAME, save_legacy), ("v.safetensors", save_file)])
def test_files(tmp_path, name, save):
    weights = random_weights()
    save(weights | {"classifier.6.bias": torch.ones(1000)}, tmp_path / name)
    assert_holds(load_vgg19(settings(tmp_path / name)), weights)
    assert_holds(load_vgg19(settings(tmp_path / name, ["relu2_1"])), weights)


def assert_holds(vgg, weights):
    found = vgg.body.state_dict(prefix="features.")
    assert all(torch.equal(found[name], weights[name]) for name in found)
    assert not any(parameter.requires_grad for parameter in vgg.parameters())


def test_a_path_from_home(saved, monkeypatch):
    monkeypatch.setenv("HOME", str(saved.parent))
    assert_holds(load_vgg19(settings(f"~/{NAME}")), torch.load(saved, weights_only=True))


@pytest.mark.parametrize(("name", "save"), [(NAME, torch.save), ("v.safetensors", save_file)])
def test_missing_weights(tmp_path, name, save):
    save(random_weights(("relu2_1",)), tmp_path / name)
    what = "no features.7.weight (4 of 10 are missing)"
    with one_line(tmp_path / name, what, f"set vae.vgg19.weights to torchvision's own file, {NAME}"):
        load_vgg19(settings(tmp_path / name))


def test_what_is_no_tensor_is_missing(tmp_path):
    torch.save(random_weights() | {"features.0.bias": 3}, tmp_path / NAME)
    with one_line(tmp_path / NAME, "no features.0.bias (1 of 10 are missing)", "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path / NAME))


def test_wrong_shapes(tmp_path):
    torch.save(random_weights() | {"features.5.weight": torch.ones(64, 64, 3, 3)}, tmp_path / NAME)
    expected = "expected features.5.weight of shape (128, 64, 3, 3), found features.5.weight of shape (64, 64, 3, 3)"
    with one_line(tmp_path / NAME, expected, "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path / NAME))


@pytest.mark.parametrize("name", [NAME, "v.safetensors"])
def test_a_missing_file(tmp_path, name):
    with one_line(tmp_path / name, "found no such file", "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path / name))


@pytest.mark.parametrize("name", [NAME, "v.safetensors"])
@pytest.mark.parametrize("content", [b"", b"<!doctype html>\n<html>", b"PK\x03\x04" + bytes(100), bytes(range(256))])
def test_garbage(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with one_line(tmp_path / name, "expected named tensors", "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path / name))


@pytest.mark.parametrize("legacy", [False, True])
def test_half_a_file(tmp_path, legacy):
    (save_legacy if legacy else torch.save)(random_weights(("relu1_1",)), tmp_path / NAME)
    os.truncate(tmp_path / NAME, (tmp_path / NAME).stat().st_size // 2)
    with one_line(tmp_path / NAME, "expected named tensors", "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path / NAME, ["relu1_1"]))


def test_a_folder_and_a_lone_tensor(tmp_path):
    with one_line(tmp_path, "Is a directory", "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path))
    torch.save(torch.ones(3), tmp_path / NAME)
    with one_line(tmp_path / NAME, "found a Tensor alone", "set vae.vgg19.weights"):
        load_vgg19(settings(tmp_path / NAME))


class Code:
    """A pickle that makes a folder when it is read trustingly."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


SAVES = {
    "zip": torch.save,
    "legacy": save_legacy,
    "pickle": lambda content, path: path.write_bytes(pickle.dumps(content, protocol=2)),
}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
@pytest.mark.parametrize("fetched", [False, True])
def test_code_in_a_file_is_not_run(tmp_path, hub, save, fetched):
    path, made = (hub if fetched else tmp_path) / NAME, tmp_path / "made"
    save({"features.0.weight": Code(made)}, path)
    with one_line("vae.vgg19.weights" if fetched else path, "found a pickle of more than tensors"):
        load_vgg19(settings(None if fetched else path))
    assert not made.exists()
    torch.load(path, weights_only=False) if save is not SAVES["pickle"] else pickle.loads(path.read_bytes())
    assert made.exists(), "the file was harmless"


def test_torchvisions_own_are_taken_from_where_torch_hub_keeps_them(hub):
    weights = random_weights()
    save_legacy(weights, hub / NAME)
    assert_holds(load_vgg19(settings()), weights)


ERRORS = [
    (urllib.error.URLError("Name or service not known"), "Name or service not known"),
    (urllib.error.HTTPError("address", 403, "Forbidden", email.message.Message(), None), "403: Forbidden"),
    (TimeoutError("timed out"), "timed out"),
    (b"<html>Please log in</html>", "invalid hash value"),
]


@pytest.mark.parametrize(("answer", "found"), ERRORS)
def test_no_network_or_another_file(hub, monkeypatch, answer, found):
    online(monkeypatch, answer)
    by_hand = f"fetch {NAME} elsewhere and set vae.vgg19.weights to its path"
    with one_line("vae.vgg19.weights: expected", VGG19_Weights.IMAGENET1K_V1.url, hub, found, by_hand):
        load_vgg19(settings())
    assert not list(hub.iterdir())
