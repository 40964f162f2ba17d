"""The proxy's own endpoints as clients use them: replies, methods, keys, controls, no secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude import __version__
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fault import Fault

Build = Callable[..., Any]
KEY = "tc-test-key-000000000000000000000000"
OPEN = ["/", "/health", "/health/ready", "/api/hello"]
READ = ["/capacity", "/teamclaude/capacity", "/teamclaude/status", "/teamclaude/deck"]
READ += ["/teamclaude/capacity/claude-opus-4-8", "/teamclaude/statusline/s1"]
WRITE = [
    "/teamclaude/accounts/reload",
    "/teamclaude/switch",
    "/teamclaude/accounts/a/disable",
    "/teamclaude/accounts/a/enable",
]


# --- rows, methods, keys ------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/health?verbose=1", "/api/hello"])
def test_health_names_the_service(stage: Build, path: str) -> None:
    s = stage("a")
    reply = s.send("GET", path)
    assert reply.json() == {"status": "ok", "service": "teamclaude", "version": __version__}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["request-id"].startswith("tc-")
    assert s.records == []


def test_every_readable_row_answers_get_and_head(stage: Build) -> None:
    s = stage("a")
    for path in [*OPEN, *READ]:
        raw = s.raw().request(path, method="HEAD")
        head = raw.answer(head_only=True)
        assert (head.status, int(head.headers["content-length"]) > 0) == (200, True), path
        got = raw.request(path, method="GET").answer()
        assert isinstance(json.loads(got.body), dict), path
    assert s.api.log == ()


def test_another_method_is_a_405_that_names_the_right_ones(stage: Build) -> None:
    s = stage("a")
    for path, allow in [*((p, "GET, HEAD") for p in [*OPEN, *READ]), *((p, "POST") for p in WRITE)]:
        wrong = "POST" if allow != "POST" else "GET"
        for method in (wrong, "DELETE", "OPTIONS"):
            reply = s.send(method, path)
            assert (reply.status, reply.headers["allow"]) == (405, allow), (method, path)
    assert s.status()["accounts"][0]["enabled"] is True


@pytest.mark.parametrize(
    "path",
    [
        "/teamclaude",
        "/teamclaude/",
        "/teamclaude/nothing",
        "/teamclaude/status/",
        "/teamclaude/accounts/a",
        "/teamclaude/explain/",
        "/teamclaude/accounts/a/b/disable",
        "/teamclaude/%73tatus",
    ],
)
def test_unknown_rows_are_a_404_and_never_forwarded(stage: Build, path: str) -> None:
    s = stage("a")
    for method in ("GET", "POST"):
        reply = s.send(method, path)
        assert (reply.status, reply.json()["error"]["type"]) == (404, "not_found_error")
    assert s.api.log == ()


def test_health_needs_no_key_and_all_else_does(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": False})
    without = {"x-teamclaude-key": "wrong"}
    for path in OPEN:
        assert s.send("GET", path, headers=without).status == 200, path
    for method, path in [
        *(("GET", p) for p in [*READ, "/teamclaude/explain/last"]),
        *(("POST", p) for p in WRITE),
    ]:
        reply = s.send(method, path, headers=without)
        assert (reply.status, reply.json()["error"]["type"]) == (401, "authentication_error"), path
    assert s.account("a")["enabled"] is True


def status_for(s: Any, path: str, *fields: str) -> int:
    """Asked without a key, with these header lines."""
    lines = "".join(f"{field}\r\n" for field in fields)
    return int(s.raw().send(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()).answer().status)


def test_a_foreign_name_gets_health_and_whatever_the_key_opens(stage: Build) -> None:
    s = stage("a")
    own, key = f"Host: 127.0.0.1:{s.service.port}", f"x-teamclaude-key: {KEY}"
    for path, keyless in {
        "/health": 200,
        "/health/ready": 200,
        "/": 421,
        "/teamclaude/status": 421,
        "/capacity": 421,
        "/v1/models": 421,
    }.items():
        assert status_for(s, path, "Host: evil.example") == keyless
        assert status_for(s, path, own) != 421
        assert status_for(s, path, "Host: evil.example", key) != 421


def test_each_request_of_a_connection_is_checked_by_its_own_host(stage: Build) -> None:
    raw = stage("a").raw()
    for host, key, status in (("a.example", KEY, 200), ("localhost", KEY, 200), ("a.example", "wrong", 421)):
        raw.send(f"GET /capacity HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\n\r\n".encode())
        assert raw.answer().status == status


def test_health_also_refuses_web_pages(stage: Build) -> None:
    s = stage("a")
    assert s.send("GET", "/health", headers={"Origin": "https://evil.example"}).status == 403
    assert s.send("POST", "/teamclaude/switch", b"{}", {"Sec-Fetch-Site": "cross-site"}).status == 403
    names = [name.lower() for name in s.send("GET", "/teamclaude/status").headers]
    assert not [name for name in names if name.startswith("access-control")]


def test_capacity_is_pretty_and_the_same_in_both_places(stage: Build) -> None:
    s = stage("a", "b")
    s.ask()
    one, other = s.send("GET", "/capacity"), s.send("GET", "/teamclaude/capacity")
    assert one.body == other.body
    assert one.body.startswith(b'{\n  "verdict": ')
    assert [a["name"] for a in one.json()["accounts"]] == ["a", "b"]


def test_the_capacity_of_a_model_is_that_of_the_accounts_that_serve_it(stage: Build) -> None:
    s = stage("a", "b")
    s.api.script.once(Fault.quota("7d_opus"))
    s.ask(session="s1", model="claude-opus-4-8")
    counts = [
        s.send("GET", path).json()["liveAccounts"]
        for path in ("/teamclaude/capacity", "/teamclaude/capacity/claude-opus-4-8")
    ]
    assert counts == [2, 1]


# --- switch -------------------------------------------------------------------------------------


def switch(s: Any, account: Any, **more: Any) -> Any:
    return s.send("POST", "/teamclaude/switch", {"account": account, **more})


def test_a_pin_moves_all_traffic_until_it_is_taken_off(stage: Build) -> None:
    s = stage("a", "b", "c")
    spread = {s.ask(session=f"s{n}").account for n in range(3)}
    assert spread == {"a", "b", "c"}
    reply = switch(s, "b")
    assert reply.json() == {
        "account": "b",
        "session": None,
        "project": None,
        "pins": [{"session": None, "account": "b"}],
        "projectPins": [],
        "forbiddenBy": None,
    }
    assert {s.ask(session=f"s{n}").account for n in range(4)} == {"b"}
    assert s.status()["pins"] == [{"session": None, "account": "b"}]
    assert switch(s, None).json()["pins"] == []
    assert len({s.ask(session=f"t{n}").account for n in range(3)}) > 1


def test_a_session_pin_moves_that_session_alone(stage: Build) -> None:
    s = stage("a", "b")
    homes = {session: s.ask(session=session).account for session in ("s1", "s2")}
    other = "b" if homes["s1"] == "a" else "a"
    assert switch(s, other, session="s1").json()["pins"] == [{"session": "s1", "account": other}]
    assert s.ask(session="s1").account == other
    assert s.ask(session="s2").account == homes["s2"]
    assert switch(s, None, session="s1").json()["pins"] == []


def test_a_switch_to_an_unknown_account_lists_the_names(stage: Build) -> None:
    s = stage("alice", "bob")
    reply = switch(s, "carol")
    assert (reply.status, "alice, bob" in reply.message) == (404, True)
    assert switch(s, "ali").json()["account"] == "alice", "the beginning of a name is enough"


EMPTY = [b'{"account": ""}', b'{"account": "a", "session": ""}', b'{"account": null, "project": ""}']


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b"{", b'{"account": 1}', b'{"acount": "a"}', b"\xff", *EMPTY]
)
def test_a_switch_without_an_account_is_a_400(stage: Build, body: bytes) -> None:
    s = stage("a", "b")
    switch(s, "b")
    reply = s.send("POST", "/teamclaude/switch", body)
    assert (reply.status, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert len(s.status()["pins"]) == 1, "the pin stays"


# --- enable, disable, reload --------------------------------------------------------------------


def test_disable_takes_effect_at_once_and_is_persisted(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    reply = s.send("POST", f"/teamclaude/accounts/{home}/disable")
    assert reply.json() == {"account": home, "enabled": False}
    assert s.ask(session="s1").account != home
    assert [a.get("disabled", False) for a in s.document()["accounts"] if a["name"] == home] == [True]
    s.restart()
    assert s.account(home)["status"] == "disabled"
    assert s.send("POST", f"/teamclaude/accounts/{home}/enable").json()["enabled"] is True
    assert s.account(home)["status"] == "active"
    assert not [a for a in s.document()["accounts"] if a.get("disabled")]


def test_an_account_with_an_odd_name_can_be_disabled(stage: Build) -> None:
    s = stage("a", accounts=[{"name": "a/b é", "accessToken": "sk-ant-oat01-FAKE-a"}])
    assert s.ask().account == "a/b %C3%A9"
    assert s.send("POST", "/teamclaude/accounts/a%2Fb%20%C3%A9/disable").json()["account"] == "a/b é"
    reply = s.send("POST", "/teamclaude/accounts/nobody/disable")
    assert (reply.status, "a/b é" in reply.message) == (404, True)


def test_reload_returns_what_changed(stage: Build) -> None:
    s = stage("a", "b")
    document = s.document()
    document["accounts"][0]["accessToken"] = "sk-ant-oat01-FAKE-renewed"
    document["accounts"][1] = {**document["accounts"][1], "name": "c"}
    document["proxy"]["port"] = 1
    document["logRequests"] = True
    document["logDir"] = "/nowhere"
    s.write(document)
    reply = s.send("POST", "/teamclaude/accounts/reload").json()
    assert reply == {
        "reloaded": True,
        "added": ["c"],
        "removed": ["b"],
        "updated": ["a"],
        "settings": ["proxy.port", "logDir", "logRequests"],
        "needsRestart": ["proxy.port", "logDir", "logRequests"],
    }
    again = s.send("POST", "/teamclaude/accounts/reload").json()
    assert (again["added"], again["updated"]) == ([], [])
    assert again["needsRestart"] == reply["needsRestart"], "they are not in force yet"


def test_a_bad_config_is_not_loaded(stage: Build) -> None:
    s = stage("a")
    s.path.write_text('{"accounts": [{"name": "a", "accessToken": "sk-ant-oat01-FAKE-a", }')
    reply = s.send("POST", "/teamclaude/accounts/reload")
    assert reply.status == 400
    assert "stays" in reply.message
    assert str(s.path) in reply.message
    assert "FAKE" not in reply.message
    assert s.ask().status == 200
    assert s.send("POST", "/teamclaude/accounts/a/disable").status == 400
    assert s.ask().status == 200


# --- explain ------------------------------------------------------------------------------------


def test_explain_of_nothing_says_what_there_is(stage: Build) -> None:
    s = stage("a")
    unknown = s.send("GET", "/teamclaude/explain/tc-0").json()["error"]["message"]
    assert unknown == "No such request is remembered; only the latest 200 are."
    before_any = s.send("GET", "/teamclaude/explain/last").json()["error"]["message"]
    assert before_any == "There was no request yet; start a client with: teamclaude run"


def test_explain_gives_reasons_by_id_and_for_the_last(stage: Build) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    s.api.script.once(Fault.quota("5h"), account=home)
    request = s.ask(session="s1").headers["x-teamclaude-request"]
    told = s.send("GET", f"/teamclaude/explain/{request}").json()
    assert (told["request"], told["session"], told["outcome"]) == (request, "s1", "served")
    assert [(a["account"], a["status"]) for a in told["attempts"]] == [
        (home, 429),
        (told["attempts"][1]["account"], 200),
    ]
    second = told["attempts"][1]["decision"]
    assert home in json.dumps(second), "why the first was left out"
    assert s.send("GET", "/teamclaude/explain/last").json() == told


def test_explain_shows_connection_errors(stage: Build, tmp_path: Path) -> None:
    s = stage("a", logRequests=True, logDir=str(tmp_path / "log"))
    s.api.stop_listening()
    request = s.ask().headers["request-id"]
    (attempt,) = s.send("GET", f"/teamclaude/explain/{request}").json()["attempts"]
    assert (attempt["account"], attempt["status"]) == ("a", None)
    assert "Connection refused" in attempt["note"]
    s.service.stop(0)
    (log,) = (tmp_path / "log").iterdir()
    assert "=== attempt 1: a: no connection to 127.0.0.1" in log.read_text()


def test_explain_of_an_unknown_request_is_a_404(stage: Build) -> None:
    s = stage("a")
    for request in ("tc-0000", "last"):
        assert s.send("GET", f"/teamclaude/explain/{request}").status == 404


def test_the_last_request_of_a_session_is_explained_by_the_sessions_id(stage: Build) -> None:
    s = stage("a")
    request = s.ask(session="s/1").headers["x-teamclaude-request"]
    s.ask(session="s2")
    assert s.send("GET", "/teamclaude/sessions/s%2F1/explain").json()["request"] == request
    reply = s.send("GET", "/teamclaude/sessions/s3/explain")
    assert (reply.status, reply.message) == (404, "No request of session s3 is remembered.")


# --- the client's token requests ----------------------------------------------------------------


@pytest.fixture
def token_host() -> Iterator[FakeApi]:
    with FakeApi([]) as host:
        yield host


def test_a_token_request_is_relayed_byte_for_byte(stage: Build, token_host: FakeApi) -> None:
    answer = b'{"access_token" : "sk-ant-oat01-FAKE-new",\n "expires_in":1}'
    headers = {"x-mine": "1", "retry-after": "7", "set-cookie": "s=1"}
    token_host.script.always(Fault.status(418, body=answer, headers=headers))
    s = stage("a", oauth={"tokenUrl": f"{token_host.url}/v1/oauth/token"})
    body = b'{ "grant_type":"refresh_token",\n"refresh_token":"sk-ant-ort01-FAKE-client" }'
    sent_headers = {
        "Content-Type": "application/json; charset=x",
        "Accept": "application/json, */*",
        "User-Agent": "axios/1.2",
        "Authorization": "Bearer sk-ant-oat01-FAKE-client",
        "Cookie": "c=1",
        "anthropic-beta": "x",
    }
    reply = s.send("POST", "/v1/oauth/token?x=1", body, sent_headers)
    assert (reply.status, reply.body) == (418, answer)
    assert {name: reply.headers[name] for name in headers} == headers
    assert reply.account is None
    assert token_host.wait_until(lambda host: bool(host.log))
    (sent,) = token_host.log
    assert (sent.target, sent.body) == ("/v1/oauth/token?x=1", body)
    assert dict(sent.headers) == {
        "Host": f"127.0.0.1:{token_host.port}",
        "Content-Type": "application/json; charset=x",
        "Accept": "application/json, */*",
        "User-Agent": "axios/1.2",
        "Content-Length": str(len(body)),
    }
    assert s.api.log == ()
    assert s.outcomes(1) == ["upstream error"]


def test_a_token_host_that_is_down_is_a_503(stage: Build, token_host: FakeApi) -> None:
    token_host.stop_listening()
    s = stage("a", oauth={"tokenUrl": f"{token_host.url}/v1/oauth/token"})
    assert s.send("POST", "/v1/oauth/token", b"{}").status == 503
    assert s.api.log == ()


# --- secrets ------------------------------------------------------------------------------------


def test_no_answer_holds_a_secret(stage: Build) -> None:
    secrets = ["sk-ant-oat01-FAKE", "sk-ant-ort01-FAKE", "sk-ant-api03-FAKE", KEY, "client-key-1"]
    accounts = [
        {"name": "a", "accessToken": "sk-ant-oat01-FAKE-a", "refreshToken": "sk-ant-ort01-FAKE-a"},
        {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE-paid", "lastResort": False},
    ]
    clients = [{"name": "ci", "key": "client-key-1"}]
    s = stage("a", accounts=accounts, proxy={"clients": clients})
    s.ask(headers={"Authorization": "Bearer sk-ant-oat01-FAKE-mine", "x-teamclaude-key": "client-key-1"})
    s.send("GET", "/v1/models?key=sk-ant-api03-FAKE-q")
    s.api.script.always(Fault.status(403, "token sk-ant-oat01-FAKE-a is revoked"))
    assert s.ask().status == 502
    s.send("POST", "/v1/nothing/sk-ant-oat01-FAKE-path", {})
    s.ask(headers={"x-teamclaude-account": "sk-ant-oat01-FAKE-name"})
    answers = [s.send("GET", path) for path in [*OPEN, *READ, "/teamclaude/explain/last"]]
    answers += [s.send("POST", path, b"{}") for path in WRITE]
    answers += [s.send("GET", f"/teamclaude/explain/{record['id']}") for record in s.records]
    said = "".join(answer.body.decode() + str(answer.headers) for answer in answers)
    said += json.dumps(s.records) + "".join(s.warnings)
    assert [secret for secret in secrets if secret in said] == []
