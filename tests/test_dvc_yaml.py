"""dvc.yaml says what the code does: its imports, the parameters that it reads, the files that it passes on."""

import ast
import importlib
import itertools
import re
import shutil
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from typing import Any, get_args

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from project_copy import leaves

from bench.rooms import (
    MOST_OF_A_ROOM,
    ROOT,
    closure,
    closure_files,
    modules,
    source_tree,
    with_code_deps,
)
from facevae.core.params import Section, load_section

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, dict[str, Any]] = PIPELINE["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
CHOICE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True)
class Read:
    """One `load_section` in a stage: section `key` as a `model`; `only`: the one field that is looked at."""

    key: str
    model: type[Section]
    only: str | None = None
    when: tuple[str, str] | None = None  # (parameter, its value) under which this is read


# --- what dvc.yaml says


def module_of(stage: str) -> str:
    return "stages." + command_of(stage)[0]


def command_of(stage: str) -> tuple[str, str | None]:
    """Module and argument of `python -m stages.MODULE [dae|vae]`."""
    match = re.fullmatch(r"python -m stages\.(\w+)(?: (dae|vae))?", STAGES[stage]["cmd"])
    assert match, f"{stage}: cmd is not `python -m stages.X [dae|vae]` but {STAGES[stage]['cmd']}"
    return match[1], match[2]


def outs_of(stage: str) -> list[str]:
    entries = STAGES[stage].get("outs", []) + STAGES[stage].get("metrics", []) + STAGES[stage].get("plots", [])
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def params_of(stage: str) -> list[str]:
    """What a stage declares of params.yaml; of another file is stages/fingerprint.yaml alone."""
    return [line for line in STAGES[stage].get("params", []) if isinstance(line, str)]


def results_of(stage: str) -> str:
    """The folder for a stage's results: of its own name, but for the report on the data."""
    return "results/data" if stage == "report_data" else f"results/{stage}"


def data_deps_of(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if not is_code(dep)]


def is_code(dep: str) -> bool:
    return dep.startswith(("facevae/", "stages/"))


def covered(dep: str) -> set[str]:
    """The project's files, packages' docstrings aside, that a dep stands for: itself, or all in its folder."""
    found = [ROOT / dep] if dep.endswith(".py") else (ROOT / dep).rglob("*.py")
    return {path.relative_to(ROOT).as_posix() for path in found if path.stem != "__init__"}


def test_a_stage_for_every_module():
    assert {module_of(stage) for stage in STAGES} == set(modules("stages"))


@pytest.mark.parametrize("stage", STAGES)
def test_name_is_module_and_argument(stage):
    module, argument = command_of(stage)
    assert stage == (f"{module}_{argument}" if argument else module)


@pytest.mark.parametrize("stage", STAGES)
def test_code_deps_cover_the_import_closure(stage):
    declared = set().union(*(covered(dep) for dep in STAGES[stage]["deps"] if is_code(dep)))
    needed = closure_files(module_of(stage))
    assert needed <= declared, f"{stage}: missing {sorted(needed - declared)}; run make deps"
    if stage.startswith("train_"):
        assert declared == needed, f"{stage}: a training does not import {sorted(declared - needed)}; run make deps"
    for dep in filter(is_code, STAGES[stage]["deps"]):
        assert len(covered(dep) & needed) > MOST_OF_A_ROOM * len(covered(dep)), f"{stage} uses little of {dep}"


def test_reads_as_a_table_of_contents():
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 380
    # Of the library; its own file in stages/ every stage has.
    assert max(sum(dep.startswith("facevae/") for dep in body["deps"]) for body in STAGES.values()) <= 14


def test_code_deps_are_what_make_deps_writes():
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert with_code_deps(text) == text, "make deps"


@pytest.mark.parametrize("stage", STAGES)
def test_written_in_one_style(stage):
    body = STAGES[stage]
    assert list(body) == [key for key in ("cmd", "deps", "params", "outs", "metrics") if key in body]
    assert body["deps"] == sorted(body["deps"])
    made = outs_of(stage)
    assert made == [*sorted(made[: len(body["outs"])]), *sorted(made[len(body["outs"]) :])]
    # A choice comes first and what it chooses right after it: `dae.architecture`, `dae.${dae.architecture}`.
    params = params_of(stage)
    assert params == sorted(params, key=lambda key: (key not in choices(stage), "$" not in key, key))


