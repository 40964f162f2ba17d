"""Pages of other origins, in a browser that is signed in: they can neither read nor act.

A page at another port of the same host is of the same site: the cookie is sent with what it asks for.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.proxy.conftest import Stage
from tests.web.in_browser.browser import Browser
from tests.web.in_browser.test_real_proxy import Build, address, build, sign_in

__all__ = ["build"]


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"<!DOCTYPE html><title>hostile</title><body></body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of a server with an empty page of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["127.0.0.1", "localhost"], ids=["same site", "other site"])
def victim(
    request: pytest.FixtureRequest, build: Build, browser: Browser, elsewhere: int
) -> tuple[Stage, str]:
    """A server that the browser is signed in at, while it shows the page of another origin."""
    stage = build()
    sign_in(browser, stage)
    browser.expected = [""]  # a browser says a lot about what it refuses
    browser.open(f"http://{request.param}:{elsewhere}/")
    return stage, address(stage)


def test_the_page_itself_can(build: Build, browser: Browser) -> None:
    """Show that what follows fails for who asks, not for how it is asked."""
    stage = build()
    sign_in(browser, stage)
    url = address(stage)
    assert '"accounts"' in browser.run_async(FETCH, url + "teamclaude/status", "cors")
    assert browser.run_async(LISTEN, url + "teamclaude/page/events") in ("open", "full")
    browser.run_async(
        "fetch('/teamclaude/switch', {method: 'POST', body: arguments[0],"
        " headers: {'x-teamclaude-page': '1'}}).then(() => done(), () => done())",
        '{"account": "b"}',
    )
    assert stage.status()["pins"] == [{"session": None, "account": "b"}]


FETCH = (
    "fetch(arguments[0], {credentials: 'include', mode: arguments[1]})"
    ".then((answer) => answer.text()).then(done, () => done(''))"
)
LISTEN = (
    "const source = new EventSource(arguments[0], {withCredentials: true});"
    "for (const kind of ['full', 'delta', 'message', 'open', 'error'])"
    " source.addEventListener(kind, () => { source.close(); done(kind); });"
)
READS = ("", "teamclaude/status", "teamclaude/deck", "teamclaude/page/session", "teamclaude/usage", "metrics")


def test_it_reads_nothing_by_fetch(victim: tuple[Stage, str], browser: Browser) -> None:
    for path in READS:
        for mode in ("cors", "no-cors"):
            assert browser.run_async(FETCH, victim[1] + path, mode) == "", (path, mode)


def test_it_gets_no_events(victim: tuple[Stage, str], browser: Browser) -> None:
    assert browser.run_async(LISTEN, victim[1] + "teamclaude/page/events") == "error"


ORDERS = (
    ("teamclaude/accounts/a/disable", "{}"),
    ("teamclaude/switch", '{"account": "b"}'),
    ("teamclaude/page/login", "{}"),
)
HEADERS = ("{}", "{'x-teamclaude-page': '1'}", "{'content-type': 'application/json'}")


def test_it_gives_no_orders_by_fetch(victim: tuple[Stage, str], browser: Browser) -> None:
    stage, url = victim
    for path, body in ORDERS:
        for headers in HEADERS:
            for mode in ("cors", "no-cors"):
                browser.run_async(
                    f"fetch(arguments[0], {{method: 'POST', credentials: 'include', mode: '{mode}',"
                    f" body: arguments[1], headers: {headers}}}).then(() => done(), () => done())",
                    *(url + path, body),
                )
    assert stage.account("a")["status"] == "active"
    assert stage.status()["pins"] == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_it_gives_no_orders_by_a_form(kind: str, victim: tuple[Stage, str], browser: Browser) -> None:
    stage, url = victim
    browser.run(
        "const form = document.createElement('form'); form.method = 'post'; form.enctype = arguments[1];"
        "form.action = arguments[0]; const field = document.createElement('input');"
        'field.name = \'{"account": "b", "x": "\'; field.value = \'"}\'; form.append(field);'
        "document.body.append(form); form.submit();",
        *(url + "teamclaude/switch", kind),
    )
    browser.until(lambda: browser.run("return location.href.includes('/teamclaude/switch')"))
    assert stage.status()["pins"] == []


def test_it_cannot_frame_the_page(victim: tuple[Stage, str], browser: Browser) -> None:
    browser.run_async(
        "const frame = document.createElement('iframe'); frame.onload = () => done();"
        "frame.src = arguments[0]; document.body.append(frame)",
        victim[1],
    )
    browser.driver.switch_to.frame(0)
    assert "TeamClaude" not in browser.run("return document.documentElement.innerText")
    browser.driver.switch_to.default_content()


def test_a_window_that_it_opens_is_out_of_its_reach(victim: tuple[Stage, str], browser: Browser) -> None:
    seen = browser.run_async(
        "const opened = window.open(arguments[0]); setTimeout(() => {"
        " let read = ''; try { read = opened.document.title; } catch { read = ''; }"
        " done([read, !opened || opened.closed]); }, 1500)",
        victim[1],
    )
    for window in browser.driver.window_handles[1:]:
        browser.driver.switch_to.window(window)
        browser.driver.close()
    browser.driver.switch_to.window(browser.driver.window_handles[0])
    assert seen[0] == ""
    assert seen[1], "the opener keeps no handle of the page (Cross-Origin-Opener-Policy)"
