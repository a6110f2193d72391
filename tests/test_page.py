"""The page of `facevae page`, part by part. All of it in a browser: test_browser.py."""

import base64
import io
import socket
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from raw_data import one_line

gradio = pytest.importorskip("gradio", reason="needs Gradio: make page-setup")

from facevae.app.page.components import astronaut, judge_table, said  # noqa: E402
from facevae.app.page.edit_tab import EditTab  # noqa: E402
from facevae.app.page.exchange import HEADER, PATH, Exchange  # noqa: E402
from facevae.app.page.groups import GROUPS, OTHERS, grouped, label  # noqa: E402
from facevae.app.page.guard import LARGEST, Guard  # noqa: E402
from facevae.app.page.opened import checked  # noqa: E402
from facevae.app.page.server import serving  # noqa: E402
from facevae.app.page.session import Session  # noqa: E402
from facevae.celeba.attributes import ATTRIBUTES  # noqa: E402
from facevae.core.errors import FacevaeError  # noqa: E402
from facevae.inference.faces import load  # noqa: E402
from facevae.inference.framing import OR_CENTRE  # noqa: E402
from facevae.inference.photographs import own_suffix  # noqa: E402


def pixels_of(data: bytes) -> np.ndarray:
    """(H, W, 3) int16 of a file's bytes or a data URL."""
    if isinstance(data, str):
        data = base64.b64decode(data.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


def bomb(side: int) -> bytes:
    """A PNG that has a header for so many pixels a side, and nothing behind it."""
    parts = [(b"IHDR", side.to_bytes(4) * 2 + b"\x08\x02\0\0\0"), (b"IDAT", zlib.compress(b"\0" * 64))]
    chunks = (len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.fixture(scope="module")
def faces():
    return load("celeba", device="cpu")


@pytest.fixture
def session(faces):
    return Session(faces, astronaut(), "ann.jpg")


def test_every_attribute_has_one_group():
    named = [name for names in GROUPS.values() for name in names]
    assert len(named) == len(set(named)) and set(named) <= set(ATTRIBUTES)
    found = grouped(["Young", "Smiling", "Beret", "Bangs"])
    assert found == {"Expression": ["Smiling"], "Hair and beard": ["Bangs"], "Age and features": ["Young"]} | {
        OTHERS: ["Beret"]
    }
    assert sorted(name for names in grouped(ATTRIBUTES).values() for name in names) == sorted(ATTRIBUTES)
    assert [label(name) for name in ("Mouth_Slightly_Open", "5_o_Clock_Shadow")] == [
        "Mouth slightly open", "5 o'clock shadow"
    ]  # fmt: skip


def test_what_is_shown_is_what_is_downloaded(session):
    """512 pixels are shown as they are: the base with its patch and the downloaded file differ by JPEG alone."""
    base = pixels_of(session.look(False)["base"])
    assert session.picture() == {"patch": None}
    patch = session.move("Smiling", 3.0)["patch"]
    inside = pixels_of(patch["image"])
    assert patch["x"] % 16 == patch["y"] % 16 == 0
    shown = base.copy()
    shown[patch["y"] : patch["y"] + len(inside), patch["x"] : patch["x"] + inside.shape[1]] = inside
    name, data = session.download()
    assert name == "ann_edited.jpg" and pixels_of(data).shape == (512, 512, 3)
    assert np.abs(shown - pixels_of(data)).mean() < 2
    moved = np.abs(shown - base).max(2)
    assert moved.max() > 40, "a wide smile is seen"
    far = np.ones(moved.shape, bool)
    (corners,) = session.outlines()
    (left, top), (right, bottom) = np.min(corners, 0) * 512, np.max(corners, 0) * 512
    far[int(top) : int(bottom) + 1, int(left) : int(right) + 1] = False
    assert far.mean() > 0.5 and moved[far].max() <= 16, "beyond the face there is nothing but JPEG"


def test_nothing_changed_is_the_file(session):
    session.move("Smiling", 2.0)
    session.move("Smiling", 0.0)
    assert session.strengths == [{}] and session.picture() == {"patch": None}
    assert session.download() == ("ann_edited.jpg", astronaut())


@pytest.mark.parametrize("name", ["a.jpg", "a.tiff", "a.TIFF", "a.jfif", "a.png", "a.gif", "a"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF"])
def test_the_download_is_named_as_the_command_names_it(faces, tmp_path, name, kind):
    file = io.BytesIO()
    Image.open(io.BytesIO(astronaut())).resize((128, 128)).save(file, kind)
    (tmp_path / name).write_bytes(file.getvalue())
    session, expected = Session(faces, file.getvalue(), name), f"a_edited{own_suffix(tmp_path / name)}"
    assert session.download()[0] == expected
    session.move("Smiling", 1.0)
    found, data = session.download()
    assert found == expected and Image.open(io.BytesIO(data)).format == ("PNG" if kind == "GIF" else kind)


def test_reset_and_the_judge(session):
    session.move("Eyeglasses", 3.0)
    before, after = session.judged()["Eyeglasses"]
    assert before < 0.5 < after
    table = judge_table(session.judged(), ["Eyeglasses"])
    assert f"{before:.0%} → {after:.0%}" in table and "Leakage" in table
    assert session.reset() == {"patch": None}
    assert all(before == after for before, after in session.judged().values())
    assert "smiling" in judge_table(session.judged(), [])
    strength, why = session.suggest("Eyeglasses")
    assert 0 < strength < 4 and why == f"it takes {strength:.3g} for the judge to see it clearly here"


def test_a_close_up_shows_the_face_alone(session):
    assert session.can_come_closer()
    session.move("Smiling", 3.0)
    close = session.look(True)
    assert pixels_of(close["base"]).shape[0] < 300 and close["patch"] is not None
    (corners,) = session.outlines()
    assert np.min(corners) > 0 and np.max(corners) < 1
    before = pixels_of(close["base"])
    with Image.open(io.BytesIO(astronaut())) as image:
        whole = np.asarray(image).astype(np.int16)
    # The same pixels, somewhere in the photograph: no face of another place.
    height, width = before.shape[:2]
    found = min(
        np.abs(whole[y : y + height : 8, x : x + width : 8] - before[::8, ::8]).mean()
        for y in range(0, 512 - height + 1)
        for x in range(0, 512 - width + 1, 1)
    )
    assert found < 4


def test_each_face_has_strengths_of_its_own(faces):
    with Image.open(io.BytesIO(astronaut())) as image:
        pair = Image.new("RGB", (1024, 512))
        pair.paste(image, (0, 0))
        pair.paste(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (512, 0))
    file = io.BytesIO()
    pair.save(file, "PNG")
    session = Session(faces, file.getvalue(), "pair.png")
    assert len(session.outlines()) == 2 and "2 faces" in session.describe()
    session.move("Smiling", -3.0)
    session.choose(1)
    session.move("Eyeglasses", 2.0)
    session.choose(7)
    assert session.face == 1, "there are no more"
    assert session.strengths == [{"Smiling": -3.0}, {"Eyeglasses": 2.0}]
    name, data = session.download()
    moved = np.abs(pixels_of(data) - np.asarray(pair).astype(np.int16)).max(2)
    assert name == "pair_edited.png" and moved[:, :512].max() > 30 < moved[:, 512:].max()
    session.reset()
    moved = np.abs(pixels_of(session.download()[1]) - np.asarray(pair).astype(np.int16)).max(2)
    halves = sorted([moved[:, :512].max(), moved[:, 512:].max()])
    assert halves[0] == 0 and halves[1] > 30, "the other face keeps its changes"


def test_a_closed_session_lets_go(faces):
    session = Session(faces, astronaut(), "ann.jpg")
    session.close()
    session.close()
    assert session.closed and not hasattr(session, "portrait")


def test_a_photograph_that_is_gone_is_said(faces):
    with gradio.Blocks(analytics_enabled=False):
        tab = EditTab(faces, Exchange())
    session, shown, *_ = tab._example()
    assert "astronaut.jpg, 512 × 512, one face" in shown["words"] and "patch" in tab._moved("Smiling", session, 1.0)[1]
    session.close()
    assert tab._moved("Smiling", session, 1.0) == (
        None,
        {"error": "This photograph is no longer in memory: open it again."},
    )


def test_a_file_is_fetched_once(monkeypatch):
    exchange = Exchange()
    word = exchange.put("a.jpg", b"abc")
    assert exchange.take(word) == ("a.jpg", b"abc")
    with pytest.raises(FacevaeError) as error:
        exchange.take(word)
    assert one_line(error)
    words = [exchange.put("a.jpg", b"abc") for _ in range(20)]
    assert len(exchange._waiting) <= 8
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3600)
    with pytest.raises(FacevaeError):
        exchange.take(words[-1])
    assert not exchange._waiting, "what nobody fetches is forgotten"


@pytest.mark.parametrize("side", [11_000, 100_000])
def test_a_bomb_is_one_line(side):
    """Some bytes that say they are 121 megapixels, or ten thousand: nothing of it is decoded."""
    with pytest.raises(FacevaeError, match="at most 100 megapixels") as error:
        checked(bomb(side))
    assert one_line(error)
    assert checked(b"no image") == b"no image" and checked(bomb(9_000)) == bomb(9_000)


def test_options_of_the_command_line_are_no_advice_here():
    error = FacevaeError(where="x", expected="a face", found="none", fix=f"take another photograph{OR_CENTRE}")
    assert said(error) == "x: expected a face, found none; take another photograph"
    error = FacevaeError(where="x", expected="a face", found="none", fix="give --models DIR")
    assert said(error) == "x: expected a face, found none; take another"


def test_what_the_guard_turns_away():
    testclient = pytest.importorskip("starlette.testclient")
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def echo(request):
        return PlainTextResponse(str(len(await request.body())))

    exchange = Exchange(limit_mb=1)
    routes = [*exchange.routes(), Route("/{path:path}", echo, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(Guard)])
    client = testclient.TestClient(app, base_url="http://127.0.0.1:7860", raise_server_exceptions=False)
    answer = client.get("/")
    assert answer.status_code == 200 and "connect-src 'self'" in answer.headers["content-security-policy"]
    assert client.get("/", headers={"host": "photos.example:7860"}).status_code == 421
    assert client.get("/", headers={"host": "[::1]:7860"}).status_code == 200
    assert client.post("/gradio_api/upload", content=b"x").status_code == 403
    assert client.post("/gradio_api/run/predict", content=b"x" * 10).text == "10"
    assert client.post("/gradio_api/run/predict", content=b"x" * (LARGEST + 1)).status_code == 413
    parts = (b"x" * 100_000 for _ in range(20))  # without a length
    assert client.post("/gradio_api/run/predict", content=parts).status_code >= 400
    assert client.post(PATH, content=b"x").status_code == 403, "another site can't send the header"
    word = client.post(PATH, content=b"abc", headers={HEADER: "1"}).json()["word"]
    assert exchange.take(word)[1] == b"abc"
    large = client.post(PATH, content=b"x" * 1_000_001, headers={HEADER: "1"})
    assert large.status_code == 413 and "1 MB" in large.json()["error"]
    word = exchange.put("Ann & Bøb.jpg", b"abc")
    answer = client.get(f"{PATH}/{word}")
    assert answer.content == b"abc" and answer.headers["content-disposition"].endswith("Ann%20%26%20B%C3%B8b.jpg")
    assert client.get(f"{PATH}/{word}").status_code == 404


@pytest.fixture
def kept_environment(monkeypatch):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")


def test_without_gradio_there_is_one_line(faces, monkeypatch, kept_environment):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(FacevaeError, match=r"pip install 'facevae\[page\]'") as error, serving(faces):
        pass
    assert one_line(error)


def test_a_taken_port_is_one_line(faces, kept_environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FacevaeError) as error, serving(faces, port=port):
            pass
    assert str(error.value) == f"--port {port}: expected a free port, found one in use; give another, or none"
