"""Requests inside the tunnel to the API: the way of any request, by the tunnel's caller."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from tests.proxy.conftest import KEY, TOKEN, message
from tests.proxy.connect.conftest import API, HELLO, OUR_KEY, OWN_LOGIN, TunnelClient, basic, ca_of

Build = Callable[..., Any]
Open = Callable[..., TunnelClient]
Clients = Callable[[Any], TunnelClient]
STREAM = json.dumps(message("hello")).encode()


# --- what an account serves -----------------------------------------------------------------------


@pytest.mark.parametrize("fields", [OWN_LOGIN, OUR_KEY, (), (("x-api-key", "sk-ant-api03-FAKE-mine"),)])
def test_a_message_gets_an_account_s_credential_and_no_other(
    forward: Build, opened: Open, fields: Any
) -> None:
    s = forward("a")
    reply = opened(s).ask("/v1/messages?beta=true", HELLO, fields)
    assert (reply.status, reply.headers["x-teamclaude-account"]) == (200, "a")
    sent = s.seen()[0]
    assert sent.header("authorization") == f"Bearer {TOKEN.format('a')}"
    assert sent.header("host") == s.api.url.partition("//")[2]
    assert sent.body == HELLO
    assert [name for name, _ in sent.headers if name.lower() in ("x-api-key", "proxy-authorization")] == []
    assert KEY not in str(sent.headers)
    record = s.wait_for_record(reply.headers["x-teamclaude-request"])
    assert (record["path"], record["outcome"], record["accounts"]) == ("/v1/messages", "served", ["a"])


def test_requests_follow_each_other_and_are_explained(forward: Build, opened: Open) -> None:
    s = forward("a", "b")
    client = opened(s)
    first = client.ask("/v1/messages", HELLO, [("x-claude-code-session-id", "s1")])
    second = client.ask("/v1/messages/count_tokens", HELLO)
    third = client.ask("/v1/messages", STREAM, [("x-claude-code-session-id", "s1")])
    assert [each.status for each in (first, second, third)] == [200, 200, 200]
    assert b"message_stop" in third.body
    assert first.headers["x-teamclaude-account"] == third.headers["x-teamclaude-account"]
    request = third.headers["x-teamclaude-request"]
    s.wait_for_record(request)
    found = s.send("GET", f"/teamclaude/explain/{request}").json()
    assert (found["session"], found["outcome"]) == ("s1", "served")


def test_a_pin_works_inside(forward: Build, opened: Open) -> None:
    client = opened(forward("a", "b"))
    for name in ("b", "a", "b"):
        reply = client.ask("/v1/messages", HELLO, [*OWN_LOGIN, ("x-teamclaude-account", name)])
        assert reply.headers["x-teamclaude-account"] == name


def test_a_refused_account_is_replaced_inside_too(forward: Build, opened: Open) -> None:
    s = forward("a", "b")
    s.api.script.once(Fault.quota())
    assert opened(s).ask("/v1/messages", HELLO, OWN_LOGIN).status == 200
    assert len({exchange.account for exchange in s.seen(2)}) == 2


def test_named_keys_are_counted_and_limited_but_not_for_the_client_s_own_requests(
    forward: Build, opened: Open
) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": "tc-named-key-0000", "maxInflight": 1}]})
    named = [basic("teamclaude", "tc-named-key-0000")]
    s.api.script.once(Fault.never_answered())
    request = f"POST /v1/messages HTTP/1.1\r\nHost: {API}\r\nContent-Length: {len(HELLO)}\r\n\r\n"
    opened(s, fields=named).send(request.encode() + HELLO)
    s.until(lambda: s.api.live)
    assert opened(s, fields=named).ask("/v1/messages", HELLO, OWN_LOGIN).error() == (429, "rate_limit_error")
    assert opened(s, fields=named).ask("/api/oauth/usage", None, OWN_LOGIN).status == 404, "the API's own"
    s.until(lambda: len(s.records) == 2)
    assert {record["client"] for record in s.records} == {"ci"}
    assert [(row["name"], row["inflight"]) for row in s.status()["clients"]] == [("ci", 1)]


def test_a_key_inside_says_more_than_the_tunnel_s(forward: Build, opened: Open) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": "tc-named-key-0000"}]})
    reply = opened(s).ask("/v1/messages", HELLO, [("Authorization", "Bearer tc-named-key-0000")])
    assert s.wait_for_record(reply.headers["x-teamclaude-request"])["client"] == "ci"


# --- who is meant -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "api.anthropic.com.evil.example", "localhost", f"{API}:8443"]
)
def test_another_host_inside_is_misdirected(forward: Build, opened: Open, host: str) -> None:
    s = forward("a")
    reply = opened(s).ask("/v1/messages", HELLO, OUR_KEY, host=host)
    assert reply.status == 421
    assert s.api.log == ()


@pytest.mark.parametrize("host", [API, f"{API}:443", "API.Anthropic.COM", f"{API}."])
def test_the_same_host_in_other_words_is_not(forward: Build, opened: Open, host: str) -> None:
    assert opened(forward("a")).ask("/v1/messages", HELLO, host=host).status == 200


def test_a_web_page_inside_spends_no_account(forward: Build, opened: Open) -> None:
    s = forward("a")
    page = [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
    assert opened(s).ask("/v1/messages", HELLO, page).status == 403
    assert s.api.log == ()
    assert opened(s).ask("/api/oauth/usage", None, page).status == 404, "the API decides about its own"


def test_a_tunnel_inside_of_the_tunnel_is_refused(forward: Build, opened: Open) -> None:
    s = forward("a")
    client = opened(s)
    client.send(f"CONNECT {API}:443 HTTP/1.1\r\nHost: {API}:443\r\n\r\n".encode())
    assert client.answer().error() == (400, "invalid_request_error")
    assert client.rest() == (b"", "fin")


@pytest.mark.parametrize(
    ("url", "status"), [(f"https://{API}", 200), ("https://evil.example", 421), (f"http://{API}", 400)]
)
def test_a_whole_url_inside_must_be_the_tunnel_s(forward: Build, opened: Open, url: str, status: int) -> None:
    client = opened(forward("a"))
    client.send(f"GET {url}/v1/models HTTP/1.1\r\nHost: {API}\r\n\r\n".encode())
    assert client.answer().status == status


def test_http_1_0_inside(forward: Build, opened: Open) -> None:
    client = opened(forward("a"))
    client.send(b"POST /v1/messages HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(HELLO) + HELLO)
    answer = client.answer()
    assert (answer.status, answer.headers["x-teamclaude-account"]) == (200, "a")


# --- a key that is taken away ---------------------------------------------------------------------------


def test_a_key_that_is_taken_away_ends_what_its_tunnel_may(forward: Build, opened: Open) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": "tc-named-key-0000"}]})
    client = opened(s, fields=[basic("tc-named-key-0000")])
    assert client.ask("/v1/messages", HELLO, OWN_LOGIN).status == 200
    document = s.document()
    del document["proxy"]["clients"]
    s.write(document)
    s.service.reload()
    assert client.ask("/v1/messages", HELLO, OWN_LOGIN).error() == (403, "permission_error")
    assert s.api.arrived == 1


def test_our_own_user_needs_no_key_any_more(forward: Build, opened: Open) -> None:
    s = forward("a", proxy={"clients": [{"name": "ci", "key": "tc-named-key-0000"}], "trustLoopback": True})
    client = opened(s, fields=[basic("tc-named-key-0000")])
    document = s.document()
    del document["proxy"]["clients"]
    s.write(document)
    s.service.reload()
    assert client.ask("/v1/messages", HELLO, OWN_LOGIN).status == 200


def test_the_forward_proxy_can_be_switched_on_and_off_while_the_server_runs(
    stage: Build, tunnels: Clients
) -> None:
    s = stage("a")
    assert tunnels(s).connect().status == 403
    document = s.document()
    document["proxy"]["forward"] = True
    s.write(document)
    s.service.reload()
    client = tunnels(s)
    assert client.connect().status == 200
    client.start_tls(ca_of(s))
    document["proxy"]["forward"] = False
    s.write(document)
    s.service.reload()
    assert client.ask("/v1/messages", HELLO, OWN_LOGIN).status == 200, "what stands goes on"
    assert tunnels(s).connect().status == 403


# --- the end ------------------------------------------------------------------------------------------


def test_a_shutdown_closes_an_idle_tunnel_at_once(forward: Build, opened: Open) -> None:
    s = forward("a", drainSec=30)
    client = opened(s)
    assert client.ask("/v1/messages", HELLO).status == 200
    s.service.stop()
    assert client.sock.recv(1) == b""


def test_a_shutdown_lets_an_answer_inside_finish(forward: Build, opened: Open, echo: Any) -> None:
    url, _, socks = echo
    s = forward("a", upstream=url, drainSec=10)
    client = opened(s)
    client.send(f"GET /v1/mcp_servers HTTP/1.1\r\nHost: {API}\r\n\r\n".encode())
    s.until(lambda: socks)
    stopping = threading.Thread(target=s.service.stop)
    stopping.start()
    s.until(lambda: s.service.runtime.draining)
    socks[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast")
    assert client.answer().body == b"last"
    assert client.rest() == (b"", "fin")
    stopping.join(30)
    assert not stopping.is_alive()
