"""CelebA's files from their places: the first that has it; what another one lacks is said, all of it in one line."""

import errno
import fcntl
import hashlib
import importlib
import os
import shutil
import sys
import time
import types
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from download_server import CONTENT, Reply, serving
from raw_data import files_below, one_line

from facevae.sources.locate import WANTED, Wanted, acquire, find
from facevae.sources.retry import RetryPolicy
from facevae.sources.urls import parse_place

MD5 = hashlib.md5(CONTENT).hexdigest()
OTHER = "0" * 32
IMAGES, ATTRIBUTES = "img_align_celeba.zip", "list_attr_celeba.txt"
# The official files, if their content were this.
IMAGES_WANTED = Wanted("images", IMAGES, MD5, ("img_align_celeba",))
TABLE_WANTED = Wanted("attributes", ATTRIBUTES, MD5, ("list_attr_celeba.csv",))
QUICK = RetryPolicy(tries=2, pause=0.001, connect=5, read=5, slow_after=9)
DRIVE = "gdrive:0B7EVK8r0v71pZjFTYXZWM3FlRnM"
KAGGLE = "kaggle:jessicali9530/celeba-dataset"


@pytest.fixture(scope="module")
def one_server():
    with serving() as server:
        yield server


@pytest.fixture
def server(one_server):
    one_server.play(Reply())
    return one_server


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Nothing of this machine counts: no proxy, no passwords, no cookies."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def downloads(tmp_path):
    return tmp_path / "downloads"


def get(places: list[str], downloads: Path, wanted: Wanted = IMAGES_WANTED) -> Path:
    return acquire(wanted, places, downloads, QUICK)


def files_in(downloads: Path) -> dict[str, bytes]:
    return {name: content for name, content in files_below(downloads).items() if name != ".lock"}


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(CONTENT)
    return folder


def test_the_files_that_are_wanted():
    assert list(WANTED) == ["attributes", "partitions", "identities", "landmarks", "images"]
    assert {wanted.key: wanted for wanted in WANTED.values()} == WANTED
    assert WANTED["landmarks"].names() == ("list_landmarks_align_celeba.txt", "list_landmarks_align_celeba.csv")
    assert WANTED["images"].names() == (IMAGES, "img_align_celeba", "img_align_celeba_png")
    assert all(parse_place(f"https://a/b#md5={wanted.md5}").md5 == wanted.md5 for wanted in WANTED.values())


# --- directories and files


@pytest.mark.parametrize(
    ("names", "key", "found"),
    [
        ([IMAGES, "img_align_celeba/1.jpg"], "images", IMAGES),
        ([f"Img/{IMAGES}"], "images", f"Img/{IMAGES}"),
        (["img_align_celeba/1.jpg"], "images", "img_align_celeba"),
        (["img_align_celeba/img_align_celeba/1.jpg"], "images", "img_align_celeba"),
        (["img_align_celeba"], "images", None),
        ([f"Anno/{ATTRIBUTES}", "list_attr_celeba.csv"], "attributes", f"Anno/{ATTRIBUTES}"),
        (["list_attr_celeba.csv"], "attributes", "list_attr_celeba.csv"),
        (["Eval/list_eval_partition.txt"], "partitions", "Eval/list_eval_partition.txt"),
        ([f"{ATTRIBUTES}/a"], "attributes", None),
        (["other/list_attr_celeba.csv"], "attributes", None),
    ],
)
def test_what_a_directory_has(tmp_path, downloads, names, key, found):
    folder = fill(tmp_path / "celeba", *names)
    path = None if found is None else folder / found
    assert find(folder, WANTED[key]) == path
    if path:
        assert acquire(WANTED[key], [str(folder)], downloads) == path
        assert not downloads.exists()


