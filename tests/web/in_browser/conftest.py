"""The browser and the page in it.  Without what `make test-web` installs, nothing here is collected."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.in_browser.stub_server import StubServer

if TYPE_CHECKING:
    from tests.web.in_browser.browser import Browser

if importlib.util.find_spec("selenium") is None or shutil.which("chromium") is None:
    collect_ignore_glob = ["test_*.py"]

# What Chromium says about every page with a password field; no browser shows it to anybody.
NOT_MEANT = ("[DOM]",)


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    from tests.web.in_browser.browser import Browser

    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(one_browser: Browser) -> Iterator[Browser]:
    """A window with nothing of the tests before; at the end its console has said nothing."""
    one_browser.size(1280, 900)
    one_browser.media(prefers_color_scheme="light", prefers_reduced_motion="reduce")
    one_browser.command("Network.clearBrowserCookies")
    one_browser.expected = []
    yield one_browser
    said = [line for line in one_browser.log() if not any(part in line for part in NOT_MEANT)]
    one_browser.open("about:blank")
    assert [line for line in said if not any(part in line for part in one_browser.expected)] == []


@pytest.fixture
def stub() -> Iterator[Callable[..., StubServer]]:
    """Build a stub server; all are closed afterwards."""
    built: list[StubServer] = []

    def build(*arguments: Any, **more: Any) -> StubServer:
        built.append(StubServer(*arguments, **more))
        return built[-1]

    yield build
    for each in built:
        each.close()


@pytest.fixture
def server(stub: Callable[..., StubServer], browser: Browser) -> StubServer:
    """A stub with the example, open in the browser."""
    made = stub()
    browser.open(made.url)
    browser.until(lambda: browser.texts("#usage-chart svg"), "the page")
    return made
