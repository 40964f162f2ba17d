"""Pictures of the page with the example: both themes, three widths (`make web-screenshots`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.web.in_browser.browser import Browser
from tests.web.in_browser.stub_server import StubServer

SIZES = ((1280, 900), (768, 1024), (360, 740))


def main(target: Path) -> None:
    """Write the pictures into a directory."""
    target.mkdir(parents=True, exist_ok=True)
    server = StubServer()
    with tempfile.TemporaryDirectory() as profile:
        browser = Browser(Path(profile))
        try:
            for theme in ("light", "dark"):
                for width, height in SIZES:
                    browser.media(prefers_color_scheme=theme, prefers_reduced_motion="reduce")
                    browser.size(width, height)
                    browser.open(server.url)
                    browser.until(lambda: browser.texts("#usage-chart svg"), "the chart")
                    browser.picture(target / f"{theme}-{width}.png")
                    browser.picture(target / f"{theme}-{width}-whole.png", whole=True)
            for line in browser.log():
                print(line)
        finally:
            browser.close()
            server.close()
    print(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp(prefix="teamclaude-web-")))
