"""Inside the tunnel to the API: what goes there with the client's own login, as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.proxy.conftest import KEY, TOKEN
from tests.proxy.connect.conftest import API, HELLO, OUR_KEY, OWN_LOGIN, OWN_TOKEN, TunnelClient, basic

Build = Callable[..., Any]
Open = Callable[..., TunnelClient]


ELSE = [
    ("GET", "/"),
    ("GET", "/health"),
    ("HEAD", "/api/hello"),
    ("GET", "/capacity"),
    ("GET", "/teamclaude/status"),
    ("POST", "/teamclaude/switch"),
    ("GET", "/api/claude_cli/bootstrap?entrypoint=cli&model=m"),
    ("GET", "/v1/mcp_servers?limit=1000"),
    ("POST", "/v1/sessions"),
    ("DELETE", "/v1/environments/bridge/env_1"),
    ("PUT", "/v1/code/sessions/cse_1/worker"),
    ("OPTIONS", "/v1/messages"),
    ("GET", "/v1/messages"),
    ("POST", "/v1/messages/"),
    ("POST", "/v1//messages"),
    ("POST", "/v1/messages/../messages"),
    ("POST", "/v1/%6dessages"),
    ("POST", "/v1/messages#x"),
    ("POST", "/v1/files"),
    ("GET", "/v1/files/file_1/content"),
    ("GET", "/v1/skills"),
    ("GET", "/v1/models?limit=5"),
    ("POST", "/v1/oauth/token"),
    ("PROPFIND", "/x"),
]


def test_everything_else_goes_to_the_api_with_the_client_s_own_login(forward: Build, opened: Open) -> None:
    s = forward("a")
    for count, (method, target) in enumerate(ELSE, 1):
        body = b"\x00{anything}\xff" if method in ("POST", "PUT") else None
        reply = opened(s).ask(target, body, [*OWN_LOGIN, ("X-Odd", "1"), ("x-odd", "2")], method)
        sent = s.seen(count)[-1]
        assert (sent.method, sent.target, sent.body) == (method, target, body or b"")
        assert sent.header("authorization") == f"Bearer {OWN_TOKEN}"
        assert [value for name, value in sent.headers if name.lower() == "x-odd"] == ["1", "2"]
        assert sent.account is None
        assert TOKEN.format("a") not in str(sent.headers)
        assert "x-teamclaude-account" not in reply.headers
        assert reply.status == (200 if method == "HEAD" else sent.status)


@pytest.mark.parametrize(
    "fields",
    [
        OUR_KEY,
        (("x-api-key", KEY),),
        (("x-teamclaude-key", KEY),),
        (("Authorization", basic("teamclaude", KEY)[1]),),
        (("Proxy-Authorization", basic("teamclaude", KEY)[1]), ("x-teamclaude-account", "a")),
    ],
)
def test_a_key_of_ours_never_goes_upstream_nor_does_an_account_s_credential(
    forward: Build, opened: Open, fields: Any
) -> None:
    s = forward("a")
    targets = ["/api/event_logging/v2/batch", "/v1/sessions", "/", "/v1/oauth/token"]
    for target in targets:
        opened(s).ask(target, b"{}", fields)
    sent = s.seen(len(targets))
    assert [each.target for each in sent] == targets
    names = {name.lower() for each in sent for name, _ in each.headers}
    assert not names & {"authorization", "x-api-key", "proxy-authorization", "x-teamclaude-key"}
    assert not [name for name in names if name.startswith(("x-teamclaude-", "proxy-"))]


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/v1/models"), ("POST", "/v1/files"), ("GET", "/v1/files/file_1"), ("GET", "/v1/skills/s")],
)
@pytest.mark.parametrize("fields", [OUR_KEY, ()])
def test_a_client_without_a_login_has_files_skills_and_models_of_an_account(
    forward: Build, opened: Open, method: str, target: str, fields: Any
) -> None:
    s = forward("a")
    reply = opened(s).ask(target, b"{}" if method == "POST" else None, fields, method)
    assert reply.headers["x-teamclaude-account"] == "a"
    assert s.seen()[0].header("authorization") == f"Bearer {TOKEN.format('a')}"


def test_batches_are_messages_also_for_a_client_with_a_login(forward: Build, opened: Open) -> None:
    s = forward("a")
    reply = opened(s).ask("/v1/messages/batches", b"{}", OWN_LOGIN)
    assert reply.headers["x-teamclaude-account"] == "a"


def test_the_api_s_cookies_are_its_own_inside(forward: Build, opened: Open) -> None:
    s = forward("a")
    client = opened(s)
    client.ask("/v1/mcp_servers", None, [*OWN_LOGIN, ("Cookie", "cf=1")])
    client.ask("/v1/messages", HELLO, [*OWN_LOGIN, ("Cookie", "cf=1")])
    assert [exchange.header("cookie") for exchange in s.seen(2)] == ["cf=1", None]


def test_an_answer_passes_byte_for_byte(forward: Build, opened: Open) -> None:
    s = forward("a")
    body = b'{"type": "error", "error": {"type": "authentication_error", "message": "\xc3\xa9 expired"}}\n'
    s.api.script.once(Fault.status(401, body=body, headers=[("request-id", "req_1"), ("x-odd", "a")]))
    reply = opened(s).ask("/api/oauth/profile", None, OWN_LOGIN)
    assert (reply.status, reply.body, reply.headers["request-id"]) == (401, body, "req_1")
    assert s.account("a")["status"] == "active"


def test_a_token_request_is_sent_once_and_to_the_api(forward: Build, opened: Open) -> None:
    s = forward("a", oauth={"tokenUrl": "http://127.0.0.1:9/elsewhere"})
    s.api.script.once(Fault.no_head())
    client = opened(s)
    client.send(
        b"POST /v1/oauth/token HTTP/1.1\r\nHost: " + API.encode() + b"\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert client.rest()[0] == b""
    assert [exchange.target for exchange in s.seen()] == ["/v1/oauth/token"]


def test_relayed_requests_do_not_push_the_others_out_of_the_list(
    forward: Build, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.records.journal.MAX_RELAYED", 3)
    monkeypatch.setattr("teamclaude.proxy.records.journal.MAX_REMEMBERED", 5)
    s = forward("a")
    client = opened(s)
    for target in ["/v1/messages", *["/v1/mcp_servers"] * 9]:
        client.ask(target, HELLO if target == "/v1/messages" else None, OWN_LOGIN)
    s.until(lambda: len(s.records) == 10)
    shown = [row.path for row in s.service.snapshot().activity]
    assert shown == ["/v1/mcp_servers"] * 3 + ["/v1/messages"]


# --- streams and WebSockets -------------------------------------------------------------------------


def test_a_websocket_passes_for_any_path_of_the_client_s_own(forward: Build, opened: Open, echo: Any) -> None:
    url, heads, socks = echo
    s = forward("a", upstream=url)
    client = opened(s)
    fields = [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Key: x",
        "Sec-WebSocket-Version: 13",
    ]
    lines = ["GET /v1/environments/env_1/ws HTTP/1.1", f"Host: {API}", f"Authorization: Bearer {OWN_TOKEN}"]
    client.send("\r\n".join([*lines, *fields, "", "early"]).encode())
    s.until(lambda: socks)
    assert f"Authorization: Bearer {OWN_TOKEN}" in heads[0].decode().split("\r\n")
    socks[0].sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst"
    )
    assert client.answer().status == 101
    assert client._take(5) == b"first"
    assert socks[0].recv(5) == b"early"
    client.send(b"\x81\x02up")
    assert socks[0].recv(4) == b"\x81\x02up"
    socks[0].sendall(b"\x81\x04down")
    assert client._take(6) == b"\x81\x04down"


def test_an_event_stream_of_the_client_s_own_arrives_as_it_comes(
    forward: Build, opened: Open, echo: Any
) -> None:
    url, _, socks = echo
    s = forward("a", upstream=url)
    client = opened(s)
    client.send(f"GET /v1/code/sessions/1/worker/events/stream HTTP/1.1\r\nHost: {API}\r\n\r\n".encode())
    s.until(lambda: socks)
    socks[0].sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert client.answer(head_only=True).headers["content-type"] == "text/event-stream"
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        socks[0].sendall(b"%x\r\n%b\r\n" % (len(event), event))
        assert client._chunk() == event


def test_a_silent_stream_of_the_client_s_own_has_the_time_of_a_tunnel(
    forward: Build, opened: Open, echo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.forwarding.passthrough.TUNNEL_IDLE_SEC", 0.1)
    url, _, socks = echo
    s = forward("a", upstream=url, bodyIdleTimeoutSec=300)
    client = opened(s)
    client.send(f"GET /v1/code/sessions/1/worker/events/stream HTTP/1.1\r\nHost: {API}\r\n\r\n".encode())
    s.until(lambda: socks)
    socks[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    assert client.answer(head_only=True).status == 200
    assert client.rest()[0] == b"half"
    assert s.outcomes(1) == ["upstream error"]


def test_a_large_body_and_a_large_answer(forward: Build, opened: Open) -> None:
    s = forward("a")
    body = b"telemetry " * 400_000
    s.api.script.once(Fault.status(200, body=b"answer " * 300_000))
    reply = opened(s).ask("/api/event_logging/v2/batch", body, OWN_LOGIN)
    assert reply.body == b"answer " * 300_000
    assert s.seen()[0].body == body


def test_a_body_over_the_limit_is_refused(forward: Build, opened: Open) -> None:
    client = opened(forward("a", proxy={"maxBodyMiB": 1}))
    client.send(f"POST /v1/sessions HTTP/1.1\r\nHost: {API}\r\nContent-Length: {2 << 20}\r\n\r\n".encode())
    assert client.answer().error() == (413, "request_too_large")
