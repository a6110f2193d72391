"""Writing whole or not at all."""

import os
import stat

import pytest
from raw_data import one_line

from facevae.core.files import whole_file, whole_folder, write_json


def test_a_file_is_new_only_at_the_end(tmp_path):
    path = tmp_path / "below/file"
    with whole_file(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "new" and os.listdir(path.parent) == ["file"]
    with whole_file(path) as temporary:
        temporary.write_text("newer")
        assert path.read_text() == "new"
    assert path.read_text() == "newer"


def test_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_an_error_keeps_the_old_folder(tmp_path):
    folder = tmp_path / "folder"
    with whole_folder(folder) as temporary:
        (temporary / "old").write_text("old")
    with pytest.raises(RuntimeError), whole_folder(folder) as temporary:
        (temporary / "half").write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(folder) == ["old"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "folder"
    for name in ("old", "new"):
        with whole_folder(folder) as temporary:
            (temporary / name).write_text(name)
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(folder) == ["new"]


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    (tmp_path / ".file.tmp").write_text("half")
    (tmp_path / ".folder.tmp").mkdir()
    (tmp_path / ".folder.tmp/half").write_text("half")
    with whole_file(tmp_path / "file"), whole_folder(tmp_path / "folder") as folder:
        (folder / "new").write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"] and os.listdir(tmp_path / "folder") == ["new"]
    assert (tmp_path / "file").read_text() == ""


def test_two_processes_do_not_write_one_file(tmp_path):
    """A lock belongs to an open file, so that a second try in this very process meets it as well."""
    for whole in (whole_file, whole_folder):
        path = tmp_path / whole.__name__
        with whole(path) as temporary:
            with one_line(path, "another process at it"), whole(path):
                pass
            assert temporary.exists(), "the first one goes on"
        assert path.exists() and not temporary.exists()


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with whole_file(tmp_path / "file"), whole_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_without_nan(tmp_path, value):
    path = tmp_path / "m.json"
    write_json(path, {"b": [1, 0.1], "a": "é"})
    right = path.read_text()
    assert right == '{\n  "b": [\n    1,\n    0.1\n  ],\n  "a": "\\u00e9"\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"b": value})
    assert path.read_text() == right and os.listdir(tmp_path) == ["m.json"]
