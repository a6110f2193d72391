"""The real pipeline, small, through DVC as a person uses it: in a copy of the project with a repository of its own."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from PIL import Image
from project_copy import (
    ENVIRONMENT,
    ROOT,
    UNAIDED,
    command,
    commit,
    copy_project,
    dvc,
    git,
    leaves,
    shrink,
    stages_changed,
    stages_run,
)

from facevae.core.params import load_section
from facevae.training.dae import DaeSettings

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES, PLOTS = PIPELINE["stages"], PIPELINE["plots"]
DATA_STAGES = ("download", "crop_pad_dae", "crop_pad_vae", "add_noise", "cache_arrays_dae", "cache_arrays_vae")
# Imported by every Python that starts in the project: notes which fields of the sections a stage looks at.
WATCH = """
import atexit, os
if "DVC_STAGE" in os.environ:
    from pydantic import BaseModel
    plain, seen = BaseModel.__getattribute__, set()
    def watched(self, name):
        if not name.startswith(("_", "model_")):
            seen.add((type(self).__name__, name))
        return plain(self, name)
    BaseModel.__getattribute__ = watched
    def save():
        with open(os.environ["WATCH_LOG"], "a") as log:
            for model, name in sorted(seen):
                print(os.environ["DVC_STAGE"], model, name, file=log)
    atexit.register(save)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small pipeline that has run once, committed."""
    folder, outside = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("outside")
    copy_project(folder)
    shrink(folder)
    commit(folder, "small")
    (outside / "sitecustomize.py").write_text(WATCH, encoding="utf-8")
    # As `make repro` does.
    words = ("python", "-m", "facevae.app.reproduce", "--jobs", "2")
    output = command(folder, *words, PYTHONPATH=str(outside), WATCH_LOG=str(outside / "watched"))
    (folder.parent / "first.txt").write_text(output, encoding="utf-8")
    (folder.parent / "status.txt").write_text(git(folder, "status", "--porcelain"), encoding="utf-8")
    (folder.parent / "watched.txt").write_text((outside / "watched").read_text(encoding="utf-8"), encoding="utf-8")
    commit(folder, "first")
    return folder


def outputs(folder: Path) -> dict[str, str]:
    """Hash of every output, as dvc.lock has it."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    return {out["path"]: out["md5"] for body in lock["stages"].values() for out in body["outs"]}


def test_every_stage_runs(project):
    output = (project.parent / "first.txt").read_text(encoding="utf-8")
    assert stages_run(output) == STAGES.keys() - {"fingerprint"}
    assert "Running stage 'fingerprint'" in output
    assert "warning" not in output.lower()
    for path in outputs(project):
        assert (project / path).exists()


def test_the_run_leaves_nothing_for_git_to_find(project):
    status = (project.parent / "status.txt").read_text(encoding="utf-8")
    assert not re.findall(r"^\?\? (.*)", status, re.MULTILINE), "commit them, or name them in .gitignore"
    assert not git(project, "status", "--porcelain")


def test_metrics_can_be_drawn(project):
    """DVC shows numbers; NaN, null and lists vanish or break its JSON."""
    shown = json.loads(dvc(project, "metrics", "show", "--json"))
    files = shown[""]["data"]
    assert set(files) == {name for body in STAGES.values() for entry in body.get("metrics", []) for name in entry}
    for name, content in files.items():
        values = dict(leaves(content["data"]))
        assert values and all(type(value) in (int, float) for value in values.values()), name
        # As text: nothing that the machine's clock or folders put there.
        text = (project / name).read_text(encoding="utf-8")
        assert str(project) not in text and "second" not in text


def test_declared_parameters_are_looked_at(project):
    """Each value that a stage declares is one that its run looked at in its typed section."""
    lines = (project.parent / "watched.txt").read_text(encoding="utf-8").splitlines()
    # A choice, such as dae.architecture, is looked at when the section is read, before it is typed.
    choices = set(re.findall(r"\$\{(.+?)\}", (ROOT / "dvc.yaml").read_text(encoding="utf-8")))
    lock = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    # Drawn faces are all of different persons: train_identity trains nothing here (tests/test_training_stages.py does).
    # fingerprint checks all of params.yaml against the schema, and types nothing.
    others = ("train_identity", "fingerprint")
    for stage in (name for name, body in STAGES.items() if "params" in body and name not in others):
        seen = {line.split()[2] for line in lines if line.split()[0] == stage}
        declared = {key for key, _ in leaves(lock[stage]["params"].get("params.yaml", {}))} - choices
        unread = {key for key in declared if key.split(".")[-1] not in seen}
        assert not unread, f"{stage} declares {unread} and never looks at them"


def test_nothing_runs_again(project):
    assert not stages_changed(project)
    assert not stages_run(dvc(project, "repro"))


def test_a_key_that_no_stage_knows(project):
    """Nothing else would run: it is in no stage's parameters, and an experiment of it would be recorded."""
    said = dvc(project, "exp", "run", "--name", "mistyped", "-S", "+vae.gradient_clp=0.5", fails=True)
    assert "error: params.yaml, vae.gradient_clp: expected" in said and "perhaps gradient_clip is meant" in said
    git(project, "checkout", "--quiet", "params.yaml")
    assert "mistyped" not in dvc(project, "exp", "list")


def test_data_are_the_same_bits_from_nothing(project, tmp_path):
    """Once more from nothing, by real processes, with two workers: the same hash for every data set."""
    copy_project(tmp_path)
    shrink(tmp_path)
    dvc(tmp_path, "repro", "cache_arrays_dae", "cache_arrays_vae", FACEVAE_WORKERS="2", **UNAIDED)
    first, second = outputs(project), outputs(tmp_path)
    paths = {out for stage in DATA_STAGES for out in STAGES[stage]["outs"]}
    assert {path: first[path] for path in paths} == {path: second[path] for path in paths}


