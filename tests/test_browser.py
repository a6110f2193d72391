"""The page of `facevae page` in a real browser, as a person uses it; skipped where there is none."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from bench.chromium import MOVE, WORDS, chromium, missing, open_file, opened, requested, until, wait
from bench.rooms import ROOT

pytest.importorskip("gradio", reason="needs Gradio: make page-setup")
if missing():
    pytest.skip(missing(), allow_module_level=True)

from test_page import bomb, pixels_of

from facevae.app.page import layout
from facevae.app.page.server import serving
from facevae.app.page.session import Session
from facevae.inference.faces import load

ANN = ROOT / "facevae" / "app" / "page" / "browser" / "astronaut.jpg"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """`facevae page` as a person starts it, in folders of its own: its address, and those folders."""
    folder = tmp_path_factory.mktemp("page")
    for name in ("tmp", "home", "cwd"):
        (folder / name).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {
        name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    env = dict(kept, TMPDIR=str(folder / "tmp"), HOME=str(folder / "home"), PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "facevae.app.cli.main", "page", "--models", "celeba", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=folder / "cwd", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)[0]
        yield address, folder
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
    assert not list((folder / "tmp").iterdir()), "its folder goes when it does"


@pytest.fixture(scope="module")
def browser(page):
    with chromium() as browser:
        yield browser


@pytest.fixture
def ann(tmp_path):
    path = tmp_path / "ann.jpg"
    path.write_bytes(ANN.read_bytes())
    return path


PIXELS = """
const canvas = document.querySelector("#edit canvas");
return [canvas.width, canvas.height, canvas.toDataURL("image/png")];
"""

PRESS = """
document.querySelector("#edit [data-is=stage] canvas").dispatchEvent(new PointerEvent(arguments[0], { bubbles: true }));
"""


def canvas_of(browser) -> np.ndarray:
    return pixels_of(browser.execute_script(PIXELS)[2])


def test_a_slider_changes_the_face_and_nothing_else(page, browser, ann):
    opened(browser, page[0], ann)
    before = canvas_of(browser)
    assert before.shape == (512, 512, 3) and np.abs(before - pixels_of(ANN.read_bytes())).mean() < 3
    browser.execute_async_script(MOVE, "Smiling", 3)
    after = canvas_of(browser)
    moved = np.abs(after - before).max(2)
    assert moved.max() > 40
    rows, columns = np.nonzero(moved > 8)
    assert rows.max() < 300 and columns.min() > 100 and columns.max() < 360, "the face is above, in the middle"
    browser.execute_script(PRESS, "pointerdown")
    assert np.array_equal(canvas_of(browser), before), "pressed, it is the photograph as it was"
    browser.execute_script(PRESS, "pointerup")
    assert np.array_equal(canvas_of(browser), after)
    until(browser, 'return document.querySelector("#judge").textContent.includes("Leakage")')
    browser.execute_async_script(MOVE, "Smiling", 0)
    assert np.array_equal(canvas_of(browser), before)


def test_a_download_has_the_photographs_format_and_size(page, tmp_path, ann):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    path = tmp_path / "Ann & Bøb.webp"
    with Image.open(ann) as image:
        exif = image.getexif()
        exif[0x010E] = "an astronaut"
        image.resize((1300, 1300)).save(path, quality=90, exif=exif)
    with chromium(downloads=downloads) as browser:
        opened(browser, page[0], path)
        assert canvas_of(browser).shape == (1024, 1024, 3), "what is shown is smaller"
        browser.execute_async_script(MOVE, "Smiling", 3)
        wait(browser, "#edit [data-is=save]").click()
        target, deadline = downloads / "Ann & Bøb_edited.webp", time.monotonic() + 30
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    assert [found.name for found in downloads.iterdir()] == [target.name]
    with Image.open(target) as image:
        assert image.format == "WEBP" and image.size == (1300, 1300) and image.getexif()[0x010E] == "an astronaut"
    moved = np.abs(pixels_of(target.read_bytes()) - pixels_of(path.read_bytes()))
    assert moved.max() > 40 and moved.mean() < 3


def test_a_hostile_file_is_one_line(page, browser, tmp_path, ann):
    opened(browser, page[0], ann)
    before = canvas_of(browser)
    wall = io.BytesIO()
    Image.new("RGB", (600, 600), (200, 190, 180)).save(wall, "PNG")
    hostile = {
        "broken.jpg": (ANN.read_bytes()[:2000], "expected"),
        "words.png": (b"<script>alert(1)</script>" * 50, "expected an image"),
        "bomb.png": (bomb(100_000), "at most 100 megapixels"),
        "wall.png": (wall.getvalue(), "expected a face"),
        "empty.png": (b"", "expected"),
    }
    for name, (data, said_of_it) in hostile.items():
        path = tmp_path / name
        path.write_bytes(data)
        open_file(browser, "#edit", path)
        until(browser, f'return document.querySelector("#edit .fv-error")?.textContent.includes({said_of_it!r})')
        text = browser.execute_script(WORDS)
        assert len(text) < 300 and "Traceback" not in text and "--" not in text, text
        browser.execute_script('document.querySelector("#edit [data-is=words]").textContent = ""')
    assert np.array_equal(canvas_of(browser), before), "the photograph before stays"
    browser.execute_async_script(MOVE, "Smiling", 2)
    assert not np.array_equal(canvas_of(browser), before), "and can be edited"


def test_two_users_at_once(page, browser, tmp_path, ann):
    mirrored = tmp_path / "mirrored.png"
    Image.open(ann).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
    opened(browser, page[0], ann)
    with chromium() as other:
        opened(other, page[0], mirrored)
        mine, theirs = canvas_of(browser), canvas_of(other)
        for strength in (1, 2, 3):
            browser.execute_async_script(MOVE, "Smiling", strength)
            other.execute_async_script(MOVE, "Mouth_Slightly_Open", -strength)
        mine_moved, their_moved = np.abs(canvas_of(browser) - mine), np.abs(canvas_of(other) - theirs)
        assert mine_moved.max() > 40 and their_moved.max() > 20
        # Each sees a change where its own face is: left of the middle, and right of it.
        assert np.nonzero(mine_moved.max(2) > 20)[1].mean() < 256 < np.nonzero(their_moved.max(2) > 20)[1].mean()
        values = '#slider-{} input[type=range]").value'
        for driver, name, value in (
            (browser, "Smiling", "3"),
            (browser, "Mouth_Slightly_Open", "0"),
            (other, "Smiling", "0"),
        ):
            assert driver.execute_script('return document.querySelector("' + values.format(name)) == value


def test_the_keyboard_and_the_camera(page, browser, ann):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    opened(browser, page[0], ann)
    before = canvas_of(browser)
    slider = wait(browser, "#slider-Smiling input[type=range]")
    slider.send_keys(Keys.END)
    until(browser, 'return document.querySelector("#judge").textContent.includes("Leakage")')
    after = canvas_of(browser)
    assert not np.array_equal(after, before)
    browser.execute_script('document.querySelector("#edit [data-is=compare]").focus()')
    ActionChains(browser).key_down(Keys.SPACE).perform()
    assert np.array_equal(canvas_of(browser), before)
    ActionChains(browser).key_up(Keys.SPACE).perform()
    assert np.array_equal(canvas_of(browser), after)
    named = browser.execute_script(
        "return [...document.querySelectorAll('#edit button, .fv-panel input')].filter(one => !one.hidden && "
        "!(one.ariaLabel || one.textContent.trim() || one.labels?.length || one.title)).map(one => one.outerHTML)"
    )
    assert not named, "everything that can be pressed has a name"

    wait(browser, "#edit [data-is=look]").click()
    until(browser, 'return document.querySelector("#edit video").videoWidth')
    wait(browser, "#edit [data-is=shoot]").click()
    until(browser, WORDS + '.includes("expected a face")')  # Chromium's stand-in for a camera shows a green disc


def test_a_phone_shows_all_in_its_width(page, ann):
    with chromium(390, 844) as phone:
        opened(phone, page[0], ann)
        assert phone.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
        canvas, slider = (
            phone.execute_script(f'return document.querySelector("{selector}").getBoundingClientRect().toJSON()')
            for selector in ("#edit canvas", "#slider-Smiling input[type=range]")
        )
        assert canvas["width"] > 250 and slider["width"] > 180 and slider["top"] > canvas["bottom"]
        phone.execute_script('document.querySelector("#slider-Smiling").scrollIntoView({ block: "end" })')
        assert phone.execute_script('return document.querySelector("#edit canvas").getBoundingClientRect().top') >= 0, (
            "the photograph stays in sight"
        )


def test_the_other_tabs(page, browser, ann):
    def tab(name: str) -> None:
        script = "return [...document.querySelectorAll('button[role=tab]')].find(one => one.textContent.trim() === "
        until(browser, f"{script}{name!r})").click()

    def press(text: str) -> None:
        script = (
            "return [...document.querySelectorAll('button')].find(one => one.offsetParent && one.textContent.trim()"
        )
        until(browser, f"{script} === {text!r})").click()

    browser.get(page[0])
    wait(browser, "#edit [data-is=choose]")
    tab("Sample")
    press("Draw")
    until(browser, 'return document.querySelectorAll("#samples img").length === 24')
    tab("Interpolate")
    for which in ("first", "second"):
        open_file(browser, f"#{which}-face", ann)
        until(browser, f'return document.querySelector("#{which}-face [data-is=words]").textContent === "ann.jpg"')
    press("Turn the first into the second")
    until(browser, 'return document.querySelectorAll("#between .fv-sheet img").length === 12')
    tab("Denoise")
    wait(browser, "#denoise [data-is=example]").click()
    words = until(
        browser,
        'const w = document.querySelector("#denoise [data-is=words]").textContent; return w.includes("sigma") && w',
    )
    assert 18 < float(re.search(r"sigma ([\d.]+)", words)[1]) < 30, "noise of 25 was added"


def test_a_closed_tab_is_forgotten(ann, monkeypatch):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")
    built, build = [], layout.build
    monkeypatch.setattr(layout, "build", lambda *given: built.append(build(*given)) or built[-1])
    with serving(load("celeba", device="cpu")) as (address, _):
        with chromium() as browser:
            opened(browser, address, ann)
            (state,) = built[0].state_holder.session_data.values()
            held = [value for value in state.state_data.values() if isinstance(value, Session)]
            assert len(held) == 1 and not held[0].closed
        deadline = time.monotonic() + 30
        while built[0].state_holder.session_data and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not built[0].state_holder.session_data and held[0].closed


def test_nothing_leaves_and_nothing_stays(page, browser, ann):
    """After all of the above and one more photograph: requests go to the page alone, and no file was written."""
    address, folder = page
    opened(browser, address, ann)
    browser.execute_async_script(MOVE, "Smiling", 2)
    asked = requested(browser)
    assert len(asked) > 20 and not [url for url in asked if not url.startswith(address)]
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not [text for text in errors if "Content Security Policy" in text], "nothing else was even tried"
    # matplotlib, which Gradio imports where it is installed, keeps a list of the fonts here.
    written = [path for path in folder.rglob("*") if path.is_file() and "matplotlib" not in path.parts]
    assert not written, "Gradio's uploads and caches would be files"
    stored = browser.execute_script("return JSON.stringify(localStorage)")
    assert "data:image" not in stored and len(stored) < 1000, "Gradio can keep a history of runs there"
    with urllib.request.urlopen(address) as answer:
        assert answer.status == 200
    outside = socket.gethostbyname(socket.gethostname())
    port = int(address.rstrip("/").rpartition(":")[2])
    if not outside.startswith("127."):
        with pytest.raises(OSError), socket.create_connection((outside, port), timeout=5):
            pass
