"""The quick `python` and `dvc` of the tests do what the real ones do."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from nursery import Started
from project_copy import ENVIRONMENT, UNAIDED

SHOWN = """
import json, os, sys
print(json.dumps([__name__, sys.argv, sys.path[0], os.getcwd(), os.environ["WORD"], sys.stdin.read()]))
print("more", file=sys.stderr)
{end}
"""
WORD = "\u00e9" if sys.getfilesystemencoding() == "utf-8" else "e"  # LC_ALL=POSIX has ASCII
ENDS = {
    "by itself": "",
    "with a code": "sys.exit(3)",
    "with words": "sys.exit('words')",
    "with an error": "raise ValueError('wrong')",
    "killed": "sys.stdout.flush(); os.kill(os.getpid(), 9)",
    "at its exit": "import atexit; atexit.register(print, 'bye')",
    "after a thread": "import threading, time; threading.Thread(target=lambda: print('still')).start()",
}


def write_stage(folder: Path, name: str, code: str) -> None:
    (folder / "stages").mkdir(parents=True)
    (folder / "stages/__init__.py").touch()
    (folder / f"stages/{name}.py").write_text(code, encoding="utf-8")


@pytest.mark.parametrize("end", ENDS)
def test_a_module_runs_as_python_runs_it(end, tmp_path):
    folder = tmp_path / "a folder"
    write_stage(folder, "shown", SHOWN.format(end=ENDS[end]))
    quick, real = (
        subprocess.run(
            ["python", "-m", "stages.shown", "--one", "two words"], cwd=folder, input="typed", capture_output=True,
            encoding="utf-8", env={**ENVIRONMENT, "WORD": WORD, **path},
        )
        for path in ({}, UNAIDED)
    )  # fmt: skip
    assert (quick.returncode, quick.stdout) == (real.returncode, real.stdout)
    # A traceback begins in another place.
    assert quick.stderr.splitlines()[-1:] == real.stderr.splitlines()[-1:] and "more\n" in quick.stderr
    assert json.loads(quick.stdout.splitlines()[0])[2:] == [str(folder), str(folder), WORD, "typed"]


def test_what_else_python_is_asked_for_is_the_real_ones():
    code = "import sys; print('dvc' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run(["python", "-c", code], env=ENVIRONMENT, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout == "False False\n"


def test_dvc_is_the_real_one(tmp_path):
    for words in (["--version"], ["status"], ["no-such-command"]):
        quick, real = (
            subprocess.run(["dvc", *words], cwd=tmp_path, env={**ENVIRONMENT, **path}, capture_output=True, check=False)
            for path in ({}, UNAIDED)
        )
        assert (quick.returncode, quick.stdout, quick.stderr) == (real.returncode, real.stdout, real.stderr)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_the_fork(number, tmp_path):
    """That of the one who waits for it, and its death."""
    write_stage(tmp_path, "long", "import signal; print('here', flush=True); signal.pause()")
    running = subprocess.Popen(
        ["python", "-m", "stages.long"], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert running.stdout.readline() == "here\n"
    running.send_signal(number)
    assert running.wait(60) == -number
    # The fork held the other end of the pipe.
    assert running.stdout.read() == ""


def test_its_number_is_that_of_the_fork(tmp_path):
    write_stage(tmp_path, "named", "import os; print(os.getpid())")
    with (tmp_path / "out").open("w") as output:
        files = [0, output.fileno(), output.fileno()]
        words = ["python", "-m", "stages.named"]
        started = Started(os.environ["NURSERY_ADDRESS"], words, str(tmp_path), ENVIRONMENT, files)
        assert started.wait() == 0
    assert (tmp_path / "out").read_text() == f"{started.pid}\n"
