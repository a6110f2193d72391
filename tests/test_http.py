"""Downloads over a network that fails in every way: each ends in the right file or in the right line."""

import errno
import hashlib
import logging
import os
import shutil
import signal
import ssl
import subprocess
import sys
import traceback
from email.utils import formatdate
from pathlib import Path

import pytest
import requests
from download_server import CONTENT, DATE, TAG, Reply, serving, wait_for
from raw_data import REPOSITORY, files_below, one_line

from facevae.core.errors import FacevaeError
from facevae.sources import http
from facevae.sources.failures import Failures
from facevae.sources.http import download
from facevae.sources.retry import RetryPolicy
from facevae.sources.urls import Address, parse_place, web_address

MD5 = hashlib.md5(CONTENT).hexdigest()
SIZE = len(CONTENT)
QUICK = RetryPolicy(tries=3, pause=0.001, longest_pause=0.01, longest_retry_after=0.1, connect=5, read=5, slow_after=9)
NAME = "img_align_celeba.zip"


@pytest.fixture(scope="module")
def one_server():
    with serving() as server:
        yield server


@pytest.fixture
def server(one_server, monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    one_server.play(Reply())
    return one_server


@pytest.fixture
def target(tmp_path):
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads" / NAME


def fetch(server, target: Path, policy: RetryPolicy = QUICK, md5: str = MD5, path: str = "/a.zip") -> None:
    download(web_address(parse_place(server.url + path), NAME), target, md5, policy)


def part_of(target: Path) -> Path:
    return target.with_name(f"{NAME}.part")


def is_fetched(target: Path) -> bool:
    """The file is right, and nothing else is beside it."""
    return files_below(target.parent) == {NAME: CONTENT}


def leave_part(server, target: Path, size: int = 100_000, **reply: object) -> None:
    """End a call with `size` bytes of the file in its part."""
    server.play(Reply(cut=size, **reply), Reply(status=404))
    with one_line("404 Not Found"):
        fetch(server, target)
    assert part_of(target).read_bytes() == CONTENT[:size] and not target.exists()


# --- it works


def test_a_whole_file(server, target, capsys):
    fetch(server, target, path="/celeba/")
    assert is_fetched(target) and server.sent() == SIZE
    assert server.requests[0].path == f"/celeba/{NAME}"
    assert server.requests[0].headers["Accept-Encoding"] == "identity"
    assert capsys.readouterr().out == f"{NAME}: 0.3 of 0.3 MB\n"


@pytest.mark.parametrize("reply", [Reply(length=False), Reply(chunked=True)], ids=["until closed", "chunked"])
def test_without_a_length(server, target, reply, capsys):
    server.play(reply)
    fetch(server, target)
    assert is_fetched(target)
    assert capsys.readouterr().out == f"{NAME}: 0.3 MB\n"


def test_a_connection_that_is_kept_open_is_not_waited_for(server, target):
    server.play(Reply(cut=SIZE, hold=True))
    fetch(server, target, RetryPolicy(tries=1, read=30))
    assert is_fetched(target)


def test_nothing_is_read_after_the_last_byte(server, target):
    """Whatever the library below does then: on a connection that is kept open there is nothing to wait for."""

    class Raw:
        left, asked = b"abc", ()

        def read1(self, amount: int, decode_content: bool) -> bytes:
            self.asked += (amount,)
            read, self.left = self.left[:1], self.left[1:]
            return read

    response = requests.Response()
    transfer = http._Transfer(Address("", "", ""), target, MD5, QUICK, None, http.ByteProgress(NAME))
    response.raw = Raw()
    assert list(transfer._chunks(response, 3)) == [b"a", b"b", b"c"] and response.raw.asked == (3, 2, 1)
    response.raw = Raw()
    with pytest.raises(http.TransientError):
        list(transfer._chunks(response, 4))


def test_a_file_that_takes_a_little_at_a_time():
    class File:
        written = b""

        def write(self, data: memoryview) -> int:
            self.written += bytes(data[:2])
            return len(data[:2])

    file = File()
    http._write(file, b"abcde")
    assert file.written == b"abcde"


def test_a_redirect(server, target):
    server.play(Reply(status=302, body=b"", headers={"Location": "/other"}), Reply())
    fetch(server, target)
    assert is_fetched(target) and [request.path for request in server.requests] == ["/a.zip", "/other"]


def test_a_name_and_password_come_from_netrc(server, target, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password geheim")
    fetch(server, target)
    assert server.requests[0].headers["Authorization"].startswith("Basic ")


# --- it goes on


@pytest.mark.parametrize("cuts", [(1,), (16_384, 1, 100_000), (SIZE - 1,), (0, 5, 0, 0, 7)], ids=str)
@pytest.mark.parametrize(
    ("kind", "validator"),
    [
        ({}, TAG),
        ({"chunked": True}, TAG),
        ({"tag": 'W/"one"', "date": DATE}, DATE),
        ({"tag": None, "date": DATE}, DATE),
        ({"tag": None}, None),
    ],
    ids=["tag", "chunked", "weak tag", "date", "neither"],
)
def test_cut_connections_send_no_byte_twice(server, target, cuts, kind, validator):
    server.play(*(Reply(cut=cut, **kind) for cut in cuts), Reply(**kind))
    fetch(server, target)
    assert is_fetched(target) and server.sent() == SIZE and len(server.requests) == len(cuts) + 1
    assert {request.headers.get("If-Range") for request in server.requests if "Range" in request.headers} == {validator}


def test_a_second_call_sends_no_byte_twice(server, target):
    leave_part(server, target)
    before = server.sent()
    server.play(Reply(cut=50_000), Reply())
    fetch(server, target)
    assert server.ranges() == ["bytes=100000-", "bytes=150000-"]
    assert is_fetched(target) and before + server.sent() == SIZE


def test_a_whole_part_is_not_asked_for(server, target):
    leave_part(server, target)
    part_of(target).write_bytes(CONTENT)
    server.play(Reply(status=500))
    fetch(server, target)
    assert is_fetched(target) and server.requests == []


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:-1] + b"?"], ids=["right", "wrong"])
def test_a_whole_part_of_unknown_length(server, target, content):
    """The answer to the range after its end is 416. If its sum is wrong, once anew."""
    leave_part(server, target, chunked=True)
    part_of(target).write_bytes(content)
    server.play(Reply())
    fetch(server, target)
    assert is_fetched(target) and server.sent() == (0 if content == CONTENT else SIZE)


