"""Starts `dvc` and `python -m stages.x` without the seconds that importing DVC or PyTorch takes each time.

`serve` is a process that has imported the slow packages; each order that comes over its socket runs in a fork of its
own, in the caller's folder, environment and files, with the project's own modules imported there. `write_commands`
makes a folder for PATH with a `python` and a `dvc` that hand themselves over to it (`call`), so that DVC, make and the
tests start what they always do; whatever else Python is asked for is the real one's. conftest.py starts it; the tests
of what a start costs, of workers and of several processes start real ones.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

# No other imports here: each `python` and `dvc` waits for them.

# What DVC and the stages import sooner or later. Of the project itself nothing: a copy of it may be another.
PACKAGES = (
    "antlr4", "celery.app.control", "celery.bootsteps", "celery.canvas", "dulwich.porcelain", "dulwich.stash",
    "dulwich.worktree", "dvc._debug", "dvc.api", "dvc.cachemgr", "dvc.cli.parser", "dvc.data_cloud",
    "dvc.render.convert", "dvc.render.match", "dvc.repo.artifacts", "dvc.repo.brancher", "dvc.repo.collect",
    "dvc.repo.datasets", "dvc.repo.experiments.apply", "dvc.repo.experiments.brancher",
    "dvc.repo.experiments.executor.local", "dvc.repo.experiments.queue.celery", "dvc.repo.experiments.queue.tempdir",
    "dvc.repo.experiments.queue.workspace", "dvc.repo.experiments.show", "dvc.repo.index", "dvc.repo.metrics.diff",
    "dvc.repo.metrics.show", "dvc.repo.params.diff", "dvc.repo.plots", "dvc.repo.reproduce", "dvc.repo.stage",
    "dvc.repo.status", "dvc.stage.run", "dvc.ui.table", "dvc.utils.hydra", "dvc_data.fs", "dvc_data.hashfile.db.local",
    "dvc_data.index.checkout", "encodings.cp437", "fsspec.implementations.memory", "hydra",
    "kombu.transport.filesystem", "matplotlib.backends.backend_agg", "matplotlib.figure", "networkx", "numpy", "pandas",
    "pandas.io.formats.csvs", "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.JpegImagePlugin", "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin", "PIL.TiffImagePlugin", "platformdirs", "pyarrow.pandas_compat",
    "pydantic._internal._generate_schema", "pydantic._internal._model_construction", "pydantic.functional_validators",
    "pydantic.plugin._schema_validator", "pydantic.type_adapter", "pygit2", "requests", "rich.progress", "ruamel.yaml",
    "safetensors.torch", "scipy.stats", "scmrepo.git.backend.pygit2.filter", "skimage.metrics", "skimage.restoration",
    "sklearn.decomposition", "sklearn.linear_model", "sklearn.manifold", "sklearn.metrics", "sklearn.mixture",
    "sklearn.pipeline", "tabulate", "torch", "torch.distributed.run", "torch.utils.serialization.config",
    "torch.utils.tensorboard", "torchmetrics", "torchvision.utils", "typer", "wcwidth",
)  # fmt: skip
COMMANDS = {
    "python": (
        'case "$1:$2" in\n'
        "    -m:stages.* | -m:facevae.* | -m:dvc | -m:torch.distributed.run) exec {client} python \"$@\" ;;\n"
        "    *) exec {python} \"$@\" ;;\n"
        "esac\n"
    ),
    "dvc": "exec {client} dvc \"$@\"\n",
}  # fmt: skip


# --- those who order


class Started:
    """A command that runs in a fork: its process number, and how it ends."""

    def __init__(
        self, address: str, words: Sequence[str], folder: str, environment: Mapping[str, str], files: Sequence[int]
    ) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        socket.send_fds(self._socket, [b"."], files)
        order = {"words": list(words), "folder": folder, "environment": dict(environment)}
        self._socket.sendall(json.dumps(order).encode() + b"\n")
        self._answers = self._socket.makefile("rb")
        self.pid = int(self._answers.readline())

    def send_signal(self, number: int) -> None:
        """Nothing, if it has ended."""
        try:
            self._socket.sendall(bytes([number]))
        except OSError:
            return

    def wait(self) -> int:
        """The exit code, negative for the signal that killed it. A caller that closes or ends before kills it."""
        answer = self._answers.readline()
        self._answers.close()
        self._socket.close()
        return os.waitstatus_to_exitcode(int(answer)) if answer else -signal.SIGKILL


def call(address: str, *words: str) -> int:
    """Be the command: the same folder, environment and files; signals are handed on; the exit code, or the signal."""
    started = Started(address, words, os.getcwd(), os.environ, (0, 1, 2))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: started.send_signal(received))
    code = started.wait()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    return code


def write_commands(folder: str, address: str) -> None:
    """Make a folder with the two commands."""
    from shlex import quote

    os.mkdir(folder)
    client = f"{quote(sys.executable)} -I -S {quote(__file__)} {quote(address)}"
    for name, body in COMMANDS.items():
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + body.format(client=client, python=quote(sys.executable)))
        os.chmod(path, 0o755)


# --- the one who forks


def serve(address: str) -> None:
    """Take orders until standard input ends. What is slow is imported when the first one comes."""
    import importlib
    import select
    from contextlib import suppress

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, lambda *_: reap())
    missing = list(PACKAGES)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        while missing:
            with suppress(ImportError):  # another version's: then each fork imports what it needs
                importlib.import_module(missing.pop(0))
            if not missing:
                quicken()
        caller, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            answer(caller)
        caller.close()


def quicken() -> None:
    """Make DVC in this process, and so in its forks, read and write YAML quickly."""
    sys.path.insert(0, os.path.dirname(__file__))
    try:
        import quick_yaml
    finally:
        del sys.path[0]  # the projects' own come first
    for place, name, quick in quick_yaml.PATCHES:
        setattr(place, name, quick)


def reap() -> None:
    """Let go of those who waited for forks that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def answer(caller: socket.socket) -> None:
    """Run one order in a fork of this process, tell its number and how it ended; end it when the caller is gone."""
    import threading
    from contextlib import suppress

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, files, _, _ = socket.recv_fds(caller, 1, 3)
    order = json.loads(caller.makefile("rb").readline())
    child = os.fork()
    if child == 0:
        caller.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        run(**order)
    for file in files:
        os.close(file)

    def hand_on() -> None:
        with suppress(ProcessLookupError):  # it has just ended
            while received := caller.recv(1):
                os.kill(child, received[0])
            os.kill(child, signal.SIGKILL)

    caller.sendall(f"{child}\n".encode())
    threading.Thread(target=hand_on, daemon=True).start()
    _, status = os.waitpid(child, 0)
    try:
        caller.sendall(f"{status}\n".encode())
    finally:
        os._exit(0)


def run(words: list[str], folder: str, environment: dict[str, str]) -> None:
    """What Python does with these words, and its end."""
    import atexit
    import gc
    import importlib
    import multiprocessing.process
    import threading
    import traceback

    gc.freeze()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.process.ORIGINAL_DIR = folder  # where a worker process begins
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # DVC's import has wrapped them
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    try:
        sys.path[:0] = places
        if any(os.path.exists(os.path.join(place, "sitecustomize.py")) for place in places):
            sys.modules.pop("sitecustomize", None)
            importlib.import_module("sitecustomize")
        code = run_dvc(words[1:]) if words[0] == "dvc" else run_module(words[1:])
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit((code or 0) & 255)


def run_dvc(words: list[str]) -> int:
    from dvc.cli import main

    sys.argv = [os.path.join(os.path.dirname(sys.executable), "dvc"), *words]
    return main()


def run_module(words: list[str]) -> None:
    """`python -m module ...`"""
    import runpy

    sys.argv = words[1:]  # runpy puts the file's name in the first place
    sys.path.insert(0, os.getcwd())
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        sys.exit(call(*sys.argv[1:]))
