"""Reading a section: YAML as DVC reads it, strictly, and every mistake one line."""

from typing import Any, Literal

import pytest
from dvc.utils.serialize import load_yaml
from pydantic import Field, model_validator
from raw_data import one_line

from facevae.core.params import Section, load_section, select_group


class Inner(Section):
    width: int = Field(ge=1, le=8)
    depth: int


class Wide(Section):
    name: str


class Sample(Section):
    count: int = Field(ge=1)
    rate: float
    kind: Literal["inner", "wide"]
    flag: bool = True
    inner: Inner | None = None
    wide: Wide | None = None

    @model_validator(mode="before")
    @classmethod
    def _chosen(cls, raw: Any) -> Any:
        return select_group(raw, "kind", ("inner", "wide"))


RIGHT = {
    "count": "3", "rate": "0.5", "kind": "inner", "flag": "true", "inner": "{width: 2, depth: 1}", "wide": "{name: a}",
}  # fmt: skip


def load(folder, key="a.b", **changes):
    """Section a.b of a file with the values above, as YAML text; None leaves a key out."""
    values = {name: value for name, value in (RIGHT | changes).items() if value is not None}
    text = "a:\n  b:\n" + "".join(f"    {name}: {value}\n" for name, value in values.items())
    (folder / "p.yaml").write_text(text)
    return load_section(folder / "p.yaml", key, Sample)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-05", 1e-05), ("1E3", 1000.0), ("-1e+2", -100.0), (".5", 0.5), ("5.", 5.0), ("2", 2.0), ("0.25", 0.25)],
)
def test_numbers_as_dvc_writes_them(tmp_path, text, value):
    assert load(tmp_path, rate=text).rate == value


@pytest.mark.parametrize(
    "text", ["1e-05", "1_000", "0x10", "0o10", "010", "off", "True", "~", ".5", "12:30", "1.", "+7", "1e3", "'3'", ""]
)
def test_every_value_is_what_dvc_reads(tmp_path, text):
    class Anything(Section):
        value: Any

    path = tmp_path / "p.yaml"
    path.write_text(f"a:\n  value: {text}\n", encoding="utf-8")
    (read, dvcs) = load_section(path, "a", Anything).value, load_yaml(path)["a"]["value"]
    assert (read, type(read)) == (dvcs, type(dvcs))


@pytest.mark.parametrize("text", ["off", "on", "yes", "no", "y"])
def test_words_that_only_yaml_1_1_changes(tmp_path, text):
    assert load(tmp_path, kind="wide", wide=f"{{name: {text}}}").wide == Wide(name=text)


@pytest.mark.parametrize(("text", "value"), [("010", 10), ("08", 8), ("+7", 7)])
def test_a_leading_zero_is_no_octal(tmp_path, text, value):
    assert load(tmp_path, count=text).count == value


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"cuont": "3"}, ["a.b.cuont", "unknown key cuont", "count, rate, kind, flag, inner, wide"]),
        ({"count": "three"}, ["a.b.count", "'three'", "valid integer"]),
        ({"count": "true"}, ["a.b.count", "True", "valid integer"]),
        ({"count": "3.0"}, ["a.b.count", "3.0", "valid integer"]),
        ({"count": "0"}, ["a.b.count", "0", "greater than or equal to 1"]),
        ({"count": None}, ["a.b.count", "expected a value", "found none"]),
        ({"count": "null"}, ["a.b.count", "None"]),
        ({"rate": "'0.5'"}, ["a.b.rate", "'0.5'", "valid number"]),
        ({"rate": "false"}, ["a.b.rate", "False", "valid number"]),
        ({"rate": ".inf"}, ["a.b.rate", "inf", "finite"]),
        ({"rate": ".nan"}, ["a.b.rate", "nan", "finite"]),
        ({"flag": "yes"}, ["a.b.flag", "'yes'", "valid boolean"]),
        ({"kind": "narrow"}, ["a.b.kind", "'narrow'", "'inner' or 'wide'"]),
        ({"inner": "{width: 2, depth: 1, hieght: 3}"}, ["a.b.inner.hieght", "unknown key hieght", "of width, depth,"]),
        ({"inner": "{width: 9, depth: 1}"}, ["a.b.inner.width", "9", "less than or equal to 8"]),
        ({"inner": "{width: 9, depth: x}"}, ["a.b.inner.width", "1 more in this section"]),
        ({"inner": None}, ["a.b", "a group inner, since kind is inner"]),
        ({"inner": "null"}, ["a.b", "a group inner, since kind is inner"]),
    ],
)
def test_a_mistake_is_one_line(tmp_path, changes, parts):
    with one_line("p.yaml", *parts):
        load(tmp_path, **changes)


def test_a_group_not_chosen_is_not_read(tmp_path):
    assert load(tmp_path, wide="{nmae: [1, x]}").wide is None
    assert load(tmp_path, wide=None).inner == Inner(width=2, depth=1)
    assert load(tmp_path, kind="wide", inner="nonsense").inner is None


def test_what_is_not_there(tmp_path):
    with one_line("p.yaml", "a section a.c", "found b", "a.c"):
        load(tmp_path, key="a.c")
    with one_line("p.yaml", "a section x", "found a"):
        load(tmp_path, key="x.b")
    with one_line("p.yaml", "a section a.b.count.d", "3"):
        load(tmp_path, key="a.b.count.d")
    with one_line("none.yaml", "no such file", "--params"):
        load_section(tmp_path / "none.yaml", "a", Sample)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"a: [1, 2\nb: 3\n", ["valid YAML", "line 2"]),
        (b"a:\n\tb: 1\n", ["valid YAML", "line 2"]),
        (b"a: \xff\n", ["valid YAML", "utf-8"]),
        (b"", ["a section a"]),
        (b"a:\n", ["a: expected", "None"]),
        (b"- a\n", ["a section a", "['a']"]),
    ],
)
def test_a_file_that_is_no_parameter_file(tmp_path, content, parts):
    (tmp_path / "p.yaml").write_bytes(content)
    with one_line("p.yaml", *parts):
        load_section(tmp_path / "p.yaml", "a", Sample)


def test_a_section_cannot_be_changed(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path).count = 4
