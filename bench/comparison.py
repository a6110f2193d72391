"""The rows of docs/results.md: train and evaluate each in a copy of the project, keep what was measured.

    python -m bench.comparison --celeba DIR [ROW ...]
    python -m bench.comparison --default

bench/comparison.yaml says what each row changes; docs/results.py makes the page of bench/measured/ROW.json. The default
run is none of the rows: what the workspace's results/ hold of it is kept in bench/measured/default.json when one asks
for it, so that the page does not change with the next run or experiment.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import yaml

from bench.verify import copy_project, project_files, run_pipeline, set_params
from facevae.app.presets import read_settings, text_of
from facevae.core.command import run
from facevae.core.errors import FacevaeError
from facevae.core.files import write_json

ROWS = Path(__file__).with_suffix(".yaml")
MEASURED = Path("bench/measured")
DEFAULT = "default"
# Stages of the default run that the page shows, and those of their CSV files that it shows besides their metrics.
DEFAULT_STAGES: dict[str, tuple[str, ...]] = {
    "evaluate_dae": ("baselines", "sweep"),
    "evaluate_vae": ("counterfactual", "edits", "method_strengths", "methods", "summary"),
    "train_judge": (),
}


@dataclass(frozen=True)
class Row:
    """A row: what it shows, the changes to params.yaml as `dvc exp run -S` takes them, the stage that measures it.

    `setting`: the named settings that it changes, or None for the project's params.yaml. `tables`: those of the stage's
    CSV files that are kept beside its metrics. `start`: the row whose weights its training starts from, or None.
    """

    name: str
    table: str
    what: str
    changes: tuple[str, ...]
    target: str
    tables: tuple[str, ...] = ()
    setting: str | None = None
    start: str | None = None


def main(
    rows: Annotated[list[str] | None, typer.Argument(help="Rows of bench/comparison.yaml; none: all.")] = None,
    celeba: Annotated[Path | None, typer.Option(help="The directory with CelebA's files.")] = None,
    work: Annotated[
        Path | None, typer.Option(help="A folder for the copy, kept, so that rows share their data; else removed.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only print each row's changes.")] = False,
    default: Annotated[
        bool,
        typer.Option("--default", help="Only keep what an up-to-date `dvc repro` of the default left in results/."),
    ] = False,
) -> None:
    """Run rows of the comparison on CelebA, one after the other, and write bench/measured/ROW.json for each."""
    if default:
        write_json(MEASURED / f"{DEFAULT}.json", of_default_run(Path()))
        print(MEASURED / f"{DEFAULT}.json")
        return
    chosen = choose(read_rows(ROWS), rows or [])
    if show:
        for row in chosen:
            of = f"to the settings {row.setting}: " if row.setting else ""
            print(f"{row.name}: {row.what}\n  {of}{' '.join(row.changes) or 'no changes'}")
        return
    for row in (row for row in chosen if row.start):
        # DVC starts no training from other weights: without them this would be another row.
        print(f"{row.name}: left out, it starts from {row.start}'s weights; python -m bench.tries measures it")
    chosen = [row for row in chosen if not row.start]
    if not chosen:
        return
    if celeba is None or not celeba.is_dir():
        raise FacevaeError(
            where="--celeba", expected="the directory with CelebA's files", found=str(celeba), fix="give it"
        )
    project = Path()
    with _folder(work) as folder:
        copy_project(project, project_files(project), folder)
        for row in chosen:
            write_params(project, row, folder, [f"download.celeba.path={celeba.resolve()}"])
            seconds = run_pipeline(folder, [row.target])
            write_json(MEASURED / f"{row.name}.json", measured(folder, row, seconds))
            print(f"{MEASURED / row.name}.json", flush=True)


def read_rows(path: Path) -> list[Row]:
    """All rows, table by table: a table's `base` changes come before a row's own."""
    tables = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Row(
            name, table, row["what"], (*body["base"], *row.get("changes", [])), body["target"],
            tuple(body.get("tables", [])), body.get("setting"), row.get("start"),
        )
        for table, body in tables.items()
        for name, row in body["rows"].items()
    ]  # fmt: skip


def choose(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The named rows, all for none. Raises FacevaeError for an unknown name."""
    known = {row.name: row for row in rows}
    for name in names:
        if name not in known:
            raise FacevaeError(where=name, expected=f"one of {', '.join(known)}", found="no such row", fix="correct it")
    return [known[name] for name in names] if names else list(rows)


def write_params(project: Path, row: Row, folder: Path, more: Sequence[str] = ()) -> None:
    """Write the row's parameters to the folder's params.yaml: those of the project, with `more` changes and its own."""
    params = (project / "params.yaml").read_text(encoding="utf-8")
    if row.setting:
        params = text_of(read_settings(project / "settings")[row.setting])
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    set_params(folder, [*more, *row.changes])


def measured(folder: Path, row: Row, seconds: dict[str, float]) -> dict[str, Any]:
    """The metrics and tables that the row's stage wrote, the last epoch, and how long the training took, if it ran."""
    found: dict[str, Any] = {"changes": list(row.changes), **kept(folder / "results" / row.target, row.tables)}
    training = row.target.replace("evaluate", "train")
    if training in seconds:
        found["training_seconds"] = round(seconds[training])
    history = folder / "results" / training / "history.csv"
    if history.is_file():
        found["last_epoch"] = _rows(history)[-1]
    return found


def of_default_run(project: Path) -> dict[str, Any]:
    """By stage, metrics and tables of the default run, from results/ of a project whose params.yaml is the default."""
    params, default = project / "params.yaml", project / "settings/default.yaml"
    if params.read_bytes() != default.read_bytes():
        fix = "python -m facevae.app.presets default, then dvc repro"
        raise FacevaeError(where=params, expected=f"the content of {default}", found="another", fix=fix)
    return {stage: kept(project / "results" / stage, tables) for stage, tables in DEFAULT_STAGES.items()}


def kept(results: Path, tables: Sequence[str]) -> dict[str, Any]:
    """`metrics` of a stage's folder in results/, and `tables`, each a list of rows, if there are any to keep."""
    path = results / "metrics.json"
    if not path.is_file():
        raise FacevaeError(where=path, expected="the metrics of a run", found="no such file", fix="dvc repro")
    found: dict[str, Any] = {"metrics": json.loads(path.read_text(encoding="utf-8"))}
    if tables:
        found["tables"] = {table: _rows(results / f"{table}.csv") for table in tables}
    return found


def _rows(path: Path) -> list[dict[str, str | float]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: _number_or_word(value) for key, value in line.items()} for line in csv.DictReader(file)]


def _number_or_word(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


@contextmanager
def _folder(work: Path | None) -> Iterator[Path]:
    if work is None:
        with TemporaryDirectory(prefix="facevae-comparison-") as temporary:
            yield Path(temporary)
    else:
        work.mkdir(parents=True, exist_ok=True)
        yield work.resolve()


if __name__ == "__main__":
    run(main)
