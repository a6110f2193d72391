"""A copy of the project in a Git and DVC repository of its own, and `dvc` as a person types it there."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from tempfile import TemporaryFile

import pytest
import yaml
from nursery import Started

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
ENVIRONMENT = {
    **os.environ,  # without a person's own settings (conftest.py)
    # The stages start as `python -m stages...`: the current folder's code, by the quick python and dvc of nursery.py,
    # which know this very python.
    "PATH": os.pathsep.join([os.environ["NURSERY_COMMANDS"], str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PYTHONPATH": "",
    "FACEVAE_WORKERS": "1",
    "FACEVAE_DEVICE": "cpu",
    "OMP_NUM_THREADS": "1",
    "COLUMNS": "200",
}
# For commands that shall start real ones.
UNAIDED = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
# Parameters of a pipeline that runs through in a minute.
SMALL = {
    "download": {"synthetic": {"images": 60, "seed": 0, "pairs": 2}},
    "crop_pad": {"dae": {"images": 12}, "vae": {"size": 32}},
    "cache_arrays": {"dae": {"images": 12}},
    "dae": {
        "epochs": 1, "crop": 32, "batch_size": 4, "threads": 1, "valid_share": 0.2,
        "unet": {"width": 8, "levels": 1, "blocks": 1},
    },
    "vae": {
        "epochs": 1, "threads": 1, "deep": {"width": 8, "levels": 2, "blocks": 1},
        "classifier": {"epochs": 1, "width": 8, "threads": 1},
    },
    "train_judge": {"epochs": 1, "width": 8, "threads": 1},
    "attribute_vectors": {"bootstrap": 2, "strengths": [1.0, 2.0], "faces": 3},
    "train_aligner": {"images": 40, "epochs": 1, "width": 8, "threads": 1},
    "evaluate_aligner": {"pictures": 2, "faces": 2},
    "explore_latents": {"steps": 3, "pairs": 2, "diagrams": 1, "grid_rows": 2, "grid_columns": 2},
    "evaluate_dae": {"faces": 2, "sweep_sigmas": [25.0], "sweep_images": 2},
    "report_data": {"faces": 2},
    "evaluate_vae": {
        "faces": 2, "samples": 4, "edited_faces": 5, "compared_faces": 1, "strengths": [1.0], "attributes": ["Smiling"],
    },
}  # fmt: skip
# Runs every time that the source reads files outside of the project, whether or not they have changed.
WATCHING = {"fingerprint"}
# Where stages run side by side each line has the stage before it.
_RAN = re.compile(r"^(?:\w+ *\| )?Running stage '([^']+)'", re.MULTILINE)


def project_files() -> list[str]:
    """Paths of the files that are in Git or would be after `git add`, relative to the repository, sorted."""
    return _listed("--cached", "--others", "--exclude-standard")


def tracked_files() -> list[str]:
    """Of these the ones that are in Git: without what somebody is just trying out."""
    return _listed("--cached")


def _listed(*options: str) -> list[str]:
    listed = git(ROOT, "ls-files", "-z", *options)
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def copy_project(folder: Path) -> None:
    """Copy those files to `folder` and make it a Git repository without a commit; DVC's own files are among them."""
    for name in project_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")


def shrink(folder: Path, changes: dict | None = None) -> None:
    """Make the parameters of a copy small, and then those in `changes` what they say."""
    path = folder / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for part in (SMALL, changes or {}):
        _merge(params, part)
    path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def keep_stages(folder: Path, names: Collection[str]) -> None:
    """Leave these stages, and the one that looks outside, in a copy's dvc.yaml; nothing of them has run yet.

    They must not need another.
    """
    path = folder / "dvc.yaml"
    stages = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    kept = {"stages": {name: body for name, body in stages.items() if name in WATCHING or name in names}}
    path.write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")
    (folder / "dvc.lock").unlink(missing_ok=True)


# The shortest pipeline that trains something.
JUDGED = ("download", "crop_pad_vae", "cache_arrays_vae", "train_judge")


def copy_judged(factory: pytest.TempPathFactory) -> Path:
    """A copy of a project whose small pipeline of JUDGED has run, committed. Whoever asks first runs it for all."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, folder = base / "judged", factory.mktemp("project")
    with (base / "judged.lock").open("a", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.fstat(lock.fileno()).st_size:
            shutil.rmtree(made, ignore_errors=True)
            copy_project(made)
            shrink(made)
            keep_stages(made, JUDGED)
            dvc(made, "repro")
            commit(made, "run")
            lock.write("done")
    return shutil.copytree(made, folder, symlinks=True, dirs_exist_ok=True)


def _merge(into: dict, changes: dict) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            _merge(into[key], value)
        else:
            into[key] = value


def git(folder: Path, *arguments: str) -> str:
    """Output of a Git command that must succeed."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, env=ENVIRONMENT, check=True, capture_output=True, encoding="utf-8"
    ).stdout


def commit(folder: Path, message: str) -> None:
    """Commit everything that Git does not ignore."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


def dvc(folder: Path, *arguments: str, fails: bool = False, **environment: str) -> str:
    """Both outputs of a dvc command, which must succeed unless it `fails`."""
    return command(folder, "dvc", *arguments, fails=fails, **environment)


def command(folder: Path, *words: str, fails: bool = False, **environment: str) -> str:
    """The same of any command."""
    done = subprocess.run(
        words, cwd=folder, env={**ENVIRONMENT, **environment}, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert (done.returncode != 0) == fails, f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}"
    return done.stdout


def killed_at(stage: str, event: str, name: str, count: int = 1, torn: bool = False) -> dict[str, str]:
    """The environment in which a stage ends with SIGKILL at that moment (killing/sitecustomize.py)."""
    moment = json.dumps([stage, event, name, count, torn])
    return {"PYTHONPATH": str(Path(__file__).with_name("killing")), "KILLED_AT": moment}


def run_stage(folder: Path, stage: str, **environment: str) -> tuple[int, str]:
    """Start a stage as DVC would; its exit code, negative for the signal that ended it, and both outputs."""
    command = STAGES[stage]["cmd"].split()
    surroundings = {**ENVIRONMENT, "DVC_ROOT": str(folder), "DVC_STAGE": stage, **environment}
    with TemporaryFile() as output, open(os.devnull, "rb") as nothing:
        files = [nothing.fileno(), output.fileno(), output.fileno()]
        code = Started(os.environ["NURSERY_ADDRESS"], command, str(folder), surroundings, files).wait()
        output.seek(0)
        return code, output.read().decode()


def stages_run(output: str) -> set[str]:
    """Names of the stages that `dvc repro` or `dvc exp run` says it started, without the one that looks outside."""
    return set(_RAN.findall(output)) - WATCHING


def stages_changed(folder: Path) -> set[str]:
    """Names of the stages that are not up to date."""
    return set(json.loads(dvc(folder, "status", "--json")))


def leaves(node: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted keys and values of nested mappings; a list is one value."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
