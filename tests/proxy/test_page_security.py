"""Signing in to the page, what the cookie opens, and when it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.web import publisher
from tests.proxy.page_browser import (
    CLIENT,
    CLIENTS,
    EVENTS,
    KEY,
    LOGIN,
    OBSERVER,
    SESSION,
    STATUS,
    SWITCH,
    Browser,
    code_of,
)

Build = Callable[..., Any]


@pytest.fixture
def s(stage: Build) -> Any:
    return stage("a", "b", proxy={"clients": CLIENTS, "trustLoopback": False})


@pytest.fixture
def browser(s: Any) -> Browser:
    """Signed in as an operator."""
    found = Browser(s)
    assert found.sign_in(code=code_of(s)).status == 200
    return found


# --- signing in -----------------------------------------------------------------------------------


def test_a_code_becomes_a_cookie_that_opens_the_endpoints(s: Any) -> None:
    browser = Browser(s)
    assert browser.call("GET", SESSION).status == 401
    answer = browser.sign_in(code=code_of(s))
    assert json.loads(answer.body) == {"role": "operator", "name": None}
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == f"teamclaude-{s.service.port}"
    assert rest.partition("; ")[2] == "Path=/teamclaude; HttpOnly; SameSite=Strict"
    assert len(rest.partition(";")[0]) >= 43
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(browser.call("GET", SESSION).body)["role"] == "operator"
    assert browser.call("GET", STATUS).status == 200
    assert browser.call("POST", SWITCH, {"account": "a"}).status == 200
    assert browser.call("HEAD", EVENTS).status == 200


def test_over_tls_the_cookie_is_secure(s: Any) -> None:
    browser = Browser(s)
    answer = browser.call("POST", SESSION, {"key": KEY}, Origin=f"https://{browser.host}")
    assert answer.headers["set-cookie"].endswith("; Secure")


def test_a_key_signs_in_with_its_role(s: Any) -> None:
    for key, role, name in ((KEY, "operator", None), (OBSERVER, "observer", "olga")):
        browser = Browser(s)
        assert json.loads(browser.sign_in(key=f" {key}\n").body) == {"role": role, "name": name}
    refused = Browser(s).sign_in(key=CLIENT)
    assert (refused.status, b"the page needs observer or operator" in refused.body) == (403, True)
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize("secret", [{}, {"code": 1}, {"code": "a", "key": "b"}, {"key": None}, []])
def test_anything_else_signs_nobody_in(s: Any, secret: Any) -> None:
    answer = Browser(s).call("POST", SESSION, secret)
    assert answer.status == 400
    assert "set-cookie" not in answer.headers


def test_a_code_serves_once_and_for_a_minute(s: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = code_of(s)
    assert Browser(s).sign_in(code=code).status == 200
    again = Browser(s).sign_in(code=code)
    assert (again.status, b"used before" in again.body) == (403, True)
    late = code_of(s)
    monkeypatch.setattr(s.service.runtime.page.sessions, "_clock", lambda: 1e12)
    assert Browser(s).sign_in(code=late).status == 403


def test_who_may_make_which_code(s: Any) -> None:
    def status(key: str, role: str) -> int:
        return int(s.send("POST", LOGIN, {"role": role}, {"x-teamclaude-key": key}).status)

    assert [status(KEY, role) for role in ("observer", "operator", "client", "")] == [200, 200, 400, 400]
    assert [status(OBSERVER, role) for role in ("observer", "operator")] == [200, 403]
    assert status(CLIENT, "observer") == 403
    assert status("wrong", "observer") == 401


def test_a_page_makes_no_codes(browser: Browser) -> None:
    answer = browser.call("POST", LOGIN, {"role": "observer"})
    assert (answer.status, b"can't make a code" in answer.body) == (403, True)


def test_signing_out_ends_the_session_and_the_cookie(browser: Browser) -> None:
    kept = dict(browser.cookies)
    answer = browser.call("DELETE", SESSION)
    assert answer.status == 200
    assert "Max-Age=0" in answer.headers["set-cookie"]
    browser.cookies = kept
    assert browser.call("GET", STATUS).status == 401


def test_no_secret_is_in_a_log(stage: Build, tmp_path: Any) -> None:
    s = stage("a", logRequests=True, logDir=str(tmp_path / "log"))
    browser, code = Browser(s), code_of(s)
    browser.sign_in(code=code)
    browser.call("GET", STATUS)
    browser.sign_in(key=KEY)
    (cookie,) = browser.cookies.values()
    s.ask()
    s.service.stop(0)
    text = "".join(path.read_text() for path in (tmp_path / "log").iterdir())
    shown = text + "".join(s.warnings) + json.dumps(s.records)
    assert not [secret for secret in (code, cookie) if secret in shown]


def test_an_open_stream_ends_with_the_session_that_opened_it(
    s: Any, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "CHECK_SEC", 0.02)
    (pair,) = (f"{name}={value}" for name, value in browser.cookies.items())
    fields = [("Cookie", pair), ("Host", browser.host)]
    raw = s.raw().send(_head("GET", EVENTS, fields))
    assert b"200" in raw._until(b"\r\n\r\n")
    browser.call("DELETE", SESSION)
    rest, end = raw.rest()
    assert (rest.endswith(b"\r\n0\r\n\r\n"), end) == (True, "fin")
    s.until(lambda: s.service.runtime.page.publisher.viewers == 0)


def test_an_open_stream_ends_with_the_key_that_opened_it(s: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "CHECK_SEC", 0.02)
    raw = s.raw().send(_head("GET", EVENTS, [("Host", "localhost"), ("x-api-key", OBSERVER)]))
    assert b"200" in raw._until(b"\r\n\r\n")
    document = s.document()
    document["proxy"]["clients"] = []
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    assert raw.rest()[1] == "fin"


def _head(method: str, path: str, fields: list[tuple[str, str]]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode()


# --- what the cookie is not for -------------------------------------------------------------------


def test_the_cookie_spends_nothing_and_never_leaves(s: Any, browser: Browser) -> None:
    for method, path in [("POST", "/v1/messages"), ("GET", "/v1/models"), ("GET", "/api/oauth/usage")]:
        assert browser.call(method, path, {} if method == "POST" else None).status in (401, 403), path
    assert s.api.log == ()
    (pair,) = (f"{name}={value}" for name, value in browser.cookies.items())
    for path in ("/v1/models", "/api/oauth/profile"):
        s.send("GET", path, None, {"Cookie": pair})
    s.ask(headers={"Cookie": pair})
    assert not [name for sent in s.seen(3) for name, value in sent.headers if name.lower() == "cookie"]


def test_an_observer_s_page_can_act_on_nothing(s: Any) -> None:
    browser = Browser(s)
    assert browser.sign_in(code=code_of(s, "observer")).status == 200
    assert browser.call("GET", STATUS).status == 200
    for path in (
        SWITCH,
        "/teamclaude/accounts/reload",
        "/teamclaude/accounts/a/disable",
        "/teamclaude/record",
    ):
        answer = browser.call("POST", path, {"account": "a", "on": True})
        assert (answer.status, b"needs the role operator" in answer.body) == (403, True), path
    assert s.account("a")["enabled"] is True
