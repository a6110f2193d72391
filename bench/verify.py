"""Same input, same bits: run the pipeline twice from nothing and compare every output by its hash.

    python -m bench.verify

Each run has a copy of the project to itself, made of the files that are in Git or would be, with an empty DVC cache
and without dvc.lock, so that every stage runs.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import yaml
from dvc.exceptions import InvalidArgumentError
from dvc.utils.hydra import apply_overrides

from facevae.core.command import run
from facevae.core.errors import FacevaeError

RUNS = ("first", "second")
_HEADER = ("stage", "output", "two runs", "dvc.lock", *(f"{name} s" for name in RUNS))
_LAST_LINES = 20


@dataclass(frozen=True)
class Row:
    """An output: whether both runs made the same bits, and what the committed dvc.lock has to say of them."""

    stage: str
    output: str
    same: bool
    committed: str


def main(
    targets: Annotated[list[str] | None, typer.Argument(help="Stages; what they need runs too. None: all.")] = None,
    set_param: Annotated[
        list[str] | None, typer.Option("--set-param", "-S", help="key=value, as in dvc exp run; can be repeated.")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="A new folder for the two copies; else they are removed.")] = None,
) -> None:
    """Run the pipeline twice from nothing and compare every output; exit code 1 if one differs.

    Reports stage by stage, beside dvc.lock: data must be `as committed` on every machine. Models depend on the
    processor and the PyTorch build; where these are others, so are the models and what is measured of them, which is
    said, with how far the metrics are from the committed ones, and is no failure.
    """
    files = project_files(Path())
    committed = read_lock(Path())
    with _folder(keep) as folder:
        copies = [folder / name for name in RUNS]
        # Both at once: the project may be edited while the first one runs.
        for copy in copies:
            copy_project(Path(), files, copy)
            set_params(copy, set_param or [])
        seconds = [run_pipeline(copy, targets or []) for copy in copies]
        rows = compare(*(read_lock(copy) for copy in copies), committed)
        moved = distances(copies[0], Path(), rows, committed)
    print(f"\n{table(rows, seconds)}\n")
    verdicts = Counter(row.committed for row in rows).most_common()
    print("beside dvc.lock: " + ", ".join(f"{count} {verdict}" for verdict, count in verdicts))
    print("".join(f"{line}\n" for line in moved), end="")
    different = sum(not row.same for row in rows)
    print(f"{different} of {len(rows)} outputs differ" if different else f"all {len(rows)} outputs are the same, twice")
    if different:
        raise typer.Exit(1)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with TemporaryDirectory(prefix="facevae-verify-") as temporary:
            yield Path(temporary)
    else:
        keep.mkdir(parents=True)
        yield keep.resolve()


# --- a copy from nothing


def project_files(project: Path) -> list[str]:
    """Paths of the files that are in Git or would be after `git add`, relative to the project, sorted."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=project, env=environment(), capture_output=True, encoding="utf-8",
    )  # fmt: skip
    if listed.returncode:
        found = listed.stderr.strip() or "a failing git"
        raise FacevaeError(where=project.resolve(), expected="a Git repository", found=found, fix="start it in a clone")
    return sorted(name for name in set(listed.stdout.split("\0")) if name and (project / name).is_file())


def copy_project(project: Path, files: Sequence[str], folder: Path) -> None:
    """Copy the files to a new folder that is a DVC project with an empty cache of its own, where nothing has run."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(project / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    # Whatever cache a person shares among projects would hand the outputs of the first run to the second.
    (folder / ".dvc/config.local").write_text("[cache]\n    dir = cache\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, env=environment(), check=True)


def set_params(folder: Path, changes: Sequence[str]) -> None:
    """Change the copy's params.yaml as `dvc exp run -S` would."""
    params = folder / "params.yaml"
    try:
        apply_overrides(params, list(changes))  # at once: each call reads and writes the whole file
    except InvalidArgumentError:
        for change in changes:
            _set_param(params, change)


def _set_param(params: Path, change: str) -> None:
    """A single change. Raises FacevaeError that names it if it is wrong."""
    try:
        apply_overrides(params, [change])
    except InvalidArgumentError as error:
        reason = str(error.__cause__).splitlines()[0]
        raise FacevaeError(
            where=f"-S {change}", expected="key=value with a key of params.yaml", found=reason, fix="correct it"
        ) from error


