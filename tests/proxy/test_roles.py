"""What the bearer of each key may do: clients, observers, operators."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from teamclaude.history import writer
from teamclaude.proxy.endpoints import _TABLE, NOBODY
from teamclaude.proxy.messages.roles import ANY_ROLE, OPERATORS, READERS

Build = Callable[..., Any]
KEYS = {role: f"tc-{role}-FAKE-00000000000000000000" for role in ANY_ROLE}
CLIENTS = [{"name": f"the {role}", "key": key, "role": role} for role, key in KEYS.items()]

# A request for each row of the table, by its pattern.
CALLS = {
    r"(?:/teamclaude)?/capacity": "/capacity",
    r"/teamclaude/capacity/([^/]+)": "/teamclaude/capacity/claude-opus-4-8",
    r"/teamclaude/statusline/([^/]*)": "/teamclaude/statusline/s1",
    r"/teamclaude/explain/([^/]+)": "/teamclaude/explain/last",
    r"/teamclaude/sessions/([^/]+)/explain": "/teamclaude/sessions/s1/explain",
    r"/teamclaude/accounts/([^/]+)/(enable|disable)": "/teamclaude/accounts/a/enable",
}


def by(role: str) -> dict[str, str]:
    return {"x-teamclaude-key": KEYS[role]}


def guarded(build: Build, **config: Any) -> Any:
    return build("a", proxy={"trustLoopback": False, "clients": CLIENTS, **config.pop("proxy", {})}, **config)


def test_every_endpoint_is_open_to_its_roles_alone(stage: Build) -> None:
    s = guarded(stage, history=True)
    rows = [row for row in _TABLE if row.roles is not NOBODY]
    assert len(rows) > 10
    for row in rows:
        path = CALLS.get(row.pattern, row.pattern)
        assert re.fullmatch(row.pattern, path), f"name a call for {row.pattern}"
        for role in ANY_ROLE:
            method = "HEAD" if path.endswith("/events") else row.method
            reply = s.send(method, path, b"{}" if method == "POST" else None, by(role))
            assert (reply.status == 403) is (role not in row.roles), (method, path, role, reply.status)


def test_what_each_role_is_for(stage: Build) -> None:
    found = {row.pattern: (row.method, row.roles) for row in _TABLE}
    assert found[r"/teamclaude/status"] == ("GET", READERS)
    assert found[r"/teamclaude/deck"] == ("GET", READERS)
    assert {roles for method, roles in found.values() if method == "POST"} <= {OPERATORS, READERS, NOBODY}
    assert {
        pattern for pattern, (method, roles) in found.items() if method == "POST" and roles == READERS
    } == {r"/teamclaude/page/login"}


def test_a_refusal_names_the_role_that_is_needed_and_the_one_there_is(stage: Build) -> None:
    s = guarded(stage)
    reply = s.send("POST", "/teamclaude/switch", {"account": None}, by("observer"))
    assert (reply.status, reply.json()["error"]["type"]) == (403, "permission_error")
    assert reply.message == (
        "POST /teamclaude/switch needs the role operator; the key of the observer has the role observer "
        "(proxy.clients[].role)"
    )
    reply = s.send("GET", "/teamclaude/status", headers=by("client"))
    assert "needs the role observer or operator; the key of the client has the role client" in reply.message


def test_an_observer_spends_nothing(stage: Build) -> None:
    s = guarded(stage)
    for method, path in [
        ("POST", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens"),
        ("GET", "/v1/models"),
        ("GET", "/api/oauth/usage"),
        ("POST", "/v1/oauth/token"),
    ]:
        for _ in range(2):  # the second head of a connection is not checked again
            reply = s.send(method, path, b"{}" if method == "POST" else None, by("observer"))
            assert (reply.status, "sending requests needs the role" in reply.message) == (403, True), path
    assert s.api.log == ()
    assert s.ask(headers=by("client")).status == 200
    assert s.ask(headers=by("operator")).status == 200


def test_each_head_of_a_connection_has_its_own_role(stage: Build) -> None:
    s = guarded(stage)
    raw = s.raw()
    for role, status in (("client", 200), ("operator", 200), ("observer", 403)):
        raw.send(f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEYS[role]}\r\n\r\n".encode())
        assert raw.answer().status == status


def test_an_observer_opens_no_tunnel(stage: Build) -> None:
    s = guarded(stage, proxy={"forward": True})
    raw = s.raw()
    raw.send(
        f"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n"
        f"Proxy-Authorization: Bearer {KEYS['observer']}\r\n\r\n".encode()
    )
    answer = raw.answer()
    assert (answer.status, b"needs the role" in answer.body) == (403, True)


def test_a_client_is_told_of_its_own_requests_alone(stage: Build) -> None:
    s = guarded(stage)
    mine = s.ask(session="mine", headers=by("client")).headers["x-teamclaude-request"]
    other = s.ask(session="other").headers["x-teamclaude-request"]
    assert s.send("GET", f"/teamclaude/explain/{mine}", headers=by("client")).json()["session"] == "mine"
    assert s.send("GET", f"/teamclaude/explain/{other}", headers=by("client")).status == 404
    assert s.send("GET", "/teamclaude/explain/last", headers=by("client")).json()["request"] == mine
    assert s.send("GET", "/teamclaude/sessions/mine/explain", headers=by("client")).status == 200
    assert s.send("GET", "/teamclaude/sessions/other/explain", headers=by("client")).status == 404
    assert s.send("GET", f"/teamclaude/explain/{mine}", headers=by("observer")).status == 200
    assert s.send("GET", "/teamclaude/explain/last", headers=by("observer")).json()["request"] == other


def test_a_caller_is_told_its_name_its_role_and_what_it_has_used(stage: Build) -> None:
    s = guarded(stage)
    assert s.send("GET", "/teamclaude/caller", headers=by("client")).json() == {
        "name": "the client",
        "role": "client",
        "usage": None,
    }
    s.ask(headers=by("client"))
    used = s.send("GET", "/teamclaude/caller", headers=by("client")).json()["usage"]
    assert (used["name"], used["requests"]) == ("the client", 1)
    own = s.send("GET", "/teamclaude/caller").json()
    assert own == {"name": None, "role": "operator", "usage": None}


def test_a_client_reads_its_own_usage_alone(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WRITE_SEC", 0.01)
    s = guarded(stage, history=True)
    s.ask(session="mine", headers=by("client"))
    s.ask(session="other", model="claude-haiku-4-5")
    path = "/teamclaude/usage?by=client"
    s.until(lambda: len(s.send("GET", path).json().get("rows", ())) == 2)  # there may be no file yet
    (mine,) = s.send("GET", path, headers=by("client")).json()["rows"]
    assert (mine["client"], mine["requests"]) == ("the client", 1)
    for query in ("by=account", "by=model", "by=session", "by=day,project", "by=hour&client=the%20client"):
        found = s.send("GET", f"/teamclaude/usage?{query}", headers=by("client")).json()
        assert [row["requests"] for row in (*found["rows"], found["total"])] == [1, 1], query
        assert found["rows"][0]["windows"] == {}, "of what all have used"
    for other in ("client=", "client=other", "client=the%20operator"):
        reply = s.send("GET", f"/teamclaude/usage?{other}", headers=by("client"))
        assert (reply.status, "its own usage alone" in reply.message) == (403, True)
    assert len(s.send("GET", path, headers=by("observer")).json()["rows"]) == 2


@pytest.mark.parametrize("path", ["/teamclaude/usage", "/teamclaude/status", "/metrics", "/teamclaude/deck"])
def test_another_spelling_of_a_path_opens_nothing(stage: Build, path: str) -> None:
    s = guarded(stage)
    s.ask(session="elsewhere-7", headers=by("operator"))
    spellings = ("{}/", "/{}", "{}%2f", "{}?x=1", "{}?client=the%20operator", "{};a")
    for asked, method in product(spellings, ("GET", "HEAD", "POST", "DELETE")):
        reply = s.send(method, asked.format(path), headers=by("client"))
        own = path == "/teamclaude/usage" and reply.status == 200
        assert reply.status in (400, 403, 404, 405) or own, (asked, method, reply.status)
        assert b"elsewhere-7" not in reply.body, asked


def test_a_process_of_our_own_user_is_an_operator(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": "any"})
    raw = s.raw().send(b"GET /teamclaude/caller HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b'"role": "operator"' in raw.answer().body


def test_a_reload_changes_the_role_of_a_key(stage: Build) -> None:
    s = guarded(stage)
    document = s.document()
    document["proxy"]["clients"][0]["role"] = "observer"
    s.write(document)
    assert s.send("POST", "/teamclaude/accounts/reload").json()["reloaded"] is True
    assert s.send("GET", "/teamclaude/status", headers=by("client")).status == 200
    assert s.ask(headers=by("client")).status == 403


@pytest.mark.parametrize("role", ["admin", 1])
def test_a_role_that_is_none_is_no_config(stage: Build, role: object) -> None:
    s = guarded(stage)
    document = s.document()
    document["proxy"]["clients"][0]["role"] = role
    s.write(document)
    reply = s.send("POST", "/teamclaude/accounts/reload")
    assert (reply.status, "proxy.clients[0].role" in reply.message) == (400, True)
