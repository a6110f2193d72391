"""A small project through an S3 remote, by DVC as a person uses it: push, clone, pull. The store is a local server."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
import yaml
from moto.server import ThreadedMotoServer
from project_copy import commit, copy_judged, dvc, git, stages_changed

STORE, EMPTY = "facevae", "nothing-was-pushed"  # buckets
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """Address of an S3 server with two empty buckets, in this process and in memory."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        for bucket in (STORE, EMPTY):
            urlopen(Request(f"http://{host}:{port}/{bucket}", method="PUT")).close()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, endpoint) -> Path:
    """A small pipeline that has run, its results committed and its outputs pushed: files, a folder and metrics."""
    folder = copy_judged(tmp_path_factory)
    dvc(folder, "remote", "add", "--default", "store", f"s3://{STORE}/files")
    commit(folder, "remote")
    use_server(folder, endpoint)
    printed = dvc(folder, "push", **CREDENTIALS)
    assert "files pushed" in printed
    return folder


def use_server(folder: Path, endpoint: str) -> None:
    """What a person says of a store that is not Amazon's; it stands in a file that Git ignores."""
    dvc(folder, "remote", "modify", "--local", "store", "endpointurl", endpoint)


def clone(folder: Path, to: Path, endpoint: str) -> Path:
    """A clone that has what Git has and nothing from DVC's cache."""
    git(folder, "clone", "--quiet", str(folder), str(to))
    use_server(to, endpoint)
    return to


def files_of_outputs(folder: Path) -> dict[str, bytes]:
    """Content of every file that the pipeline made, by its path in the project."""
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    made = [folder / out["path"] for body in lock["stages"].values() for out in body["outs"]]
    files = [file for out in made for file in (out.rglob("*") if out.is_dir() else [out]) if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_clone_pulls_what_was_pushed(pushed, endpoint, tmp_path):
    cloned = clone(pushed, tmp_path / "clone", endpoint)
    assert not (cloned / "data").exists() and not (cloned / "models").exists()
    dvc(cloned, "pull", **CREDENTIALS)
    expected, found = files_of_outputs(pushed), files_of_outputs(cloned)
    assert expected.keys() == found.keys()
    assert not [name for name in expected if expected[name] != found[name]]
    assert not stages_changed(cloned)
    assert "in sync" in dvc(cloned, "status", "--cloud", **CREDENTIALS)
    assert not git(cloned, "status", "--porcelain"), "a pull changes nothing for Git"


def test_what_was_not_pushed_is_missed(pushed, endpoint, tmp_path):
    """A pull says which outputs the store lacks; metrics come with Git."""
    cloned = clone(pushed, tmp_path / "clone", endpoint)
    dvc(cloned, "remote", "modify", "--local", "store", "url", f"s3://{EMPTY}/files")
    printed = dvc(cloned, "pull", fails=True, **CREDENTIALS)
    assert "Traceback" not in printed
    for name in ("data/raw/img_align_celeba.zip", "data/vae/arrays", "models/judge.safetensors"):
        assert name in printed
    assert files_of_outputs(cloned).keys() == {"results/train_judge/metrics.json"}
