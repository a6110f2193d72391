"""The named settings: what they hold, that every stage reads it and every network trains with it, and the command."""

import json
import math
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize._yaml import dumps_yaml, parse_yaml_for_update
from project_copy import leaves
from raw_data import one_line
from safetensors.torch import save_file

from bench.rooms import ROOT
from facevae.app.parameters import SECTIONS, SOURCES
from facevae.app.presets import (
    ABSENT,
    DEFAULT,
    KEPT,
    SOURCE,
    closest_settings,
    load,
    main,
    merge,
    names_of,
    read_settings,
    text_of,
    unlike,
    with_paths_of,
)
from facevae.core.command import run
from facevae.core.params import SectionT, load_section
from facevae.data.arrays import DaeArrays, VaeArrays
from facevae.models.classifier import Classifier
from facevae.models.dae import make_network
from facevae.models.vae import Vae
from facevae.models.vgg import Vgg19
from facevae.training.classifier import ClassifierSettings, train_classifier
from facevae.training.dae import DaeSettings, train_denoiser
from facevae.training.loop.run import Run
from facevae.training.vae import VaeSettings, train_autoencoder

FOLDER = ROOT / "settings"
SETTINGS = read_settings(FOLDER)
NAMES = list(SETTINGS)
OTHERS = [name for name in NAMES if name != DEFAULT]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
DECLARED = {line for stage in PIPELINE["stages"].values() for line in stage.get("params", []) if isinstance(line, str)}
CHOICE = re.compile(r"\$\{([^}]+)\}")
CPU = Run(torch.device("cpu"))
PATH = "/data/celeba aligned"

# What the publications say, whatever the default is.
REPORT = {
    "download.source": "celeba",
    "crop_pad.dae.images": 1000, "crop_pad.dae.pad": 1, "crop_pad.vae.size": 128,
    "add_noise.sigma": 25.0,
    "cache_arrays.dae.images": 1000, "cache_arrays.dae.train_share": 0.6,
    "dae.architecture": "report", "dae.report.latent_dim": None,
    "dae.report.encoder_filters": [32, 16], "dae.report.decoder_filters": [16, 32],
    "dae.report.encoder_strides": [2, 2], "dae.report.decoder_strides": [2, 2],
    "dae.report.encoder_kernel_sizes": [3, 3], "dae.report.decoder_kernel_sizes": [3, 3],
    "dae.report.output_kernel_size": 3, "dae.report.activation": "relu",
    "dae.loss": "bce", "dae.crop": None, "dae.fresh_noise": None, "dae.valid_share": 0.0,
    "dae.optimizer": "adam", "dae.learning_rate": 0.01, "dae.schedule": "constant", "dae.warmup_epochs": 0.0,
    "dae.weight_decay": 0.0, "dae.batch_size": 32, "dae.epochs": 10, "dae.flip": False, "dae.ema": None,
    "vae.architecture": "report", "vae.latent_dim": 100,
    "vae.report.encoder_filters": [32, 64], "vae.report.decoder_filters": [64, 32],
    "vae.reconstruction": "bce", "vae.feature_weight": 0.0, "vae.beta": 1.0, "vae.kl_warmup_epochs": 0.0,
    "vae.optimizer": "adam", "vae.schedule": "constant", "vae.batch_size": 32,
    "attribute_vectors.method": "mean_difference",
}  # fmt: skip
HOU = {
    "download.source": "celeba",
    "crop_pad.vae.images": None, "cache_arrays.vae.images": None, "crop_pad.vae.crop": 148, "crop_pad.vae.size": 64,
    "vae.latent_dim": 100,
    "vae.report.encoder_filters": [32, 64, 128, 256], "vae.report.encoder_kernel_sizes": [4, 4, 4, 4],
    "vae.reconstruction": "none", "vae.feature_network": "vgg19",
    "vae.vgg19.layers": ["relu1_1", "relu2_1", "relu3_1"],
    "vae.beta": 1.0, "vae.feature_weight": 0.5, "vae.kl_warmup_epochs": 0.0, "vae.free_bits": 0.0,
    "vae.optimizer": "adam", "vae.learning_rate": 5e-4, "vae.schedule": "halving", "vae.warmup_epochs": 0.0,
    "vae.weight_decay": 0.0, "vae.batch_size": 64, "vae.epochs": 5, "vae.flip": False, "vae.ema": None,
    "attribute_vectors.method": "mean_difference",
}  # fmt: skip
CELEBA = {
    "download.source": "celeba",
    "crop_pad.vae.images": None, "cache_arrays.vae.images": None, "crop_pad.vae.crop": 148, "crop_pad.vae.size": 128,
    "crop_pad.dae.images": 30000, "cache_arrays.dae.images": 30000, "cache_arrays.dae.train_share": 0.95,
    "dae.architecture": "unet", "vae.architecture": "deep",
}  # fmt: skip