def test_a_file_address(tmp_path, downloads):
    path = fill(tmp_path, "a b.zip", IMAGES) / "a b.zip"
    assert get([path.as_uri()], downloads) == path
    assert get([f"{tmp_path.as_uri()}/"], downloads) == tmp_path / IMAGES
    assert get([f"{path.as_uri()}#md5={MD5}"], downloads, WANTED["images"]) == path
    with one_line("download.celeba.images", f"MD5 {MD5} instead of {OTHER}", f"#md5={MD5}"):
        get([f"{path.as_uri()}#md5={OTHER}"], downloads)
    with one_line("no such file"):
        get([tmp_path.as_uri()], downloads)
    assert not downloads.exists()


# --- the order of places


def test_the_first_place_that_has_it(tmp_path, downloads, server, capsys):
    folder = tmp_path / "celeba"
    folder.mkdir()
    missing = str(tmp_path / "missing")
    server.play(Reply(status=404), Reply())
    places = [missing, str(folder), f"{server.url}/gone.zip", f"{server.url}/a.zip", DRIVE]
    assert get(places, downloads) == downloads / IMAGES
    assert files_in(downloads) == {IMAGES: CONTENT}
    assert capsys.readouterr().out.splitlines()[:3] == [
        f"download: {missing}: no such directory; trying the next",
        f"download: {folder}: no {IMAGES} or img_align_celeba in it; trying the next",
        f"download: {server.url}/gone.zip: 404 Not Found; trying the next",
    ]
    fill(folder, IMAGES)
    assert get(places, downloads) == folder / IMAGES


def test_all_that_was_wrong_in_one_line(tmp_path, downloads, server, monkeypatch):
    monkeypatch.delenv("FACEVAE_MIRROR", raising=False)
    monkeypatch.setitem(sys.modules, "gdown", None)
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    server.play(Reply(status=403))
    missing, web = str(tmp_path / "missing"), f"{server.url}/a.zip#md5={OTHER}"
    with one_line(
        f"download.celeba.images: expected {IMAGES}", f"{missing}: no such directory (name another place); ",
        "https://${FACEVAE_MIRROR}/: no environment variable FACEVAE_MIRROR (export FACEVAE_MIRROR=...); ",
        f"{web}: 403 Forbidden (check the address", "~/.netrc", f"{DRIVE}: that the package gdown is not installed",
        f"{KAGGLE}: that the package kagglehub is not installed (pip install -c constraints.txt -e '.[kaggle]')",
        f"put {IMAGES} into {downloads} by hand, or set download.celeba.path",
    ):  # fmt: skip
        get([missing, "https://${FACEVAE_MIRROR}/", web, DRIVE, KAGGLE], downloads)


def test_an_official_sum_is_expected(downloads, server):
    with one_line("MD5", WANTED["images"].md5):
        get([f"{server.url}/a.zip"], downloads, WANTED["images"])
    assert files_in(downloads) == {}
    assert get([f"{server.url}/a.zip#md5={MD5}"], downloads, WANTED["images"]).read_bytes() == CONTENT


# --- the downloads


def test_what_is_there_is_not_asked_for(tmp_path, downloads, server):
    path = fill(downloads, IMAGES) / IMAGES
    server.play(Reply(status=404))
    assert get([f"{server.url}/a.zip"], downloads) == path
    assert get([KAGGLE, f"{server.url}/a.zip#md5={OTHER}"], downloads) == path
    assert get([KAGGLE, f"{server.url}/a.zip#md5={MD5}"], downloads, WANTED["images"]) == path
    assert get([str(tmp_path / "missing")], downloads) == path
    assert server.requests == []


def test_another_file_there_is_replaced_by_the_right_one(downloads, server, capsys):
    path = downloads / IMAGES
    fill(downloads, IMAGES)
    path.write_bytes(b"other")
    found = hashlib.md5(b"other").hexdigest()
    server.play(Reply(status=404), Reply())
    with one_line(f"{path}: MD5 {found}", f"#md5={found}", "404"):
        get([f"{server.url}/a.zip"], downloads)
    assert path.read_bytes() == b"other"
    assert get([f"{server.url}/a.zip"], downloads).read_bytes() == CONTENT
    assert f"download: {path}: MD5 {found}" in capsys.readouterr().out


