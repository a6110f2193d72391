"""The whole params.yaml against its JSON Schema, which is made from the typed sections: types, ranges, choices, keys.

A stage imports its own section alone: importing all of them would take seconds, and any stage's code would be every
stage's dependency. The schema is data, on which no result depends. What it can't say, such as that a list ascends, the
section's own stage checks, and `python -m facevae.app.parameters` before the first stage.

Only what the schema uses of JSON Schema is known here, and read as pydantic does: 3.0 is no integer, .nan no number.
Loading or compiling it by jsonschema or fastjsonschema would take each stage 0.15 s and more; this takes a hundredth.
"""

import json
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from facevae.core.errors import FacevaeError

SCHEMA = "params.schema.json"

_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "array": ("a list", lambda value: isinstance(value, list)),
    "boolean": ("true or false", lambda value: isinstance(value, bool)),
    "integer": ("an integer", lambda value: type(value) is int),
    "null": ("null", lambda value: value is None),
    "number": ("a number", lambda value: type(value) in (int, float) and math.isfinite(value)),
    "object": ("a group", lambda value: isinstance(value, dict)),
    "string": ("a string", lambda value: isinstance(value, str)),
}

_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "minimum": ("{} or more", operator.ge),
    "exclusiveMinimum": ("above {}", operator.gt),
    "maximum": ("{} or less", operator.le),
    "exclusiveMaximum": ("below {}", operator.lt),
    "multipleOf": ("a multiple of {}", lambda value, factor: value % factor == 0),
    "minItems": ("at least {} long", lambda value, least: len(value) >= least),
    "maxItems": ("at most {} long", lambda value, most: len(value) <= most),
}


@dataclass(frozen=True)
class Mistake:
    """What a schema does not allow: where it stands, what is allowed there, what was found, what may be meant."""

    keys: tuple[str, ...]
    expected: str
    found: str
    meant: str | None = None


def check_whole(path: Path, document: Any) -> None:
    """Check all sections of `document`, the parameter file at `path`, by the schema that lies beside it, if one does.

    Raises FacevaeError, naming the key, what was found and what is allowed.
    """
    try:
        schema = json.loads((path.parent / SCHEMA).read_text(encoding="utf-8"))
    except FileNotFoundError:  # parameters of one's own, anywhere
        return
    for mistake in mistakes(schema, document, schema["$defs"]):
        fix = f"correct it; perhaps {mistake.meant} is meant" if mistake.meant else "correct it"
        where = f"{path}, {'.'.join(mistake.keys)}"
        raise FacevaeError(where=where, expected=mistake.expected, found=mistake.found, fix=fix)


def mistakes(
    schema: dict[str, Any], value: Any, definitions: dict[str, Any], keys: tuple[str, ...] = ()
) -> Iterator[Mistake]:
    """What a schema, which refers to `definitions`, does not allow of the `value` that stands below `keys`."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema:
        found = [list(mistakes(one, value, definitions, keys)) for one in schema["anyOf"]]
        if all(found):
            inside = [parts for parts in found if len(parts[0].keys) > len(keys)]
            yield from inside[0] if inside else [Mistake(keys, _describe(schema, definitions), repr(value))]
        return
    if not _fits(schema, value):
        yield Mistake(keys, _describe(schema, definitions), repr(value), _closest(value, schema.get("enum", ())))
        return
    if isinstance(value, dict):
        yield from _mistakes_of_group(schema, value, definitions, keys)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from mistakes(schema["items"], item, definitions, (*keys, str(number)))
    if "if" in schema and not any(mistakes(schema["if"], value, definitions)):
        yield from mistakes(schema["then"], value, definitions, keys)


def _mistakes_of_group(
    schema: dict[str, Any], value: dict[str, Any], definitions: dict[str, Any], keys: tuple[str, ...]
) -> Iterator[Mistake]:
    known = schema["properties"]
    for key in value:
        if key not in known and not schema.get("additionalProperties", True):
            yield Mistake(
                (*keys, str(key)), f"one of {', '.join(known)}", f"the unknown key {key}", _closest(key, known)
            )
    for key in schema.get("required", ()):
        if key not in value:
            yield Mistake((*keys, key), "a value", "none")
    for key, part in known.items():
        if key in value:
            yield from mistakes(part, value[key], definitions, (*keys, key))


def _closest(word: Any, choices: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(str(word), choices, 1)), None)


def _fits(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value itself, not what is inside it, is of the type, within the bounds and among the choices."""
    if "type" in schema and not _TYPES[schema["type"]][1](value):
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    return all(holds(value, schema[bound]) for bound, (_, holds) in _BOUNDS.items() if bound in schema)


def _describe(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """What a schema allows: `an integer, 1 or more, or null`."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema:
        return ", or ".join(_describe(one, definitions) for one in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if "const" in schema:
        return str(schema["const"])
    parts = [_TYPES[schema["type"]][0]]
    parts += [words.format(schema[bound]) for bound, (words, _) in _BOUNDS.items() if bound in schema]
    if "items" in schema:
        parts.append(f"each {_describe(schema['items'], definitions)}")
    return ", ".join(parts)
