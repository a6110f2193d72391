"""The comparison of docs/results.md: its rows are settings that the stages take, its page is what the script makes."""

import json
import runpy
import shutil
from pathlib import Path

import pytest
import yaml
from project_copy import tracked_files
from raw_data import one_line

from bench.comparison import DEFAULT, DEFAULT_STAGES, MEASURED, ROWS, choose, main, measured, read_rows, write_params
from bench.rooms import ROOT
from facevae.app.presets import read_settings
from facevae.celeba.splits import DaeCache
from facevae.core.errors import FacevaeError
from facevae.core.files import write_json
from facevae.core.params import load_section
from facevae.evaluation.dae import DaeEvaluation
from facevae.preparation.crop_settings import VaeCrop
from facevae.training.dae import DaeSettings
from facevae.training.vae import VaeSettings

KNOWN = read_rows(ROWS)
PAGE = ROOT / "docs/results.md"


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_every_row_is_settings_that_its_stages_take(row, tmp_path):
    before = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    write_params(ROOT, row, tmp_path)
    params = tmp_path / "params.yaml"
    if row.target == "evaluate_dae":
        for key, model in (("dae", DaeSettings), ("cache_arrays.dae", DaeCache), ("evaluate_dae", DaeEvaluation)):
            load_section(params, key, model)
    else:
        assert row.target == "evaluate_vae"
        for key, model in (("vae", VaeSettings), ("crop_pad.vae", VaeCrop)):
            load_section(params, key, model)
    after = yaml.safe_load(params.read_text(encoding="utf-8"))
    assert after["download"]["source"] == "celeba" and after != before


def test_rows_are_named_once_and_a_tables_changes_come_first():
    assert len({row.name for row in KNOWN}) == len(KNOWN)
    row = next(row for row in KNOWN if row.name == "dae-default")
    assert row.changes[0] == "download.source=celeba" and row.changes[-1] == "dae.epochs=27"


def test_a_row_changes_the_named_settings_of_its_table(tmp_path):
    named = read_settings(ROOT / "settings")["photographs"]
    written = {}
    for name in ("photographs-vae", "photographs-vae-beta20"):
        write_params(ROOT, choose(KNOWN, [name])[0], tmp_path, ["download.celeba.path=/data/celeba"])
        written[name] = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
        assert written[name]["download"]["celeba"]["path"] == "/data/celeba"
    assert written["photographs-vae"]["vae"] == named["vae"]
    assert written["photographs-vae-beta20"]["vae"] == {
        **named["vae"], "latent_dim": 128, "beta": 20.0, "feature_weight": 2.0, "epochs": 52,
    }  # fmt: skip


def test_rows_are_chosen_by_name_and_all_for_none():
    assert [row.name for row in choose(KNOWN, ["vae-default", "dae-short"])] == ["vae-default", "dae-short"]
    assert choose(KNOWN, []) == KNOWN
    with pytest.raises(FacevaeError, match=r"vae-perfect: expected one of dae-default, .*, found no such row"):
        choose(KNOWN, ["vae-perfect"])


def test_a_row_that_starts_from_other_weights_is_not_trained_from_nothing(capsys):
    by_name = {row.name: row for row in KNOWN}
    for name, row in by_name.items():
        assert row.start is None or (row.start in by_name and "fine-tuned" in row.what), name
    assert by_name["photographs-vae-read"].start == "photographs-vae"
    main(["photographs-vae-read"], celeba=None)
    assert "photographs-vae-read: left out, it starts from photographs-vae's weights" in capsys.readouterr().out


