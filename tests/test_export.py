"""Networks as ONNX files: what PyTorch answers, for any batch, in the same bytes each time, and nothing besides.

Every export takes seconds, so each network is exported once; what is tried on it are variants of its file.
"""

import getpass
import os
import platform
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from model_data import DAE, LISTS, VAE
from onnx import numpy_helper
from onnx_models import facts_of, with_weights
from raw_data import one_line

from bench.rooms import ROOT
from facevae.alignment.onnx_runtime import import_onnxruntime
from facevae.inference import export, networks, small
from facevae.inference.export import compare_with_torch, export_models, to_onnx
from facevae.inference.networks import NAMES, open_network
from facevae.inference.torch_modules import Denoiser, Judge, load_module
from facevae.inference.torch_networks import open_with_torch
from facevae.models import aligner, classifier, dae
from facevae.models import vae as autoencoder
from facevae.nn.model_files import save_weights
from facevae.training.dae import DaeSettings
from facevae.training.vae import VaeSettings

SHAPES = {
    "encoder": (3, 16, 16), "decoder": (6,), "denoiser": (3, 24, 20), "aligner": (3, 64, 64), "judge": (3, 16, 16)
}  # fmt: skip
FRAMING = {"crop": 20, "size": 16, "resample": "box"}
FACES = np.random.default_rng(1).integers(0, 256, (30, 16, 16, 3), np.uint8)


