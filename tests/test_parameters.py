"""The whole params.yaml: its schema beside the typed sections, what `-S` writes, and every mistake before any work."""

import importlib
import inspect
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import load_yaml
from project_copy import commit, copy_project, dvc, git, keep_stages, leaves
from pydantic import ValidationError
from raw_data import one_line

from bench.rooms import ROOT, modules
from facevae.app.parameters import SECTIONS, SOURCES, check, schema_text
from facevae.app.presets import read_settings, text_of
from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.splits import VaeCache
from facevae.core.params import load_section, read_parameters
from facevae.core.schema import SCHEMA, check_whole, mistakes

SETTINGS = read_settings(ROOT / "settings")
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
PAGE = (ROOT / "docs/experiments.md").read_text(encoding="utf-8")
PLAIN = json.dumps(load_yaml(ROOT / "params.yaml"))  # a copy of this is quick
DEFAULT = dict(leaves(SETTINGS["default"]))
WHOLE = json.loads((ROOT / SCHEMA).read_text(encoding="utf-8"))


# --- the schema


def test_the_schema_is_that_of_the_sections():
    assert (ROOT / SCHEMA).read_text(encoding="utf-8") == schema_text(), "make schema"


def test_every_seed_has_a_largest_value():
    """Beyond 64 bits a generator of random numbers would refuse it, long after the data were made."""

    def seeds(node):
        for key, value in node.items() if isinstance(node, dict) else []:
            yield from [value] if key == "seed" else seeds(value)

    found = list(seeds(WHOLE))
    assert len(found) > 10 and all(seed["exclusiveMaximum"] <= 2**63 for seed in found)


def test_all_that_it_says_is_checked():
    """A keyword that facevae/core/schema.py does not know would be passed over."""
    known = {
        "$ref", "$schema", "$defs", "anyOf", "enum", "const", "type", "items", "properties", "required",
        "additionalProperties", "if", "then", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum",
        "multipleOf", "minItems", "maxItems",
    }  # fmt: skip
    assert set(keywords(WHOLE)) <= known


def keywords(schema: Any) -> Iterator[str]:
    for key, value in schema.items():
        yield key
        if key in ("properties", "$defs"):
            for inner in value.values():
                yield from keywords(inner)
        elif key == "anyOf":
            for inner in value:
                yield from keywords(inner)
        elif isinstance(value, dict):
            yield from keywords(value)


def schema_of(key: str) -> dict[str, Any]:
    """The schema of a single parameter: `vae.latent_dim`."""
    node = WHOLE
    for part in key.split("."):
        node = next(one["properties"][part] for one in alternatives(node) if part in one.get("properties", {}))
    return node


def alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in schema:
        return alternatives(WHOLE["$defs"][schema["$ref"].rsplit("/", 1)[1]])
    return [one for inner in schema["anyOf"] for one in alternatives(inner)] if "anyOf" in schema else [schema]


# Of every kind, inside and outside of bounds.
VALUES = [
    None, True, False, -1, 0, 1, 2, 3, 8, 12, 16, 17, 64, 257, 2000, 10**7, 2**40, 2**63, -0.5, 0.0, 0.5, 0.999, 1.0,
    3.0, 10.5, 256.0, float("inf"), float("nan"), "", "text", "1", "Smiling", "relu1_1", "same", [], {}, [1], [2.5],
    [2, 2], [0.5, 1.0, 2.0], [True], [None], ["Male"], ["relu1_1"], [[1]], [300], {"a": 1},
]  # fmt: skip


# Which choice makes a group the one that is read.
CHOSEN = {
    "dae.unet": ("architecture", "unet"), "dae.report": ("architecture", "report"),
    "vae.deep": ("architecture", "deep"), "vae.report": ("architecture", "report"),
    "vae.classifier": ("feature_network", "classifier"), "vae.vgg19": ("feature_network", "vgg19"),
}  # fmt: skip


