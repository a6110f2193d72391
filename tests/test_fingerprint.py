"""Files outside of the pipeline: what has changed in them is used, and what has not runs nothing."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest
from project_copy import ROOT, commit, copy_project, dvc, keep_stages, shrink, stages_run
from raw_data import encoded, one_line, photo

from facevae.celeba.tables import ATTRIBUTES_FILE, read_attributes
from facevae.sources import fingerprint as module
from facevae.sources.fingerprint import fingerprint, fingerprint_inputs
from facevae.sources.paths import resolve_path
from stages.fingerprint import main


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three files, one of them in a folder below, and a hidden one."""
    made = tmp_path / "faces"
    for number, name in enumerate(("a.jpg", "b.jpg", "below/a.jpg", ".DS_Store")):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(b"x" * 10)
        os.utime(made / name, ns=(0, number))
    return made


def test_a_folder(folder):
    found = fingerprint(folder)
    assert (found["files"], found["bytes"]) == (3, 30)
    assert fingerprint(folder.rename(folder.with_name("moved"))) == found


def replace(folder: Path) -> None:
    (folder / "b.jpg").write_bytes(b"y" * 10)


def touch(folder: Path) -> None:
    os.utime(folder / "below/a.jpg", ns=(0, 10**9))


def swap(folder: Path) -> None:
    (folder / "a.jpg").rename(folder / "c")
    (folder / "b.jpg").rename(folder / "a.jpg")
    (folder / "c").rename(folder / "b.jpg")


