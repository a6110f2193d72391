"""What would let a test, or the code, depend on whose machine it runs on."""

import ast
import os
import re
from pathlib import Path

from project_copy import ENVIRONMENT, ROOT, git, tracked_files

FILES = [name for name in tracked_files() if name.endswith(".py")]


def test_text_from_processes_is_utf_8():
    """`text=True` decodes as the locale says; files are held by ruff's PLW1514."""
    found = [
        f"{name}:{keyword.lineno}"
        for name in FILES
        for node in ast.walk(ast.parse((ROOT / name).read_bytes()))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg in ("text", "universal_newlines") and ast.unparse(keyword.value) == "True"
    ]
    assert not found, 'encoding="utf-8" in its place'


def test_no_test_reads_what_a_run_of_the_workspace_made():
    """Another processor's run changes it, and so does every experiment."""
    pattern = re.compile(r"(?:ROOT|REPOSITORY) / f?[\"'](?:data|dvc\.lock|logs|models|results)\b.*")
    tests = [name for name in FILES if name.startswith("tests/")]
    found = [(name, line) for name in tests for line in pattern.findall((ROOT / name).read_text(encoding="utf-8"))]
    assert not found, "a committed measurement stands in bench/measured; anything else is made by the test"


def test_git_and_dvc_take_nobodys_own_settings(tmp_path):
    git(tmp_path, "init", "--quiet")
    scopes = {line.split("\t")[0] for line in git(tmp_path, "config", "--list", "--show-scope").splitlines()}
    assert scopes == {"global", "local"}
    own = git(tmp_path, "config", "--file", str(ROOT / "tests/gitconfig"), "--list")
    assert git(tmp_path, "config", "--global", "--list") == own
    for place in ("GLOBAL", "SYSTEM"):
        assert not list(Path(ENVIRONMENT[f"DVC_{place}_CONFIG_DIR"]).glob("*config*"))
    assert not {name for name in ("FORCE_COLOR", "COLUMNS", "GIT_DIR", "DVC_ROOT") if name in os.environ}
