"""Reading one typed section of params.yaml, strictly: no unknown key, no wrong type, no surprise.

By DVC's own reader, since DVC writes YAML 1.2: PyYAML, which follows 1.1, reads `1e-05` as a string and `off` as False.
"""

from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from facevae.core.errors import FacevaeError
from facevae.core.schema import check_whole


class Section(BaseModel):
    """Base of every section's typed model: strict types, no unknown keys, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


SectionT = TypeVar("SectionT", bound=Section)


def load_section(path: Path, key: str, model: type[SectionT]) -> SectionT:
    """Return section `key` (dotted for a nested one, `crop_pad.dae`) of the YAML file as a `model`.

    Raises FacevaeError, naming the key, what was found and what is allowed, for a mistake in the section, and for one
    in any other that the file's schema shows.
    """
    document = node = read_parameters(path)
    for depth, part in enumerate(key.split("."), start=1):
        if not isinstance(node, dict) or part not in node:
            have = ", ".join(map(str, node)) if isinstance(node, dict) else repr(node)
            raise FacevaeError(
                where=path,
                expected=f"a section {'.'.join(key.split('.')[:depth])}",
                found=have or "an empty file",
                fix=f"add the section {key}, for example from the committed params.yaml",
            )
        node = node[part]
    try:
        section = model.model_validate(node)
    except ValidationError as error:
        raise _explain(path, key, model, error) from None
    check_whole(path, document)
    return section


def read_parameters(path: Path) -> Any:
    """A YAML file as DVC reads it. Raises FacevaeError if it is missing or is no YAML."""
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FacevaeError(
            where=path,
            expected="a parameter file",
            found="no such file",
            fix="run from the repository's top folder or give --params",
        ) from None
    except (YAMLError, ValueError) as error:  # ValueError: not UTF-8
        raise FacevaeError(where=path, expected="valid YAML", found=str(error), fix="fix the YAML syntax") from None


def _explain(path: Path, key: str, model: type[Section], error: ValidationError) -> FacevaeError:
    """The first of pydantic's complaints as one line; the count of the others at its end."""
    first, *others = error.errors()
    name = ".".join([key, *(str(part) for part in first["loc"])])
    more = f" ({len(others)} more in this section)" if others else ""
    if first["type"] == "extra_forbidden":
        expected, found = (
            f"one of {', '.join(_fields(model, first['loc'][:-1]))}",
            f"the unknown key {first['loc'][-1]}",
        )
    elif first["type"] == "missing":
        expected, found = "a value", "none"
    else:
        message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        # What a check of the section as a whole was given is the section as a whole: too long for a line.
        whole = first["type"] == "value_error" and isinstance(first["input"], dict)
        expected, found = message[:1].lower() + message[1:], "something else" if whole else repr(first["input"])
    return FacevaeError(where=f"{path}, {name}", expected=expected, found=found, fix=f"correct it{more}")


def _fields(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the model that stands at `location` inside `model`."""
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        # A group that is not chosen may be missing: its annotation is `Group | None`.
        models = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        inner = next((kind for kind in models if issubclass(kind, BaseModel)), None)
        if inner is None:
            break
        model = inner
    return list(model.model_fields)


def select_group(raw: Any, choice: str, groups: tuple[str, ...]) -> Any:
    """Keep of the named groups in a raw section only the one that `raw[choice]` names.

    A section can hold the settings of several alternatives side by side; the others are not read, so that editing
    them reruns nothing (`${...}` in dvc.yaml declares the chosen one only).
    """
    if not isinstance(raw, dict) or raw.get(choice) not in groups:
        return raw  # the typed model has the better words for what is wrong
    chosen = raw[choice]
    if raw.get(chosen) is None:
        raise ValueError(f"a group {chosen}, since {choice} is {chosen}")
    return {key: value for key, value in raw.items() if key == chosen or key not in groups}


def only_fields(model: type[SectionT], stored: dict[str, Any]) -> SectionT:
    """A `model` of a wider section's values, such as a file of weights carries; what else is there is not read."""
    return model.model_validate({name: value for name, value in stored.items() if name in model.model_fields})
