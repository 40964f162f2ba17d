"""One client connection: bodies, framing, keep-alive; every request has exactly one outcome."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.messages.usage_tap import UsageTap

Build = Callable[..., Any]
HELLO = {"model": "claude-opus-4-8", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 9}
PLAIN = json.dumps(HELLO).encode()
STREAM = json.dumps({**HELLO, "stream": True}).encode()


# --- request bodies -----------------------------------------------------------------------------


def test_a_chunked_body_goes_up_with_its_length(stage: Build) -> None:
    s = stage("a")
    raw = s.raw().request(headers=[("Transfer-Encoding", "chunked")])
    half = len(PLAIN) // 2
    for piece in (PLAIN[:half], PLAIN[half:]):
        raw.send(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
    raw.send(b"0\r\nx-trailer: 1\r\n\r\n")
    assert raw.answer().status == 200
    sent = s.seen()[0]
    assert sent.body == PLAIN
    assert (sent.header("content-length"), sent.header("transfer-encoding")) == (str(len(PLAIN)), None)
    assert sent.header("x-trailer") is None
    raw.request("/health", method="GET")
    assert raw.answer().status == 200, "what follows the chunks is the next request"


def test_a_body_that_is_not_json_is_left_to_the_api(stage: Build) -> None:
    s = stage("a")
    reply = s.raw().request(body=b"{not json\xff").answer()
    assert s.seen()[0].body == b"{not json\xff"
    assert reply.error() == (400, "invalid_request_error")
    assert reply.headers["x-teamclaude-account"] == "a", "the answer is the API's own"


def test_an_empty_body_stays_an_empty_body(stage: Build) -> None:
    s = stage("a")
    s.raw().request(body=b"").answer()
    assert s.seen()[0].header("content-length") == "0"


def test_a_get_has_no_length(stage: Build) -> None:
    s = stage("a")
    assert s.raw().request("/v1/models?limit=5", method="GET").answer().status == 200
    sent = s.seen()[0]
    assert (sent.target, sent.header("content-length")) == ("/v1/models?limit=5", None)


def test_a_body_over_the_limit_is_refused_before_it_is_sent(stage: Build) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1})
    raw = s.raw().request(headers=[("Content-Length", str((1 << 20) + 1))])
    assert raw.answer().error() == (413, "request_too_large")
    raw.sock.shutdown(socket.SHUT_WR)
    assert raw.rest() == (b"", "fin")
    assert s.api.log == ()


def test_a_body_of_exactly_the_limit_passes(stage: Build) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1})
    body = PLAIN + b" " * ((1 << 20) - len(PLAIN))
    assert s.raw().request(body=body).answer().status == 200
    assert s.seen()[0].size == 1 << 20


def test_a_client_that_sends_all_of_a_refused_body_can_read_the_answer(stage: Build) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1})
    reply = s.send("POST", "/v1/messages", b"x" * (12 << 20))
    assert (reply.status, "maxBodyMiB" in reply.message) == (413, True)


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes(stage: Build) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1})
    raw = s.raw().request(headers=[("Transfer-Encoding", "chunked")])
    raw.send(b"200000\r\n" + b"x" * 0x180000)
    assert raw.answer().error() == (413, "request_too_large")
    assert s.api.log == ()


def test_a_client_that_expects_100_continue_gets_it(stage: Build) -> None:
    s = stage("a")
    expect = [("Expect", "100-Continue"), ("Content-Length", str(len(PLAIN)))]
    raw = s.raw().request(headers=expect)
    assert raw.answer().status == 100
    assert raw.send(PLAIN).answer().status == 200
    assert s.seen()[0].header("expect") is None


def test_a_client_that_expects_100_continue_for_too_large_a_body_gets_none(stage: Build) -> None:
    s = stage("a", proxy={"maxBodyMiB": 1})
    raw = s.raw().request(headers=[("Expect", "100-continue"), ("Content-Length", str(2 << 20))])
    assert raw.answer().status == 413


def test_http_1_0_knows_no_100(stage: Build) -> None:
    s = stage("a")
    expect = [("Expect", "100-continue"), ("Content-Length", str(len(PLAIN)))]
    raw = s.raw().request(headers=expect, version="HTTP/1.0")
    s.until(lambda: s.service.snapshot().inflight)
    assert raw.send(PLAIN).answer().status == 200


def test_a_slow_head_is_a_408(stage: Build) -> None:
    s = stage("a", headerReadSec=0.1)
    raw = s.raw().send(b"POST /v1/messages HTTP/1.1\r\nHost: local")
    answer = raw.answer()
    assert answer.error() == (408, "invalid_request_error")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("said", [b"", b"\r\n", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_a_connection_that_no_request_was_admitted_on_ends_after_the_time_for_heads(
    stage: Build, said: bytes
) -> None:
    s = stage("a", headerReadSec=0.1)
    raw = s.raw().send(said)
    if said.startswith(b"GET"):
        assert raw.answer().status == 200  # open to all: it proves nothing
    assert raw.rest() == (b"", "fin")


def test_between_admitted_requests_a_connection_is_not_a_slow_head(stage: Build) -> None:
    s = stage("a", headerReadSec=0.1)
    raw = s.raw().request("/capacity", method="GET")
    assert raw.answer().status == 200
    raw.send(b"\r\n")
    time.sleep(0.2)
    assert raw.request("/health", method="GET").answer().status == 200


def test_a_body_that_stops_coming_is_a_408(stage: Build) -> None:
    s = stage("a", bodyReadIdleSec=0.1)
    raw = s.raw().request(headers=[("Content-Length", "10")]).send(b"12345")
    assert raw.answer().error() == (408, "invalid_request_error")
    assert s.outcomes(1) == ["refused"]
    chunked = s.raw().request(headers=[("Transfer-Encoding", "chunked")]).send(b"5\r\n123")
    assert chunked.answer().status == 408


def test_a_client_that_leaves_within_its_body_sends_nothing_up(stage: Build) -> None:
    s = stage("a")
    s.raw().request(headers=[("Content-Length", "10")]).send(b"12345").close()
    s.raw().request(headers=[("Transfer-Encoding", "chunked")]).send(b"5\r\n123").close()
    assert s.outcomes(2) == ["client gone", "client gone"]
    assert s.api.log == ()


# --- answers ------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.status(400, "first").with_changes(before_head=0.1))
    raw = s.raw()
    raw.request(body=PLAIN).request(body=STREAM).request("/v1/nothing", method="GET")
    raw.request("/health", method="GET").request(body=PLAIN)
    answers = [raw.answer() for _ in range(5)]
    assert [a.status for a in answers] == [400, 200, 404, 200, 200]
    assert b"first" in answers[0].body
    assert b"message_stop" in answers[1].body
    assert s.outcomes(4) == ["upstream error", "served", "refused", "served"]


def test_an_answer_to_head_has_no_body_and_keeps_the_connection(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.status(200, body=b"12345"), method="HEAD")
    raw = s.raw().request("/v1/models", method="HEAD")
    answer = raw.answer(head_only=True)
    assert (answer.status, answer.headers["content-length"]) == (200, "5")
    raw.request("/v1/mistyped", method="HEAD")
    assert raw.answer(head_only=True).status == 404
    assert raw.request("/health", method="GET").answer().status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
    ],
)
def test_an_answer_without_a_body_leaves_both_connections_clean(stage: Build, head: bytes) -> None:
    s = stage("a")
    s.api.script.once(Fault.bytes_instead(head, "keep"))
    raw = s.raw().request(body=PLAIN)
    answer = raw.answer()
    assert answer.status == int(head[9:12])
    assert "transfer-encoding" not in answer.headers
    assert raw.request(body=PLAIN).answer().status == 200
    assert [e.connection for e in s.seen(2)] == [1, 1]


def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection(stage: Build) -> None:
    raw = stage("a").raw().request(body=STREAM, version="HTTP/1.0", headers=[("Connection", "keep-alive")])
    answer = raw.answer()
    assert answer.status == 200
    assert "transfer-encoding" not in answer.headers
    assert answer.headers["connection"] == "close"
    assert answer.body.startswith(b"event: message_start")
    assert b"message_stop" in answer.body[-60:]


def test_a_broken_body_does_not_look_complete_to_an_http_1_0_client(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.cut_after_event(3))
    raw = s.raw().request(body=STREAM, version="HTTP/1.0")
    body, end = raw.rest()
    assert (b"message_start" in body, end) == (True, "rst")


def test_an_upstream_body_until_close_is_chunked_anew(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.unframed())
    raw = s.raw().request(body=STREAM)
    answer = raw.answer()
    assert answer.headers["transfer-encoding"] == "chunked"
    assert b"message_stop" in answer.body
    assert raw.request(body=PLAIN).answer().status == 200


def test_a_client_that_asks_for_it_gets_connection_close(stage: Build) -> None:
    s = stage("a")
    for target, body in (("/v1/messages", PLAIN), ("/v1/nothing", b"{}"), ("/teamclaude/switch", b"[]")):
        raw = s.raw().request(target, body, [("Connection", "close")])
        assert raw.answer().headers["connection"] == "close"
        assert raw.rest() == (b"", "fin")


# --- keep-alive after a refusal -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_refused_request_without_a_body_keeps_the_connection(stage: Build, method: str) -> None:
    raw = stage("a").raw().request("/v1/nothing", method=method)
    answer = raw.answer()
    assert (answer.status, "connection" in answer.headers) == (404, False)
    assert raw.request(body=PLAIN).answer().status == 200


def test_a_refusal_after_the_body_was_read_keeps_the_connection(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.quota("5h", reset_in=9000.0))
    raw = s.raw().request(body=PLAIN)
    assert raw.answer().error() == (429, "rate_limit_error")
    s.api.script.clear()
    raw.request(body=PLAIN, headers=[("x-teamclaude-account", "nobody")])
    assert raw.answer().status == 404
    raw.request("/teamclaude/switch", b"[]")
    assert raw.answer().status == 400
    assert raw.request("/health", method="GET").answer().status == 200


def test_a_refusal_before_the_body_was_read_closes_and_can_be_read(stage: Build) -> None:
    s = stage("a", proxy={"trustLoopback": False})
    raw = s.raw().send(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n")
    raw.send(b"x" * 900_000)
    answer = raw.answer()
    assert answer.error() == (401, "authentication_error")
    assert answer.headers["connection"] == "close"
    assert raw.rest() == (b"", "fin")
    assert s.api.log == ()


# --- outcomes -----------------------------------------------------------------------------------


def test_every_request_is_recorded_once_with_one_outcome(stage: Build) -> None:
    s = stage("a", allThrottledHoldBudgetSec=1800)
    s.ask()
    s.ask(model="no-such-model", max_tokens=0)
    s.send("POST", "/v1/nothing", {})
    s.send("GET", "/v1/models")
    s.api.script.once(Fault.no_head("rst"))
    s.api.script.once(Fault.no_head("rst"))
    s.api.script.once(Fault.no_head("rst"))
    assert s.raw().request(body=PLAIN).rest() == (b"", "fin"), "dropped without an answer"
    s.api.script.clear()
    s.api.script.once(Fault.quota("5h", reset_in=9000.0))
    s.ask()
    s.status()
    s.send("GET", "/health")
    outcomes = s.outcomes(6)
    assert outcomes == ["served", outcomes[1], "refused", "served", "upstream error", "held out"]
    assert len({record["id"] for record in s.records}) == 6
    assert [r["outcome"] for r in reversed(s.send("GET", "/teamclaude/deck").json()["activity"])] == outcomes


def test_an_unforeseen_error_is_a_500_and_one_line(
    stage: Build, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    s = stage("a")

    def broken(body: object) -> None:
        raise KeyError("sk-ant-oat01-FAKE-secret")

    monkeypatch.setattr("teamclaude.proxy.forwarding.routing_request.scan_body", broken)
    raw = s.raw().request(body=PLAIN)
    answer = raw.answer()
    assert answer.error() == (500, "api_error")
    assert s.outcomes(1) == ["refused"]
    assert len(s.warnings) == 1
    said = s.warnings[0] + answer.body.decode() + json.dumps(s.records) + "".join(capfd.readouterr())
    assert "Traceback" not in said
    assert "FAKE-secret" not in said
    assert answer.headers["request-id"] in s.warnings[0]
    monkeypatch.undo()
    assert raw.request(body=PLAIN).answer().status == 200


def test_an_unforeseen_error_within_a_response_cuts_it(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    s = stage("a")
    feed = UsageTap.feed

    def broken(self: UsageTap, data: bytes) -> None:
        if b"message_stop" in data:
            raise KeyError("sk-ant-oat01-FAKE-secret")
        feed(self, data)

    monkeypatch.setattr("teamclaude.proxy.messages.usage_tap.UsageTap.feed", broken)
    s.api.script.once(Fault.slow(between_events=0.01))
    body, _ = s.raw().request(body=STREAM).rest()
    assert b"message_start" in body
    assert not body.endswith(b"0\r\n\r\n")
    assert s.outcomes(1) == ["upstream error"]
    assert len(s.warnings) == 1
    assert s.account("a")["inflight"] == 0


# --- threads ------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here: every stream keeps its thread")
@pytest.mark.parametrize("silent", ["before_head", "between_events"])
@pytest.mark.parametrize("body_kib", [1, 100])
def test_a_stream_has_no_thread_while_it_waits_for_the_api(stage: Build, silent: str, body_kib: int) -> None:
    s = stage("a", maxInflightPerAccount=20)
    s.api.script.always(Fault.slow(**{silent: 60.0}))
    before = set(threading.enumerate())
    long = {**HELLO, "stream": True, "system": "x" * (body_kib << 10)}
    raws = [s.raw().request(body=json.dumps(long).encode()) for _ in range(12)]
    runtime = s.service.runtime

    def busy() -> set[threading.Thread]:
        idle = {worker.thread for worker in runtime.threads._idle}
        new = set(threading.enumerate()) - before - idle
        return {thread for thread in new if thread.name == "connection"}

    for raw in raws if silent == "between_events" else []:
        assert raw.answer(head_only=True).status == 200
    s.until(lambda: runtime.context.event_loop.task_count == 12 and not busy())
    for raw in raws:
        raw.reset()
    assert s.outcomes(12) == ["client gone"] * 12
    s.until(lambda: len(runtime.connections) == 0 and not busy())