CHANGES = {
    "add": lambda folder: (folder / "c.jpg").touch(),
    "add an empty one below": lambda folder: (folder / "below/c.jpg").touch(),
    "remove": lambda folder: (folder / "b.jpg").unlink(),
    "rename": lambda folder: (folder / "b.jpg").rename(folder / "c.jpg"),
    "move": lambda folder: (folder / "b.jpg").rename(folder / "below/b.jpg"),
    "replace": replace,
    "touch": touch,
    "swap": swap,
    "longer": lambda folder: os.truncate(folder / "a.jpg", 11),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_a_folder(folder, change):
    before = fingerprint(folder)
    CHANGES[change](folder)
    assert fingerprint(folder) != before


def test_what_is_no_change_in_a_folder(folder):
    before = fingerprint(folder)
    (folder / ".DS_Store").write_bytes(b"other")
    (folder / ".git").mkdir()
    (folder / ".git/a").touch()
    assert fingerprint(folder) == before
    (folder / "link").symlink_to("nowhere")
    (folder / "round").symlink_to(folder)
    (folder / os.fsdecode(b"\xff.jpg")).touch()
    assert fingerprint(folder)["files"] == 6, "links that lead nowhere or round, names that are no UTF-8"


def test_a_file(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    assert fingerprint(path) is None
    path.write_bytes(b"image,Smiling")
    before = fingerprint(path)
    os.utime(path, ns=(0, 0))
    assert fingerprint(path) == before, "of a small file the content counts"
    path.write_bytes(b"image,smiling")
    os.utime(path, ns=(0, 0))
    assert fingerprint(path) != before
    monkeypatch.setattr(module, "_HASHED_BYTES", 12)
    assert fingerprint(path) == {"bytes": 13, "modified_ns": 0}


def test_which_files_count(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text("image,Smiling")
    sections = {"synthetic": {"seed": 1}, "folder": {"images": "faces", "attributes": str(table)}}
    assert fingerprint_inputs({"source": "synthetic", **sections}) == {}
    found = fingerprint_inputs({"source": "folder", **sections})
    assert found == {"download.folder.images": fingerprint(folder), "download.folder.attributes": fingerprint(table)}
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Anno" / ATTRIBUTES_FILE).write_text("1")
    celeba = {"path": str(tmp_path), "images": [str(folder)]}
    (path,) = fingerprint_inputs({"source": "celeba", "celeba": celeba}).items()
    assert path == ("download.celeba.path: attributes", fingerprint(tmp_path / "Anno" / ATTRIBUTES_FILE))
    (folder / "img_align_celeba").mkdir()
    places = ["gdrive:0B7EVK8r0v71pZjFTYXZWM3FlRnM", "https://example.org/a?token=secret", 3, "missing", str(folder)]
    celeba = {"path": None, "images": places, "identities": [], "landmarks": None}
    (place,) = fingerprint_inputs({"source": "celeba", "celeba": celeba}).items()
    assert place == (f"download.celeba.images: {folder}", fingerprint(folder / "img_align_celeba"))


@pytest.mark.parametrize(
    "text", ["", "download:", "download: {source: folder}", "download: {source: [1]}", "a: [", "- 1"]
)
def test_what_is_wrong_is_not_its_to_say(tmp_path, text):
    (tmp_path / "params.yaml").write_text(text)
    main(tmp_path / "params.yaml", tmp_path / "inputs.json")
    assert json.loads((tmp_path / "inputs.json").read_text()) == {}


def test_a_key_that_no_stage_knows(tmp_path):
    """It is in no other stage's parameters: none would run and say so."""
    shutil.copy(ROOT / "params.schema.json", tmp_path)
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("  free_bits: 0.0", "  free_bit: 0.0"), encoding="utf-8")
    with one_line("params.yaml, vae.free_bit: expected one of", "the unknown key free_bit", "free_bits is meant"):
        main(tmp_path / "params.yaml", tmp_path / "inputs.json")
    assert not (tmp_path / "inputs.json").exists()
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    main(tmp_path / "params.yaml", tmp_path / "inputs.json")


def test_relative_paths(tmp_path, monkeypatch):
    """DVC's temporary copies of a project lie in it, without what Git does not know."""
    project, copy = tmp_path / "project", tmp_path / "project/.dvc/tmp/exps/tmpa"
    copy.mkdir(parents=True)
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(copy)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert resolve_path("../faces") == Path("../faces")
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert resolve_path("../faces").samefile(tmp_path / "faces")
    assert resolve_path("../other") == Path("../other") and resolve_path("/a/b") == Path("/a/b")
    (project / "mine").mkdir()
    assert resolve_path("mine").samefile(project / "mine")
    (copy / "mine").mkdir()
    assert resolve_path("mine") == Path("mine"), "what Git tracks is in the copy: that of the experiment's commit"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_path("~/faces") == tmp_path / "faces"


# --- with DVC


class Faces:
    """Images and a CSV beside a project."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.labels = folder, {}

    def add(self, count: int) -> None:
        for number in range(len(self.labels), len(self.labels) + count):
            (self.folder / f"{number}.jpg").write_bytes(encoded(photo(number)))
            self.labels[f"{number}.jpg"] = number % 2
        self.write_labels()

    def write_labels(self) -> None:
        with (self.folder.with_name("labels.csv")).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("image", "Smiling"), *self.labels.items()])


def test_never_stale(tmp_path):
    """A change of own images or labels is seen by `repro` and `exp run`, also --temp; nothing else runs `download`."""
    project = tmp_path / "a project"
    copy_project(project)
    keep_stages(project, ["download"])
    (tmp_path / "faces").mkdir()
    faces = Faces(tmp_path / "faces")
    faces.add(4)
    own = {"source": "folder", "folder": {"images": "../faces", "attributes": "../labels.csv"}}
    shrink(project, {"download": own})
    commit(project, "the start")

    def run(*command: str) -> tuple[set[str], list[int]]:
        """The stages that ran, and who smiles now."""
        stages = stages_run(dvc(project, *command))
        return stages, read_attributes(project / "data/raw" / ATTRIBUTES_FILE).values[:, 0].tolist()

    assert run("repro") == ({"download"}, [-1, 1] * 2)
    commit(project, "a run")
    assert run("exp", "run") == (set(), [-1, 1] * 2)
    # In a copy of the project, from where ../faces leads nowhere. What it makes stays in DVC's cache.
    faces.add(2)
    assert run("exp", "run", "--temp") == ({"download"}, [-1, 1] * 2)
    faces.labels["0.jpg"] = 1
    faces.write_labels()
    assert run("repro") == ({"download"}, [1, 1] + [-1, 1] * 2)
    faces.labels["0.jpg"] = 0
    faces.write_labels()
    assert run("repro") == (set(), [-1, 1] * 3), "as in the copy, where the same files were seen"