@pytest.fixture(scope="module")
def experiment(project):
    """What `dvc exp run -S vae.latent_dim=128` printed; the workspace holds its result."""
    output = dvc(project, "exp", "run", "-S", "vae.latent_dim=128")
    yield output
    git(project, "reset", "--quiet", "--hard")
    dvc(project, "checkout", "--force")


def test_an_experiment_runs_what_it_affects(experiment):
    assert stages_run(experiment) == {
        "train_vae", "encode", "attribute_vectors", "fit_mixture", "explore_latents", "evaluate_vae",
        "export",
    }  # fmt: skip


def test_params_diff(project, experiment):
    found = json.loads(dvc(project, "params", "diff", "--json"))
    assert found["params.yaml"].keys() == {"vae.latent_dim"}
    assert found["params.yaml"]["vae.latent_dim"].items() >= {"old": 100, "new": 128}.items()


def test_metrics_diff(project, experiment):
    found = json.loads(dvc(project, "metrics", "diff", "--json"))
    # The largest difference of an exported network may be the denoiser's, which is the same.
    assert {"results/evaluate_vae/metrics.json"} <= set(found)
    assert set(found) <= {"results/evaluate_vae/metrics.json", "results/export/metrics.json"}
    lines = [line for line in dvc(project, "metrics", "diff").splitlines() if "metrics.json" in line]
    assert 1 <= len(lines) <= 40 and max(map(len, lines)) <= 120, "one screen"


def test_exp_show(project, experiment):
    table = list(csv.DictReader(io.StringIO(dvc(project, "exp", "show", "--only-changed", "--csv"))))
    dimensions = {row["Experiment"]: row["vae.latent_dim"] for row in table if row["typ"] != "workspace"}
    assert sorted(dimensions.values()) == ["100", "128"]
    assert "dae.learning_rate" not in table[0]


def test_every_declared_column_is_in_its_file(project):
    """DVC leaves a chart out, with exit code 0, for one column that a file has not."""
    for entry in (entry for entry in PLOTS if isinstance(entry, dict)):
        ((name, body),) = entry.items()
        for path, columns in body["y"].items():
            with open(project / path, newline="", encoding="utf-8") as file:
                header = next(csv.reader(file))
            wanted = [body["x"], *([columns] if isinstance(columns, str) else columns)]
            assert set(wanted) <= set(header), f"{name}: {path} has no {set(wanted) - set(header)}"


def test_every_picture_fits_a_window(project):
    pictures = list((project / "results").rglob("*.png"))
    assert {path.name for path in pictures} >= {"faces.png", "denoised.png", "Smiling.png", "cosines.png", "pca.png"}
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width <= 1200, path


def test_plots_show(project, experiment):
    shown = dvc(project, "plots", "show", "--out", "dvc_plots")
    page = (project / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert str(project / "dvc_plots/index.html") in shown
    assert '<meta charset="utf-8">' in page and "cdn." not in page, "the page is not the project's own"
    for entry in PLOTS:
        if isinstance(entry, dict):
            ((name, body),) = entry.items()
            assert json.dumps(body["title"]) in page, name
            assert f"var spec = {{}};\n            vegaEmbed('#{name}'" not in page, f"{name} has no data"
        else:
            pictures = [Path(entry)] if entry.endswith(".png") else (project / entry).glob("*.png")
            for picture in pictures:
                drawn = f"{picture.relative_to(project) if picture.is_absolute() else picture}".replace("/", "_")
                assert list((project / "dvc_plots/static").glob(f"*{drawn}")), f"{picture} is not shown"
                assert drawn in page
    assert not git(project, "status", "--porcelain", "dvc_plots"), "dvc_plots belongs in .gitignore"


def test_plots_diff(project, experiment):
    dvc(project, "plots", "diff", "--out", "dvc_plots", "HEAD", "workspace")
    page = (project / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert '"HEAD"' in page and '"workspace"' in page


def test_a_killed_training_leaves_nothing_half_and_goes_on(project):
    """SIGKILL in the middle of `dvc exp run`; and 1e-05 from the command line reaches the stage as a number."""
    changes = ("-S", "dae.learning_rate=1e-05", "-S", "dae.epochs=20")
    running = subprocess.Popen(
        ["dvc", "exp", "run", *changes, "train_dae"], cwd=project, encoding="utf-8",
        env={**ENVIRONMENT, "FACEVAE_CHECKPOINT_SECONDS": "0"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        state = wait_for(project, ".checkpoints/train_dae/*/state.pt", running)
        os.kill(int((state.parent / "lock").read_text()), signal.SIGKILL)
        output, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode != 0 and "failed to reproduce 'train_dae'" in output
    assert load_section(project / "params.yaml", "dae", DaeSettings).learning_rate == 1e-05
    assert not [path for path in STAGES["train_dae"]["outs"] if (project / path).exists()]
    assert not git(project, "status", "--porcelain", "--untracked-files=all").count("??")

    output = dvc(project, "repro", "train_dae")
    assert stages_run(output) == {"train_dae"}
    assert re.search(r"resuming after epoch \d+ of 20, step \d", output)
    with open(project / "results/train_dae/history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 21))
    assert 0 < max(float(row["learning_rate"]) for row in rows) <= 1e-05
    assert not list(project.glob(".checkpoints/train_dae/*")), "forgotten when the training has ended"


def wait_for(folder: Path, pattern: str, process: subprocess.Popen) -> Path:
    """The first file that matches. Fails if the process ends before, or after two minutes."""
    for _ in range(12000):
        if found := next(folder.glob(pattern), None):
            return found
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError(f"no {pattern} after two minutes")