@pytest.mark.parametrize("size", [100_000, SIZE])
def test_a_damaged_part_is_begun_anew_once(server, target, size):
    leave_part(server, target)
    part_of(target).write_bytes(bytes(size))
    server.play(Reply())
    fetch(server, target)
    assert is_fetched(target) and server.ranges()[-1] is None and len(server.requests) == (2 if size < SIZE else 1)


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"address": "http://other/"}'])
def test_a_part_of_who_knows_what_is_begun_anew(server, target, damage):
    leave_part(server, target)
    part_of(target).with_suffix(".part.json").write_text(damage)
    server.play(Reply())
    fetch(server, target)
    assert is_fetched(target) and server.ranges() == [None]


def test_another_address_is_begun_anew(server, target):
    leave_part(server, target)
    server.play(Reply())
    fetch(server, target, path="/b.zip")
    assert is_fetched(target) and server.ranges() == [None]


@pytest.mark.parametrize(
    "changed",
    [{"tag": '"two"'}, {"tag": None, "date": "Thu, 02 Jan 2025 00:00:00 GMT"}],
    ids=["tag", "date"],
)
def test_a_file_that_has_changed_is_begun_anew(server, target, changed):
    leave_part(server, target, **({} if changed["tag"] else {"tag": None, "date": DATE}))
    part_of(target).write_bytes(b"older" * 20_000)
    server.play(Reply(**changed))
    fetch(server, target)
    assert is_fetched(target) and server.ranges() == ["bytes=100000-"] and server.sent() == SIZE