def test_what_is_kept_of_a_row(tmp_path):
    row = next(row for row in KNOWN if row.name == "dae-short")
    results = tmp_path / "results/evaluate_dae"
    results.mkdir(parents=True)
    (results / "metrics.json").write_text('{"dae": {"psnr_db": 31.5}}')
    for name in row.tables:
        (results / f"{name}.csv").write_text("answer,measure,value\nnoisy,psnr_db,20.5\n")
    found = measured(tmp_path, row, {"download": 3.0, "train_dae": 61.4, "evaluate_dae": 5.0})
    assert found == {
        "changes": list(row.changes),
        "metrics": {"dae": {"psnr_db": 31.5}},
        "tables": {name: [{"answer": "noisy", "measure": "psnr_db", "value": 20.5}] for name in row.tables},
        "training_seconds": 61,
    }
    assert "training_seconds" not in measured(tmp_path, row, {"evaluate_dae": 5.0})
    history = tmp_path / "results/train_dae/history.csv"
    history.parent.mkdir()
    history.write_text("epoch,valid_loss\n1,0.5\n2,0.25\n")
    assert measured(tmp_path, row, {})["last_epoch"] == {"epoch": 2.0, "valid_loss": 0.25}


def test_tables_are_kept_beside_the_metrics(tmp_path):
    row = next(row for row in KNOWN if row.name == "edits-real")
    results = tmp_path / "results/evaluate_vae"
    results.mkdir(parents=True)
    (results / "metrics.json").write_text("{}")
    for name in row.tables:
        (results / f"{name}.csv").write_text("attribute,method,faces,leakage\nBald,balanced,100,0.5\n")
    found = measured(tmp_path, row, {})["tables"]
    assert set(found) == {"edits", "methods", "method_strengths", "predictions", "summary"}
    assert found["edits"] == [{"attribute": "Bald", "method": "balanced", "faces": 100.0, "leakage": 0.5}]


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: row.name)
def test_every_row_was_measured_with_its_present_changes(row):
    found = json.loads((ROOT / MEASURED / f"{row.name}.json").read_text(encoding="utf-8"))
    assert found["changes"] == list(row.changes), f"run python -m bench.comparison --celeba DIR {row.name}"


def test_nothing_was_measured_that_is_no_row():
    found = {name for name in tracked_files() if Path(name).parent == MEASURED}
    assert found == {f"{MEASURED}/{name}.json" for name in [DEFAULT, *(row.name for row in KNOWN)]}


# --- the default run


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A project in which the default has run, as the current folder."""
    (tmp_path / "settings").mkdir()
    for name in ("params.yaml", "settings/default.yaml"):
        (tmp_path / name).write_text("seed: 0\n", encoding="utf-8")
    for number, stage in enumerate(DEFAULT_STAGES):
        write_json(tmp_path / "results" / stage / "metrics.json", {"value": number})
        for table in DEFAULT_STAGES[stage]:
            (tmp_path / "results" / stage / f"{table}.csv").write_text(
                "attribute,leakage\nBald,0.5\n", encoding="utf-8"
            )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_default_run_is_kept_when_one_asks_for_it(ran):
    main(default=True)
    found = json.loads((MEASURED / "default.json").read_text(encoding="utf-8"))
    assert {stage: body["metrics"] for stage, body in found.items()} == {
        stage: {"value": number} for number, stage in enumerate(DEFAULT_STAGES)
    }
    assert {stage: tuple(body.get("tables", {})) for stage, body in found.items()} == DEFAULT_STAGES


def test_no_experiment_is_kept_as_the_default_run(ran):
    (ran / "params.yaml").write_text("seed: 1\n", encoding="utf-8")
    with one_line("params.yaml: expected the content of settings/default.yaml", "dvc repro"):
        main(default=True)
    assert not MEASURED.exists()


def test_a_run_that_is_not_there_is_not_kept(ran):
    (ran / "results/evaluate_vae/metrics.json").unlink()
    with one_line("results/evaluate_vae/metrics.json", "no such file", "dvc repro"):
        main(default=True)
    assert not MEASURED.exists()


def test_the_page_is_what_the_script_makes(tmp_path):
    """Of what is committed alone: the workspace's results/, which any run changes, are not there."""
    for name in tracked_files():
        if name.startswith(("bench/", "docs/")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    made = runpy.run_path(str(tmp_path / "docs/results.py"))["page"]()
    assert made == PAGE.read_text(encoding="utf-8"), "run make page"
