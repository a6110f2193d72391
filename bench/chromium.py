"""Debian's Chromium, driven through selenium, which asks nobody but the page."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
)  # fmt: skip


# Moves a slider of an attribute to a value and waits for the picture: of execute_async_script.
MOVE = """
const [name, value, done] = arguments, slider = document.querySelector(`#slider-${name} input[type=range]`);
document.querySelector("#edit").addEventListener("painted", () => done(true), { once: true });
slider.value = value;
slider.dispatchEvent(new Event("input", { bubbles: true }));
"""

# What the page says of the photograph.
WORDS = 'return document.querySelector("#edit [data-is=words]").textContent'


def missing() -> str | None:
    """What is missing for a browser, in words; None if all is there."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "no selenium: pip install selenium"
    for name in ("chromium", "chromedriver"):
        if shutil.which(name) is None:
            return f"no {name}: apt-get install chromium chromium-driver"
    return None


@contextmanager
def chromium(width: int = 1400, height: int = 950, downloads: Path | None = None) -> Iterator[Any]:
    """A browser with a profile of its own, closed at the end. Narrow ones behave like a phone."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        if downloads is not None:
            options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service(str(shutil.which("chromedriver"))))
        try:
            browser.set_script_timeout(60)
            if width < 600:
                metrics = {"width": width, "height": height, "deviceScaleFactor": 2, "mobile": True}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            yield browser
        finally:
            browser.quit()


def wait(browser: Any, selector: str, seconds: float = 60) -> Any:
    """The first element of a CSS selector that is shown, as soon as there is one."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def shown(browser: Any) -> Any:
        return next((one for one in browser.find_elements(By.CSS_SELECTOR, selector) if one.is_displayed()), None)

    return WebDriverWait(browser, seconds).until(shown, selector)


def until(browser: Any, script: str, seconds: float = 60) -> Any:
    """What a script returns, as soon as that is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, seconds).until(lambda browser: browser.execute_script(script), script)


def open_file(browser: Any, place: str, path: Path) -> None:
    """Give a file to one of the page's places for photographs, such as `#edit`."""
    from selenium.webdriver.common.by import By

    wait(browser, f"{place} [data-is=choose]")
    browser.find_element(By.CSS_SELECTOR, f"{place} [data-is=file]").send_keys(str(path))


def opened(browser: Any, address: str, path: Path) -> None:
    """Open the page of `facevae page` anew, with a photograph."""
    browser.get(address)
    open_file(browser, "#edit", path)
    wait(browser, "#slider-Smiling input[type=range]")
    until(browser, WORDS + f".includes({path.name!r})")


def requested(browser: Any) -> list[str]:
    """The addresses that pages have asked for since the last call, those of the browser itself left out."""
    found = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    return [address for address in found if not address.startswith(("chrome", "data:", "blob:"))]