@pytest.mark.parametrize("wrong", [Reply(range_shift=1), Reply(body=CONTENT + b"x"), Reply(headers={"ETag": '"2"'})])
def test_a_range_of_something_else_is_not_appended(server, target, wrong, monkeypatch):
    leave_part(server, target)
    if wrong.headers:  # a server that heeds no If-Range
        wrong.tag, wrong.date = None, TAG
    server.play(wrong, Reply())
    fetch(server, target)
    assert is_fetched(target) and server.ranges() == ["bytes=100000-", None]


def test_refused_ranges(server, target):
    server.play(Reply(ranges=False, cut=100_000), Reply(ranges=False, cut=200_000), Reply(ranges=False))
    fetch(server, target)
    assert is_fetched(target) and server.sent() == 300_000 + SIZE


def test_ctrl_c_leaves_the_part(server, target, monkeypatch):
    write, written = http._write, []

    def interrupted(file, data):
        write(file, data)
        written.append(data)
        raise KeyboardInterrupt

    monkeypatch.setattr(http, "_write", interrupted)
    server.play(Reply(cut=200_000, hold=True), Reply())
    with pytest.raises(KeyboardInterrupt):
        fetch(server, target)
    monkeypatch.undo()
    size = part_of(target).stat().st_size
    assert part_of(target).read_bytes() == b"".join(written)
    fetch(server, target)
    assert is_fetched(target) and server.ranges()[-1] == f"bytes={size}-"


def test_a_killed_process_leaves_the_part(server, target):
    server.play(Reply(cut=123_456, hold=True), Reply())
    code = (
        "import sys; from pathlib import Path; from facevae.sources.urls import Address;"
        "from facevae.sources.http import RetryPolicy, download;"
        "download(Address(sys.argv[1], 'host', sys.argv[1]), Path(sys.argv[2]), sys.argv[3], RetryPolicy())"
    )
    arguments = [sys.executable, "-c", code, f"{server.url}/a.zip", str(target), MD5]
    process = subprocess.Popen(arguments, cwd=REPOSITORY, env=os.environ | {"NO_PROXY": "*"})
    try:
        wait_for(lambda: part_of(target).exists() and part_of(target).stat().st_size == 123_456)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    fetch(server, target)
    assert is_fetched(target) and server.ranges() == [None, "bytes=123456-"] and server.sent() == SIZE


# --- it tries again


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_pass(server, target, code, capsys):
    server.play(Reply(status=code, body=b"<html>"), Reply(status=code, body=b"<html>"), Reply())
    fetch(server, target)
    assert is_fetched(target)
    assert f"{server.url}/a.zip: {code} " in capsys.readouterr().out
    server.play(Reply(status=code, body=b"<html>"))
    with one_line(server.url, NAME, f"{code} ", "last of 3 tries", "try later"):
        fetch(server, target)
    assert len(server.requests) == 3


def test_pauses_grow_and_retry_after_is_heeded(server, target, monkeypatch):
    slept = []
    monkeypatch.setattr(http.time, "sleep", slept.append)
    monkeypatch.setattr(http.time, "time", lambda: 1_000_000.0)
    policy = RetryPolicy(tries=9, pause=1, longest_pause=5, longest_retry_after=100)
    waits = ["70", "7000", formatdate(1_000_050, usegmt=True), "soon", formatdate(0, usegmt=True)]
    replies = [Reply(status=429, headers={"Retry-After": wait}) for wait in waits]
    server.play(Reply(status=500), Reply(status=500), *replies, Reply(status=500), Reply())
    fetch(server, target, policy)
    assert slept == [1, 2, 70, 100, 50, 5, 5, 5]


