"""Damaged annotations and archives by the thousand: an error of one line or the right answer, never anything else."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facevae.celeba.forms import parse_attributes, parse_identities, parse_landmarks, parse_partitions
from facevae.celeba.tables import (
    LANDMARKS,
    read_attributes,
    read_identities,
    read_partitions,
    write_attributes,
    write_numbers,
)
from facevae.core.errors import FacevaeError
from facevae.imaging.archive import open_archive
from facevae.imaging.names import stem

# The same examples every time: a test that fails once in a while teaches nobody anything.
quick = settings(
    max_examples=150, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip

file_names = st.from_regex(r"[a-zA-Z0-9_.-]{1,12}\.(jpg|png)", fullmatch=True)
words = st.from_regex(r"[A-Za-z][A-Za-z_0-9]{0,9}", fullmatch=True)


@st.composite
def tables(draw):
    """Images, attribute names and values of an annotation."""
    names = draw(st.lists(words, max_size=5, unique=True))
    images = draw(st.lists(file_names, max_size=6, unique_by=stem))
    values = draw(
        st.lists(st.lists(st.sampled_from([1, -1, 0]), min_size=len(names), max_size=len(names)),
                 min_size=len(images), max_size=len(images))
    )  # fmt: skip
    return images, names, values


@st.composite
def annotations(draw):
    """A table, and its text in one of the forms in which annotations come."""
    images, names, values = draw(tables())
    end = draw(st.sampled_from(["\n", "\r\n"]))
    if names and draw(st.booleans()):
        lines = [",".join(["image_id", *names])]
        lines += [",".join([image, *map(str, row)]) for image, row in zip(images, values, strict=True)]
    else:
        space = draw(st.sampled_from([" ", "  ", "\t"]))
        lines = [str(len(images)), space.join(names) + draw(st.sampled_from(["", " "]))]
        lines += [space.join([image, *map(str, row)]) for image, row in zip(images, values, strict=True)]
    text = end.join(lines) + draw(st.sampled_from(["", end, end * 3]))
    return (images, names, values), text.encode()


@st.composite
def damages(draw):
    """A function that changes some bytes: overwritten, cut out, put in, the end cut off."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["set", "cut", "put", "end"]), st.floats(0, 1, exclude_max=True), st.binary(max_size=4)
            ),
            min_size=1, max_size=3,
        )
    )  # fmt: skip

    def damage(data: bytes) -> bytes:
        for kind, where, new in steps:
            at = int(where * len(data))
            removed = {"set": len(new), "cut": len(new) or 1, "put": 0, "end": len(data)}[kind]
            data = data[:at] + (new if kind in ("set", "put") else b"") + data[at + removed :]
        return data

    return damage


@pytest.fixture
def file(tmp_path):
    return tmp_path / "file"


@given(annotations())
@quick
def test_every_form_is_read(file, annotation):
    (images, names, values), text = annotation
    file.write_bytes(text)
    table = parse_attributes(file)
    assert table.images == images and table.names == tuple(names)
    assert table.values.tolist() == values
    assert table.find_rows([*images, "none such"]).tolist() == [*range(len(images)), -1]


def plainly(data: bytes) -> tuple[list[str], list[str], list[list[int]]]:
    """An annotation, read in the plainest way."""
    lines = data.removeprefix(b"\xef\xbb\xbf").decode().rstrip().split("\n")
    csv = "," in lines[0]
    lines += [""] * (not csv and len(lines) == 1)
    header, rows = (lines[0], lines[1:]) if csv else (lines[1], lines[2:])
    cells = [[cell.strip().strip('"') for cell in (line.split(",") if csv else line.split())] for line in rows]
    names = [name.strip().strip('"') for name in header.split(",")][1:] if csv else header.split()
    assert csv or int(lines[0]) == len(rows)
    return [row[0] for row in cells], names, [[int(cell) for cell in row[1:]] for row in cells]


@given(annotations(), damages())
@quick
def test_a_damaged_annotation(file, annotation, damage):
    """What is read all the same is what stands there."""
    file.write_bytes(damage(annotation[1]))
    try:
        table = parse_attributes(file)
    except FacevaeError as error:
        assert str(file) in str(error) and "\n" not in str(error)
        return
    images, names, values = plainly(file.read_bytes())
    assert (table.images, list(table.names), table.values.tolist()) == (images, names, values)
    assert set(np.unique(table.values)) <= {-1, 0, 1} and len(set(map(stem, images))) == len(images)


@given(tables(), damages())
@quick
def test_what_is_written_and_then_damaged(file, table, damage):
    """Both readers read what is written; of what is damaged either reads what stands there, or says that it is."""
    images, names, values = table
    write_attributes(file, images, names, values)
    for read in (read_attributes, parse_attributes):
        found = read(file)
        assert (found.images, list(found.names), found.values.tolist()) == (images, names, values)
    file.write_bytes(damage(file.read_bytes()))
    try:
        found = read_attributes(file)
    except FacevaeError as error:
        assert str(file) in str(error) and "\n" not in str(error)
        return
    assert (found.images, list(found.names), found.values.tolist()) == plainly(file.read_bytes())
    again = parse_attributes(file)
    assert (again.images, again.names, again.values.tolist()) == (found.images, found.names, found.values.tolist())