def choices(stage: str) -> list[str]:
    """The parameters on which others depend: `dae.architecture` where there is `dae.${dae.architecture}`."""
    return sorted({key for line in params_of(stage) for key in CHOICE.findall(line)})


# --- parameters: keys declared, keys read


@cache
def reads_of(stage: str) -> tuple[Read, ...]:
    """The sections that a stage loads, found in its source; of those for `dae` and `vae` the ones for its argument."""
    module, argument = command_of(stage)
    tree = source_tree(f"stages.{module}")
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    namespace = dict(binding for node in statements for binding in bindings(node))
    fields = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load_section"):
            continue
        _, key, model = node.args
        if isinstance(key, ast.Constant):
            if argument is None or key.value.endswith(f".{argument}"):
                assert isinstance(model, ast.Name)
                found.append(Read(key.value, namespace[model.id], fields.get(id(node))))
        else:
            # f"section.{choice}" with TABLE[choice]: one of several, named by the parameter section.choice.
            section, choice = re.fullmatch(r"f'(\w+)\.\{(\w+)\}'", ast.unparse(key)).groups()
            table = re.fullmatch(rf"(\w+)\[{choice}\]", ast.unparse(model))[1]
            for name, chosen in namespace[table].items():
                found.append(Read(f"{section}.{name}", chosen, when=(f"{section}.{choice}", name)))
    return tuple(found)


def bindings(node: ast.ImportFrom) -> list[tuple[str, Any]]:
    """What a `from module import name, ...` binds."""
    module = importlib.import_module(node.module)
    return [(alias.asname or alias.name, getattr(module, alias.name)) for alias in node.names]


def value_at(params: dict, key: str) -> Any:
    for part in key.split("."):
        params = params[part]
    return params


def with_choices(chosen: dict[str, str]) -> dict:
    """params.yaml with other choices, such as dae.architecture: report."""
    params = yaml.safe_load(yaml.safe_dump(PARAMS))
    for key, value in chosen.items():
        section, name = key.rsplit(".", 1)
        value_at(params, section)[name] = value
    return params


def alternatives(stage: str) -> list[dict[str, str]]:
    """Every combination of the choices that the stage's params depend on, `${...}` in dvc.yaml."""
    allowed = []
    for key in choices(stage):
        section, name = key.rsplit(".", 1)
        (model,) = (read.model for read in reads_of(stage) if read.key == section)
        allowed.append(get_args(model.model_fields[name].annotation))
    return [dict(zip(choices(stage), values, strict=True)) for values in itertools.product(*allowed)]


def declared_keys(stage: str, params: dict) -> set[str]:
    """The single values that the stage's params stand for, `${...}` resolved."""
    lines = [CHOICE.sub(lambda match: value_at(params, match[1]), line) for line in params_of(stage)]
    return {key for line in lines for key, _ in leaves(value_at(params, line), line)}


def read_keys(stage: str, params: dict, path: Any) -> set[str]:
    """The single values that the stage's typed sections take from the file at `path`, which holds `params`."""
    found = set()
    for read in reads_of(stage):
        if read.when is None or value_at(params, read.when[0]) == read.when[1]:
            section = load_section(path, read.key, read.model)
            taken = {read.only: getattr(section, read.only)} if read.only else given(section)
            found |= {key for key, _ in leaves(taken, read.key)}
    return found


def given(section: Section) -> dict[str, Any]:
    """Fields that were taken from the file, nested; those with a default of their own are not among them."""
    return {
        name: given(value) if isinstance(value := getattr(section, name), Section) else value
        for name in section.model_fields_set
    }


@pytest.mark.parametrize(
    ("stage", "chosen"), [(stage, chosen) for stage in STAGES for chosen in alternatives(stage)], ids=str
)
def test_declared_parameters_are_those_read(stage, chosen, tmp_path):
    params = with_choices(chosen)
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(params), encoding="utf-8")
    declared, read = declared_keys(stage, params), read_keys(stage, params, path)
    assert declared == read, f"{stage}: not declared {sorted(read - declared)}, not read {sorted(declared - read)}"