def section(folder: Path, name: str, key: str, model: type[SectionT]) -> SectionT:
    """A section of the named settings, read from a file as a stage does."""
    path = folder / "params.yaml"
    path.write_text(text_of(SETTINGS[name]), encoding="utf-8")
    return load_section(path, key, model)


def changes_of(name: str) -> dict[str, Any]:
    """Dotted keys and values of what a file of settings/ sets; nothing for the default."""
    return {} if name == DEFAULT else dict(leaves(load(FOLDER / f"{name}.yaml")))


# --- what they hold


def test_the_four_are_there():
    assert {"celeba", "default", "dfc", "report"} <= set(NAMES)
    assert all(names_of(FOLDER).values()), "a file of settings/ begins with a comment that says what it is"


def test_default_is_params_yaml():
    """As committed, so that a fresh clone starts with it."""
    same = (FOLDER / "default.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert same, "copy params.yaml over settings/default.yaml, or get it back: python -m facevae.app.presets default"


@pytest.mark.parametrize(("name", "facts"), [("report", REPORT), ("dfc", HOU), ("celeba", CELEBA)])
def test_what_they_are_named_after(name, facts):
    values = dict(leaves(SETTINGS[name]))
    assert {key: values[key] for key in facts} == facts


@pytest.mark.parametrize("name", OTHERS)
def test_the_publications_values_do_not_hang_on_the_default(name):
    """What is no part of a network's own group of lists stands in the file itself."""
    facts = {"report": REPORT, "dfc": HOU, "celeba": CELEBA}.get(name, {})
    assert {key for key in facts if ".report." not in key} <= set(changes_of(name))


@pytest.mark.parametrize("name", OTHERS)
def test_every_value_is_read(name):
    """None stands in a group that the settings themselves don't choose."""
    values = dict(leaves(SETTINGS[name]))
    lines = [CHOICE.sub(lambda match: values[match[1]], line) for line in DECLARED]
    unread = {key for key in changes_of(name) if not any(f"{key}.".startswith(f"{line}.") for line in lines)}
    assert not unread, "dvc.yaml declares them for no stage"


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_accepts_them(name, tmp_path):
    """Through the typed section that the stage itself reads."""
    values = SETTINGS[name]
    assert {key.split(".")[0] for key in SECTIONS} == set(values), "name each section in SECTIONS"
    source = values["download"]["source"]
    for key, model in (SECTIONS | {f"download.{source}": SOURCES[source]}).items():
        section(tmp_path, name, key, model)


@pytest.mark.parametrize("name", OTHERS)
def test_no_path_of_somebodys_machine(name):
    assert not set(KEPT) & set(changes_of(name))


def test_kept_keys_exist():
    assert {*KEPT, SOURCE} <= {key for key, _ in leaves(SETTINGS[DEFAULT])}


# --- every network trains with them


def step_of(settings: Any, **changes: Any) -> Any:
    """The same settings for one epoch of a single step."""
    return settings.model_copy(
        update={"batch_size": 2, "epochs": 1, "patience": None, "threads": 1, "precision": "float32", **changes}
    )


def pictures(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def faces(size: int) -> VaeArrays:
    """Two images in each split, with two attributes."""
    images = {split: pictures(2, size, size) for split in ("train", "valid", "test")}
    attributes = {split: np.array([[0, 1], [1, 0]], dtype=np.int8) for split in images}
    return VaeArrays(images, attributes, ("One", "Other"), {split: ["a", "b"] for split in images}, {})


def check(history: list[dict[str, float]], terms: set[str]) -> None:
    """One epoch with finite means, of these terms beside others."""
    (row,) = history
    assert all(math.isfinite(value) for value in row.values())
    assert {f"train_{term}" for term in terms} <= set(row)


@pytest.mark.parametrize("name", NAMES)
def test_the_denoiser_trains_a_step(name, tmp_path):
    settings = section(tmp_path, name, "dae", DaeSettings)
    share = 0.5 if settings.valid_share else 0.0
    # Images of 44 x 48 stand for 180 x 220: no layer knows the size, and a side smaller than the crop stays whole.
    clean = pictures(4 if share else 2, 48, 44)
    manifest = {"noise": {"sigma": SETTINGS[name]["add_noise"]["sigma"]}}
    names = {"train": [f"{number}.png" for number in range(len(clean))]}
    arrays = DaeArrays({"train": clean}, {"train": 255 - clean}, names, manifest)
    network, history = train_denoiser(arrays, {}, step_of(settings, valid_share=share), CPU)
    check(history, {"loss"})
    assert ("valid_loss" in history[0]) == (share > 0)
    torch.manual_seed(settings.seed)
    assert moved(network, make_network(settings, 48, 44))


@pytest.mark.parametrize("name", NAMES)
def test_the_autoencoder_trains_a_step(name, tmp_path):
    settings = section(tmp_path, name, "vae", VaeSettings)
    groups = {}
    if settings.classifier is not None:
        groups["classifier"] = step_of(settings.classifier)
    if settings.vgg19 is not None:
        weights = tmp_path / "vgg19.safetensors"
        save_file(Vgg19(settings.vgg19.layers).body.state_dict(prefix="features."), weights)
        groups["vgg19"] = settings.vgg19.model_copy(update={"weights": str(weights)})
    size = SETTINGS[name]["crop_pad"]["vae"]["size"]
    vae, history = train_autoencoder(faces(size), step_of(settings, **groups), CPU)
    with_features = settings.feature_weight > 0
    check(history, {"loss", "reconstruction_loss", "kl_divergence"} | ({"feature_loss"} if with_features else set()))
    row = history[0]
    parts = row["train_reconstruction_loss"] + row.get("train_feature_loss", 0.0)
    assert (row["train_reconstruction_loss"] == 0) == (settings.reconstruction == "none")
    assert ("train_feature_loss" in row) == with_features
    # The first step of a warm-up weighs the KL by nothing, any other by beta, but for what free bits leave out.
    if settings.free_bits == 0:
        beta = settings.beta if settings.kl_warmup_epochs == 0 else 0.0
        assert row["train_loss"] == pytest.approx(parts + beta * row["train_kl_divergence"], rel=1e-4)
    torch.manual_seed(settings.seed)
    assert moved(vae, Vae(settings, size))


@pytest.mark.parametrize("name", NAMES)
def test_the_judge_trains_a_step(name, tmp_path):
    settings = step_of(section(tmp_path, name, "train_judge", ClassifierSettings))
    size = SETTINGS[name]["crop_pad"]["vae"]["size"]
    judge, history = train_classifier(faces(size), settings, CPU, section="train_judge", prefix="")
    check(history, {"loss", "accuracy"})
    torch.manual_seed(settings.seed)
    assert moved(judge, Classifier(size, settings.width, 2))


def moved(network: torch.nn.Module, unmoved: torch.nn.Module) -> bool:
    """Whether a weight is another than in the network that it was at first."""
    return any(
        not torch.allclose(a, b, atol=1e-7) for a, b in zip(network.parameters(), unmoved.parameters(), strict=True)
    )


# --- merging


VALUES = {"a": {"b": 1, "list": [1, 2]}, "c": None}


def test_merge_changes_a_copy(tmp_path):
    merged = merge(VALUES, {"a": {"list": [3]}, "c": 2.5}, tmp_path)
    assert merged == {"a": {"b": 1, "list": [3]}, "c": 2.5}
    assert VALUES == {"a": {"b": 1, "list": [1, 2]}, "c": None}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"d": 1}, ["x.yaml, d:", "one of a, c", "unknown key d"]),
        ({"a": {"bb": 1}}, ["x.yaml, a.bb:", "one of b, list", "unknown key bb"]),
        ({"a": 1}, ["x.yaml, a:", "a group of b, list", "found 1"]),
        ({"a": None}, ["x.yaml, a:", "a group of b, list", "found null"]),
        ({"c": {"d": 1}}, ["x.yaml, c:", "a value", "a group of d"]),
        ({"a": {"list": {"b": 1}}}, ["x.yaml, a.list:", "a value", "a group of b"]),
    ],
)
def test_merge_refuses(changes, parts, tmp_path):
    with one_line(*parts):
        merge(VALUES, changes, tmp_path / "x.yaml")


