"""Progress without a terminal: plain lines, and every item passed on."""

import re
import sys

from facevae.jobs import progress


def test_plain_lines(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    assert list(progress.track(iter("abc"), 3, "test")) == ["a", "b", "c"]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[0].startswith("test: 1 of 3 images, ") and lines[0].endswith(" s left")
    assert re.fullmatch(r"test: 3 of 3 images, [\d.]+/s", lines[-1])


def test_short_work_says_one_line(capsys):
    assert list(progress.track([], 0, "test", unit="epochs")) == []
    assert capsys.readouterr().out == "test: 0 of 0 epochs\n"


def test_a_bar_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress.track([1, 2], 2, "test")) == [1, 2]
    captured = capsys.readouterr()
    assert "test" in captured.err and "2/2" in captured.err and captured.out == ""
