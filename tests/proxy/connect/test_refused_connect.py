"""A CONNECT that is refused: who may not, what is malformed, and what follows it is never a request."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.proxy.net.peer_user import PeerUserCheck
from tests.proxy.conftest import KEY
from tests.proxy.connect.conftest import API, OWN_TOKEN, TunnelClient, basic

Build = Callable[..., Any]
Clients = Callable[[Any], TunnelClient]
NAMED = "tc-named-key-0000"
SMUGGLED = (
    b"GET /teamclaude/status HTTP/1.1\r\nHost: localhost\r\nx-teamclaude-key: " + KEY.encode() + b"\r\n\r\n"
)


@pytest.mark.parametrize(
    "field",
    [
        basic("teamclaude", KEY),
        basic(KEY),
        basic(KEY, "x"),
        basic("", KEY),
        basic("teamclaude", NAMED),
        ("proxy-authorization", f"Bearer {KEY}"),
        ("PROXY-AUTHORIZATION", f"bearer   {NAMED}"),
        ("Proxy-Authorization", basic("teamclaude", KEY)[1].replace("Basic", "bASIC")),
        ("x-teamclaude-key", KEY),
    ],
)
def test_a_key_opens_it(forward: Build, tunnels: Clients, field: tuple[str, str]) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": NAMED}]})
    assert tunnels(s).connect(fields=[field]).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [basic("teamclaude", KEY[:-1])],
        [basic("teamclaude", "")],
        [("Proxy-Authorization", "Basic ####")],
        [("Proxy-Authorization", f"Basic {KEY}")],
        [("Proxy-Authorization", KEY)],
        [("Proxy-Authorization", f"Digest {KEY}")],
        [("Proxy-Authorization", f"Bearer {OWN_TOKEN}")],
        [("Proxy-Authorization", "Basic \xff\xfe")],
        [("Authorization", f"Bearer {KEY}")],
        [("x-api-key", KEY)],
    ],
)
def test_without_one_it_is_a_407_with_the_hint(forward: Build, tunnels: Clients, fields: Any) -> None:
    s = forward("a")
    client = tunnels(s)
    lines = [f"CONNECT {API}:443 HTTP/1.1", f"Host: {API}:443", *(f"{k}: {v}" for k, v in fields), "", ""]
    answer = client.send("\r\n".join(lines).encode("latin-1") + SMUGGLED).answer()
    assert answer.error() == (407, "authentication_error")
    assert answer.headers["proxy-authenticate"] == 'Basic realm="teamclaude"'
    assert answer.headers["connection"] == "close"
    assert "HTTPS_PROXY=http://teamclaude:" in json.loads(answer.body)["error"]["message"]
    assert client.rest() == (b"", "fin"), "what followed was no request"


def test_our_own_user_needs_none(forward: Build, tunnels: Clients) -> None:
    assert tunnels(forward("a", proxy={"trustLoopback": True})).connect(fields=[]).status == 200


@pytest.mark.parametrize(("same_user", "trust"), [(False, True), (None, True), (False, "any")])
def test_another_user_s_process_does(
    forward: Build, tunnels: Clients, monkeypatch: pytest.MonkeyPatch, same_user: Any, trust: Any
) -> None:
    monkeypatch.setattr(PeerUserCheck, "__call__", lambda self: same_user)
    s = forward("a", proxy={"trustLoopback": trust})
    assert tunnels(s).connect(fields=[]).status == 407
    assert tunnels(s).connect().status == 200, "its key does"


@pytest.mark.parametrize("field", ["Via", "Forwarded", "X-Forwarded-For", "X-Real-IP", "Sec-Fetch-Site"])
def test_a_forwarded_one_and_a_browser_s_do(forward: Build, tunnels: Clients, field: str) -> None:
    s = forward("a", proxy={"trustLoopback": True})
    assert tunnels(s).connect(fields=[(field, "none")]).status == 407


@pytest.mark.parametrize("field", [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")])
def test_a_web_page_gets_none(forward: Build, tunnels: Clients, field: tuple[str, str]) -> None:
    assert tunnels(forward("a", proxy={"trustLoopback": True})).connect(fields=[field]).status == 403


def test_off_it_is_a_403_that_names_the_setting(stage: Build, tunnels: Clients) -> None:
    s = stage("a")
    client = tunnels(s)
    answer = client.connect(fields=[], behind=SMUGGLED)
    assert answer.error() == (403, "permission_error")
    message = json.loads(answer.body)["error"]["message"]
    assert '"proxy": {"forward": true}' in message
    assert "\n" not in message
    assert client.rest() == (b"", "fin")
    assert [line for line in s.warnings if "CONNECT" in line] == s.warnings
    assert len(s.warnings) == 1


@pytest.mark.parametrize(
    "target", ["0x7f.1:443", "2130706433:22", "127.1:80", "a:0", "a:65536", "[::g]:443", "a..b:443"]
)
def test_a_target_that_can_be_read_in_two_ways_is_a_400(
    forward: Build, tunnels: Clients, target: str
) -> None:
    client = tunnels(forward("a"))
    assert client.connect(target, behind=SMUGGLED).error() == (400, "invalid_request_error")
    assert client.rest() == (b"", "fin")


@pytest.mark.parametrize(
    "field", [("Content-Length", str(len(SMUGGLED))), ("Transfer-Encoding", "chunked"), ("Host", "other")]
)
def test_a_body_and_a_second_host_are_refused(
    forward: Build, tunnels: Clients, field: tuple[str, str]
) -> None:
    client = tunnels(forward("a"))
    answer = client.connect(fields=[basic("teamclaude", KEY), field], behind=SMUGGLED)
    assert answer.error() == (400, "invalid_request_error")
    assert client.rest() == (b"", "fin")


def test_http_1_0_needs_no_host(forward: Build, tunnels: Clients) -> None:
    client = tunnels(forward("a"))
    field = basic("teamclaude", KEY)
    client.send(f"CONNECT {API}:443 HTTP/1.0\r\n{field[0]}: {field[1]}\r\n\r\n".encode())
    assert client.answer(connect=True).status == 200


def test_http_1_1_needs_one(forward: Build, tunnels: Clients) -> None:
    client = tunnels(forward("a"))
    field = basic("teamclaude", KEY)
    client.send(f"CONNECT {API}:443 HTTP/1.1\r\n{field[0]}: {field[1]}\r\n\r\n".encode())
    assert client.answer().status == 400


def test_a_connect_after_other_requests_is_served(forward: Build, tunnels: Clients) -> None:
    client = tunnels(forward("a"))
    for _ in range(3):
        client.send(f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n\r\n".encode())
        assert client.answer().status == 200
    assert client.connect().status == 200


def test_refusals_are_no_requests_and_a_wrong_key_has_one_line(forward: Build, tunnels: Clients) -> None:
    s = forward("a")
    for fields in ([], [basic("teamclaude", "wrong")], [basic("teamclaude", "wrong")]):
        assert tunnels(s).connect(fields=fields).status == 407
    assert s.records == []
    assert [line.partition(":443 ")[0] for line in s.warnings] == [f"CONNECT {API}"]
    assert "wrong" not in s.warnings[0]