def test_unlike():
    others = {"a": {"b": 1.0, "list": [2, 1]}, "e": 0}
    assert unlike(VALUES, others) == {"a.list": ([1, 2], [2, 1]), "c": (None, ABSENT), "e": (ABSENT, 0)}
    assert unlike(VALUES, VALUES) == {}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"a: [1, 2\nb: 3\n", ["valid YAML", "line 2"]),
        (b"a: 1\na: 2\n", ["valid YAML", "duplicate key"]),
        (b"a: \xff\n", ["valid YAML", "utf-8"]),
        (b"- a\n", ["keys and values", "['a']"]),
        (b"", ["keys and values", "None"]),
    ],
)
def test_load_refuses(content, parts, tmp_path):
    (tmp_path / "p.yaml").write_bytes(content)
    for comments in (True, False):
        with one_line("p.yaml", *parts):
            load(tmp_path / "p.yaml", comments=comments)
    with one_line("none.yaml", "no such file"):
        load(tmp_path / "none.yaml")


# --- the command


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with settings/ and a params.yaml that are ours, as the current one."""
    shutil.copytree(FOLDER, tmp_path / "settings")
    shutil.copy(FOLDER / "default.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(project, monkeypatch, capsys):
    """Call it as a person does; answers standard output, or the line of an error."""

    def call(*arguments: str, fails: bool = False) -> str:
        monkeypatch.setattr(sys, "argv", ["python -m facevae.app.presets", *arguments])
        with pytest.raises(SystemExit) as end:
            run(main)
        assert bool(end.value.code) == fails
        out, error = capsys.readouterr()
        assert error.count("\n") == fails, error
        return error if fails else out

    return call


def change(project, *overrides: str) -> None:
    """`dvc exp run -S` on params.yaml, as DVC does it."""
    apply_overrides(project / "params.yaml", list(overrides))


def params(project) -> str:
    return (project / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_params_yaml_then_holds_them(name, project, command):
    assert name in command(name)
    assert load(project / "params.yaml") == SETTINGS[name]
    written = params(project)
    command(name)
    assert params(project) == written
    command(DEFAULT)
    assert params(project) == (FOLDER / "default.yaml").read_text(encoding="utf-8")
    assert sorted(path.name for path in project.iterdir()) == ["params.yaml", "settings"]


@pytest.mark.parametrize("name", NAMES)
def test_comments_stay(name, project, command):
    def comments(text):
        return [line.partition("#")[2] for line in text.splitlines() if "#" in line]

    default = params(project)
    command(name)
    assert comments(params(project)) == comments(default)
    assert params(project).count("\n\n") == default.count("\n\n")


@pytest.mark.parametrize("name", NAMES)
def test_written_as_dvc_writes(name, project, command):
    """Read and written by DVC it stays the same, so that an experiment changes one line."""
    command(name)
    before = params(project)
    assert dumps_yaml(parse_yaml_for_update(before, "params.yaml")) == before
    change(project, "vae.latent_dim=77")
    lines = [new for old, new in zip(before.splitlines(), params(project).splitlines(), strict=True) if old != new]
    assert lines == ["  latent_dim: 77"]


def test_the_names_are_listed(project, command):
    lines = command().splitlines()
    assert [line.split()[0] for line in lines] == [*NAMES, "params.yaml:"]
    assert all(summary in line for summary, line in zip(names_of(FOLDER).values(), lines, strict=False))
    assert lines[-1] == "params.yaml: default"
    command("dfc")
    change(project, "vae.latent_dim=77")
    assert command().splitlines()[-1] == "params.yaml: dfc, but for 1 value: vae.latent_dim 77"


@pytest.mark.parametrize("name", OTHERS)
def test_the_difference_is_printed(name, project, command):
    header, *lines = command(name, "--diff").splitlines()
    assert header.split() == [DEFAULT, name]
    default, values = (dict(leaves(SETTINGS[one])) for one in (DEFAULT, name))
    shown = [line.split("  ", 1) for line in lines]
    assert {key for key, _ in shown} == {key for key in values if values[key] != default[key]}
    for key, rest in shown:
        for value in (default[key], values[key]):
            assert (value if isinstance(value, str) else json.dumps(value).replace('"', "")) in rest
    assert params(project) == (FOLDER / "default.yaml").read_text(encoding="utf-8")


def test_the_default_differs_in_nothing(command):
    assert command(DEFAULT, "--diff") == ""


def test_a_name_that_is_none(project, command):
    line = command("dcf", fails=True)
    assert "one of celeba, default, dfc, photographs, report" in line and "dcf" in line
    assert "--folder" in command("dfc", "--folder", "elsewhere", fails=True)
    assert "unknown key latnet" in wrong(project, command, "vae:\n  latnet: 1\n")
    assert "settings/mine.yaml, vae" in wrong(project, command, "vae: 1\n")
    assert params(project) == (FOLDER / "default.yaml").read_text(encoding="utf-8")


def wrong(project, command, content: str) -> str:
    (project / "settings/mine.yaml").write_text(content)
    return command("mine", fails=True)


def test_settings_of_ones_own(project, command):
    (project / "settings/mine.yaml").write_text(
        "# A wider code.\nvae:\n  latent_dim: 77\ndownload:\n  celeba: {path: x}\n"
    )
    change(project, "download.celeba.path=y")
    command("mine")
    assert dict(leaves(load(project / "params.yaml")))["vae.latent_dim"] == 77
    assert load(project / "params.yaml")["download"]["celeba"]["path"] == "x"
    assert "A wider code." in command()


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["vae.latent_dim=77"], ["1 value", "vae.latent_dim 77"]),
        (["vae.latent_dim=77", "dae.flip=null"], ["2 values", "dae.flip null", "vae.latent_dim 77"]),
        (["download.synthetic.images=77"], ["download.synthetic.images 77"]),
        (["+vae.depth=2"], ["vae.depth 2"]),
        (["~vae.latent_dim"], ["vae.latent_dim missing"]),
    ],
)
def test_own_edits_are_not_lost(overrides, parts, project, command):
    change(project, *overrides)
    before = params(project)
    for name in ("dfc", DEFAULT):
        line = command(name, fails=True)
        assert all(part in line for part in ["params.yaml: expected one of", "--overwrite", "default", *parts])
        assert params(project) == before
    command("dfc", "--overwrite")
    assert load(project / "params.yaml") == SETTINGS["dfc"]


def test_edits_of_other_settings_than_the_default(project, command):
    command("report")
    change(project, "vae.epochs=77")
    assert "1 value unlike report: vae.epochs 77" in command("celeba", fails=True)


def test_many_edits_stay_one_line(project, command):
    change(project, *(f"{section}.seed=77" for section in ("add_noise", "dae", "vae", "train_judge", "evaluate_vae")))
    line = command("dfc", fails=True)
    assert "5 values" in line and line.count(" 77") == 3 and ", ...;" in line


def test_own_comments_are_not_lost(project, command):
    (project / "params.yaml").write_text(params(project).replace("seed: 0\n", "seed: 0  # try 1\n", 1))
    assert "a comment of your own: # try 1" in command("dfc", fails=True)
    command("dfc", "--overwrite")
    assert "# try 1" not in params(project)


def test_where_the_data_lie_stays(project, command):
    places = ("images", "attributes", "partitions", "identities", "landmarks")
    own = {
        "download.celeba.path": PATH, "download.folder.images": "my faces", "download.folder.attributes": "my.csv",
        "vae.vgg19.weights": "/weights/vgg19.pth", "download.celeba.on_bad_image": "skip",
        "download.folder.on_bad_image": "skip", "download.folder.persons": "folder", "download.folder.threshold": 0.5,
        "download.folder.align": True, **{f"download.celeba.{key}": [f"/my/{key}"] for key in places},
    }  # fmt: skip
    assert set(own) == set(KEPT)
    changes = [f"{key}='{value}'" if isinstance(value, str) else f"{key}={value}" for key, value in own.items()]
    change(project, SOURCE + "=folder", *changes)
    for name in ("dfc", "celeba", "report", DEFAULT, "dfc"):
        out = command(name)
        values = dict(leaves(load(project / "params.yaml")))
        assert {key: values[key] for key in own} == own
        assert values[SOURCE] == dict(leaves(SETTINGS[name]))[SOURCE]
        assert f"download.celeba.path {PATH}" in out
        assert closest_settings(load(project / "params.yaml"), SETTINGS) == (name, {})
    written = params(project)
    assert dumps_yaml(parse_yaml_for_update(written, "params.yaml")) == written


def test_a_source_that_changes_is_said(project, command):
    change(project, SOURCE + "=folder")
    assert "download.source celeba (was folder)" in command("dfc")
    assert "was" not in command("celeba")


def test_paths_that_settings_have_of_their_own(tmp_path):
    default = {"download": {"celeba": {"path": None}, "source": "celeba"}, "vae": {"latent_dim": 3}}
    mine = merge(default, {"download": {"celeba": {"path": "x"}}}, tmp_path)
    values = {"download": {"celeba": {"path": "y"}, "source": "folder"}, "vae": {"latent_dim": 4}}
    assert with_paths_of(default, values, default) == merge(default, {"download": {"celeba": {"path": "y"}}}, tmp_path)
    assert with_paths_of(mine, values, default) == mine
    assert with_paths_of(mine, {}, default) == mine


def test_no_params_yaml_yet(project, command):
    (project / "params.yaml").unlink()
    assert "params.yaml" not in command()
    command("dfc")
    assert load(project / "params.yaml") == SETTINGS["dfc"]


def test_a_params_yaml_that_can_not_be_read(project, command):
    (project / "params.yaml").write_text("a: [1\n")
    for arguments in (["dfc"], ["dfc", "--overwrite"], []):
        assert "valid YAML" in command(*arguments, fails=True)
    assert params(project) == "a: [1\n"


def test_help(command):
    out = " ".join(command("--help").split())
    assert all(word in out for word in ("--diff", "--overwrite", "settings/NAME.yaml", "download.celeba,"))