def refused(key: str, value: Any) -> bool:
    """Whether the typed section refuses the value by what a schema can say as well: all but checks in words."""
    models = SECTIONS | {f"download.{source}": model for source, model in SOURCES.items()}
    section = max((name for name in models if key.startswith(f"{name}.")), key=len)
    raw = at(json.loads(PLAIN), section)
    for group, (choice, chosen) in CHOSEN.items():
        if key.startswith(f"{group}."):
            raw[choice] = chosen
    put(raw, key.removeprefix(f"{section}."), value)
    try:
        models[section].model_validate(raw)
    except ValidationError as error:
        words = () if key in ("add_noise.sigma", "dae.fresh_noise") else ("value_error",)
        return any(one["type"] not in words for one in error.errors())
    return False


def at(node: Any, key: str) -> Any:
    for part in key.split("."):
        node = node[part]
    return node


def put(node: Any, key: str, value: Any) -> None:
    *groups, last = key.split(".")
    for group in groups:
        node = node[group]
    node[last] = value


@pytest.mark.parametrize("section", SETTINGS["default"])
def test_allows_what_the_sections_allow(section):
    """Each parameter by itself, but for what takes words: the order of a list, lists that fit one another."""
    for key in (key for key in DEFAULT if key.split(".")[0] == section):
        for value in VALUES:
            allowed = not any(mistakes(schema_of(key), value, WHOLE["$defs"]))
            assert allowed == (not refused(key, value)), f"{key}: {value!r}"


# --- every mistake before any work


def with_value(folder: Path, key: str, value: Any) -> Path:
    """Parameters with one other value, beside the schema."""
    values = json.loads(PLAIN)
    put(values, key, value)
    shutil.copy(ROOT / SCHEMA, folder)
    path = folder / "params.yaml"
    path.write_text(text_of(values), encoding="utf-8")
    return path


MISTAKES = [
    ("evaluate_vae.lpips", "alexnet", ["one of alex, vgg, squeeze, or null", "'alexnet'"]),
    ("evaluate_vae.samples", 65, ["an integer, 1 or more, 64 or less", "found 65"]),
    ("evaluate_vae.seed", "0", ["an integer, 0 or more", "found '0'"]),
    ("evaluate_vae.faecs", 8, ["one of", "the unknown key faecs", "perhaps faces is meant"]),
    (
        "evaluate_vae.attributes",
        ["Smiling", "Eyeglases"],
        ["attributes.1:", "Wearing_Hat", "perhaps Eyeglasses is meant"],
    ),
    ("attribute_vectors.context", ["male"], ["context.0:", "perhaps Male is meant"]),
    ("vae.report.encoder_filters", [32, "64"], ["vae.report.encoder_filters.1:", "an integer", "found '64'"]),
    ("vae.deep", None, ["vae.deep: expected a group, found None"]),
    ("download.source", "celebA", ["one of synthetic, celeba, folder", "perhaps celeba is meant"]),
    ("dae.fresh_noise", [5.0, 256.0], ["dae.fresh_noise.1:", "255 or less", "found 256.0"]),
    ("train_identity.keep", "best", ["expected last, found 'best'"]),
    ("vae.free_bits", float("nan"), ["a number, 0 or more", "found nan"]),
    ("fit_mixture", 3, ["fit_mixture: expected a group, found 3"]),
]


@pytest.mark.parametrize(("key", "value", "parts"), MISTAKES, ids=[f"{key}={value}" for key, value, _ in MISTAKES])
def test_a_mistake_in_any_section_is_one_line(key, value, parts, tmp_path):
    """In the section of another stage than the one that starts."""
    path = with_value(tmp_path, key, value)
    with one_line(str(path), key, *parts):
        load_section(path, "cache_arrays.vae", VaeCache)


@pytest.mark.parametrize("key", ["evaluate_vae", "attribute_vectors.ridge", "crop_pad.vae.size", "dae.loss"])
def test_what_is_missing_is_named(key, tmp_path):
    values = json.loads(PLAIN)
    *groups, last = key.split(".")
    del (at(values, ".".join(groups)) if groups else values)[last]
    shutil.copy(ROOT / SCHEMA, tmp_path)
    with one_line(f"params.yaml, {key}: expected a value, found none"):
        check_whole(tmp_path / "params.yaml", values)


