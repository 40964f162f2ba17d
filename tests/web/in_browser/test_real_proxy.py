"""The page of the real server, with accounts of the fake API: signing in, live, orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.proxy.conftest import KEY, Stage
from tests.web.in_browser.browser import Browser

Build = Callable[..., Stage]
OBSERVER = "tc-observer-key-0000000000000000000000"


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Start a server with the accounts a and b."""
    built: list[Stage] = []

    def start(**config: object) -> Stage:
        home = tmp_path / f"stage{len(built)}"
        home.mkdir()
        built.append(Stage(home, ("a", "b"), time.time, **config))
        return built[-1]

    yield start
    for each in built:
        each.close()


def address(stage: Stage) -> str:
    return f"http://127.0.0.1:{stage.service.port}/"


def sign_in(browser: Browser, stage: Stage, key: str = KEY) -> None:
    browser.expected += ["401", "403", "404"]  # before the login; and a history that has nothing yet
    browser.open(address(stage))
    browser.until_text("#login", "teamclaude web")
    browser.run("document.getElementById('login-key').value = arguments[0]", key)
    browser.click("#login-form button")
    browser.until_text("#link", "live")
    browser.until_text("#accounts", "a")


def test_a_wrong_key_is_refused(build: Build, browser: Browser) -> None:
    stage = build()
    browser.expected = ["401", "403"]
    browser.open(address(stage))
    browser.until_text("#login", "teamclaude web")
    browser.run("document.getElementById('login-key').value = 'tc-wrong'")
    browser.click("#login-form button")
    browser.until_text("#login-error", "key")
    assert browser.text("#page") == ""


def test_a_request_is_shown_within_two_seconds(build: Build, browser: Browser) -> None:
    stage = build()
    sign_in(browser, stage)
    assert browser.texts("#activity-rows > tr") == []
    began = time.monotonic()
    stage.ask(session="5e55-1")
    browser.until_text("#activity-rows", "200 served")
    took = time.monotonic() - began
    print(f"\nfrom the request to its row: {took:.2f} s")
    browser.until_text("#agents-rows", "5e55-1")
    browser.run("document.querySelector('#activity-rows button.open').click()")
    browser.until_text("#activity-rows .decision", "Accounts tried, in order")
    assert took < 2.0


def test_orders_are_carried_out(build: Build, browser: Browser) -> None:
    stage = build()
    sign_in(browser, stage)
    stage.ask(session="5e55-1")
    browser.press("Disable a")
    browser.click("#ask-yes")
    browser.until(lambda: stage.account("a")["status"] == "disabled", "the order")
    browser.until_text("#accounts", "disabled")
    browser.press("Enable a")
    browser.click("#ask-yes")
    browser.until(lambda: stage.account("a")["status"] == "active", "the order")
    browser.press("Pin all work to b")
    browser.until(lambda: browser.text("#ask-price") not in ("", "being worked out …"))
    browser.click("#ask-yes")
    browser.until(lambda: stage.status()["pins"] == [{"session": None, "account": "b"}], "the order")
    browser.until_text("#accounts", "pinned")
    browser.press("Read the config file again")
    browser.click("#ask-yes")
    browser.until_text("#result", "has been read again")


def test_an_observer_looks_and_orders_nothing(build: Build, browser: Browser) -> None:
    clients = [{"name": "eve", "key": OBSERVER, "role": "observer"}]
    stage = build(proxy={"clients": clients})
    sign_in(browser, stage, OBSERVER)
    browser.until_text("#role", "observer")
    assert browser.texts("#accounts button, #pool-controls button") == []
    refused = browser.run_async(
        "fetch('/teamclaude/accounts/a/disable', {method: 'POST', headers: {'x-teamclaude-page': '1'}})"
        ".then((answer) => done(answer.status))"
    )
    assert refused == 403
    assert stage.account("a")["status"] == "active"


def test_the_page_goes_on_after_a_restart(build: Build, browser: Browser) -> None:
    stage = build()
    port = stage.service.port
    stage.write({**stage.document(), "proxy": {**stage.document()["proxy"], "port": port}})
    sign_in(browser, stage)
    browser.expected += ["ERR_", "Failed to load"]
    stage.restart()
    # Sessions end with the process: the page says so, and what to do.
    browser.until_text("#login", "teamclaude web", sec=20)


def test_signing_out_ends_the_session(build: Build, browser: Browser) -> None:
    stage = build()
    sign_in(browser, stage)
    browser.until_text("#role", "operator")
    browser.click("#sign-out")
    browser.until_text("#login", "teamclaude web")
    browser.open(address(stage))
    browser.until_text("#login", "teamclaude web")


def test_nothing_secret_is_where_scripts_or_logs_see_it(build: Build, browser: Browser) -> None:
    stage = build()
    sign_in(browser, stage)
    kept = browser.run(
        "return document.cookie + location.href + JSON.stringify(localStorage) + document.body.innerHTML"
    )
    assert KEY not in kept
    assert "teamclaude-" not in browser.run("return document.cookie")
    assert KEY not in "".join(stage.warnings)
