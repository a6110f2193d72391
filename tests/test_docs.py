"""README.md and docs/ against the repository: trees, commands, links, the graph. Stages and make explain themselves.

What README.md and docs/house.md must look like: one heading with "tree" or "what is where" in it, and under it a fenced
block with a line per entry, `path  description` (two spaces or more between), entries of a folder indented below it.
Neighbours may share a line, `path path  description`. The README's tree names rooms, that of docs/house.md modules too.
"""

import importlib
import math
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from dvc.cli.parser import get_main_parser
from project_copy import leaves, project_files, tracked_files

from bench.rooms import ROOMS, ROOT, modules
from facevae.celeba.splits import partition_by_order
from facevae.figures.sheets import image_sheet

README = (ROOT / "README.md").read_text(encoding="utf-8")
HOUSE = "docs/house.md"
TREES = ("README.md", HOUSE)
PAGES = [ROOT / name for name in tracked_files() if re.fullmatch(r"README\.md|CHANGELOG\.md|docs/.*\.md", name)]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
FLAGS = re.MULTILINE | re.DOTALL
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", FLAGS)
MADE = ("data", "models", "results", "logs")  # folders that the pipeline fills and Git does not hold, or in part


def of_manual(pattern: str) -> list:
    """What a pattern finds in the README and in docs/, page by page."""
    manual = [page for page in PAGES if page.name != "CHANGELOG.md"]
    return [found for page in manual for found in re.findall(pattern, page.read_text(encoding="utf-8"), FLAGS)]


# --- the trees


def tree(page: str) -> dict[str, str]:
    """Path, folders with a slash at the end, and description of each line of a page's tree."""
    text = (ROOT / page).read_text(encoding="utf-8")
    section = re.search(r"^#+ [^\n]*(?:\btree\b|what is where)[^\n]*\n(.*?)(?=^#+ |\Z)", text, re.M | re.S | re.I)
    assert section, f'{page} has no heading with "tree" or "what is where"'
    block = FENCE.search(section[1])
    assert block, "no fenced block below that heading"
    entries, above = {}, []
    for line in block[2].splitlines():
        if not line.strip():
            continue
        match = re.fullmatch(r"( *)(\S+(?: \S+)*)(?: {2,}(\S.*))?", line)
        assert match, f"not `path  description`: {line!r}"
        indent = len(match[1])
        above = [(depth, name) for depth, name in above if depth < indent]
        for name in match[2].split():
            path = "".join(folder for _, folder in above) + name
            assert path not in entries, f"{path} stands twice"
            entries[path] = match[3] or ""
        if match[2].endswith("/"):
            above.append((indent, match[2]))
    return entries


@pytest.mark.parametrize("page", TREES)
def test_tree_names_what_is_there(page):
    files = project_files()
    folders = {f"{parent.as_posix()}/" for name in files for parent in Path(name).parents if parent != Path(".")}
    there = {*files, *folders, *(f"{name}/" for name in MADE)}
    assert not set(tree(page)) - there, "in the tree, not in the repository"


@pytest.mark.parametrize("page", TREES)
def test_tree_names_all_that_is_at_the_top(page):
    files = tracked_files()
    top = {name if "/" not in name else name.split("/")[0] + "/" for name in files}
    # Names with a dot in front are for tools; they may be left out.
    shown = {name for name in top if not name.startswith(".")}
    assert not shown - set(tree(page)), "in the repository, not in the tree"


def test_tree_of_the_readme_names_every_room():
    shown = {path for path in tree("README.md") if path.startswith("facevae/")}
    assert shown == {"facevae/", *(f"facevae/{room}/" for room in ROOMS if "/" not in room)}


@pytest.mark.parametrize("package", ["stages", "facevae"])
def test_tree_names_every_module(package):
    listed = {path for path in tree(HOUSE) if path.startswith(f"{package}/") and path.endswith(".py")}
    assert listed - {f"{package}/__init__.py"} == {f"{name.replace('.', '/')}.py" for name in modules(package)}


@pytest.mark.parametrize("page", TREES)
def test_tree_says_what_each_entry_is(page):
    assert not [path for path, description in tree(page).items() if not description]


# --- the graph


