"""The server behind a proxy or balancer: who the caller is, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.deck.view.activity_line import activity_line
from teamclaude.web.sessions import TRIES
from tests.proxy.conftest import KEY, Pem, Raw, Stage
from tests.proxy.tls_stage import tls_stage

Build = Callable[..., Stage]
V1 = b"PROXY TCP4 192.0.2.7 10.0.0.5 56324 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x05\x11\x5c\x0d\x80"
LOCAL = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"
FROM_HERE = b"PROXY TCP4 127.0.0.1 127.0.0.1 56324 443\r\n"
TRUSTED = {"proxy": {"trustedProxies": ["127.0.0.0/8"]}}


@pytest.fixture
def secure(stage: Build, pem: Pem) -> Build:
    return tls_stage(stage, pem)


def asked(s: Stage, head: bytes = b"", **fields: str) -> dict[str, Any]:
    """Return the record of a request that came with this PROXY header and these fields."""
    raw = s.raw().send(head)
    body = b'{"model":"claude-opus-4-8","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
    headers = [(name.replace("_", "-"), value) for name, value in fields.items()]
    raw.request(body=body, headers=headers)
    answer = raw.answer()
    assert answer.status == 200, answer
    return s.wait_for_record(answer.headers["x-teamclaude-request"])


def keyless(raw: Raw, **fields: str) -> int:
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
    raw.send(f"GET /teamclaude/status HTTP/1.1\r\nHost: localhost\r\n{''.join(lines)}\r\n".encode())
    return raw.answer().status


@pytest.mark.parametrize(
    ("head", "fields", "client_ip"),
    [
        (V1, {}, "192.0.2.7"),
        (V2, {}, "192.0.2.7"),
        (LOCAL, {}, "127.0.0.1"),
        (b"", {}, "127.0.0.1"),
        (b"", {"X_Forwarded_For": "6.6.6.6, 192.0.2.9"}, "192.0.2.9"),
        (b"", {"Forwarded": "for=192.0.2.9"}, "192.0.2.9"),
        # The balancer's own caller is no trusted proxy: what it says of others is not believed.
        (V2, {"X_Forwarded_For": "6.6.6.6"}, "192.0.2.7"),
        # A reverse proxy on this machine behind the balancer.
        (FROM_HERE, {"X_Forwarded_For": "192.0.2.9"}, "192.0.2.9"),
    ],
)
def test_the_callers_address_is_in_activity_and_explanation(
    stage: Build, head: bytes, fields: dict[str, str], client_ip: str
) -> None:
    s = stage("a", **TRUSTED)
    record = asked(s, head, **fields)
    assert record["clientIp"] == client_ip
    assert s.send("GET", f"/teamclaude/explain/{record['id']}").json()["clientIp"] == client_ip
    sent = s.seen()[0].headers
    assert not [name for name, _ in sent if "forwarded" in name.lower()]  # not the API's business


def test_without_trusted_proxies_nobodys_word_is_taken(stage: Build) -> None:
    s = stage("a")
    assert asked(s, x_forwarded_for="192.0.2.9")["clientIp"] == "127.0.0.1"
    for head in (V1, V2):
        answer = s.raw().send(head).request(method="GET", target="/teamclaude/status").answer()
        assert answer.error() == (400, "invalid_request_error")
        assert b"trustedProxies" in answer.body


@pytest.mark.parametrize("head", [V1, V2])
def test_requests_go_on_over_the_same_connection(stage: Build, head: bytes) -> None:
    s = stage("a", **TRUSTED)
    raw = s.raw().send(head)
    for _ in range(3):
        raw.request(body=b'{"model":"m","messages":[]}')
        number = raw.answer().headers["x-teamclaude-request"]
        assert s.wait_for_record(number)["clientIp"] == "192.0.2.7"


@pytest.mark.parametrize("head", [b"", V1, V2, LOCAL, FROM_HERE])
def test_what_comes_by_a_trusted_proxy_needs_the_key(stage: Build, head: bytes) -> None:
    s = stage("a", **TRUSTED)
    assert keyless(s.raw().send(head)) == 401
    assert keyless(s.raw().send(head), x_teamclaude_key=KEY) == 200
    assert stage("a").send("GET", "/teamclaude/status", headers={"x-teamclaude-key": ""}).status == 200


def test_a_proxy_of_our_own_user_does_not_lend_its_exemption(stage: Build) -> None:
    s = stage("a", proxy={"trustedProxies": ["127.0.0.1"]})
    head = b"PROXY TCP4 127.0.0.9 127.0.0.1 56324 443\r\n"  # a loopback address that is no trusted proxy's
    assert keyless(s.raw().send(head)) == 401
    assert asked(s, head)["clientIp"] == "127.0.0.9"


def test_a_reload_ends_the_exemption_of_an_open_connection(stage: Build) -> None:
    s = stage("a")
    raw = s.raw()
    assert keyless(raw) == 200
    document = s.document()
    document["proxy"].update(TRUSTED["proxy"])
    s.write(document)
    assert s.send("POST", "/teamclaude/accounts/reload").json()["needsRestart"] == []
    assert keyless(raw) == 401
    assert asked(s, V2)["clientIp"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"PROXY TCP4 1.2.3.4\r\n", b"PROXY line"),
        (b"PROXY " + b"x" * 200, b"longer than 107"),
        (V2[:12] + b"\x31\x11\0\x0c" + bytes(12), b"another version"),
        (V2[:14] + b"\xff\xff" + V2[16:], b"longer than"),
    ],
)
def test_a_malformed_header_is_answered_400(stage: Build, head: bytes, words: bytes) -> None:
    s = stage("a", **TRUSTED)
    raw = s.raw().send(head)
    answer = raw.answer()
    assert answer.error() == (400, "invalid_request_error")
    assert words in answer.body
    assert raw.rest()[1] == "fin"
    s.until(lambda: len(s.service.runtime.connections) == 0)


def test_a_slow_header_is_answered_408_and_stops_nobody(stage: Build) -> None:
    s = stage("a", headerReadSec=0.3, **TRUSTED)
    slow = s.raw().send(V2[:14])
    assert s.send("GET", "/teamclaude/status").status == 200
    assert slow.answer().status == 408


def test_what_begins_like_a_header_and_is_a_request_is_served(stage: Build) -> None:
    s = stage("a", **TRUSTED)
    assert keyless(s.raw().send(b"\r\n\r\n"), x_teamclaude_key=KEY) == 200


@pytest.mark.parametrize("head", [b"", V1, V2, LOCAL])
def test_the_header_comes_before_tls(secure: Build, head: bytes) -> None:
    s = secure("a", **TRUSTED)
    assert s.secure is not None
    raw = Raw(s.service.port).send(head)
    raw.sock = s.secure.wrap_socket(raw.sock, server_hostname="localhost")
    raw.request(body=b'{"model":"m","messages":[]}')
    record = s.wait_for_record(raw.answer().headers["x-teamclaude-request"])
    assert record["clientIp"] == ("192.0.2.7" if head in (V1, V2) else "127.0.0.1")
    raw.close()


@pytest.mark.parametrize("data", [b"PROXY TCP4 1.2.3.4\r\n", V2[:12] + b"\x31", V2])
def test_what_is_neither_a_header_nor_tls_ends_a_connection_with_tls(secure: Build, data: bytes) -> None:
    s = secure("a", **TRUSTED)
    raw = Raw(s.service.port).send(data + b"GET / HTTP/1.1\r\n\r\n")
    assert b"HTTP" not in raw.rest()[0]
    raw.close()
    s.until(lambda: len(s.service.runtime.connections) == 0)


def test_the_log_line_says_whence(stage: Build) -> None:
    s = stage("a", **TRUSTED)
    asked(s, V2)
    asked(s)
    newest, first = s.service.runtime.journal.recent()
    assert activity_line(first).endswith(" from 192.0.2.7")
    assert "from" not in activity_line(newest)


def test_wrong_keys_count_for_the_caller_and_not_for_the_balancer(stage: Build) -> None:
    s = stage("a", **TRUSTED)

    def sign_in(caller: str, key: str) -> int:
        raw = s.raw().send(f"PROXY TCP4 {caller} 10.0.0.5 56324 443\r\n".encode())
        body = json.dumps({"key": key}).encode()
        head = (
            "POST /teamclaude/page/session HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
            f"Sec-Fetch-Site: same-origin\r\nx-teamclaude-page: 1\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        raw.send(head.encode() + body)
        return raw.answer().status

    assert [sign_in("192.0.2.7", "wrong") for _ in range(TRIES)] == [403] * TRIES
    assert sign_in("192.0.2.7", KEY) == 429
    assert sign_in("192.0.2.8", KEY) == 200
