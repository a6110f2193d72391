"""A command ends a mistake in one line."""

import sys
from pathlib import Path

import pytest

from facevae.core.command import run
from facevae.core.errors import FacevaeError


def ends(main, monkeypatch, capsys, *arguments):
    """Exit code, standard output and standard error of `main` as a command."""
    monkeypatch.setattr(sys, "argv", ["stage", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(main)
    return ended.value.code, *capsys.readouterr()


def fail(reason: str = "user") -> None:
    """Do nothing well."""
    if reason == "user":
        raise FacevaeError(where="a.b", expected="1 or\n   2", found="3", fix="correct it")
    if reason == "system":
        Path("/nowhere/at/all").read_text(encoding="utf-8")
    if reason == "defect":
        raise ZeroDivisionError
    print("done")


def test_an_error_of_the_user_is_one_line(monkeypatch, capsys):
    assert ends(fail, monkeypatch, capsys) == (1, "", "error: a.b: expected 1 or 2, found 3; correct it\n")


def test_an_error_of_the_system_is_one_line(monkeypatch, capsys):
    code, out, err = ends(fail, monkeypatch, capsys, "--reason", "system")
    assert (code, out, err) == (1, "", "error: /nowhere/at/all: No such file or directory\n")


def test_a_defect_keeps_its_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["stage", "--reason", "defect"])
    with pytest.raises(ZeroDivisionError):
        run(fail)


def test_a_command_that_ends_well(monkeypatch, capsys):
    assert ends(fail, monkeypatch, capsys, "--reason", "") == (0, "done\n", "")


def test_help_is_the_docstring(monkeypatch, capsys):
    code, out, _ = ends(fail, monkeypatch, capsys, "--help")
    assert code == 0 and "Do nothing well." in out and "--reason" in out


def test_an_unknown_option(monkeypatch, capsys):
    code, _, err = ends(fail, monkeypatch, capsys, "--raeson", "x")
    assert code == 2 and "--raeson" in err