def test_graph_is_what_dvc_prints_now():
    made = runpy.run_path(str(ROOT / "docs/graph.py"))
    (shown,) = made["BLOCK"].findall(README)
    assert shown == made["graph"](made["printed_by_dvc"]()), "run make graph"


def test_graph_leaves_out_arrows_that_others_imply():
    names = "".join(f'\tnode{number}["{name}"]\n' for number, name in enumerate("bac", 1))
    printed = f"flowchart TD\n{names}\tnode1-->node3\n\tnode2-->node1\n\tnode2-->node3\n"
    graph = runpy.run_path(str(ROOT / "docs/graph.py"))["graph"]
    assert graph(printed) == "flowchart TD\n    a --> b\n    b --> c\n"


# --- commands


def command_lines() -> list[str]:
    """Command lines in fenced blocks and in code spans of all pages, prompts and comments taken off."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for language, block in FENCE.findall(text):
            lines = block.replace("\\\n", " ").splitlines()
            if language in ("console", "shell-session"):
                lines = [line[2:] for line in lines if line.startswith("$ ")]
            elif language not in ("", "bash", "sh", "shell"):
                continue
            found += lines
        found += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    parts = (part for line in found for part in re.split(r"&&|\|\||[|;]", line.split(" #")[0]))
    return [re.sub(r"^(?:\s*\w+=\S*\s+)+", "", part).strip() for part in parts]


def commands(program: str) -> list[str]:
    return sorted({line for line in command_lines() if line.startswith(f"{program} ")})


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("command", commands("make"))
def test_make_commands_exist(command):
    # `make PYTHON=python3.12 repro`: a variable, and a target.
    targets = {word for word in shlex.split(command)[1:] if "=" not in word and not word.startswith("-")}
    assert targets <= make_targets()


@pytest.mark.parametrize("command", commands("dvc"))
def test_dvc_commands_parse(command):
    words = shlex.split(command)[1:]
    # `dvc exp run ...` in a sentence stands for any arguments.
    arguments = get_main_parser().parse_args([word for word in words if word not in ("...", "…")])
    assert arguments.cmd in words and callable(arguments.func)


@pytest.mark.parametrize("command", commands("python"))
def test_python_commands_exist(command):
    words = shlex.split(command)[1:]
    if words[0] == "-m":
        ours = {*modules("stages"), "facevae.app.parameters", "facevae.app.presets", "facevae.app.reproduce"}
        assert words[1] in ours or words[1].split(".")[0] not in ("stages", "facevae"), words[1]
    else:
        assert words[0].startswith("-") or (ROOT / words[0]).exists()


def test_readme_shows_the_way_in():
    assert {"make repro", "make test"} <= set(commands("make"))
    assert "dvc exp run -S vae.latent_dim=128" in commands("dvc")


def test_readme_fits_its_purpose():
    """A first page: the rest is in docs/, and every page there is in its index."""
    assert README.count("\n") <= 250
    pages = {page.name for page in PAGES if page.parent == ROOT / "docs"}
    index = README.split("\n## Documentation\n")[1]
    assert set(re.findall(r"\]\(docs/([\w-]+\.md)\)", index)) == pages


def test_trainings_in_the_manual_are_of_the_default_size():
    params = yaml.safe_load((ROOT / "settings/default.yaml").read_text(encoding="utf-8"))
    faces, judge = params["download"]["synthetic"]["images"], params["train_judge"]
    train = sum(partition_by_order(number, faces) == 0 for number in range(faces))
    sizes = {tuple(map(int, found)) for found in of_manual(r"(\d+) images, (\d+) steps an epoch")}
    assert sizes == {(train, math.ceil(train / judge["batch_size"]))}
    assert {int(epochs) for epochs in of_manual(r"judge epoch \d+/(\d+)")} == {judge["epochs"]}


def test_values_that_the_manual_says_are_set_are_those_of_its_command():
    """`vae.beta (now 20)` below a command: what its -S sets, else the default."""
    default = dict(leaves(yaml.safe_load((ROOT / "settings/default.yaml").read_text(encoding="utf-8"))))
    shown = []
    for _, block in of_manual(FENCE.pattern):
        own = {key: yaml.safe_load(value) for key, value in re.findall(r"-S (\S+?)=(\S+)", block)}
        shown += [
            (key, float(value), (default | own)[key]) for key, value in re.findall(r"([\w.]+) \(now (\S+)\)", block)
        ]
    assert shown and [found for _, found, _ in shown] == [expected for _, _, expected in shown], shown


def test_make_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8").stdout
    assert set(re.findall(r"^make ([a-z-]+) +\S", shown, re.MULTILINE)) == make_targets()


# --- stages


@pytest.mark.parametrize("module", modules("stages"))
def test_help_documents_the_stage(module, monkeypatch, capsys):
    """--help names each input, output and section of the stage's entries in dvc.yaml."""
    monkeypatch.setattr(sys, "argv", [f"python -m {module}", "--help"])
    stage = importlib.import_module(module)
    with pytest.raises(SystemExit) as end:
        stage.run(stage.main)
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    head, parameters = re.search(
        r"Usage: .*? (Inputs?[:,].*?Outputs?[:,].*?) Parameters: (.*?) Options:", text
    ).groups()
    bodies = [body for body in STAGES.values() if body["cmd"].split()[2] == module]
    assert bodies
    for body in bodies:
        metrics = [name for metric in body.get("metrics", []) for name in metric]
        outs = [name for out in body["outs"] for name in ([out] if isinstance(out, str) else out)]
        for path in [*body["deps"], *outs, *metrics]:
            assert path.startswith(("facevae/", "stages/")) or Path(path).name in head, (
                f"{path} is not in the help of {module}"
            )
        for key in (key for key in body.get("params", []) if isinstance(key, str)):
            section = (
                ".".join(key.split(".")[:2]) if key.startswith(("crop_pad.", "cache_arrays.")) else key.split(".")[0]
            )
            assert re.search(rf"\b{re.escape(section)}\b", parameters), f"{section} is not in the help of {module}"
    assert ("--params" in text) == any("params" in body for body in bodies)