def test_two_processes_do_not_download_at_once(tmp_path, downloads, server):
    downloads.mkdir()
    with open(downloads / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("471100004711")
        lock.flush()
        with one_line(downloads, "process 471100004711 at it", "let it finish"):
            get([f"{server.url}/a.zip", str(fill(tmp_path / "celeba", IMAGES))], downloads)
        assert get([str(tmp_path / "celeba")], downloads) == tmp_path / "celeba" / IMAGES
    assert get([f"{server.url}/a.zip"], downloads) == downloads / IMAGES
    assert (downloads / ".lock").read_text() == str(os.getpid())


# --- Google Drive, by gdown itself


@pytest.fixture
def drive(server, monkeypatch, tmp_path):
    """The loopback's server in the place of Google's."""
    importlib.import_module("gdown")
    monkeypatch.setattr(sys.modules["gdown.download"], "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies.txt"))
    ask = requests.sessions.Session.request

    def redirected(session, method, url, **options):
        parts = urlsplit(url)
        assert parts.hostname in ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
        return ask(session, method, f"{server.url}{parts.path}?{parts.query}", **options)

    monkeypatch.setattr(requests.sessions.Session, "request", redirected)
    return server


def drive_reply(**changes: object) -> Reply:
    headers = {"Content-Type": "application/zip", "Content-Disposition": f'attachment; filename="{IMAGES}"'}
    return Reply(headers=headers, **changes)


def page(text: str, **changes: object) -> Reply:
    headers = {"Content-Type": "text/html; charset=utf-8"}
    return Reply(body=f"<!DOCTYPE html><html>\n{text}\n</html>".encode(), headers=headers, **changes)


CONFIRM = page(
    '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
    '<input type="hidden" name="id" value="0B7EVK"><input type="hidden" name="confirm" value="t"></form>'
)


def test_a_file_on_drive(downloads, drive, capsys):
    drive.play(CONFIRM, drive_reply())
    assert get([DRIVE], downloads).read_bytes() == CONTENT
    assert [request.path.split("?")[0] for request in drive.requests] == ["/uc", "/download"]
    assert "id=0B7EVK8r0v71pZjFTYXZWM3FlRnM" in drive.requests[0].path
    assert files_in(downloads) == {IMAGES: CONTENT}
    captured = capsys.readouterr()
    assert captured.out == f"{IMAGES}: 0.3 of 0.3 MB\n" and captured.err == ""


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (
            page('<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'),
            ["quota", "try again tomorrow"],
        ),
        (page("<p>You need access</p>"), ["no link to download it", "share it with anyone who has the link"]),
        (drive_reply(status=404), ["404 Not Found"]),
        (drive_reply(status=503), ["503 Service Unavailable", "last of 2 tries"]),
        (drive_reply(cut=0), ["cut", "last of 2 tries"]),
        (Reply(body=b"no Content-Type"), ["an answer that gdown can't read (KeyError)"]),
        (drive_reply(body=b"<html><title>Sign in</title>"), ["a login page", "share it"]),
        (drive_reply(body=b"other"), ["MD5 795f3202b17cb6bc3d4b771d8c6c9eaf", f"instead of {MD5}"]),
    ],
)
def test_what_may_be_wrong_with_drive(downloads, drive, reply, parts):
    drive.play(reply)
    with one_line(f"{DRIVE}: ", f"put {IMAGES} into {downloads}", *parts):
        get([DRIVE], downloads)
    assert IMAGES not in files_in(downloads)
    assert all(name.endswith(".part") for name in files_in(downloads))


def test_a_silent_drive(downloads, drive):
    drive.play(drive_reply(cut=70_000, hold=True))
    with one_line(f"{DRIVE}: a cut connection", "last of 1 tries"):
        acquire(IMAGES_WANTED, [DRIVE], downloads, RetryPolicy(tries=1, read=0.3))


