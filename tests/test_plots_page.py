"""The page of `dvc plots show`: complete without a network, in its own order, and curves that show the numbers."""

import configparser
import json
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest
import yaml
from project_copy import ROOT, commit, dvc, git

CONFIG = configparser.ConfigParser()
CONFIG.read_string(re.sub(r"^\s+", "", (ROOT / ".dvc/config").read_text(encoding="utf-8"), flags=re.MULTILINE))
TEMPLATE = (ROOT / ".dvc" / CONFIG["plots"]["html_template"]).read_text(encoding="utf-8")
SCRIPT = re.search(r"<script>(.*?)</script>", TEMPLATE, re.DOTALL)[1]
PLOTS = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
HISTORY = "epoch,train_loss,valid_loss\n1,10.0,12.0\n2,5.0,1e1\n3,2.0,7.0\n"

needs_node = pytest.mark.skipif(not shutil.which("node"), reason="the page's script runs in a browser or in Node.js")


def test_the_page_stands_alone():
    assert '<meta charset="utf-8">' in TEMPLATE and re.search(r"img \{[^}]*max-width: 100%", TEMPLATE)
    # {scripts} would be DVC's, which fetch Vega.
    assert "{plot_divs}" in TEMPLATE and "{scripts}" not in TEMPLATE
    assert not re.search(r"https?:|//\w+\.|<script[^>]+src|<link|@import|url\(", TEMPLATE)


def test_each_place_in_the_order_is_a_plots():
    """Every id with an order is of a section or of something that is drawn; and the other way round."""
    placed = dict(re.findall(r"^  #(\w+) \{ order: (\d+); \}$", TEMPLATE, re.MULTILINE))
    sections = {"faces", "curves", "tables"}
    entries = [entry for entry in PLOTS if isinstance(entry, str)]
    ids = [re.sub(r"\W", "_", entry) for entry in entries]
    for name in placed.keys() - sections:
        assert any(name == known or name.startswith(f"{known}_") for known in ids), f"{name} is of no plot"
    for entry, known in zip(entries, ids, strict=True):
        assert any(name.startswith(known) for name in placed), f"{entry} has no place"
    assert len(set(placed.values())) == len(placed)
    assert int(placed["faces"]) < int(placed["curves"]) < int(placed["tables"])


# --- DVC fills the page


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A folder in which two revisions have a chart, a picture, and a chart whose second column is not there."""
    folder = tmp_path_factory.mktemp("page")
    git(folder, "init", "--quiet")
    dvc(folder, "init", "--quiet")
    shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
    (folder / ".dvc/plots.html").write_text(TEMPLATE, encoding="utf-8")
    plots = [
        {"loss": {"title": "a \u2212 b < c", "x": "epoch", "y": {"h.csv": ["train_loss", "valid_loss"]}}},
        {"absent": {"title": "absent", "x": "epoch", "y": {"h.csv": ["train_loss", "lost"]}}},
        {"dots": {"template": "scatter", "x": "epoch", "y": {"h.csv": "train_loss"}}},
        {"one": {"title": "one", "x": "epoch", "y": {"h.csv": "train_loss"}}},
    ]
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"plots": plots}), encoding="utf-8")
    (folder / "h.csv").write_text(HISTORY, encoding="utf-8")
    commit(folder, "first")
    (folder / "h.csv").write_text(HISTORY.replace("5.0", "4.0"), encoding="utf-8")
    return folder


def charts(page, *command):
    """What the page's script draws in each place: as markup, by the place's id."""
    dvc(page, "plots", *command)
    written = (page / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(https?:)?//', written)
    calls = re.findall(r"var spec = .*?vegaEmbed\('[^']+', spec\);", written, re.DOTALL)
    document = "const found = {}; const document = {querySelector: id => found[id.slice(1)] = {}};"
    found = run_script(document, *calls, "console.log(JSON.stringify(found));")
    return {name: place["innerHTML"] for name, place in found.items()}


def run_script(*lines):
    """What these lines print after the page's script, parsed."""
    program = "\n".join([SCRIPT, *lines])
    done = subprocess.run(["node", "-"], input=program, capture_output=True, encoding="utf-8", check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def shown(page):
    return charts(page, "show")


def drawn(markup):
    """Points of each line in pixels, and what is written beside them."""
    tree = ElementTree.fromstring(f"<div>{markup.replace('&emsp;', ' ')}</div>")
    lines = [[tuple(map(float, place.split(","))) for place in line.get("points").split()]
             for line in tree.iter("polyline")]  # fmt: skip
    return lines, " ".join(tree.itertext())


@needs_node
def test_a_curve_shows_its_numbers(shown):
    lines, words = drawn(shown["loss"])
    (train, valid) = lines
    # From 480 x 280 pixels the margins: epochs 1 to 3 from 56 to 468, losses from 2 at 240 up to 12 at 30.
    assert train == [(56, 72), (262, 198), (468, 240)] and valid == [(56, 30), (262, 72), (468, 135)]
    assert "a \u2212 b < c" in words and "train_loss: 4 at 2" in words and "valid_loss: 10 at 2" in words
    (single,), words = drawn(shown["one"])
    assert len(single) == 3 and "train_loss" in words


@needs_node
def test_revisions_are_laid_over_each_other(page):
    lines, words = drawn(charts(page, "diff", "HEAD", "workspace")["loss"])
    # The workspace comes first; in the first revision the second loss was 5.
    assert [line[1][1] for line in lines] == [198, 72, 177, 72]
    for rev in ("HEAD", "workspace"):
        assert f"{rev}, train_loss" in words and f"{rev}, valid_loss" in words


@needs_node
def test_what_is_not_drawn_says_so(shown):
    assert "absent: no data" in shown["absent"] and "polyline" not in shown["absent"]
    assert "--html-template '{scripts}{plot_divs}'" in shown["dots"]


def test_dvcs_own_page_is_one_option_away(page):
    dvc(page, "plots", "show", "dots", "--html-template", "{scripts}{plot_divs}", "--out", "own")
    assert "vega-embed" in (page / "own/index.html").read_text(encoding="utf-8")


@needs_node
def test_ticks_are_round():
    scales = [(1, 6, 8), (0.013, 0.052, 5), (-1200, 900, 5), (1, 16, 8)]
    calls = [f"ticks({{low: {low}, high: {high}}}, {count})" for low, high, count in scales]
    assert run_script(f"console.log(JSON.stringify([{', '.join(calls)}]))") == [
        [1, 2, 3, 4, 5, 6],
        pytest.approx([0.02, 0.03, 0.04, 0.05]),
        [-1000, -500, 0, 500],
        [2, 4, 6, 8, 10, 12, 14, 16],
    ]