def test_names_of_ones_own_faces_are_not_known(tmp_path):
    """A folder's CSV has any attributes; drawn faces and CelebA's have the 40."""
    values = json.loads(PLAIN)
    values["evaluate_vae"]["attributes"] = ["Tired"]
    shutil.copy(ROOT / SCHEMA, tmp_path)
    for source in ("synthetic", "celeba"):
        values["download"]["source"] = source
        with one_line("evaluate_vae.attributes.0", "found 'Tired'"):
            check_whole(tmp_path / "params.yaml", values)
    values["download"]["source"] = "folder"
    check_whole(tmp_path / "params.yaml", values)
    for name in ATTRIBUTES:
        values["evaluate_vae"]["attributes"] = [name]
        check_whole(tmp_path / "params.yaml", values | {"download": json.loads(PLAIN)["download"]})


def test_parameters_without_a_schema_are_ones_own(tmp_path):
    path = with_value(tmp_path, "vae.latent_dim", "abc")
    (tmp_path / SCHEMA).unlink()
    load_section(path, "cache_arrays.vae", VaeCache)


WITHOUT_PARAMETERS = ("stages.encode", "stages.export", "stages.fingerprint")
WITH_PARAMETERS = [module for module in modules("stages") if module not in WITHOUT_PARAMETERS]


@pytest.mark.parametrize("module", WITH_PARAMETERS)
def test_a_stage_looks_at_the_parameters_before_anything_else(module, tmp_path, monkeypatch):
    """Each stage, where there are no data at all: what it says is of another stage's section."""
    key = "report_data.faces" if module != "stages.report_data" else "fit_mixture.components"
    path = with_value(tmp_path, key, 0)
    monkeypatch.chdir(tmp_path)
    main = importlib.import_module(module).main
    given = {"workers": 1, "model": "dae"}
    options = inspect.signature(main).parameters.items()
    needed = {name: given[name] for name, option in options if option.default is option.empty}
    with one_line(f"{path}, {key}: expected an integer, 1 or more", "found 0"):
        main(params=path, **needed)
    assert sorted(file.name for file in tmp_path.iterdir()) == [SCHEMA, "params.yaml"]


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("attribute_vectors.strengths", [2.0, 1.0], ["attribute_vectors.strengths", "ascending"]),
        ("dae.crop", 4096, []),
        ("vae.reconstruction", "none", []),
        ("cache_arrays.dae.train_share", 1.0, ["cache_arrays.dae.train_share", "below 1"]),
        ("crop_pad.vae.size", 65, ["a multiple of 8 pixels, since levels is 2, found 65; change it or vae.deep"]),
    ],
)
def test_check_asks_every_section(key, value, parts, tmp_path):
    """Also what a schema can't say."""
    path = with_value(tmp_path, key, value)
    if parts:
        with one_line(str(path), *parts):
            check(path)
    else:
        check(path)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_named_settings_pass(name, tmp_path):
    shutil.copy(ROOT / SCHEMA, tmp_path)
    (tmp_path / "params.yaml").write_text(text_of(SETTINGS[name]), encoding="utf-8")
    check(tmp_path / "params.yaml")


# --- what -S writes


def test_no_comment_stands_behind_a_value():
    """DVC 3.67 writes what it can't read if a key over a list has one: findings/dvc-set-param-empty-list.sh."""
    for path in (ROOT / "params.yaml", *(ROOT / "settings").glob("*.yaml")):
        behind = [line for line in path.read_text(encoding="utf-8").splitlines() if re.search(r"^[^#]*\S +#", line)]
        assert not behind, path.name


NUMBER = {"integer": 3, "number": 1e-05}


