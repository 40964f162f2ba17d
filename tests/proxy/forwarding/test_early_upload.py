"""Large requests that are sent to the API while their body still arrives, and those that are not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from teamclaude.proxy.forwarding import early_upload
from tests.proxy.conftest import KEY, PATIENCE_SEC, Pem, Raw, RawAnswer, Stage, message
from tests.proxy.forwarding.scripted_api import ApiConnection, ScriptedApi

SESSION = ("x-claude-code-session-id", "s1")
BEGUN = 400_000  # bytes of a body that are sent before the client pauses


class Scene:
    """A proxy in front of such an API; one conversation has its account, and an idle connection."""

    def __init__(self, stage: Callable[..., Stage], pem: Optional[Pem], **config: Any) -> None:
        self.api = ScriptedApi(pem)
        more = {"upstreamCaFile": pem.cert} if pem else {}
        self.s = stage("a", "b", upstream=self.api.url, **more, **config)
        self.client = self.s.raw()
        self.begun: list[bool] = []  # of each large request: whether it is sent early
        self.decided = threading.Semaphore(0)
        self.idle = self.warm_up()

    def warm_up(self) -> ApiConnection:
        self.client.request(body=json.dumps(message(stream=False)).encode(), headers=[SESSION])
        connection = self.api.accept().read_head()
        connection.read()
        connection.answer()
        assert self.client.answer().status == 200
        self.s.outcomes(1)
        return connection

    def begin(self, body: bytes, *fields: str, session: str = "s1", size: int = BEGUN) -> Raw:
        """Send the head and the beginning of a body; return the client once the proxy has decided."""
        lines = [
            "POST /v1/messages HTTP/1.1",
            "Host: localhost",
            f"x-teamclaude-key: {KEY}",
            *([f"x-claude-code-session-id: {session}"] if session else []),
            *fields,
            f"Content-Length: {len(body)}",
        ]
        self.client.send("\r\n".join([*lines, "", ""]).encode() + body[:size])
        assert self.decided.acquire(timeout=PATIENCE_SEC)
        return self.client

    def served(self, number: int) -> dict[str, Any]:
        """Return the record of a request, once it has ended."""
        self.s.outcomes(number)
        return self.s.records[number - 1]

    def inflight(self) -> list[int]:
        return [account["inflight"] for account in self.s.status()["accounts"]]


@pytest.fixture
def scene(
    stage: Callable[..., Stage], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Scene]]:
    """Build a scene in which a client may take its time; nothing arrives at once."""
    monkeypatch.setattr(early_upload, "AT_ONCE_SEC", 0.0)
    monkeypatch.setattr(early_upload, "START_SEC", PATIENCE_SEC)
    monkeypatch.setattr(early_upload, "MOST_SEC", PATIENCE_SEC)
    built: list[Scene] = []
    begin = early_upload._begin

    def begun(*arguments: Any) -> Any:
        early = begin(*arguments)
        built[-1].begun.append(early is not None)
        built[-1].decided.release()
        return early

    def build(tls: bool = False, **config: Any) -> Scene:
        made = Scene(stage, request.getfixturevalue("pem") if tls else None, **config)
        built.append(made)
        return made

    monkeypatch.setattr(early_upload, "_begin", begun)
    yield build
    for each in built:
        each.api.close()


def large(size: int = 1_000_000, **changes: Any) -> bytes:
    return json.dumps(message("x" * size, **changes)).encode()


def error_of(answer: RawAnswer) -> str:
    return str(json.loads(answer.body)["error"]["type"])


@pytest.mark.parametrize("tls", [False, True])
def test_a_large_request_is_sent_while_it_is_received(scene: Callable[..., Scene], tls: bool) -> None:
    s, body = scene(tls), large()
    client = s.begin(body)
    assert len(s.idle.read_head().read(BEGUN)) >= BEGUN, "the rest is still to come"
    client.send(body[BEGUN:])
    assert s.idle.read() == body
    s.idle.answer()
    assert client.answer().status == 200
    record = s.served(2)
    assert (record["outcome"], record["accounts"], record["model"]) == ("served", ["a"], "claude-opus-4-8")
    assert s.begun == [True]
    assert s.inflight() == [0, 0]
    client.request(body=b"{}", headers=[SESSION])
    assert s.idle.read_head().read() == b"{}", "both connections serve on"


@pytest.mark.parametrize("kept", [1, 1024, 1025, BEGUN])
def test_the_end_is_sent_once_the_whole_body_is_known(scene: Callable[..., Scene], kept: int) -> None:
    s, body = scene(), large()
    client = s.begin(body, size=len(body) - kept)
    most = len(body) - max(kept, 1024)
    assert s.idle.read_head().read(most) == body[:most]
    client.send(body[-kept:])
    assert s.idle.read() == body


def test_what_the_whole_body_says_of_the_cache_and_the_stream_counts(scene: Callable[..., Scene]) -> None:
    cached = [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    s, body = scene(), large(stream=False, system=cached)
    client = s.begin(body)
    client.send(body[BEGUN:])
    assert s.idle.read_head().read() == body
    s.idle.answer()
    assert client.answer().status == 200
    assert s.served(2)["outcome"] == "served"
    bindings = s.s.status()["sessionBindings"]
    assert [each["cacheLifeSec"] for each in bindings] == [3600]


def test_a_body_that_names_another_model_after_all_is_decided_anew(scene: Callable[..., Scene]) -> None:
    s = scene()
    body = large()[:-1] + b', "model": "claude-haiku-4-5"}'
    client = s.begin(body)
    s.idle.read_head().read(BEGUN)
    client.send(body[BEGUN:])
    assert s.idle.ends(), "no whole request was sent for a decision on half of it"
    again = s.api.accept().read_head()
    assert again.read() == body
    again.answer()
    assert client.answer().status == 200
    assert (s.served(2)["accounts"], s.served(2)["model"]) == (["a"], "claude-haiku-4-5")
    assert s.inflight() == [0, 0]


# --- what is not sent early ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "session"),
    [
        ((), "new"),
        ((), ""),
        (("x-teamclaude-account: a",), "s1"),
        (("anthropic-beta: message-threads-2026-08-12",), "s1"),
    ],
)
def test_a_request_that_the_whole_body_decides_is_sent_afterwards(
    scene: Callable[..., Scene], fields: tuple[str, ...], session: str
) -> None:
    s, body = scene(), large()
    client = s.begin(body, *fields, session=session)
    assert s.begun == [False]
    assert s.inflight() == [0, 0]
    client.send(body[BEGUN:])
    assert s.idle.read_head().read() == body
    s.idle.answer()
    assert client.answer().status == 200


@pytest.mark.parametrize(
    "config",
    [
        {"rewriteAccountUuid": True},
        {"routes": [{"match": "claude-opus-*", "accounts": ["a", "b"]}]},
        {"maxInflightPerAccount": 1},
    ],
)
def test_a_setting_by_which_the_whole_body_decides_has_it_sent_afterwards(
    scene: Callable[..., Scene], config: dict[str, Any]
) -> None:
    s, body = scene(**config), large()
    busy = s.s.raw()
    if "maxInflightPerAccount" in config:
        busy.request(body=b'{"model": "claude-opus-4-8"}', headers=[SESSION])
        s.idle.read_head()
    client = s.begin(body)
    assert s.begun == [False]
    client.reset()


def test_a_body_whose_model_does_not_come_first_is_sent_afterwards(scene: Callable[..., Scene]) -> None:
    s = scene()
    body = json.dumps({"max_tokens": 1, **message("x" * 1_000_000)}).encode()
    s.begin(body)
    assert s.begun == [False]


@pytest.mark.parametrize(
    "field", ["Expect: 100-continue", "Content-Encoding: gzip", "Transfer-Encoding: chunked"]
)
def test_a_head_may_rule_it_out(scene: Callable[..., Scene], field: str) -> None:
    s = scene()
    body = large(300_000)
    length = f"Content-Length: {len(body)}\r\n" if "chunked" not in field else ""
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-teamclaude-key: {KEY}\r\n{field}\r\n{length}"
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if not length else body
    s.client.send(f"{head}{SESSION[0]}: s1\r\n\r\n".encode())
    if "100" in field:
        assert s.client.answer().status == 100
    s.client.send(sent)
    assert s.idle.read_head().read() == body
    s.idle.answer()
    assert s.client.answer().status == 200
    assert s.begun == []


# --- clients that stop --------------------------------------------------------------------------


def test_a_client_that_leaves_takes_its_request_back(scene: Callable[..., Scene]) -> None:
    s, body = scene(), large()
    client = s.begin(body)
    s.idle.read_head().read(BEGUN)
    assert s.inflight() == [1, 0]
    client.close()
    assert s.idle.ends()
    assert s.served(2)["outcome"] == "client gone"
    account = s.s.account("a")
    assert (account["inflight"], account["status"]) == (0, "active")


def test_a_client_that_stalls_gives_its_slot_back(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_upload, "MOST_SEC", 0.05)
    s, body = scene(), large()
    client = s.begin(body)
    assert s.idle.read_head().ends()
    s.s.until(lambda: s.inflight() == [0, 0])
    client.send(body[BEGUN:])
    again = s.api.accept().read_head()
    assert again.read() == body
    again.answer()
    assert client.answer().status == 200
    assert s.served(2)["accounts"] == ["a"]


def test_a_slow_client_is_not_begun_with(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_upload, "START_SEC", 0.0)
    s, body = scene(), large()
    head = f"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nx-teamclaude-key: {KEY}\r\n{SESSION[0]}: s1\r\n"
    s.client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
    s.client.send(body[10:])
    assert s.idle.read_head().read() == body
    s.idle.answer()
    assert s.client.answer().status == 200


# --- APIs that answer or break off before they have the whole -------------------------------------


def test_an_answer_before_the_whole_body_was_sent_is_relayed(scene: Callable[..., Scene]) -> None:
    s, body = scene(), large(3_900_000)
    client = s.begin(body)
    s.idle.read_head().refuse(413, "request_too_large")
    client.send(body[BEGUN:])
    answer = client.answer()
    assert (answer.status, error_of(answer)) == (413, "request_too_large")
    assert s.served(2)["accounts"] == ["a"]


UNIFIED = "anthropic-ratelimit-unified"
USED_UP = (
    f"{UNIFIED}-5h-status: rejected\r\n{UNIFIED}-5h-utilization: 1.0\r\n{UNIFIED}-5h-reset: 1800003600\r\n"
)


@pytest.mark.parametrize(
    ("status", "kind", "fields"), [(429, "rate_limit_error", USED_UP), (401, "authentication_error", "")]
)
def test_an_account_that_refuses_early_is_followed_by_another_with_the_whole(
    scene: Callable[..., Scene], status: int, kind: str, fields: str
) -> None:
    s, body = scene(), large(3_900_000)
    client = s.begin(body)
    s.idle.read_head().answer(status, {"type": "error", "error": {"type": kind, "message": "no"}}, fields)
    client.send(body[BEGUN:])
    other = s.api.accept().read_head()
    assert other.read() == body
    assert b"FAKE-b" in other.head
    other.answer()
    assert client.answer().status == 200
    assert s.served(2)["accounts"] == ["a", "b"]
    assert s.idle.ends(), "half a request was sent there: nothing may follow it"
    assert s.inflight() == [0, 0]


def test_a_connection_that_breaks_is_replaced_and_gets_the_whole(scene: Callable[..., Scene]) -> None:
    s, body = scene(), large()
    client = s.begin(body)
    s.idle.read_head().sock.close()
    client.send(body[BEGUN:])
    again = s.api.accept().read_head()
    assert again.read() == body
    again.answer()
    assert client.answer().status == 200
    assert s.served(2)["accounts"] == ["a"]


def test_an_api_that_takes_nothing_does_not_keep_the_client_from_sending(scene: Callable[..., Scene]) -> None:
    s, body = scene(), large(3_900_000)
    client = s.begin(body)
    client.send(body[BEGUN:])
    assert s.idle.read_head().read() == body
