"""CelebA's formats: what is written is read, and what is wrong is named with its line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from raw_data import REPOSITORY, SAMPLE, one_line

from facevae.celeba.attributes import ATTRIBUTES
from facevae.celeba.forms import parse_attributes, parse_identities, parse_partitions
from facevae.celeba.tables import read_attributes, read_partitions, write_attributes, write_numbers

GOOD = "3\nSmiling Young\n1.jpg  1 -1\n2.jpg -1 -1\n3.jpg -1  1\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "change", [lambda text: text, lambda text: text.replace("\n", "\r\n"), lambda text: text + "\n\n"]
)
def test_reading_an_annotation(tmp_path, change):
    table = parse_attributes(written(tmp_path, change(GOOD)))
    assert table.names == ("Smiling", "Young") and table.images == ["1.jpg", "2.jpg", "3.jpg"]
    assert table.values.dtype == np.int8
    assert table.values.tolist() == [[1, -1], [-1, -1], [-1, 1]]
    assert table.rows(["3.png", "1.jpg"], "annotation").tolist() == [2, 0]


def test_annotation_round_trip_over_many_rows(tmp_path):
    images = [f"{number:06d}.jpg" for number in range(9000)]
    values = np.where(np.random.default_rng(0).random((9000, 40)) < 0.3, 1, -1)
    write_attributes(tmp_path / "list.txt", images, ATTRIBUTES, values)
    table = parse_attributes(tmp_path / "list.txt", ATTRIBUTES)
    assert table.images == images and np.array_equal(table.values, values)
    lines = (tmp_path / "list.txt").read_text().splitlines()
    assert lines[0] == "9000" and lines[2].startswith("000000.jpg ") and len(lines[2]) == 10 + 40 * 3


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        ("3\n", "4\n", 1, ["the number of rows, 3", "'4'"]),
        ("3\n", "", 1, ["the number of rows", "'Smiling Young'"]),
        ("Smiling Young\n", "", 2, ["a header of different names"]),
        ("Smiling Young", "Smiling", 3, ["1 values", "2 values"]),
        ("Smiling Young", "Smiling Smiling", 2, ["a header of different names"]),
        ("1.jpg  1 -1", "1.jpg  1", 3, ["2 values", "1 values"]),
        ("1.jpg  1 -1", "1.jpg  1 -1 1", 3, ["2 values", "3 values"]),
        ("2.jpg -1 -1", "2.jpg -1  2", 4, ["1, -1 or 0 for Young", "'2'"]),
        ("2.jpg -1 -1", "2.jpg -1 -x", 4, ["1, -1 or 0 for Young"]),
        ("2.jpg -1 -1\n", "\n", 4, ["a file name and 2 values"]),
        ("3.jpg", "1.jpg", 5, ["one row for each image", "1.jpg a second time"]),
        (GOOD, "", 1, ["the number of rows"]),
        (GOOD, "<html>quota</html>\n<p>", 1, ["the number of rows"]),
    ],
)
def test_a_wrong_annotation_names_the_line(tmp_path, old, new, line, parts):
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with one_line(f"{path}, line {line}:", *parts):
        parse_attributes(path)


def test_zero_is_unknown_but_not_in_celebas_own(tmp_path):
    path = written(tmp_path, GOOD.replace("2.jpg -1 -1", "2.jpg -1  0"))
    assert parse_attributes(path).values.tolist() == [[1, -1], [-1, 0], [-1, 1]]
    with one_line(f"{path}, line 4:", "1 or -1 for Young", "'0'"):
        parse_attributes(path, ("Smiling", "Young"))


def test_what_is_unknown_is_written_and_read(tmp_path):
    values = np.random.default_rng(0).integers(-1, 2, (3000, 9))
    images = [f"{number}.jpg" for number in range(3000)]
    write_attributes(tmp_path / "list.txt", images, "ABCDEFGHI", values)
    for read in (read_attributes, parse_attributes):
        table = read(tmp_path / "list.txt")
        assert table.values.dtype == np.int8 and np.array_equal(table.values, values)
        assert np.array_equal(table.values_at(np.array([7, 5])), values[[7, 5]])


def test_an_annotation_without_attributes(tmp_path):
    """A count, an empty header, and rows of a name alone."""
    path = tmp_path / "list.txt"
    write_attributes(path, ["1.jpg", "2.jpg"], (), np.empty((2, 0), np.int8))
    assert path.read_bytes() == b"2\n\n1.jpg\n2.jpg\n"
    for read in (read_attributes, parse_attributes):
        table = read(path)
        assert table.names == () and table.images == ["1.jpg", "2.jpg"] and table.values.shape == (2, 0)
        assert table.rows(["2.png"], "annotation").tolist() == [1] and table.values_at(np.array([1])).shape == (1, 0)
    with one_line("line 2", "CelebA's 40 attribute names"):
        parse_attributes(path, ATTRIBUTES)
    for text, line in (("3\n\n1.jpg\n2.jpg\n", 1), ("2\n\n1.jpg\n2.jpg 1\n", 4), ("1\n\n1.jpg 1\n", 3)):
        for read in (read_attributes, parse_attributes):
            with one_line(f"line {line}:"):
                read(written(tmp_path, text))


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(GOOD.encode().replace(b"2.jpg", b"\xff\xfe.jpg"))
    with one_line("line 4", "UTF-8"):
        parse_attributes(path)
    path.write_bytes(bytes(range(256)) * 10)
    with one_line("line 1"):
        parse_attributes(path)


def test_celebas_header_can_be_demanded(tmp_path):
    with one_line("line 2", "CelebA's 40 attribute names", "no 5_o_Clock_Shadow"):
        parse_attributes(written(tmp_path, GOOD), ATTRIBUTES)


def test_an_image_without_annotation_is_named(tmp_path):
    table = parse_attributes(written(tmp_path, GOOD))
    with one_line("list.txt", "4.jpg", "image without annotation"):
        table.rows(["1.jpg", "4.jpg"], "annotation")


def test_partitions_and_identities(tmp_path):
    path = written(tmp_path, "1.jpg 0\r\n2.jpg 2\r\n")
    table = parse_partitions(path)
    assert table.by_stem() == {"1": 0, "2": 2} and len(table) == 2
    assert table.of(["2.png", "1.png"], "partition").tolist() == [2, 0]
    assert table.find(["3.png", "2.png"]).tolist() == [-1, 2]
    with one_line(path, "3.png", "without partition"):
        table.of(["1.png", "3.png"], "partition")
    write_numbers(path, ["1.jpg", "2.jpg"], [2880, 7])
    assert parse_identities(path).by_stem() == {"1": 2880, "2": 7}
    write_numbers(path, [], [])
    nothing = parse_identities(path)
    assert len(nothing) == 0 and nothing.find(["1.jpg"]).tolist() == [-1]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1.jpg 0\n2.jpg 3\n", ["line 2", "0, 1 or 2", "'3'"]),
        ("1.jpg 0\n2.jpg\n", ["line 2", "'2.jpg'"]),
        ("1.jpg 0 0\n", ["line 1"]),
        ("1.jpg train\n", ["line 1", "'train'"]),
        ("1.jpg 0\n2\x1c.jpg 1\n", ["line 2", "without spaces"]),
        ("1.jpg 0\n2\u00a0.jpg 1\n", ["line 2", "without spaces"]),
        ("1.jpg 0\n1.jpg 1\n", ["line 2", "a second time"]),
    ],
)
def test_a_wrong_partition_names_the_line(tmp_path, text, parts):
    with one_line(*parts):
        parse_partitions(written(tmp_path, text))
    with one_line(parts[0]):
        read_partitions(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (",image_id,Smiling,Young\n0,1.jpg,1,-1\n1,2.jpg,-1,1\n", "pandas' index"),
        ("image_id , Smiling , Young\n 1.jpg , 1 , -1 \n2.jpg,-1,1\n", "spaces"),
        ('"image_id","Smiling","Young"\n"1.jpg",1,-1\n"2.jpg",-1,1\n', "quoted names"),
        ("\ufeffimage_id,Smiling,Young\r\n1.jpg,1,-1\r\n2.jpg,-1,1", "Excel's"),
    ],
)
def test_forms_of_a_csv(tmp_path, text, form):
    table = parse_attributes(written(tmp_path, text))
    assert (table.images, table.names) == (["1.jpg", "2.jpg"], ("Smiling", "Young")), form
    assert table.values.tolist() == [[1, -1], [-1, 1]]
    numbers = "\n".join(line.rsplit(",", 1)[0].replace("-1", "0") for line in text.splitlines())
    assert parse_partitions(written(tmp_path, numbers)).by_stem() == {"1": 1, "2": 0}


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("image_id,A\n1.jpg,1\n2.jpg,1,\n", 3, ["1 values", "2 values"]),
        ("image_id,A\n1.jpg,1,1\n2.jpg,1,1\n", 2, ["1 values", "2 values"]),
        ("image_id,A,B\n1.jpg,1,1\n2.jpg,1\n", 3, ["2 values", "1 values"]),
        ("image_id,A,B\n1.jpg,1\n2.jpg,1,1\n", 2, ["2 values", "1 values"]),
        ("image_id,A\n\n1.jpg,1\n", 2, ["1 values", "0 values"]),
        ("image_id,A\n1.jpg,1\n\n2.jpg,1\n", 3, ["1 values", "0 values"]),
        ("image_id,A\n1.jpg,1\r2.jpg,1\n", 2, ["a line of text"]),
        ("image_id,A\n1.jpg,NA\n", 2, ["1, -1 or 0 for A", "'NA'"]),
        ("image_id,A\n1.jpg,1.0\n", 2, ["1, -1 or 0 for A", "'1.0'"]),
        ("image_id,A\n,1\n", 2, ["an image's file name"]),
        ("image_id,A,A\n1.jpg,1,1\n", 1, ["different names"]),
        ("1.jpg,1\n2.jpg,1\n", 1, ["different names"]),
        ("image_id,A\n1.jpg,1\n2.jpg\0,1\n", 3, ["a line of text"]),
    ],
)
def test_what_pandas_alone_would_let_pass(tmp_path, text, line, parts):
    """It fills short rows, takes a surplus cell of all rows for an index, and skips empty lines."""
    path = written(tmp_path, text)
    with one_line(f"{path}, line {line}:", *parts):
        parse_attributes(path)


def test_a_surplus_attribute_is_named(tmp_path):
    lines = [" ".join([*ATTRIBUTES, "Happy"]), "1.jpg" + 41 * " 1"]
    with one_line("line 2", "another one, Happy"):
        parse_attributes(written(tmp_path, "\n".join(["1", *lines])), ATTRIBUTES)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("2.jpg -1", "2.jpg 1", 4), (" -1 -1\n", " -1\n", 4), ("3.jpg", "1.jpg", 5), ("3\n", "4\n", 1), ("2.", "\0.", 4)],
)
def test_what_download_did_not_write_is_refused(tmp_path, old, new, line):
    """The stages' own reader takes the one form that is written, byte by byte."""
    write_attributes(tmp_path / "list.txt", ["1.jpg", "2.jpg", "3.jpg"], ["A", "B"], [[1, -1], [-1, -1], [-1, 1]])
    text = (tmp_path / "list.txt").read_text()
    assert read_attributes(tmp_path / "list.txt").values.tolist() == [[1, -1], [-1, -1], [-1, 1]]
    with one_line(f"line {line}:", "run stages.download again"):
        read_attributes(written(tmp_path, text.replace(old, new, 1)))