def test_new_bytes_start_the_count_again(server, target):
    empty = [Reply(cut=0), Reply(cut=0)]
    server.play(*empty, Reply(cut=9), *empty, Reply(cut=9), *empty, Reply())
    with one_line("cut at 0.0 of 0.3 MB", "last of 6 tries"):
        fetch(server, target, RetryPolicy(tries=3, tries_in_all=6, pause=0))
    server.play(*empty, Reply(cut=9), *empty, Reply(cut=9), *empty, Reply())
    fetch(server, target, RetryPolicy(tries=3, pause=0))
    assert is_fetched(target)


def test_cut_short_for_ever(server, target):
    server.play(Reply(cut=200_000), Reply(cut=0))
    with one_line(server.url, NAME, "cut at 0.2 of 0.3 MB", "last of 4 tries"):
        fetch(server, target)
    assert part_of(target).stat().st_size == 200_000
    server.play(*(Reply(ranges=False, cut=cut) for cut in (100, 200_000) * 9))
    with one_line("cut at 0.2 of 0.3 MB", "last of 4 tries"):  # none of them brings more than there was
        fetch(server, target, RetryPolicy(tries=4, pause=0))


def test_a_silent_server(server, target):
    server.play(Reply(cut=100_000, hold=True), Reply(cut=0, hold=True), Reply())
    fetch(server, target, RetryPolicy(tries=2, pause=0.001, read=0.3))
    assert is_fetched(target) and server.sent() == SIZE
    server.play(Reply(cut=10, hold=True))
    with one_line(server.url, "no byte for 0 s", "last of 2 tries"):  # ten bytes more are no progress
        fetch(server, target.with_name("b.zip"), RetryPolicy(tries=2, pause=0.001, read=0.1))


def test_a_drip(server, target):
    slow = RetryPolicy(tries=2, pause=0.001, read=5, slow_after=0.05, slow=50_000)
    server.play(Reply(drip=(100, 0.02)), Reply())
    fetch(server, target, slow)
    assert is_fetched(target)
    target.unlink()
    server.play(Reply(drip=(100, 0.02)))
    with one_line(server.url, "too slow a connection", "last of 2 tries"):
        fetch(server, target, slow)
    assert 0 < part_of(target).stat().st_size < 5000
    server.play(Reply(drip=(60_000, 0.02)))
    fetch(server, target, slow)
    assert is_fetched(target)