def kinds(key: str) -> Iterator[tuple[str, Any]]:
    """(text for -S, value) of each kind that the parameter's type allows: number, null, lists, string, boolean."""
    for schema in alternatives(schema_of(key)):
        kind = schema.get("type", "string")  # const and enum are strings
        if kind in NUMBER:
            yield from ((text, NUMBER[kind]) for text in (str(NUMBER[kind]),))
        elif kind == "null":
            yield "null", None
        elif kind == "boolean":
            yield from (("true", True), ("false", False))
        elif kind == "array":
            item = NUMBER.get(schema["items"].get("type", "string"), "word")
            yield from ((f"[{','.join([str(item)] * length)}]", [item] * length) for length in (0, 1, 3))
        else:
            yield "word", "word"


def set_and_read(folder: Path, text: str, changes: dict[str, tuple[str, Any]]) -> None:
    """`dvc exp run -S KEY=TEXT ...` as DVC does it; then DVC and a stage read the file, and no comment is lost."""
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    expected = load_yaml(path)
    for key, (_, value) in changes.items():
        put(expected, key, value)
    apply_overrides(path, [f"{key}={word}" for key, (word, _) in changes.items()])
    assert load_yaml(path) == expected, f"{changes} and what DVC reads then"
    assert read_parameters(path) == expected, f"{changes} and what a stage reads then"
    assert comments(path.read_text(encoding="utf-8")) == comments(text), f"{changes} and the comments"


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("name", SETTINGS)
def test_every_parameter_takes_every_kind_of_value(name, half, tmp_path):
    """Every other parameter at once, so that no neighbour changes with it, and then the others; kind after kind."""
    text = PARAMS if name == "default" else text_of(SETTINGS[name])
    waiting = {key: list(kinds(key)) for key in list(DEFAULT)[half::2]}
    while any(waiting.values()):
        set_and_read(tmp_path, text, {key: left.pop(0) for key, left in waiting.items() if left})


# --- by the command


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A clone whose pipeline is the download alone, of a few faces."""
    folder = tmp_path_factory.mktemp("project")
    copy_project(folder)
    keep_stages(folder, ("fingerprint", "download"))
    apply_overrides(folder / "params.yaml", ["download.synthetic.images=40", "download.synthetic.pairs=1"])
    commit(folder, "small")
    return folder


def test_empty_lists_by_the_command(project):
    changes = {f"attribute_vectors.{key}": [] for key in ("context", "conditional")}
    changes |= {f"download.celeba.{key}": [] for key in ("partitions", "identities", "landmarks")}
    words = [word for key in changes for word in ("-S", f"{key}=[]")]
    dvc(project, "exp", "run", *words)
    read = dict(leaves(load_yaml(project / "params.yaml")))
    assert {key: read[key] for key in changes} == changes
    git(project, "restore", "params.yaml")


def test_the_way_back_after_a_wrong_value(project):
    """-S leaves it in params.yaml; the page's command takes it out."""
    assert "`git restore params.yaml`" in PAGE
    wrong = "params.yaml, vae.latent_dim: expected an integer, 1 or more, 4096 or less, found 'abcd'"
    # Not as long as the right one: to Git a file of the same size and time is the same.
    changes = ("-S", "vae.latent_dim=abcd", "-S", "download.synthetic.seed=2")
    assert wrong in dvc(project, "exp", "run", *changes, fails=True), "by the first stage that runs"
    assert wrong in dvc(project, "exp", "run", "-S", "download.synthetic.seed=1", fails=True)
    git(project, "restore", "params.yaml")
    dvc(project, "exp", "run", "-S", "download.synthetic.seed=1")
    assert (project / "data/raw/img_align_celeba.zip").exists()
    git(project, "restore", "params.yaml")


def test_a_source_that_does_not_exist(project):
    """DVC looks for its group before any stage can say a word; the page has what it says."""
    printed = dvc(project, "exp", "run", "-S", "download.source=celebA", fails=True)
    said = "Parameters 'celebA' are missing from 'stages/fingerprint.yaml'"
    assert said in printed and said in " ".join(PAGE.split())
    with one_line("params.yaml, download.source", "'synthetic', 'celeba' or 'folder'", "found 'celebA'"):
        check(project / "params.yaml")
    git(project, "restore", "params.yaml")
