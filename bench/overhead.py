"""What DVC itself takes: the project's pipeline with full-size files and without its science, beside an empty one."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench import stand_in
from bench.preparing import DAE_STAGES, VAE_STAGES, run_stage
from bench.sets import DataSet, write_params
from bench.verify import copy_project, environment, project_files
from facevae.core.errors import FacevaeError

FIRST, AGAIN, STATUS = "dvc repro, the first", "dvc repro, nothing to do", "dvc status"
_COMMANDS = {FIRST: ["repro"], AGAIN: ["repro"], STATUS: ["status"]}
# Of models and results, which are small beside the data; and how many pictures a folder of them has.
_SMALL, _PICTURES = 100_000, 10
_EMPTY = {"stages": {"nothing": {"cmd": "echo nothing > out", "outs": ["out"]}}}


class Timing(NamedTuple):
    """Seconds of a command, and those of them in which the stages' own commands ran."""

    seconds: float
    commands: float


class Layout(NamedTuple):
    """The files of a pipeline's outputs: `{stage: {path: bytes}}`."""

    sizes: dict[str, dict[str, int]]

    def __str__(self) -> str:
        found = [size for files in self.sizes.values() for size in files.values()]
        return f"{len(self.sizes)} stages, {len(found)} files, {sum(found) / 1e9:.2f} GB"


def measure_dvc(project: Path, layout: Layout, folder: Path, rounds: int) -> dict[str, dict[str, list[Timing]]]:
    """Timings by command and by pipeline, `full` and `empty`, one after the other in each round."""
    pipelines = {"full": folder / "full", "empty": folder / "empty"}
    copy_project(project, project_files(project), pipelines["full"])
    _replace_commands(pipelines["full"], layout, folder)
    copy_project(project, [".dvc/config", ".dvcignore", ".gitignore"], pipelines["empty"])
    (pipelines["empty"] / "dvc.yaml").write_text(yaml.safe_dump(_EMPTY), encoding="utf-8")
    for pipeline in pipelines.values():
        with (pipeline / ".dvc/config.local").open("a", encoding="utf-8") as file:
            file.write("[core]\n    check_update = false\n")
    found: dict[str, dict[str, list[Timing]]] = {name: {"full": [], "empty": []} for name in _COMMANDS}
    for _ in range(rounds):
        for pipeline in pipelines.values():
            _forget(pipeline)
        for name, arguments in _COMMANDS.items():
            for which, pipeline in pipelines.items():
                found[name][which].append(_time(pipeline, arguments, folder / "seconds.txt"))
            shown = ", ".join(f"{which} {timings[-1].seconds:.2f} s" for which, timings in found[name].items())
            print(f"{name}: {shown}", flush=True)
    return found


def layout_of(project: Path, example: DataSet, images: int, workers: int) -> Layout:
    """The outputs of the project's pipeline for so many raw images, in proportion to those of a small data set.

    Runs the data stages on that; the denoiser's have as many images as the project's params.yaml says.
    """
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    denoised = params["crop_pad"]["dae"]["images"] or images
    everything = dict.fromkeys(
        ("crop_pad.dae.images", "crop_pad.vae.images", "cache_arrays.dae.images", "cache_arrays.vae.images")
    )
    write_params(project / "params.yaml", example.folder / "params.yaml", everything)
    for name in (*VAE_STAGES, *DAE_STAGES):
        run_stage(name, example.folder, workers)
    made = {
        str(path.relative_to(example.folder)): path.stat().st_size
        for path in (example.folder / "data").rglob("*") if path.is_file()
    }  # fmt: skip
    stages = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    scales = {"data/dae": denoised / example.images, "data": images / example.images}
    return Layout({name: _files_of(body, made, scales) for name, body in stages.items()})


def table(found: dict[str, dict[str, list[Timing]]]) -> str:
    """Medians as a Markdown table, a row per command; what is DVC's own is without the stages' commands."""
    lines = ["| command | full | of that DVC | empty | of that DVC | DVC's difference |", "| --- |" + " ---: |" * 5]
    for name, by_pipeline in found.items():
        cells, own = [], []
        for which in ("full", "empty"):
            own.append(statistics.median(timing.seconds - timing.commands for timing in by_pipeline[which]))
            cells += [statistics.median(timing.seconds for timing in by_pipeline[which]), own[-1]]
        lines.append("| " + " | ".join([name, *(f"{cell:.2f} s" for cell in (*cells, own[0] - own[1]))]) + " |")
    return "\n".join(lines)


def _files_of(stage: dict[str, Any], made: dict[str, int], scales: dict[str, float]) -> dict[str, int]:
    """Bytes of each file that a stage makes: data in proportion to the example's, others small."""
    files: dict[str, int] = {}
    # An output is its path, or its path with what DVC is to do with it.
    outs = [
        path
        for out in (*stage.get("outs", []), *stage.get("metrics", []))
        for path in ([out] if isinstance(out, str) else out)
    ]
    for out in outs:
        below = {name: size for name, size in made.items() if name == out or name.startswith(f"{out}/")}
        if below:
            scale = next(scale for prefix, scale in scales.items() if out.startswith(f"{prefix}/"))
            files |= {name: max(1, round(size * scale)) for name, size in below.items()}
        elif Path(out).suffix:
            files[out] = _SMALL
        else:
            files |= {f"{out}/{number}.png": _SMALL for number in range(_PICTURES)}
    return files


def _replace_commands(pipeline: Path, layout: Layout, folder: Path) -> None:
    script, sizes = Path(stand_in.__file__).resolve(), folder.resolve() / "sizes.json"
    sizes.write_text(json.dumps(layout.sizes), encoding="utf-8")
    path = pipeline / "dvc.yaml"
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name, body in text["stages"].items():
        body["cmd"] = f'"{sys.executable}" -I "{script}" "{sizes}" {name}'
    path.write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")


def _forget(pipeline: Path) -> None:
    """As if nothing had run here: no outputs, no cache, no lock, no state."""
    for name in ("data", "models", "results", "out", "dvc.lock", ".dvc/cache", ".dvc/tmp", ".dvc/site"):
        path = pipeline / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _time(pipeline: Path, arguments: list[str], log: Path) -> Timing:
    log.unlink(missing_ok=True)
    own = {
        **environment(),
        # DVC remembers the files' hashes outside of the project.
        "DVC_SITE_CACHE_DIR": str(pipeline.resolve() / ".dvc/site"),
        "DVC_GLOBAL_CONFIG_DIR": str(pipeline.resolve() / ".dvc/site"),
    }
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=pipeline, env=own, encoding="utf-8",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if done.returncode:
        raise FacevaeError(
            where=f"dvc {' '.join(arguments)}", expected="exit code 0", found=done.stdout.strip()[-300:],
            fix="see the message",
        )  # fmt: skip
    commands = sum(map(float, log.read_text(encoding="utf-8").split())) if log.exists() else 0.0
    return Timing(seconds, commands)
