"""What hostile pages, servers and programs can't do with the page of somebody who is signed in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.proxy.net.peer_user import PeerUserCheck
from teamclaude.web import sessions
from tests.proxy.page_browser import (
    CLIENTS,
    EVENTS,
    KEY,
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


# --- other pages ----------------------------------------------------------------------------------

HOSTILE: list[dict[str, Optional[str]]] = [
    {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec_Fetch_Site": None},
    {"Origin": "null", "Sec_Fetch_Site": "cross-site"},
    {"Origin": "http://127.0.0.1:8080", "Sec_Fetch_Site": "same-site"},  # another port of this machine
    {"Origin": "http://127.0.0.1:8080", "Sec_Fetch_Site": None},
    {"Origin": "http://localhost:8080", "Sec_Fetch_Site": "cross-site"},
    {"Origin": None, "Sec_Fetch_Site": "cross-site"},  # <img>, <script>, a link
    {"Origin": None, "Sec_Fetch_Site": "same-site"},
    {"Origin": None, "Sec_Fetch_Site": "none"},  # typed by its user: not the page either
]


@pytest.mark.parametrize("fields", HOSTILE)
def test_no_other_page_reads_or_acts_with_the_cookie(
    s: Any, browser: Browser, fields: dict[str, Optional[str]]
) -> None:
    for path in (STATUS, EVENTS, "/teamclaude/deck", SESSION, "/metrics"):
        assert browser.call("GET", path, **fields).status in (401, 403), path
    for method, path in (("POST", SWITCH), ("POST", "/teamclaude/accounts/a/disable"), ("DELETE", SESSION)):
        assert browser.call(method, path, {"account": "a"}, **fields).status in (401, 403), path
    assert browser.call("POST", SESSION, {"key": KEY}, **fields).status == 403, "signs nobody in"
    assert s.status()["pins"] == []
    assert s.account("a")["enabled"] is True
    assert browser.call("GET", STATUS).status == 200, "the session is still there"


def test_a_form_of_another_page_lacks_the_field_that_only_ours_can_add(s: Any, browser: Browser) -> None:
    for changes in ({"x_teamclaude_page": None}, {"x_teamclaude_page": "2"}, {"Origin": None}):
        answer = browser.call("POST", SWITCH, {"account": "a"}, **changes)
        assert (answer.status, b"x-teamclaude-page" in answer.body) == (403, True), changes
    assert browser.call("POST", SWITCH, {"account": "a"}, x_teamclaude_page=None).status == 403
    assert s.status()["pins"] == []


def test_a_preflight_gets_no_permission(browser: Browser) -> None:
    answer = browser.call(
        "OPTIONS", SWITCH, Origin="https://evil.example", Sec_Fetch_Site="cross-site", x_teamclaude_page=None
    )
    assert answer.status in (401, 403, 405)
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_rebound_name_is_not_served_even_with_the_cookie(s: Any, browser: Browser) -> None:
    for host in ("evil.example", f"evil.example:{s.service.port}"):
        fields = {"Host": host, "Origin": f"http://{host}"}
        assert browser.call("GET", STATUS, **fields).status == 421
        assert browser.call("POST", SWITCH, {"account": "a"}, **fields).status == 421
        assert browser.call("POST", SESSION, {"key": KEY}, **fields).status == 421


def test_a_websocket_is_none_of_ours(browser: Browser) -> None:
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": "x" * 24}
    assert browser.call("GET", EVENTS, Sec_WebSocket_Version="13", **fields).status == 501
    assert browser.call("GET", EVENTS, Origin="https://evil.example", **fields).status == 403


# --- other servers and programs -------------------------------------------------------------------


def test_another_server_of_this_host_can_plant_cookies_but_no_session(s: Any, browser: Browser) -> None:
    (name,) = browser.cookies
    own = browser.cookies[name]
    planted = browser.call("GET", STATUS, Cookie=f"{name}=planted; {name}={own}; other=1")
    assert planted.status == 200, "what was planted before ours does no harm"
    assert browser.call("GET", STATUS, Cookie=f"{name}=planted").status == 401


def test_the_session_that_is_signed_in_is_always_a_new_one(s: Any) -> None:
    victim = Browser(s)
    (name,) = (f"teamclaude-{s.service.port}",)
    victim.cookies = {name: "chosen-by-somebody-else"}
    victim.sign_in(code=code_of(s))
    first = victim.cookies[name]
    assert first != "chosen-by-somebody-else"
    victim.sign_in(code=code_of(s))
    assert victim.cookies[name] != first
    assert victim.call("GET", STATUS, Cookie=f"{name}={first}").status == 401, "the one before has ended"


def test_a_stolen_cookie_is_worth_nothing_to_another_user_of_this_machine(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser(s)
    browser.sign_in(code=code_of(s))
    monkeypatch.setattr(PeerUserCheck, "__call__", lambda self: False)
    assert browser.call("GET", STATUS).status == 401
    assert browser.call("POST", SWITCH, {"account": "a"}).status in (401, 403)


def test_a_code_on_the_command_line_of_the_browser_is_for_our_user_alone(
    s: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = code_of(s, ownUserOnly=True)
    with monkeypatch.context() as other_user:
        other_user.setattr(PeerUserCheck, "__call__", lambda self: False)
        assert Browser(s).sign_in(code=code).status == 403
        free = code_of(s)
        assert Browser(s).sign_in(code=free).status == 200, "one that was printed may be used anywhere"
    assert Browser(s).sign_in(code=code).status == 403, "it was used"


def test_a_cookie_of_an_earlier_server_is_worth_nothing(s: Any, browser: Browser) -> None:
    (value,) = browser.cookies.values()
    s.restart()
    later = Browser(s)
    later.cookies = {f"teamclaude-{s.service.port}": value}
    assert later.call("GET", STATUS).status == 401


@pytest.mark.parametrize("change", ["gone", "replaced", "client"])
def test_a_session_ends_with_the_key_that_it_signed_in_with(s: Any, change: str) -> None:
    browser = Browser(s)
    browser.sign_in(key=OBSERVER)
    assert browser.call("GET", STATUS).status == 200
    document = s.document()
    olga = document["proxy"]["clients"][0]
    if change == "gone":
        document["proxy"]["clients"] = []
    else:
        olga.update({"key": "tc-new-FAKE"} if change == "replaced" else {"role": "client"})
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    assert browser.call("GET", STATUS).status == 401


def test_a_session_loses_the_role_that_its_key_loses(stage: Build) -> None:
    boss = {"name": "boss", "key": "tc-boss-FAKE", "role": "operator"}
    s = stage("a", proxy={"clients": [boss], "trustLoopback": False})
    browser = Browser(s)
    browser.sign_in(key="tc-boss-FAKE")
    assert browser.call("POST", SWITCH, {"account": None}).status == 200
    document = s.document()
    document["proxy"]["clients"][0]["role"] = "observer"
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload")
    assert browser.call("POST", SWITCH, {"account": None}).status == 403
    assert browser.call("GET", STATUS).status == 200


def test_keys_can_be_guessed_ten_times_a_minute(s: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(sessions.TRIES):
        assert Browser(s).sign_in(key=f"guess-{n}").status == 403
    locked = Browser(s).sign_in(key=KEY)
    assert (locked.status, b"wait a minute" in locked.body) == (429, True)
    assert 1 <= int(locked.headers["retry-after"]) <= 61
    assert Browser(s).sign_in(code=code_of(s)).status == 200, "a code can't be guessed: it is let in"
    later = s.service.runtime.page.sessions._clock() + sessions.TRY_SEC + 1
    monkeypatch.setattr(s.service.runtime.page.sessions, "_clock", lambda: later)
    assert Browser(s).sign_in(key=KEY).status == 200


def test_a_request_that_was_forwarded_is_never_our_own_users(s: Any) -> None:
    browser = Browser(s)
    browser.sign_in(code=code_of(s))
    assert browser.call("GET", STATUS, X_Forwarded_For="10.0.0.7").status == 401


# --- hostile texts --------------------------------------------------------------------------------


def test_hostile_names_are_data_on_one_line_of_ascii(stage: Build) -> None:
    hostile = "</script><script>alert(1)</script>\u2028\n\nevent: full\ndata: {}"
    s = stage("a", accounts=[{"name": "x</script>é", "accessToken": "sk-ant-oat01-FAKE-a"}])
    s.ask(session=None, headers={"x-claude-code-session-id": "</script><img src=x>"}, model=hostile)
    raw = s.raw().request(EVENTS, method="GET")
    raw._until(b"\r\n\r\n")
    text = raw._chunk() + raw._chunk()
    blocks = [block for block in text.split(b"\n\n") if block]
    assert [block.partition(b"\n")[0] for block in blocks] == [b"retry: 2000", b"event: full"]
    assert text.isascii()
    state = json.loads(blocks[1].partition(b"\ndata: ")[2])
    assert "x</script>é" in state["accounts"]


def test_a_role_or_a_code_that_holds_a_line_break_makes_no_header(s: Any) -> None:
    answer = Browser(s).sign_in(code="a\r\nSet-Cookie: evil=1")
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    planted = Browser(s)
    planted.cookies = {f"teamclaude-{s.service.port}": "x"}
    answer = planted.call("DELETE", SESSION)
    assert answer.status in (401, 403)