# --- links


def links() -> list[tuple[str, str]]:
    """(page, target) of each relative link and picture."""
    return sorted(
        {
            (page.relative_to(ROOT).as_posix(), target)
            for page in PAGES
            for text in [FENCE.sub("", page.read_text(encoding="utf-8"))]
            for target in re.findall(r"\]\(<?([^)\s>]+)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
            if not re.match(r"[a-z]+:", target)
        }
    )


@pytest.mark.parametrize(("page", "target"), links())
def test_links_lead_somewhere(page, target):
    """To a file that is in Git, so that it is there in a clone; to a heading that exists."""
    path, _, anchor = target.partition("#")
    goal = (ROOT / page).parent / path if path else ROOT / page
    name = Path(*goal.resolve().relative_to(ROOT.resolve()).parts).as_posix()
    files = tracked_files()
    assert name in files or any(file.startswith(f"{name}/") for file in files), f"{name} is not in Git"
    if anchor:
        headings = re.findall(r"^#+ (.+)$", goal.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_pictures_are_cut_where_sheets_have_their_images(tmp_path):
    """Of two bands, as eight images of CelebA's size take them, and of images smaller than their tile."""
    images = np.full((2, 8, 218, 178, 3), 255, np.uint8)
    for row, column in np.ndindex(2, 8):
        images[row, column, 40 * row :] = 10 * (1 + 8 * row + column)
    image_sheet(tmp_path / "sheet.png", list(images), ["clean", "noisy"], [str(column) for column in range(8)])
    sheet = runpy.run_path(str(ROOT / "docs/pictures.py"))["Sheet"](tmp_path / "sheet.png", 4, 2, 30, 26, bands=2)
    first, last = sheet.tile(0, 1), sheet.tile(1, 3)
    assert first.getextrema() == ((20, 20),) * 3 and first.size == (222, 272)
    assert last.getpixel((100, 150)) == (120,) * 3 and last.height < 230, "without the white above it"


def test_every_page_and_picture_of_docs_is_shown():
    pictures = {name for name in tracked_files() if name.startswith("docs/")}
    shown = {((ROOT / page).parent / target.split("#")[0]).resolve() for page, target in links()}
    assert not {name for name in pictures if (ROOT / name).resolve() not in shown}, "nothing links to it"
