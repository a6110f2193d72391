"""What reruns what, by DVC's own verdict: every line of the tables in docs/reruns.md, tried (tests/stand_ins.py)."""

import os
import re

import pytest
import yaml
from project_copy import WATCHING, leaves
from stand_ins import STAGES, Pipeline, copy_with_stand_ins, quick_dvc

from bench.rooms import ROOT

PARAMS = dict(leaves(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))))
# Parameters that say which others are read.
CHOICES = set(re.findall(r"\$\{([\w.]+)\}", (ROOT / "dvc.yaml").read_text(encoding="utf-8")))
# DVC's own, of a library below it.
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


def table() -> list[tuple[str, frozenset[str]]]:
    """(change, stages that run) of each line of the tables in docs/reruns.md."""
    rows = []
    for line in (ROOT / "docs/reruns.md").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\| `([^`]+)` \| (.+) \|", line):
            change, effect = match.groups()
            named = [] if effect.split(":")[0] == "none" else effect.split(", ")
            stages = STAGES.keys() - WATCHING if effect == "all" else named
            rows.append((change, frozenset(stage.strip("`") for stage in stages)))
    return rows


# Run for real too: one line of a deep change, of a shallow one, of code, and of nothing.
ALWAYS = {"crop_pad.vae.size=128", "report_data.faces=4", "facevae/models/identity.py", "params.schema.json"}
SLOW = bool(os.environ.get("FACEVAE_TEST_SLOW"))
RUN = [(change, expected) for change, expected in table() if SLOW or change in ALWAYS]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """An up-to-date one."""
    folder, log = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("outside") / "log"
    with quick_dvc(folder):
        copy_with_stand_ins(folder, log)
        made = Pipeline(folder, log)
        assert made.run() == STAGES.keys() - WATCHING
        yield made
        made.repo.close()


def test_nothing_runs_again(pipeline):
    assert pipeline.run() == set()


@pytest.fixture(scope="module")
def affected(pipeline):
    """The stages that each line's change affects."""
    changes = [change for change, _ in table()]
    chosen = [change for change in changes if change.split("=")[0] in CHOICES]
    rest = [change for change in changes if change not in chosen]
    return pipeline.affected_by(rest) | {
        key: stages for one in chosen for key, stages in pipeline.affected_by([one]).items()
    }


@pytest.mark.parametrize(("change", "expected"), table(), ids=[change for change, _ in table()])
def test_what_reruns(affected, change, expected):
    assert expected <= set(STAGES)
    assert affected[change] == expected


@pytest.mark.parametrize(("change", "expected"), RUN, ids=[change for change, _ in RUN])
def test_that_is_what_runs(pipeline, change, expected):
    """Some lines, and with `make test-slow` all, by running them."""
    assert pipeline.run_with(change) == expected


def test_the_chosen_group_is_the_one_that_counts(pipeline):
    expected = dict(table())["dae.architecture=report"]
    with pipeline.changed("dae.architecture=report"):
        assert pipeline.run() == expected
        assert pipeline.affected_by(["dae.report.encoder_filters=[8,4]", "dae.unet.width=64"]) == {
            "dae.report.encoder_filters=[8,4]": expected,
            "dae.unet.width=64": set(),
        }


def test_the_way_back_is_free(pipeline):
    """A setting that was run before is not run again: DVC has the outputs in its cache."""
    with pipeline.changed("evaluate_dae.faces=5"):
        assert pipeline.run() == {"evaluate_dae"}
        with pipeline.changed("evaluate_dae.faces=8"):
            assert pipeline.run() == set()


def test_the_table_covers_the_parameters():
    changes = [change for change, _ in table()]
    parameters = [change.split("=")[0] for change in changes if "=" in change]
    assert set(changes) >= ALWAYS
    assert len(changes) == len(set(changes)) and len(parameters) >= 20
    assert set(parameters) <= set(PARAMS)
    assert {key.split(".")[0] for key in parameters} == {key.split(".")[0] for key in PARAMS}, "a line for each section"
    assert sum(change.endswith(".py") for change in changes) >= 8