def test_no_connection(target, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with one_line("http://127.0.0.1:1/a.zip", "no connection to 127.0.0.1:1", "check the network"):
        download(Address("http://127.0.0.1:1/a.zip", "127.0.0.1:1", "http://127.0.0.1:1/a.zip"), target, MD5, QUICK)
    with one_line("no connection to https://h"):
        raise_for(requests.exceptions.ConnectTimeout(), "https://h")


def raise_for(error: Exception, host: str) -> None:
    def attempt() -> None:
        raise Failures("https://h/a", NAME, host, "", "h").request(error)

    http.retry(attempt, lambda: 0, "https://h/a", NAME, QUICK)


def test_other_errors_of_the_connection():
    certificate = ssl.SSLCertVerificationError("self-signed")
    pool = requests.packages.urllib3.exceptions
    refused = pool.MaxRetryError(None, "/a", pool.SSLError(certificate))
    with one_line("a certificate of h that is not trusted", "REQUESTS_CA_BUNDLE"):
        raise_for(requests.exceptions.SSLError(refused), "h")
    with one_line("no secure connection to h", "last of 3 tries"):
        raise_for(requests.exceptions.SSLError(pool.MaxRetryError(None, "/a", pool.SSLError("EOF"))), "h")
    with one_line("no connection to the proxy", "HTTPS_PROXY"):
        raise_for(requests.exceptions.ProxyError(), "h")
    with one_line("a cut connection"):
        raise_for(requests.ConnectionError(pool.ProtocolError("aborted")), "h")


# --- it gives up, and says why


@pytest.mark.parametrize(
    ("reply", "parts"),
    [
        (Reply(status=401), ["401 Unauthorized", "~/.netrc", "${NAME}"]),
        (Reply(status=403), ["403 Forbidden", "~/.netrc", "${NAME}"]),
        (Reply(status=403, body=b"<html>quota exceeded"), ["quota", "tomorrow"]),
        (Reply(status=404), ["404 Not Found", "check the address"]),
        (Reply(status=410), ["410 Gone", "check the address"]),
        (Reply(status=299), ["status 299", "check the address"]),
        (Reply(status=302, headers={"Location": "/a.zip"}), ["redirects without end"]),
        (Reply(status=302, headers={"Location": "ftp://h/a"}), ["an address that can't be asked"]),
        (Reply(status=302, headers={"Location": "http://127.0.0.1:1/"}), ["no connection to where 127.0.0.1"]),
        (Reply(body=b"<!DOCTYPE html><p>Quota exceeded</p>"), ["quota", "try again tomorrow"]),
        (Reply(body=b"\xef\xbb\xbf\n <html>Too many\nusers have viewed"), ["quota", "try again tomorrow"]),
        (Reply(body=b"<html><title>Sign in - X</title>"), ["a login page", "~/.netrc"]),
        (Reply(body=b"<html><title>\nPlease log-in</title>"), ["a login page", "~/.netrc"]),
        (Reply(body=b"<form><INPUT name=a type='password'>"), ["a login page", "~/.netrc"]),
        (Reply(body=b"<html><title>Signing bonus</title>", length=False), ["a web page", "check the address"]),
        (Reply(body=b"<html>" + b" " * 10**6), ["a web page", "check the address"]),
        (Reply(body=b"<html>" + b" " * 99, cut=80), ["a web page", "check the address"]),
        (Reply(body=b""), ["MD5 d41d8cd98f00b204e9800998ecf8427e"]),
        (Reply(headers={"Content-Encoding": "gzip"}), ["a compressed transfer"]),
        (
            Reply(body=CONTENT + b"?"),
            [hashlib.md5(CONTENT + b"?").hexdigest(), f"instead of {MD5}", "end the place in #md5="],
        ),
    ],
)
def test_what_another_try_would_not_mend(server, target, reply, parts):
    server.play(reply)
    with one_line(server.url, NAME, *parts):
        fetch(server, target)
    assert files_below(target.parent) == {} and len(server.requests) <= 31


def test_a_redirect_to_a_login_page(server, target):
    login = Reply(body=b"<title>Log in</title>")
    server.play(Reply(status=302, headers={"Location": "/login?from=a"}), login)
    with one_line(f"{server.url}/a.zip", "a login page"):
        fetch(server, target)
    assert server.requests[-1].path == "/login?from=a"


def test_a_page_does_not_cost_the_part(server, target):
    leave_part(server, target)
    server.play(Reply(body=b"<html>quota", tag='"page"'))
    with one_line("quota"):
        fetch(server, target)
    server.play(Reply())
    fetch(server, target)
    assert is_fetched(target) and server.ranges() == ["bytes=100000-"]


def test_a_wrong_file_is_fetched_once_and_thrown_away(server, target):
    for _ in range(2):
        server.play(Reply(cut=100_000), Reply())
        with one_line("MD5", "#md5="):
            fetch(server, target, md5="0" * 32)
        assert server.sent() == SIZE and files_below(target.parent) == {}


def test_no_space(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, SIZE - 1))
    with one_line(server.url, "0.3 MB free in", "for 0.3 MB", "free some"):
        fetch(server, target)
    monkeypatch.undo()
    leave_part(server, target)
    server.play(Reply())
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, SIZE - 100_001))
    with one_line("0.2 MB free in", "for 0.2 MB"):
        fetch(server, target)
    # What is left to fetch fits.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, SIZE - 100_000))
    server.play(Reply())
    fetch(server, target)
    assert is_fetched(target)