def test_no_connection_to_drive(downloads, monkeypatch):
    importlib.import_module("gdown")
    ask = requests.sessions.Session.request
    nobody = "http://127.0.0.1:1"
    monkeypatch.setattr(requests.sessions.Session, "request", lambda *a, **options: ask(*a[:2], nobody, **options))
    with one_line(f"{DRIVE}: no connection to Google Drive", "check the network"):
        get([DRIVE], downloads)


BIG = CONTENT * 5  # gdown reads half a megabyte at a time; what it has read of one is lost


@pytest.fixture
def big(monkeypatch):
    return Wanted("images", IMAGES, hashlib.md5(BIG).hexdigest(), ())


def test_a_cut_download_from_drive_goes_on(downloads, drive, big):
    cut = [drive_reply(body=BIG, cut=700_000), drive_reply(body=BIG), drive_reply(body=BIG, cut=300_000)]
    drive.play(*cut, page("<p>You need access</p>"))
    with one_line("no link"):
        get([DRIVE], downloads, big)
    (part,) = files_in(downloads)
    assert part.startswith(f"{IMAGES}.drive") and files_in(downloads)[part] == BIG[: 512 * 1024]
    drive.play(drive_reply(body=BIG))
    assert get([DRIVE], downloads, big).read_bytes() == BIG
    assert drive.ranges() == [None, "bytes=524288-"] and list(files_in(downloads)) == [IMAGES]


@pytest.mark.parametrize(
    ("part", "ranges"),
    [(BIG, [None, "bytes=1500005-"]), (bytes(len(BIG)), [None, "bytes=1500005-", None])],
    ids=["right", "wrong"],
)
def test_a_whole_part_from_drive(downloads, drive, big, part, ranges):
    """gdown was killed before it renamed it: what it asks for is behind its end."""
    fill(downloads)
    downloads.mkdir()
    (downloads / f"{IMAGES}.drive12345678.part").write_bytes(part)
    (downloads / f"{IMAGES}.driveabcdefgh.part").write_bytes(b"less")
    drive.play(drive_reply(body=BIG))
    assert get([DRIVE], downloads, big).read_bytes() == BIG
    assert drive.ranges() == ranges and list(files_in(downloads)) == [IMAGES]


def test_drive_refuses_ranges(downloads, drive, big):
    downloads.mkdir()
    (downloads / f"{IMAGES}.drive12345678.part").write_bytes(BIG[:9])
    drive.play(drive_reply(body=BIG, ranges=False))
    assert get([DRIVE], downloads, big).read_bytes() == BIG


def test_a_file_that_gdown_had_finished(downloads, drive):
    fill(downloads, f"{IMAGES}.drive")
    assert get([DRIVE], downloads).read_bytes() == CONTENT
    assert drive.requests == [] and list(files_in(downloads)) == [IMAGES]


def test_no_space_for_drive(downloads, drive, big, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 9))
    drive.play(drive_reply(body=BIG))
    with one_line(DRIVE, "0.0 MB free in", "free some"):
        get([DRIVE], downloads, big)


def test_a_drive_that_drips_and_a_disk_that_fills(downloads, monkeypatch):
    def drip(progress, **options):
        for done in (100, 200, 300):
            progress(done, 1000)
            time.sleep(0.02)

    def fill_up(output, **options):
        raise OSError(errno.ENOSPC, "full", output)

    module = types.ModuleType("gdown")
    monkeypatch.setitem(sys.modules, "gdown", module)
    for module.download, part in ((drip, "too slow a connection"), (fill_up, f"no space left in {downloads}")):
        with one_line(DRIVE, part):
            acquire(IMAGES_WANTED, [DRIVE], downloads, RetryPolicy(tries=2, pause=0, slow_after=0.03, slow=50_000))


# --- Kaggle, its library played by a stand-in


