"""How long a moved slider of `facevae page` takes to show its picture, in a real browser.

`python -m bench.page` opens the astronaut in several sizes, moves a slider so many times, and prints the time from the
input event to the frame that shows the new picture: median and 95th percentile. Needs the extra `page`, selenium and
Chromium with its driver (facevae/app/page is what it measures, bench/chromium.py how it is driven).
"""

import io
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

from facevae.core.command import run

SIZES = ("0.25", "1", "12")
"""Megapixels."""

# In the page: one movement, and the time until the frame after the picture was set has been drawn.
_MOVE = """
const [value, done] = arguments, slider = document.querySelector("#slider-Smiling input[type=range]");
const started = performance.now();
document.querySelector("#edit").addEventListener("painted", () => done(performance.now() - started), { once: true });
slider.value = value;
slider.dispatchEvent(new Event("input", { bubbles: true }));
"""

_SENT = """
const answers = performance.getEntriesByType("resource").filter((one) => one.name.includes("/run/"));
return Math.max(...answers.map((one) => one.encodedBodySize));
"""


def photograph(megapixels: float) -> bytes:
    """The astronaut, square, of so many pixels, as a JPEG."""
    from PIL import Image
    from skimage.data import astronaut

    side, file = round((megapixels * 1e6) ** 0.5), io.BytesIO()
    Image.fromarray(astronaut()).resize((side, side), Image.Resampling.LANCZOS).save(file, "JPEG", quality=95)
    return file.getvalue()


def main(
    moves: Annotated[int, typer.Option(min=2, help="Movements of the slider for each size.")] = 50,
    size: Annotated[list[str] | None, typer.Option(help="Megapixels; may be given several times.")] = None,
    models: Annotated[str, typer.Option(help="A set of models, or a folder.")] = "celeba",
) -> None:
    """Print the latency of a slider, from the input event to the painted picture."""
    from bench.chromium import chromium, open_file, wait
    from facevae.app.page.server import serving
    from facevae.inference.faces import load

    with tempfile.TemporaryDirectory() as folder, serving(load(models)) as (address, _), chromium() as browser:
        for megapixels in size or SIZES:
            path = Path(folder, f"{megapixels}.jpg")
            path.write_bytes(photograph(float(megapixels)))
            browser.get(address)
            open_file(browser, "#edit", path)
            wait(browser, "#slider-Smiling input[type=range]")
            rng = np.random.default_rng(0)
            values = rng.permutation(np.linspace(-3, 3, moves + 3)).round(2)
            times = [browser.execute_async_script(_MOVE, float(value)) for value in values][3:]
            sent = browser.execute_script(_SENT)
            print(
                f"{megapixels:>5} megapixels: median {median(times):.0f} ms, 95th percentile "
                f"{np.percentile(times, 95):.0f} ms, {moves} moves; answers of up to {sent / 1000:.0f} kB"
            )


if __name__ == "__main__":
    run(main)
