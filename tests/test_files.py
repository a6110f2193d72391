"""Writing whole or not at all."""

import errno
import os
import stat

import pytest
from raw_data import one_line

from facevae.core.files import atomic_folder, atomic_write, scratch_folder, write_json


def test_a_file_is_new_only_at_the_end(tmp_path):
    path = tmp_path / "below/file"
    with atomic_write(path) as temporary:
        temporary.write_text("new")
        assert not path.exists() and temporary.parent == path.parent
    assert path.read_text() == "new" and os.listdir(path.parent) == ["file"]
    with atomic_write(path) as temporary:
        temporary.write_text("newer")
        assert path.read_text() == "new"
    assert path.read_text() == "newer"


def test_an_error_keeps_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_an_error_keeps_the_old_folder(tmp_path):
    folder = tmp_path / "folder"
    with atomic_folder(folder) as temporary:
        (temporary / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(folder) as temporary:
        (temporary / "half").write_text("half")
        raise RuntimeError
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(folder) == ["old"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "folder"
    for name in ("old", "new"):
        with atomic_folder(folder) as temporary:
            (temporary / name).write_text(name)
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(folder) == ["new"]


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    (tmp_path / ".file.tmp").write_text("half")
    (tmp_path / ".folder.tmp").mkdir()
    (tmp_path / ".folder.tmp/half").write_text("half")
    with atomic_write(tmp_path / "file"), atomic_folder(tmp_path / "folder") as folder:
        (folder / "new").write_text("new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"] and os.listdir(tmp_path / "folder") == ["new"]
    assert (tmp_path / "file").read_text() == ""


def test_two_processes_do_not_write_one_file(tmp_path):
    """A lock belongs to an open file, so that a second try in this very process meets it as well."""
    for atomic in (atomic_write, atomic_folder):
        path = tmp_path / atomic.__name__
        with atomic(path) as temporary:
            with one_line(path, "another process at it"), atomic(path):
                pass
            assert temporary.exists(), "the first one goes on"
        assert path.exists() and not temporary.exists()


@pytest.mark.parametrize("moment", [1, 2])
@pytest.mark.parametrize("atomic", [atomic_write, atomic_folder])
def test_another_process_ends_between_two_looks(tmp_path, monkeypatch, atomic, moment):
    """What it had there has become its result when this process looks at it for the `moment`th time."""
    temporary, looks, stat_of = tmp_path / ".a.tmp", [], os.stat

    def look(path, **options):
        if path == temporary and len(looks) < moment:
            looks.append(path)
            if len(looks) == moment and os.path.lexists(path):
                temporary.rename(tmp_path / "others")
        return stat_of(path, **options)

    monkeypatch.setattr(os, "stat", look)
    with atomic(tmp_path / "a"):
        pass
    assert len(looks) == moment and (tmp_path / "a").exists() and not os.path.lexists(temporary)


def test_another_process_ends_before_its_folder_is_opened(tmp_path, monkeypatch):
    opened, open_file = [], os.open

    def late(path, *options):
        if path == tmp_path / ".a.tmp" and not opened:
            opened.append(path)
            os.rename(path, tmp_path / "others")
        return open_file(path, *options)

    monkeypatch.setattr(os, "open", late)
    with atomic_folder(tmp_path / "a") as temporary:
        (temporary / "b").write_text("mine")
    assert os.listdir(tmp_path / "a") == ["b"] and os.listdir(tmp_path / "others") == []
    monkeypatch.undo()
    (tmp_path / ".b.tmp").write_text("a file where the folder should be")
    with pytest.raises(NotADirectoryError), scratch_folder(tmp_path / "b"):
        pass


@pytest.mark.parametrize("atomic", [atomic_write, atomic_folder])
def test_a_folder_in_which_nothing_can_be_created_is_said_at_once(tmp_path, monkeypatch, atomic):
    """As /proc, which says of any new file that there is no such file or directory."""

    def missing(path, *_):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    monkeypatch.setattr(os, "open", missing)
    with pytest.raises(FileNotFoundError, match=r"\.a\.tmp"), atomic(tmp_path / "a"):
        pass


@pytest.mark.parametrize("atomic", [atomic_write, atomic_folder])
def test_what_another_process_begins_meanwhile_is_left_alone(tmp_path, monkeypatch, atomic):
    replace = os.replace

    def then_begin(old, new):
        replace(old, new)
        old.write_text("another's")

    monkeypatch.setattr(os, "replace", then_begin)
    with atomic(tmp_path / "a"):
        pass
    assert (tmp_path / ".a.tmp").read_text() == "another's"


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "file"), atomic_folder(tmp_path / "folder"):
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