def disturbed(network, scale=0.1):
    """With weights so different from those that it starts with that everything it has counts."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += scale * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
            )
    return network.eval()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The weights as the pipeline leaves them, of tiny networks."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    settings = VaeSettings.model_validate({**VAE, "deep": {"width": 8, "levels": 1, "blocks": 1}})
    vae = disturbed(autoencoder.Vae(settings, 16))
    save_weights(folder / "vae.safetensors", vae.state_dict(), autoencoder.metadata_of(settings, 16, FRAMING))
    settings = DaeSettings.model_validate({**DAE, "unet": {"width": 4, "levels": 1, "blocks": 1}})
    network = disturbed(dae.make_network(settings, 24, 20))
    save_weights(folder / "dae.safetensors", network.state_dict(), dae.metadata_of(settings, 24, 20))
    network, facts = disturbed(aligner.Aligner(8)), aligner.metadata_of(8, (178, 218), 10, 0.9)
    save_weights(folder / "aligner.safetensors", network.state_dict(), facts)
    network, facts = disturbed(classifier.Classifier(16, 8, 3)), classifier.metadata_of(16, 8, ("a", "b", "c"))
    save_weights(folder / "judge.safetensors", network.state_dict(), facts)
    return folder


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export_models(source, folder, FACES)
    return folder


def batch_of(name, count, shape=None):
    shape = (count, *(shape or SHAPES[name]))
    random = np.random.default_rng(count)
    return random.standard_normal(shape, np.float32) if name == "decoder" else random.random(shape, np.float32)


def by_torch(source, name, batch):
    with torch.no_grad():
        return load_module(source, name)[0].eval()(torch.from_numpy(batch)).numpy()


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_as_pytorch_does_in_any_batch(name, source, exported):
    network, _ = open_network(exported, name, "cpu")
    for count in (1, 2, 7):
        batch = batch_of(name, count)
        found, expected = network(batch), by_torch(source, name, batch)
        assert found.shape == expected.shape and found.dtype == np.float32
        assert found == pytest.approx(expected, abs=1e-5) and expected.std() > 0.01
        if name in ("decoder", "denoiser", "judge"):
            assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_an_images_answer_is_the_same_bits_in_any_batch(name, exported):
    network, _ = open_network(exported, name, "cpu")
    batch = batch_of(name, 7)
    assert np.array_equal(np.concatenate([network(one[None]) for one in batch]), network(batch))


@pytest.mark.parametrize("size", [(4, 4), (8, 40), (64, 20)])
def test_a_denoiser_takes_any_size_that_is_a_multiple(size, source, exported):
    network, facts = open_network(exported, "denoiser", "cpu")
    assert all(side % facts["multiple"] == 0 for side in size)
    batch = batch_of("denoiser", 2, (3, *size))
    assert network(batch) == pytest.approx(by_torch(source, "denoiser", batch), abs=1e-5)


def test_what_the_files_say_of_themselves(source, exported):
    found = {name: facts_of(exported / f"{name}.onnx") for name in NAMES}
    size = {"image_size": 16, "latent_dim": 6}
    assert found["decoder"] == {"kind": "decoder", **size}
    reach = found["denoiser"].pop("reach")
    assert reach % 4 == 0 and 4 < reach <= 24, "measured, at most what the architecture allows"
    assert found["denoiser"] == {"kind": "denoiser", "dense": False, "multiple": 4, "height": 24, "width": 20}
    assert found["aligner"]["frame"] == [178, 218] and found["aligner"]["boxed"] == 0.9
    assert found["judge"] == {"kind": "judge", "image_size": 16, "attributes": ["a", "b", "c"]}
    images = FACES.transpose(0, 3, 1, 2) / np.float32(255)
    errors = np.square(by_torch(source, "decoder", by_torch(source, "encoder", images)) - images).mean((1, 2, 3))
    least = found["encoder"].pop("least_psnr_db")
    assert least == pytest.approx(np.percentile(-10 * np.log10(errors), 1), abs=0.006)
    assert found["encoder"] == {"kind": "encoder", **size, "framing": FRAMING}


def test_the_same_weights_are_the_same_bytes(source, exported):
    module, facts, _ = load_module(source, "judge")
    model = to_onnx(module.eval(), "judge", torch.rand(2, 3, 16, 16))
    export._write(exported / "again.onnx", model, facts)
    assert (exported / "again.onnx").read_bytes() == (exported / "judge.onnx").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_tell_nothing_of_the_machine_and_the_code(name, source, exported):
    model = onnx.load(exported / f"{name}.onnx")
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")  # where a few letters may stand by chance
    data = model.SerializeToString()
    words = {
        str(ROOT),
        str(source),
        str(Path.home()),
        os.getcwd(),
        platform.node(),
        ".py",
        "site-packages",
        "Traceback",
    }
    words |= {getpass.getuser()} if len(getpass.getuser()) > 4 else set()
    assert not [word for word in words if word.encode() in data]
    onnx.checker.check_model(onnx.load(exported / f"{name}.onnx"), full_check=True)


def test_half_the_bytes_and_nearly_the_same_answers(source, exported, tmp_path, monkeypatch):
    """Weights of 11 bits: a step of 1 / 2048 of each, which comes to less than 2 grey levels here."""
    monkeypatch.setattr(export, "to_onnx", lambda module, name, example: onnx.load(exported / f"{name}.onnx"))
    export_models(source, tmp_path, FACES, small=True)
    for name in NAMES:
        whole, half = (folder / f"{name}.onnx" for folder in (exported, tmp_path))
        weights = sum(numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(whole).graph.initializer)
        saved = whole.stat().st_size - half.stat().st_size
        # A line for each cast is added; small tensors stay as they are.
        assert 0.3 * weights < saved <= 0.5 * weights, name
        assert facts_of(half) == facts_of(whole)
        batch = batch_of(name, 3)
        found, expected = (open_network(path.parent, name, "cpu")[0](batch) for path in (half, whole))
        apart = np.abs(found - expected).max()
        assert found.dtype == np.float32 and 0 < apart < 0.008 * max(1, np.abs(expected).max()), name


def test_small_tensors_and_shapes_are_not_halved(exported):
    model = onnx.load(exported / "decoder.onnx")
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    small.store_small(model)
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, values in before.items():
        halved = values.dtype == np.float32 and values.size >= 256
        assert np.array_equal(
            after[f"{name}.half" if halved else name], values.astype(np.float16) if halved else values
        )
    assert {values.dtype for values in after.values()} >= {np.dtype(np.float16), np.dtype(np.float32)}


def test_large_dense_layers_take_a_byte_for_each_weight(exported, monkeypatch):
    monkeypatch.setattr(small, "_LEAST_IN_BYTES", 1000)
    session = import_onnxruntime().InferenceSession
    for name, weight in (("encoder", "mu.weight"), ("decoder", "decoder.first.0.weight")):
        model = onnx.load(exported / f"{name}.onnx")
        values = next(numpy_helper.to_array(part) for part in model.graph.initializer if part.name == weight)
        small.store_small(model)
        onnx.checker.check_model(model, full_check=True)
        after = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        quantized, scales = after[f"{weight}.bytes"], after[f"{weight}.scales"]
        assert quantized.dtype == np.int8 and weight not in after and f"{weight}.half" not in after
        assert np.abs(quantized * scales[:, None] - values).max() <= 0.5001 * scales.max()
        batch = batch_of(name, 3)
        found, expected = (
            session(stored.SerializeToString()).run(None, {stored.graph.input[0].name: batch})[0]
            for stored in (model, onnx.load(exported / f"{name}.onnx"))
        )
        assert 0 < np.abs(found - expected).max() < 0.02 * max(1, np.abs(expected).max()), name
        # Nothing but this layer is stored in bytes.
        assert [name for name, values in after.items() if values.dtype == np.int8] == [f"{weight}.bytes"]


def test_weights_in_bytes_are_scaled_once(exported, tmp_path, monkeypatch):
    """findings/onnxruntime-scales-constant-weights-in-each-run.sh: not so without an option."""
    monkeypatch.setattr(small, "_LEAST_IN_BYTES", 1000)
    model = onnx.load(exported / "decoder.onnx")
    small.store_small(model)
    kept, onnxruntime = {}, import_onnxruntime()
    for name, options in (("as they come", onnxruntime.SessionOptions()), ("ours", networks._options("decoder"))):
        options.log_severity_level, options.optimized_model_filepath = 3, str(tmp_path / "optimized.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        kept[name] = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert "DequantizeLinear" in kept["as they come"] and "DequantizeLinear" not in kept["ours"]


def test_bytes_of_weights_and_their_scales():
    rows = np.array([[1.27, -0.64, 0.004], [0, 0, 0], [-2.54, 0.031, 2.54]], np.float32)
    quantized, scales = small.in_bytes(rows)
    assert quantized.tolist() == [[127, -64, 0], [0, 0, 0], [-127, 2, 127]]
    assert scales == pytest.approx([0.01, 1, 0.02])


def test_a_judge_of_no_attributes(tmp_path):
    model = to_onnx(Judge(None).eval(), "judge", torch.rand(2, 3, 16, 16))
    export._write(tmp_path / "judge.onnx", model, {"kind": "judge", "image_size": 16, "attributes": []})
    network, _ = open_network(tmp_path, "judge", "cpu")
    assert network(batch_of("judge", 3)).shape == (3, 0)


def test_a_denoiser_with_a_dense_bottleneck(tmp_path):
    """It takes one size alone, in any batch."""
    torch.manual_seed(0)
    settings = DaeSettings.model_validate(
        {**DAE, "crop": None, "architecture": "report", "report": {**LISTS, "latent_dim": 5}}
    )
    network = disturbed(dae.make_network(settings, 24, 20))
    save_weights(tmp_path / "dae.safetensors", network.state_dict(), dae.metadata_of(settings, 24, 20))
    module, facts, example = load_module(tmp_path, "denoiser")
    assert facts["dense"] and example.shape == (2, 3, 24, 20)
    export._write(tmp_path / "denoiser.onnx", to_onnx(module.eval(), "denoiser", example), facts)
    answer, _ = open_network(tmp_path, "denoiser", "cpu")
    batch = batch_of("denoiser", 3)
    with torch.no_grad():
        assert answer(batch) == pytest.approx(Denoiser(network)(torch.from_numpy(batch)).numpy(), abs=1e-5)
    with one_line("denoiser.onnx", "(1, 3, 24, 24)"):
        answer(batch_of("denoiser", 1, (3, 24, 24)))


def test_how_far_the_files_are_from_pytorch(source, exported, tmp_path):
    noisy = [np.random.default_rng(size).integers(0, 256, (size, 22, 3), np.uint8) for size in (17, 24)]
    found = {row.network: row for row in compare_with_torch(source, exported, FACES[:5], noisy)}
    assert tuple(found) == NAMES and [row.images for row in found.values()] == [5, 5, 2, 5, 5]
    assert all(row.mean <= row.largest < 0.003 for row in found.values())
    for name in NAMES:
        (tmp_path / f"{name}.onnx").write_bytes((exported / f"{name}.onnx").read_bytes())
    # One weight of the decoder's last bias that is off by 0.4 moves a logit by as much, and its pixels alone.
    tensors = {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(exported / "decoder.onnx").graph.initializer
    }
    name, bias = next((name, values.copy()) for name, values in tensors.items() if values.shape == (12,))
    bias[0] += 0.4
    with_weights(tmp_path / "decoder.onnx", {name: bias})
    wrong = {row.network: row for row in compare_with_torch(source, tmp_path, FACES[:5], noisy)}
    assert 5 < wrong["decoder"].largest <= 255 * 0.1 and wrong["decoder"].mean < wrong["decoder"].largest / 3
    assert wrong["encoder"] == found["encoder"] and wrong["judge"] == found["judge"]


def test_without_validation_images_or_photographs(source, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "to_onnx", lambda module, name, example: onnx.load(exported / f"{name}.onnx"))
    export_models(source, tmp_path, FACES[:0])
    assert "least_psnr_db" not in facts_of(tmp_path / "encoder.onnx")
    found = {row.network: row for row in compare_with_torch(source, exported, FACES[:1], [])}
    assert found["denoiser"].largest == found["denoiser"].mean == found["denoiser"].images == 0


@pytest.mark.parametrize("name", NAMES)
def test_pytorch_computes_the_same_where_onnxruntime_has_no_gpu(name, source, exported):
    by_onnx, facts = open_network(exported, name, "cpu")
    network, others = open_with_torch(source, name, "cpu")
    batch = batch_of(name, 3)
    assert network(batch) == pytest.approx(by_onnx(batch), abs=1e-5)
    assert {**facts, "least_psnr_db": 0} == {**others, "least_psnr_db": 0}


def test_pytorch_needs_the_pipelines_weights(exported):
    with one_line("device cpu: expected an onnxruntime for that device, or the weights", "vae.safetensors"):
        open_with_torch(exported, "decoder", "cpu")
