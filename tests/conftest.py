"""The same surroundings for every test, whoever runs them, in this process and in those that it starts; and the order.

Loaded before any test, so that what is imported and what is copied from `os.environ` afterwards is already clean.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import nursery
import pytest

# A person's own settings of what the tests use: repositories, remotes, stores, where and how much is computed.
_OWN = ("AWS_", "DVC_", "FACEVAE_", "GIT_")
# Whether, and how wide, rich and typer draw; PYTHONSAFEPATH hides a project's code from `python -m stages.x` in it.
_TERMINAL = ("COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "LINES", "NO_COLOR", "PYTHONSAFEPATH", "PYTHONWARNINGS")
_KEPT = ("FACEVAE_TEST_SLOW",)
_IS_FIRST = "PYTEST_XDIST_WORKER" not in os.environ  # the process that a person started, not one of pytest-xdist's
# What Python makes of sources, for all processes and the next run: not every package comes compiled, and compiling
# PyTorch and DVC takes longer than most tests. Beside the copies of the project nothing is written.
_bytecode = Path(__file__).parents[1] / ".pytest_cache/bytecode"
_nothing = TemporaryDirectory(prefix="facevae-tests-")  # gone with this process
_no_one = Path(_nothing.name, "aws")
_no_one.touch()  # a file: DVC refuses /dev/null

for name in [name for name in os.environ if name.startswith(_OWN) or name in _TERMINAL]:
    if name not in _KEPT:
        del os.environ[name]
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode, sys.pycache_prefix = False, str(_bytecode)
os.environ.update(
    AWS_CONFIG_FILE=str(_no_one),
    AWS_SHARED_CREDENTIALS_FILE=str(_no_one),
    DVC_GLOBAL_CONFIG_DIR=_nothing.name,
    DVC_NO_ANALYTICS="1",
    DVC_SITE_CACHE_DIR=_nothing.name,
    DVC_SYSTEM_CONFIG_DIR=_nothing.name,
    # No signed commits, no hooks of a template, no other line ends.
    GIT_CONFIG_GLOBAL=str(Path(__file__).with_name("gitconfig")),
    GIT_CONFIG_NOSYSTEM="1",
    # Servers in the tests are on this machine; whether a proxy is used is set where it is tested.
    NO_PROXY="127.0.0.1,localhost",
    no_proxy="127.0.0.1,localhost",
    PYTHONPYCACHEPREFIX=str(_bytecode),
)
if _IS_FIRST:
    # `python` and `dvc` for the tests' PATH (project_copy.py). It starts with the first of them and ends with this one.
    _commands, _address = (str(Path(_nothing.name, name)) for name in ("commands", "nursery"))
    nursery.write_commands(_commands, _address)
    _nursery = subprocess.Popen(
        [sys.executable, "-P", nursery.__file__, "serve", _address],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE,
    )  # fmt: skip
    os.environ.update(NURSERY_COMMANDS=_commands, NURSERY_ADDRESS=_address)


def pytest_unconfigure() -> None:
    if _IS_FIRST:
        _nursery.communicate()
        # That of the copies of the project: the next run has others.
        shutil.rmtree(_bytecode.joinpath(*Path(gettempdir()).resolve().parts[1:]), ignore_errors=True)


# The longest files, as far as they are longer than the others, the longest first.
_LONGEST = (
    "test_pipeline", "test_interruptions", "test_way_back", "test_queue", "test_parameters", "test_training_stages",
    "test_reruns", "test_cli", "test_data_interruptions", "test_bench", "test_fingerprint", "test_processes",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first: at the end no worker waits for another one's last long file."""
    place = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


@pytest.fixture
def own_training(tmp_path, monkeypatch):
    """Checkpoints in the test's own folder; what a training sets for its process is undone."""
    import torch

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


@pytest.fixture
def machine_as_it_was():
    """A benchmark prepares its process as a stage does; the tests after it have what they had."""
    import torch

    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
