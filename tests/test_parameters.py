"""The whole params.yaml: its schema beside the typed sections, what `-S` writes, and every mistake before any work."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from project_copy import leaves
from pydantic import ValidationError

from bench.rooms import ROOT
from facevae.app.parameters import SECTIONS, SOURCES, schema_text
from facevae.app.presets import read_settings, text_of
from facevae.core.schema import SCHEMA, mistakes

SETTINGS = read_settings(ROOT / "settings")
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
DEFAULT = dict(leaves(SETTINGS["default"]))
WHOLE = json.loads((ROOT / SCHEMA).read_text(encoding="utf-8"))


# --- the schema


def test_the_schema_is_that_of_the_sections():
    assert (ROOT / SCHEMA).read_text(encoding="utf-8") == schema_text(), "python -m facevae.app.parameters --schema"


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
    raw = at(copy.deepcopy(SETTINGS["default"]), section)
    for group, (choice, chosen) in CHOSEN.items():
        if key.startswith(f"{group}."):
            raw[choice] = chosen
    put(raw, key.removeprefix(f"{section}."), value)
    try:
        models[section].model_validate(raw)
    except ValidationError as error:
        words = () if "sigma" in key or "fresh_noise" in key else ("value_error",)
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
    """Each parameter by itself, unless the two differ for other reasons: a list's order, a group that is chosen."""
    for key in (key for key in DEFAULT if key.split(".")[0] == section):
        for value in VALUES:
            allowed = not any(mistakes(schema_of(key), value, WHOLE["$defs"]))
            assert allowed == (not refused(key, value)), f"{key}: {value!r}"


# --- every mistake before any work


def with_value(folder: Path, key: str, value: Any, name: str = "default") -> Path:
    """Parameters with one other value, beside the schema."""
    values = copy.deepcopy(SETTINGS[name])
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
    ("evaluate_vae.attributes", ["Smiling", "Eyeglases"], ["attributes.1:", "perhaps Eyeglasses is meant"]),
    ("attribute_vectors.context", ["male"], ["context.0:", "perhaps Male is meant"]),
    ("vae.report.encoder_filters", [32, "64"], ["vae.report.encoder_filters.1:", "an integer", "found '64'"]),
    ("vae.deep", None, ["vae.deep: expected a group, found None"]),
    ("download.source", "celebA", ["one of synthetic, celeba, folder", "perhaps celeba is meant"]),
    ("dae.fresh_noise", [5.0, 256.0], ["fresh_noise", "or same, or null", "found [5.0, 256.0]"]),
    ("train_identity.keep", "best", ["expected last, found 'best'"]),
    ("vae.free_bits", float("nan"), ["a number, 0 or more", "found nan"]),
    ("fit_mixture", 3, ["fit_mixture: expected a group, found 3"]),
]
