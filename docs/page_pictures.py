"""The pictures of docs/page.md: the page in a browser, with the models that come with facevae.

    python docs/page_pictures.py

Needs Gradio, selenium and Chromium (`make page-setup`).
"""

import io
import sys
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.chromium import MOVE, chromium, missing, opened, until
from facevae.app.page.server import serving
from facevae.inference.faces import load

TARGET = Path(__file__).parent / "pictures"
ASTRONAUT = Path(__file__).parent.parent / "facevae/app/page/browser/astronaut.jpg"

# Browser windows, and how wide the pictures are in docs/.
WINDOWS = {"page": ((1400, 1080), 1400), "page-phone": ((390, 844), 585)}


def main() -> None:
    """Write both pictures."""
    if lacking := missing():
        sys.exit(lacking)
    with serving(load("celeba", "cpu")) as (address, _):
        for name, (window, width) in WINDOWS.items():
            with chromium(*window) as browser:
                opened(browser, address, ASTRONAUT)
                browser.execute_async_script(MOVE, "Smiling", -2)
                until(browser, 'return document.querySelector("#judge").textContent.includes("Leakage")')
                browser.execute_script("window.scrollTo(0, 0)")
                time.sleep(1)  # until what moves has come to rest
                picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
            size = width, round(picture.height * width / picture.width)
            picture.resize(size, Image.Resampling.LANCZOS).save(TARGET / f"{name}.jpg", quality=85)
            print(TARGET / f"{name}.jpg", size)


if __name__ == "__main__":
    main()