def test_a_disk_that_fills(server, target, monkeypatch):
    write = http._write

    def full(file, data):
        room = 100_000 - file.tell()
        write(file, data[:room])
        if len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(http, "_write", full)
    with one_line(server.url, "no space left in", target.parent, "is kept"):
        fetch(server, target)
    monkeypatch.undo()
    fetch(server, target)
    assert is_fetched(target) and server.ranges() == [None, "bytes=100000-"]


# --- it shows how far it is


def test_progress(server, target, capsys, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(http.time, "monotonic", lambda: clock[0])
    with http.byte_progress("a.zip") as progress:
        # What was there before says nothing of the speed; what was thrown away neither.
        for time, done in ((5, 9), (6, 1), (10, 100_000_000), (19, 1), (20, 212_000_000), (29, 300_000_000)):
            clock[0] = float(time)
            progress.show(done, 1_443_490_838)
    assert capsys.readouterr().out.splitlines() == [
        "a.zip: 100 of 1,443 MB, 25.0 MB/s, 54 s left",
        "a.zip: 212 of 1,443 MB, 212.0 MB/s, 6 s left",
        "a.zip: 300 of 1,443 MB",
    ]


def test_a_bar_in_a_terminal(server, target, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fetch(server, target)
    captured = capsys.readouterr()
    assert NAME in captured.err and captured.out == ""


# --- it shows no secret

SECRET = "geheim7f3a"
HEADERLESS = b"Bad\r\n"
LEAKY = {
    "fetched": [Reply()],
    "cut": [Reply(cut=9), Reply(status=500), Reply(cut=9), Reply(status=404)],
    "closed": [Reply(status=500, raw_header=HEADERLESS)],
    "refused": [Reply(status=401)],
    "forbidden": [Reply(status=403)],
    "limited": [Reply(status=429)],
    "page": [Reply(body=b"<title>Sign in</title>" + SECRET.encode())],
    "wrong": [Reply(body=SECRET.encode())],
    "login": [Reply(status=302, headers={"Location": f"/login?token={SECRET}"}), Reply(body=b"<title>Sign in</title>")],
    "loop": [Reply(status=302, headers={"Location": f"/a?token={SECRET}"})],
    "nowhere": [Reply(status=302, headers={"Location": f"http://127.0.0.1:1/?token={SECRET}"})],
    "unaskable": [Reply(status=302, headers={"Location": f"ftp://{SECRET}/a"})],
    "silent": [Reply(cut=0, hold=True)],
    "headers": [Reply(raw_header=HEADERLESS, chunked=True)],
}


@pytest.mark.parametrize("case", [*LEAKY, "no host", "no address", "no space"])
def test_no_secret_is_shown(server, target, monkeypatch, capfd, caplog, case):
    monkeypatch.setenv("FACEVAE_TEST_SECRET", SECRET)
    base = {"no host": "http://${FACEVAE_TEST_SECRET}.invalid", "no address": "http://[${FACEVAE_TEST_SECRET}"}
    url = base.get(case, server.url)
    if case == "no address":
        address = Address("http://x", "x", f"http://[{SECRET}/a?token={SECRET}")
    else:
        address = web_address(parse_place(f"{url}/a?token=${{FACEVAE_TEST_SECRET}}"), NAME)
    if case == "no space":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 9))
    server.play(*LEAKY.get(case, [Reply()]))
    text = ""
    with caplog.at_level(logging.DEBUG):
        try:
            download(
                address, target, MD5, RetryPolicy(tries=2, pause=0, connect=2, read=0.1 if case == "silent" else 5)
            )
        except Exception as error:
            assert isinstance(error, FacevaeError)
            text = str(error) + "".join(traceback.format_exception(error))
        else:
            assert case in ("fetched", "headers")
    captured = capfd.readouterr()
    assert all(f"token={SECRET}" in request.path for request in server.requests[:1])
    shown = captured.out + captured.err + caplog.text + text
    assert SECRET not in shown
    for name, content in files_below(target.parent).items():
        assert SECRET not in name and SECRET.encode() not in content
