"""Starts stages as `python -m stages.x` does, without the seconds that importing PyTorch takes each time.

Run as a script with PyTorch's and the other packages' imports behind it: each line of standard input, a JSON object
with the module, its folder and its environment, starts one in a fork of its own, whose process number is answered.
The project's own modules are imported in the fork, from its folder.
"""

import importlib
import json
import os
import runpy
import signal
import sys
import traceback

PACKAGES = (
    "numpy",
    "PIL.Image",
    "pydantic",
    "rich.progress",
    "safetensors.torch",
    "torch",
    "torchvision.utils",
    "typer",
)


def main() -> None:
    for name in PACKAGES:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            run(**order)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)


def run(module: str, folder: str, environment: dict[str, str], log: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    os.environ.update(environment)
    sys.argv, sys.path[0] = [module], folder
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