class Kaggle:
    """Data sets by their handles: `files` are what one has, `failures` are raised first."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.failures = folder, [], []

    def dataset_download(self, handle: str, path: str | None = None) -> str:
        self.asked.append((handle, path))
        if self.failures:
            raise self.failures.pop(0)
        found = self.folder / (path or "")
        if not found.exists():
            raise status_error(404)
        return str(found)


def status_error(code: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = code
    return requests.HTTPError(f"{code}\n\nhttps://storage.invalid/?token=geheim", response=response)


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    played = Kaggle(fill(tmp_path / "cache"))
    module = types.ModuleType("kagglehub")
    module.dataset_download = played.dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    return played


def test_images_on_kaggle(downloads, kaggle):
    fill(kaggle.folder, "img_align_celeba/img_align_celeba/1.jpg", "list_attr_celeba.csv")
    assert get([KAGGLE], downloads) == kaggle.folder / "img_align_celeba"
    assert kaggle.asked == [("jessicali9530/celeba-dataset", None)]
    with one_line(KAGGLE, "no landmarks.zip in"):
        get([KAGGLE], downloads, Wanted("images", "landmarks.zip", MD5, ()))


def test_a_table_on_kaggle_is_fetched_alone(downloads, kaggle):
    fill(kaggle.folder, ATTRIBUTES)
    assert get([KAGGLE], downloads, TABLE_WANTED) == kaggle.folder / ATTRIBUTES
    assert [path for _, path in kaggle.asked] == ["list_attr_celeba.csv", ATTRIBUTES]
    fill(kaggle.folder, "list_attr_celeba.csv")
    assert get([KAGGLE], downloads, TABLE_WANTED) == kaggle.folder / "list_attr_celeba.csv"
    with one_line(KAGGLE, "no list_eval_partition.csv or list_eval_partition.txt in it"):
        get([KAGGLE], downloads, WANTED["partitions"])


class DataCorruptionError(Exception):
    pass


class UnauthenticatedError(Exception):
    pass


@pytest.mark.parametrize(
    ("failure", "parts"),
    [
        (status_error(401), ["401 Unauthorized", "~/.kaggle/kaggle.json", "KAGGLE_USERNAME and KAGGLE_KEY"]),
        (status_error(403), ["403 Forbidden", "~/.kaggle/kaggle.json", "accept the data set's terms"]),
        (status_error(404), ["404 Not Found"]),
        (status_error(500), ["500 Internal Server Error", "last of 2 tries"]),
        (UnauthenticatedError("a\nb"), ["asks who you are", "~/.kaggle/kaggle.json"]),
        (DataCorruptionError("a\nb"), ["a damaged download", "last of 2 tries"]),
        (requests.exceptions.ConnectTimeout("a\nb"), ["no connection to Kaggle"]),
        (OSError(errno.ENOSPC, "full", "/cache/a"), ["no space left in /cache"]),
        (ValueError("geheim\nb"), ["an error of kagglehub (ValueError)"]),
    ],
)
def test_what_may_be_wrong_with_kaggle(downloads, kaggle, failure, parts):
    kaggle.failures = [failure] * 2
    with one_line(f"{KAGGLE}: ", *parts) as caught:
        get([KAGGLE], downloads)
    assert "geheim" not in str(caught.value)
    kaggle.failures = [status_error(429)]
    fill(kaggle.folder, IMAGES)
    assert get([KAGGLE], downloads) == kaggle.folder / IMAGES


# --- secrets


def test_no_secret_in_the_line_of_all_places(downloads, server, monkeypatch, capfd):
    monkeypatch.setenv("FACEVAE_TEST_SECRET", "geheim7f3a")
    server.play(Reply(cut=9), Reply(status=500))
    places = [f"{server.url}/{name}.zip?token=${{FACEVAE_TEST_SECRET}}" for name in "ab"]
    with one_line("token=${FACEVAE_TEST_SECRET}: 500") as caught:
        get(places, downloads)
    assert server.requests and all("geheim7f3a" in request.path for request in server.requests)
    captured = capfd.readouterr()
    assert "geheim7f3a" not in str(caught.value) + captured.out + captured.err
    assert not [name for name, content in files_below(downloads).items() if b"geheim7f3a" in content]