def environment() -> dict[str, str]:
    """This process's, so that the runs compute where the pipeline would; this python first.

    Without what DVC and Git say there of the repository around; with what says where their configuration is.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DVC_", "GIT_"))
        or name.startswith("GIT_CONFIG")
        or name.endswith(("CONFIG_DIR", "CACHE_DIR"))
    }
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}


# --- a run


def run_pipeline(folder: Path, targets: Sequence[str]) -> dict[str, float]:
    """Seconds of each stage that `dvc repro` ran; a line for each as it ends, and of a failed run the last lines."""
    seconds: dict[str, float] = {}
    last: deque[str] = deque(maxlen=_LAST_LINES)
    stage, start = "", time.monotonic()

    def end_stage() -> None:
        if stage:
            seconds[stage] = time.monotonic() - start
            print(f"{folder.name} run: {stage} {seconds[stage]:.1f} s", flush=True)

    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", *targets], cwd=folder, env=environment(), encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        for line in process.stdout:
            last.append(line)
            if line.startswith("Running stage '"):
                end_stage()
                stage, start = line.split("'")[1], time.monotonic()
    if process.returncode:
        print("".join(last), end="", file=sys.stderr)
        raise FacevaeError(
            where=f"dvc repro, {folder.name} run",
            expected="exit code 0",
            found=f"{process.returncode} in {stage or 'no stage'}",
            fix="see the lines above",
        )
    end_stage()
    return seconds


def read_lock(folder: Path) -> dict[str, Any]:
    """The stages of a dvc.lock, by name; none where there is no such file."""
    path = folder / "dvc.lock"
    return yaml.safe_load(path.read_text(encoding="utf-8"))["stages"] if path.exists() else {}


# --- the comparison


def compare(first: dict[str, Any], second: dict[str, Any], committed: dict[str, Any]) -> list[Row]:
    """A row for each output that either run made, stage by stage, from the stages of the three lock files."""
    rows = []
    for stage in {**first, **second}:
        hashes, others = _hashes(first, stage), _hashes(second, stage)
        for output in {**hashes, **others}:
            same = hashes.get(output) == others.get(output)
            rows.append(Row(stage, output, same, _beside_committed(stage, output, first, committed)))
    return rows


def _beside_committed(stage: str, output: str, lock: dict[str, Any], committed: dict[str, Any]) -> str:
    """Whether the output is that of dvc.lock, else the nearest reason why it is not."""
    found, expected = _hashes(lock, stage).get(output), _hashes(committed, stage).get(output)
    if expected is None:
        return "not committed"
    if found is None:
        return "missing"
    if found == expected:
        return "as committed"
    made = {out["path"] for body in committed.values() for out in body["outs"]}
    if _recipe(lock[stage], made) != _recipe(committed[stage], made):
        return "other code or parameters"
    if _hashes(lock, stage, "deps") != _hashes(committed, stage, "deps"):
        return "other input"
    return "other processor or build"


def _hashes(lock: dict[str, Any], stage: str, kind: str = "outs") -> dict[str, str]:
    return {entry["path"]: entry["md5"] for entry in lock.get(stage, {}).get(kind, [])}


def _recipe(body: dict[str, Any], made: set[str]) -> tuple[object, ...]:
    """What a person wrote of a stage: command, parameters, and of the dependencies those that no stage makes."""
    written = {entry["path"]: entry["md5"] for entry in body.get("deps", []) if entry["path"] not in made}
    return body["cmd"], body.get("params"), written


def distances(copy: Path, project: Path, rows: Sequence[Row], committed: dict[str, Any]) -> list[str]:
    """A line for each JSON file of numbers that is not the committed one, which the project must still hold."""
    lines = []
    for row in rows:
        files = [folder / row.output for folder in (project, copy)]
        if row.output.endswith(".json") and row.committed != "as committed" and all(file.is_file() for file in files):
            content = files[0].read_bytes()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() == _hashes(committed, row.stage).get(row.output):
                before, after = (dict(_numbers(json.loads(file.read_text(encoding="utf-8")))) for file in files)
                lines.append(f"{row.output}: {_distance(before, after)}")
    return lines


def _distance(before: dict[str, float], after: dict[str, float]) -> str:
    """In words: how many numbers are others than before, and which has moved most, as a share of the larger value."""
    shares = {
        key: abs(after[key] - value) / max(abs(after[key]), abs(value))
        for key, value in before.items()
        if key in after and after[key] != value
    }
    lost, new = len(before.keys() - after.keys()), len(after.keys() - before.keys())
    parts = [f"{len(shares)} of {len(before)} numbers differ"]
    if shares:
        key = max(shares, key=shares.__getitem__)
        parts.append(f"at most by {shares[key]:.2g} of the value: {key} {before[key]:.6g} -> {after[key]:.6g}")
    parts += [f"{count} {what}" for count, what in ((lost, "are gone"), (new, "are new")) if count]
    return ", ".join(parts)


def _numbers(node: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Dotted keys and values of the numbers in nested mappings."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _numbers(value, f"{key}.{name}" if key else name)
    elif isinstance(node, int | float):
        yield key, node


def table(rows: Sequence[Row], seconds: Sequence[dict[str, float]]) -> str:
    """The rows in columns; a stage's name and its seconds, a column for each run, stand in its first row."""
    lines, above = [_HEADER], ""
    for row in rows:
        times = [f"{run[row.stage]:.1f}" if row.stage in run else "-" for run in seconds]
        stage, times = (row.stage, times) if row.stage != above else ("", [""] * len(times))
        lines.append((stage, row.output, "same" if row.same else "DIFFERENT", row.committed, *times))
        above = row.stage
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    numbers = range(4, len(_HEADER))
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


if __name__ == "__main__":
    run(main)
