"""All sections of params.yaml at once: the check before the first stage, and the schema that every stage checks by."""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from pydantic.json_schema import models_json_schema

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.splits import DaeCache, VaeCache
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import atomic_write
from facevae.core.params import Section, load_section
from facevae.core.schema import SCHEMA
from facevae.data.noise import NoiseSettings
from facevae.evaluation.aligner import AlignerEvaluation
from facevae.evaluation.dae import DaeEvaluation
from facevae.evaluation.vae import VaeEvaluation
from facevae.figures.latents import LatentExploration
from facevae.latents.attribute_vectors import VectorSettings
from facevae.latents.fit_mixture import MixtureSettings
from facevae.models.vae import Vae
from facevae.preparation.crop_settings import DaeCrop, VaeCrop
from facevae.preparation.report_data import ReportSettings
from facevae.sources.source import SETTINGS as SOURCES
from facevae.sources.source import DownloadSettings
from facevae.training.aligner import AlignerSettings
from facevae.training.classifier import ClassifierSettings
from facevae.training.dae import DaeSettings
from facevae.training.identity import IdentitySettings
from facevae.training.vae import VaeSettings

SECTIONS: dict[str, type[Section]] = {
    "download": DownloadSettings,
    "crop_pad.dae": DaeCrop,
    "crop_pad.vae": VaeCrop,
    "add_noise": NoiseSettings,
    "cache_arrays.dae": DaeCache,
    "cache_arrays.vae": VaeCache,
    "report_data": ReportSettings,
    "dae": DaeSettings,
    "vae": VaeSettings,
    "train_judge": ClassifierSettings,
    "train_identity": IdentitySettings,
    "train_aligner": AlignerSettings,
    "attribute_vectors": VectorSettings,
    "explore_latents": LatentExploration,
    "fit_mixture": MixtureSettings,
    "evaluate_dae": DaeEvaluation,
    "evaluate_vae": VaeEvaluation,
    "evaluate_aligner": AlignerEvaluation,
}

"""The typed section of each part of params.yaml, but for the groups of download: `SOURCES`."""

# Drawn faces and CelebA's have CelebA's 40 attributes, which are known before there are any data.
_CELEBA_NAMES_KNOWN = {"properties": {"download": {"properties": {"source": {"enum": ["synthetic", "celeba"]}}}}}

_ATTRIBUTE = {"$ref": "#/$defs/Attribute"}

_CELEBA_NAMES = {
    "properties": {
        "attribute_vectors": {"properties": {name: {"items": _ATTRIBUTE} for name in ("conditional", "context")}},
        "explore_latents": {"properties": {"attribute": {"anyOf": [_ATTRIBUTE, {"type": "null"}]}}},
        "evaluate_vae": {"properties": {"attributes": {"items": _ATTRIBUTE}}},
    }
}


def main(
    params: Annotated[Path, typer.Option(help="The parameter file.")] = Path("params.yaml"),
    schema: Annotated[bool, typer.Option("--schema", help=f"Write {SCHEMA} beside it instead.")] = False,
) -> None:
    """Check all of params.yaml, as every stage does and by all that the stages themselves check of it before they run.

    Input: params.yaml, and beside it params.schema.json.

    Output: none; with --schema params.schema.json, from the typed sections.
    """
    if schema:
        with atomic_write(params.parent / SCHEMA) as temporary:
            temporary.write_text(schema_text(), encoding="utf-8")
    else:
        check(params)


def check(path: Path) -> None:
    """Read every section of a parameter file as its stage does. Raises FacevaeError, naming the key.

    Also where the autoencoder does not take the images' size, which no section knows by itself.
    """
    sections = {key: load_section(path, key, model) for key, model in SECTIONS.items()}
    source = sections["download"].source
    load_section(path, f"download.{source}", SOURCES[source])
    size = sections["crop_pad.vae"].size
    try:
        with torch.device("meta"):  # shapes alone
            Vae(sections["vae"], size)
    except ValueError as error:
        where, network = f"{path}, crop_pad.vae.size", f"vae.{sections['vae'].architecture}"
        expected, fix = str(error).removesuffix(f"; these have {size}"), f"change it or {network}"
        raise FacevaeError(where=where, expected=expected, found=str(size), fix=fix) from None


def schema_text() -> str:
    """JSON Schema (draft 7) of params.yaml, made from the typed sections."""
    models = [*SECTIONS.values(), *SOURCES.values()]
    refs, content = models_json_schema([(model, "validation") for model in models])
    definitions = content["$defs"]
    for source, model in SOURCES.items():
        definitions["DownloadSettings"]["properties"][source] = refs[model, "validation"]
    definitions["Attribute"] = {"type": "string", "enum": list(ATTRIBUTES)}

    sections: dict[str, Any] = {}
    for key, model in SECTIONS.items():
        section, _, group = key.partition(".")
        if group:  # crop_pad.dae and crop_pad.vae
            sections.setdefault(section, {})[group] = refs[model, "validation"]
        else:
            sections[section] = refs[model, "validation"]
    whole = _group({name: section if "$ref" in section else _group(section) for name, section in sections.items()})
    whole |= {"if": _CELEBA_NAMES_KNOWN, "then": _CELEBA_NAMES}
    # A line for each section, so that a change shows where it is.
    lines = [f'"{name}": {json.dumps(_bare(body))}' for name, body in sorted(definitions.items())]
    head = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **whole})
    return f'{head[:-1]}, "$defs": {{\n' + ",\n".join(lines) + "\n}}\n"


def _group(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def _bare(definitions: Any) -> Any:
    """The same without what is no constraint: names, words, default values; and no null in the place of a group."""
    if isinstance(definitions, list):
        return [_bare(part) for part in definitions]
    if not isinstance(definitions, dict):
        return definitions
    if "$ref" in definitions.get("anyOf", [{}])[0]:
        return definitions["anyOf"][0]
    return {
        key: {name: _bare(part) for name, part in value.items()} if key == "properties" else _bare(value)
        for key, value in definitions.items()
        if key not in ("title", "description", "default")
    }


if __name__ == "__main__":
    run(main)