@pytest.mark.parametrize("stage", STAGES)
def test_read_parameters_are_used(stage):
    """Every field of a section is looked at in the stage's code; test_pipeline.py watches the real access."""
    used = {name for module in closure(module_of(stage)) for name in attributes_used(module)}
    fields = {name for read in reads_of(stage) for name in ({read.only} if read.only else all_fields(read.model))}
    assert not {name for name in fields if not any(re.fullmatch(pattern, name) for pattern in used)}


@cache
def attributes_used(module: str) -> frozenset[str]:
    """Patterns of the attribute names that a module reads; f"{side}_filters" in a getattr stands for any side."""
    names = set()
    for node in ast.walk(source_tree(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            names.add(re.escape(node.attr))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr":
            parts = node.args[1].values if isinstance(node.args[1], ast.JoinedStr) else [node.args[1]]
            names.add("".join(re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in parts))
    return frozenset(names - {r"\w+"})


def all_fields(model: type[Section]) -> set[str]:
    """Names of the model's fields and of those of the models inside it."""
    inner = [
        kind
        for field in model.model_fields.values()
        for kind in (field.annotation, *get_args(field.annotation))
        if isinstance(kind, type) and issubclass(kind, Section)
    ]
    return {*model.model_fields, *(name for kind in inner for name in all_fields(kind))}


@pytest.mark.parametrize("stage", STAGES)
def test_no_group_hides_a_size(stage):
    """DVC's run cache leaves keys called size and nfiles out of its hash (dvc/stage/cache.py, _get_cache_hash).

    Declared as part of a group, such a parameter changes and DVC brings back the outputs of its old value.
    """
    for chosen in alternatives(stage):
        params = with_choices(chosen)
        hidden = {key for key in declared_keys(stage, params) if key.split(".")[-1] in ("size", "nfiles")}
        assert hidden <= set(params_of(stage)), f"{stage}: declare {hidden} on lines of their own"


def test_every_parameter_belongs_to_a_stage():
    declared = {
        key for stage in STAGES for chosen in alternatives(stage) for key in declared_keys(stage, with_choices(chosen))
    }
    assert declared == {key for key, _ in leaves(PARAMS)}


def test_sections_are_named_after_stages():
    reading = {stage for stage in STAGES if params_of(stage)}
    names = {command_of(stage)[0] for stage in reading} - {"train_dae", "train_vae"} | {"dae", "vae"}
    assert set(PARAMS) == names


@pytest.mark.parametrize("section", ["dae", "vae"])
@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_what_the_report_tuned_can_be_tuned(section, side):
    keys = {key for key, _ in leaves(PARAMS[section])}
    assert {"learning_rate", "batch_size", "epochs", "report.activation"} <= keys
    assert {f"report.{side}_{what}" for what in ("layers", "filters", "kernel_sizes", "strides")} <= keys
    assert {"latent_dim", "report.latent_dim"} & keys


# --- params.yaml is written as DVC writes it


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("vae.latent_dim=128", "latent_dim: 128"),
        ("dae.learning_rate=1e-05", "learning_rate: 1e-05"),
        ("dae.report.encoder_filters=[32,64]", "- 64"),
    ],
)
def test_an_experiment_changes_one_line(change, line, tmp_path):
    """-S through DVC's own writer: the file is in the form that DVC gives it, so that diffs show what was changed."""
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    apply_overrides(path, [change])
    before, after = ((folder / "params.yaml").read_text(encoding="utf-8").splitlines() for folder in (ROOT, tmp_path))
    assert [new.strip() for old, new in zip(before, after, strict=True) if old != new] == [line]


# --- data


def test_every_input_is_made_by_a_stage():
    made = {out for stage in STAGES for out in outs_of(stage)}
    assert {dep for stage in STAGES for dep in data_deps_of(stage)} <= made


def test_no_output_has_two_makers():
    made = [out for stage in STAGES for out in outs_of(stage)]
    assert len(made) == len(set(made))
    assert not [(a, b) for a, b in itertools.permutations(made, 2) if b.startswith(f"{a}/")]