@given(st.lists(st.tuples(file_names, st.integers(0, 2)), max_size=6, unique_by=lambda row: stem(row[0])), damages())
@quick
def test_numbers_that_are_written_and_then_damaged(file, rows, damage):
    write_numbers(file, *zip(*rows, strict=True)) if rows else write_numbers(file, [], [])
    for damaged in (False, True):
        if damaged:
            file.write_bytes(damage(file.read_bytes()))
        for read, parse in ((read_partitions, parse_partitions), (read_identities, parse_identities)):
            try:
                found = read(file)
            except FacevaeError as error:
                assert damaged and "\n" not in str(error)
                continue
            again = parse(file)
            assert (found.images, found.numbers.tolist()) == (again.images, again.numbers.tolist())
            assert damaged or list(zip(found.images, found.numbers.tolist(), strict=True)) == rows


@given(st.one_of(st.binary(max_size=300), st.text(alphabet='01-,. \n\r\t"jpg', max_size=80).map(str.encode)))
@example(b"9" * 5000 + b"\na b\n")
@example(b"1\n" + b"x " * 40_000 + b"\n")
@example(b"\n" * 10_000 + b"1.jpg 0")
@example(b"1\na\n1.jpg\0 1\n")
@quick
def test_anything_at_all(file, data):
    file.write_bytes(data)
    parse = (parse_attributes, parse_partitions, parse_identities, parse_landmarks)
    for read in (*parse, read_attributes, read_partitions, read_identities):
        try:
            found = read(file)
        except FacevaeError as error:
            assert "\n" not in str(error) and len(str(error)) < 500
        else:
            assert len(found) == len(set(map(stem, found.images))) <= data.count(b"\n") + 1


@given(
    st.lists(st.tuples(file_names, st.integers(0, 10**6)), max_size=6, unique_by=lambda row: stem(row[0])),
    st.booleans(), st.sampled_from(["\n", "\r\n"]), damages(),
)  # fmt: skip
@quick
def test_numbers(file, rows, csv, end, damage):
    lines = ["image_id,identity"] * csv + [f"{image}{',' if csv else ' '}{number}" for image, number in rows]
    text = end.join(lines).encode()
    file.write_bytes(text)
    if text:
        assert list(zip((found := parse_identities(file)).images, found.numbers.tolist(), strict=True)) == rows
    file.write_bytes(damage(text))
    try:
        found = parse_identities(file)
    except FacevaeError:
        return
    lines = file.read_bytes().decode().removeprefix("\ufeff").rstrip().split("\n")
    between = "," if "," in lines[0] else None
    told = [[cell.strip().strip('"') for cell in line.split(between)] for line in lines if lines != [""]]
    if told and not told[0][1].isdigit():
        del told[0]
    assert [[image, str(number)] for image, number in zip(found.images, found.numbers, strict=True)] == [
        [image, str(int(number))] for image, number in told
    ]


@given(st.lists(st.lists(st.integers(-99, 999), min_size=10, max_size=10), min_size=1, max_size=4), st.booleans())
@quick
def test_landmarks(file, values, csv):
    between = "," if csv else " "
    rows = [between.join([f"{number}.jpg", *map(str, row)]) for number, row in enumerate(values)]
    head = [f"image_id,{','.join(LANDMARKS)}"] if csv else [str(len(rows)), " ".join(LANDMARKS)]
    file.write_text("\n".join([*head, *rows]))
    assert parse_landmarks(file).values.tolist() == values


ENTRIES = {"a/1.jpg": b"one" * 50, "a/2.png": b"two", "facts.json": b'{"width": 3, "height": 4}', "3.JPEG": b"3"}


def packed(method: int) -> bytes:
    data = BytesIO()
    with zipfile.ZipFile(data, "w", method) as file:
        for name, content in ENTRIES.items():
            file.writestr(zipfile.ZipInfo(name), content, method)
    return data.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@given(damages())
@settings(quick, max_examples=400)
def test_a_damaged_archive(file, method, damage):
    """Whatever is still read is what was packed under that name; and nothing is written anywhere."""
    file.write_bytes(damage(packed(method)))
    by_name = {Path(name).name: content for name, content in ENTRIES.items()}
    for flaws in (None, []):
        try:
            with open_archive(file, flaws) as archive:
                for name in archive.names:
                    try:
                        assert archive.read(name) == by_name[name]
                    except FacevaeError as error:
                        assert "\n" not in str(error)
        except FacevaeError as error:
            assert "\n" not in str(error)
    assert list(file.parent.iterdir()) == [file]
