"""Headless Chromium, driven by selenium: one process with an empty profile and nothing in the background."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    "--force-color-profile=srgb",
)


class Browser:
    """A window.  `log` has what the console said since it was last asked."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "chromium"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, Service(shutil.which("chromedriver") or "chromedriver"))
        self.driver.set_script_timeout(20)
        self.expected: list[str] = []  # parts of what the console may say in this test

    def size(self, width: int, height: int) -> None:
        """Set the size of the page itself, also below the narrowest window."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, **features: str) -> None:
        """Set media features, as in `media(prefers_color_scheme="dark")`."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.command("Emulation.setEmulatedMedia", features=named)

    def command(self, name: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(name, arguments)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page; `arguments[0]` is the first one.  No CSP holds there."""
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Run a script that calls `done(value)`."""
        return self.driver.execute_async_script(
            f"const done = arguments[arguments.length - 1]; {script}", *arguments
        )

    def text(self, selector: str) -> str:
        """Return what is seen of the first such element; empty without one."""
        find = "const one = document.querySelector(arguments[0]);"
        return str(self.run(f"{find} return one?.checkVisibility() ? one.innerText : ''", selector))

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)", selector
        )
        return found

    def count(self, selector: str) -> int:
        return int(self.run("return document.querySelectorAll(arguments[0]).length", selector))

    def attributes(self, selector: str, name: str) -> list[str | None]:
        every = "[...document.querySelectorAll(arguments[0])]"
        script = f"return {every}.map((one) => one.getAttribute(arguments[1]))"
        found: list[str | None] = self.run(script, selector, name)
        return found

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.run("document.querySelector(`[aria-label='${arguments[0]}']`).click()", name)

    def choose(self, id: str, value: str) -> None:
        """Set a field, and tell the page."""
        self.run(
            "const one = document.getElementById(arguments[0]); one.value = arguments[1];"
            "for (const kind of ['input', 'change']) one.dispatchEvent(new Event(kind, {bubbles: true}));",
            *(id, value),
        )

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def keys(self, *keys: str) -> None:
        """Press keys where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def until(self, true: Callable[[], Any], what: str = "it", sec: float = 10.0) -> Any:
        """Wait until something is true, and return it."""
        deadline = time.monotonic() + sec
        while True:
            found = true()
            if found:
                return found
            assert time.monotonic() < deadline, f"{what} did not happen; the console said {self.log()}"
            time.sleep(0.02)

    def until_text(self, selector: str, part: str, sec: float = 10.0) -> None:
        self.until(
            lambda: part in self.text(selector), f"{part!r} in {selector} ({self.text(selector)!r})", sec
        )

    def log(self) -> list[str]:
        return [f"{entry['level']} {entry['message']}" for entry in self.driver.get_log("browser")]

    def picture(self, path: Path, whole: bool = False) -> None:
        """Save a PNG of what is seen, or of the whole page."""
        import base64

        taken = self.command("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        self.driver.quit()


def as_script(value: Any) -> str:
    """Return a value as JavaScript source."""
    return json.dumps(value)