def test_outputs_lie_where_they_belong():
    for stage in STAGES:
        for out in outs_of(stage):
            assert out.startswith(("data/", "models/", f"{results_of(stage)}/")), f"{stage}: {out}"


def test_stages_make_one_graph():
    before = stages_before()
    order = list(TopologicalSorter(before).static_order())  # raises CycleError
    assert [stage for stage in order if not before[stage]] == ["fingerprint"], "all data come from the download"


def test_the_designs_graph():
    assert stages_before() == {
        "fingerprint": set(),
        "download": {"fingerprint"},
        "crop_pad_dae": {"download"},
        "crop_pad_vae": {"download"},
        "add_noise": {"crop_pad_dae"},
        "cache_arrays_dae": {"download", "crop_pad_dae", "add_noise"},
        "cache_arrays_vae": {"download", "crop_pad_vae"},
        "report_data": {
            "download",
            "crop_pad_dae",
            "crop_pad_vae",
            "add_noise",
            "cache_arrays_dae",
            "cache_arrays_vae",
        },
        "train_dae": {"download", "cache_arrays_dae"},
        "train_vae": {"cache_arrays_vae"},
        "train_judge": {"cache_arrays_vae"},
        "train_identity": {"download", "cache_arrays_vae", "train_judge"},
        "train_aligner": {"download"},
        "encode": {"cache_arrays_vae", "train_vae"},
        "fit_mixture": {"cache_arrays_vae", "encode"},
        "explore_latents": {"cache_arrays_vae", "train_vae", "encode"},
        "attribute_vectors": {"cache_arrays_vae", "train_vae", "train_judge", "encode"},
        "evaluate_dae": {"cache_arrays_dae", "train_dae"},
        "evaluate_aligner": {"download", "train_aligner"},
        "evaluate_vae": {
            "download",
            "cache_arrays_vae",
            "train_vae",
            "train_judge",
            "train_identity",
            "encode",
            "attribute_vectors",
            "fit_mixture",
        },
        "export": {"cache_arrays_dae", "cache_arrays_vae", "train_dae", "train_vae", "train_judge", "train_aligner"},
    }


def stages_before() -> dict[str, set[str]]:
    maker = {out: stage for stage in STAGES for out in outs_of(stage)}
    return {stage: {maker[dep] for dep in data_deps_of(stage)} for stage in STAGES}


def test_metrics_are_kept_in_git():
    for stage in STAGES:
        for entry in STAGES[stage].get("metrics", []):
            assert entry == {f"{results_of(stage)}/metrics.json": {"cache": False}}
    measuring = {"report_data", "train_judge", "train_identity", "evaluate_dae", "evaluate_aligner", "evaluate_vae"}
    measuring |= {"export"}
    assert {stage for stage in STAGES if "metrics" in STAGES[stage]} == measuring


def test_plots_show_outputs():
    made = {out for stage in STAGES for out in outs_of(stage)}
    for entry in PIPELINE["plots"]:
        if isinstance(entry, str):
            assert entry in made, "a bare entry is an output: a picture or a folder of pictures"
        else:
            ((name, body),) = entry.items()
            assert set(body["y"]) <= made, name


@pytest.mark.parametrize("model", ["dae", "vae"])
def test_learning_curves_hold_train_and_valid(model):
    history = f"results/train_{model}/history.csv"
    bodies = [body for entry in PIPELINE["plots"] if isinstance(entry, dict) for body in entry.values()]
    columns = [body["y"][history] for body in bodies if history in body["y"]]
    assert columns
    for train, valid in columns:
        assert train.removeprefix("train_") == valid.removeprefix("valid_")


def test_artifacts_are_the_models():
    assert {body["path"] for body in PIPELINE["artifacts"].values()} == {
        "models/dae.safetensors",
        "models/vae.safetensors",
        "models/aligner.safetensors",
    }
    for body in PIPELINE["artifacts"].values():
        assert list(body) == ["path", "type", "desc", "labels"]
        assert body["type"] == "model" and body["desc"] and body["labels"] == sorted(body["labels"])
