"""Rows of the comparison on given weights: what is measured is what a run measures, and of the row's weights alone."""

import json

import pytest
import torch
import yaml
from model_data import DAE, VAE, make_dae_arrays, make_params, make_vae_arrays
from raw_data import one_line

from bench import tries
from bench.comparison import Row
from facevae.data.arrays import open_vae
from facevae.data.noise import Noise
from facevae.evaluation.image_metrics import psnr_db
from facevae.models.vae import Vae, metadata_of
from facevae.nn.layers import from_bytes
from facevae.nn.model_files import save_weights
from facevae.training.dae import DaeSettings
from facevae.training.vae import VaeSettings

VAE_ROW, DAE_ROW = (
    Row(f"a-{kind}", "table", "what", (), f"evaluate_{kind}", setting="photographs") for kind in ("vae", "dae")
)


def params_with_crops(folder, crop=16, **sections):
    path = make_params(folder, **sections)
    crops = {"dae": {"images": None, "pad": 1}, "vae": {"images": 9, "crop": crop, "size": 16, "resample": "box"}}
    path.write_text(f"{path.read_text()}{yaml.safe_dump({'crop_pad': crops})}")
    return path


@pytest.fixture
def autoencoder(tmp_path):
    """Arrays and the weights of an untrained autoencoder."""
    arrays = make_vae_arrays(tmp_path / "data/vae/arrays")
    settings = VaeSettings.model_validate(VAE)
    torch.manual_seed(0)
    model = Vae(settings, 16).eval()
    path = tmp_path / "vae.safetensors"
    save_weights(path, model.state_dict(), metadata_of(settings, 16, open_vae(arrays).manifest["framing"]))
    return arrays, path, model


def test_the_validation_error_is_that_of_decoded_means(autoencoder, tmp_path, monkeypatch):
    arrays, path, model = autoencoder
    monkeypatch.setattr(tries, "_BATCH", 2)  # five images: the last batch is shorter
    found = tries.autoencoder(VAE_ROW, params_with_crops(tmp_path), path, None, arrays)
    images = from_bytes(open_vae(arrays).images["valid"])
    with torch.no_grad():
        expected = float((model.decode(model.encode(images)[0]) - images).square().mean())
    assert found["last_epoch"] == {"epoch": 2, "valid_mse": pytest.approx(expected, rel=1e-5)}
    assert "frechet" not in found["metrics"], "without a judge there are no features to compare in"


def test_weights_of_another_row_are_refused(autoencoder, tmp_path):
    arrays, path, _ = autoencoder
    params = params_with_crops(tmp_path, vae={"beta": 7.0})
    with one_line("vae.safetensors", "vae.beta=7.0, as the row a-vae has it", "found 1.0"):
        tries.autoencoder(VAE_ROW, params, path, None, arrays)
    params = params_with_crops(tmp_path, vae={"classifier": {**VAE["classifier"], "epochs": 9}})
    with one_line("vae.safetensors", "vae.classifier.epochs=9", "found 2"):
        tries.autoencoder(VAE_ROW, params, path, None, arrays)


def test_the_machine_that_trained_may_be_another(autoencoder, tmp_path):
    arrays, path, _ = autoencoder
    params = params_with_crops(tmp_path, vae={"precision": "bfloat16", "threads": 2})
    assert tries.autoencoder(VAE_ROW, params, path, None, arrays)["metrics"]["vae"]["psnr_db"] > 0


def test_images_of_another_crop_are_refused(autoencoder, tmp_path):
    arrays, path, _ = autoencoder
    with one_line("arrays", "images of the row a-vae, crop 12", "found crop 16"):
        tries.autoencoder(VAE_ROW, params_with_crops(tmp_path, crop=12), path, None, arrays)


def test_a_denoiser_is_measured_at_each_noise_level(tmp_path, monkeypatch):
    """One that does nothing leaves the noise of stage add_noise."""
    arrays = make_dae_arrays(tmp_path / "data/dae/arrays")
    facts = {"settings": DaeSettings.model_validate(DAE).model_dump()}
    monkeypatch.setattr(tries, "load_model", lambda *_: (torch.nn.Identity(), facts))
    found = tries.denoiser(DAE_ROW, params_with_crops(tmp_path), tmp_path / "dae.safetensors", arrays)
    (measured,) = (row for row in found["tables"]["sweep"] if row["denoiser"] == "model")
    clean = tries.open_dae(arrays).clean["test"][:2]
    noisy = [Noise(25.0, 0)(str(10 + number), image) for number, image in enumerate(clean)]
    expected = [
        float(psnr_db(*(from_bytes(part[None, 1:-1, 1:-1]) for part in pair)))
        for pair in zip(noisy, clean, strict=True)
    ]
    assert measured["psnr_db"] == pytest.approx(sum(expected) / 2)
    assert (measured["sigma"], measured["images"]) == (25.0, 2)


def test_what_a_run_elsewhere_has_measured_is_kept(tmp_path):
    project = tmp_path / "project"
    for name, content in {
        "evaluate_vae/metrics.json": '{"vae": {"psnr_db": 23.5}}', "train_vae/history.csv": "epoch,valid_mse\n1,0.5\n",
    }.items():  # fmt: skip
        (project / "results" / name).parent.mkdir(parents=True)
        (project / "results" / name).write_text(content, encoding="utf-8")
    params_with_crops(project, vae={"threads": 8})
    found = tries.of_run(VAE_ROW, params_with_crops(tmp_path), project)
    assert found["metrics"] == {"vae": {"psnr_db": 23.5}}
    assert found["last_epoch"] == {"epoch": 1, "valid_mse": 0.5}
    params_with_crops(project, crop=12)
    with one_line("project/params.yaml", "crop_pad.vae.crop=16, as the row a-vae has it", "found 12"):
        tries.of_run(VAE_ROW, params_with_crops(tmp_path), project)


def test_the_row_is_written(autoencoder, tmp_path, monkeypatch, capsys):
    _, path, _ = autoencoder
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tries, "read_rows", lambda _: [VAE_ROW])
    monkeypatch.setattr(tries, "write_params", lambda project, row, folder: params_with_crops(folder))
    tries.main("a-vae", tmp_path, path)
    found = json.loads((tmp_path / "bench/measured/a-vae.json").read_text(encoding="utf-8"))
    assert set(found) == {"changes", "metrics", "tables", "last_epoch"} and found["changes"] == []
    assert capsys.readouterr().out.strip().endswith("a-vae.json")