def test_reading_what_download_wrote_loads_no_pandas(tmp_path):
    write_attributes(tmp_path / "a.txt", ["1.jpg"], ["A"], [[1]])
    write_numbers(tmp_path / "n.txt", ["1.jpg"], [2])
    code = (
        "import sys; from pathlib import Path\n"
        "from facevae.celeba.tables import read_attributes, read_identities, read_partitions\n"
        "import facevae.celeba.forms, facevae.core.tables, stages.cache_arrays, stages.download\n"
        f"read_attributes(Path({str(tmp_path / 'a.txt')!r}))\n"
        f"read_identities(Path({str(tmp_path / 'n.txt')!r})); read_partitions(Path({str(tmp_path / 'n.txt')!r}))\n"
        "assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_missing_files(tmp_path):
    for read in (parse_attributes, parse_partitions, parse_identities):
        with one_line(tmp_path / "none.txt", "no such file"):
            read(tmp_path / "none.txt")


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the CelebA sample is not at {SAMPLE}")
def test_celebas_own_files():
    table = parse_attributes(SAMPLE / "list_attr_celeba.txt", ATTRIBUTES)
    assert table.values.shape == (202_599, 40)
    # Known from the data set's description: 48.21% smile, 41.68% are male, 2.24% bald.
    shares = dict(zip(table.names, (table.values == 1).mean(axis=0), strict=True))
    assert [round(100 * shares[name], 2) for name in ("Smiling", "Male", "Bald")] == [48.21, 41.68, 2.24]
    partitions = parse_partitions(SAMPLE / "list_eval_partition.txt")
    assert np.bincount(partitions.numbers).tolist() == [162_770, 19_867, 19_962]
    assert len(np.unique(parse_identities(SAMPLE / "identity_CelebA.txt").numbers)) == 10_177
