"""A client's disconnect is noticed within a second, whatever its request waits for."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.net import socket_wait as watching

Build = Callable[..., Any]
REQUEST = {
    "model": "claude-opus-4-8",
    "messages": [{"role": "user", "content": "x"}],
    "max_tokens": 9,
    "stream": True,
}


@pytest.fixture(params=["rdhup", "beats"], autouse=True)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With POLLRDHUP, and without it."""
    if request.param == "beats":
        monkeypatch.setattr(watching, "_RDHUP", 0)
        monkeypatch.setattr(watching, "POLL_SEC", 0.05)
        monkeypatch.setattr("teamclaude.proxy.net.event_loop.EPOLL", None)
    elif not watching._RDHUP:
        pytest.skip("no POLLRDHUP here")
    return str(request.param)


def ask(s: Any, text: str = "x") -> Any:
    body = {**REQUEST, "messages": [{"role": "user", "content": text}]}
    return s.raw().request(body=json.dumps(body).encode())


def leaves(s: Any, raw: Any, how: str = "fin", records: int = 1) -> None:
    """The client goes; all that it had must be gone within a second."""
    began = time.monotonic()
    raw.reset() if how == "rst" else raw.close()
    outcomes = s.outcomes(records)
    assert time.monotonic() - began < 1.0
    assert outcomes[-1] == "client gone"
    assert s.api.wait_until(lambda api: api.inflight == 0)
    status = s.status()
    assert [a["inflight"] for a in status["accounts"]] == [0] * len(status["accounts"])
    assert {a["status"] for a in status["accounts"]} <= {"active", "benched"}
    assert status["system"]["waiting"] == 0
    assert s.warnings == []


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_while_waiting_for_the_head(stage: Build, how: str) -> None:
    s = stage("a")
    s.api.script.once(Fault.never_answered())
    raw = ask(s)
    s.until(lambda: s.api.inflight == 1)
    leaves(s, raw, how)
    assert s.account("a")["status"] == "active"


def test_while_a_stream_is_silent(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.cut_after_event(3, "hang"))
    raw = ask(s)
    raw._until(b"content_block_start")
    leaves(s, raw)
    assert s.account("a")["status"] == "active"


def test_while_held_in_line(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.quota("5h", reset_in=600.0))
    raw = ask(s)
    s.until(lambda: s.service.runtime.router.waiting == 1)
    leaves(s, raw)


def test_while_backing_off(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.forwarding.retry.FIRST_BACKOFF_SEC", 8.0)
    s = stage("a")
    s.api.script.always(Fault.overloaded())
    raw = ask(s)
    s.seen(1)
    leaves(s, raw)
    assert len(s.api.log) == 1, "nothing more was asked"


def test_between_the_two_tries_of_the_wire(stage: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.transport.RETRY_PAUSE_SEC", 8.0)
    s = stage("a")
    s.api.script.always(Fault.no_head())
    raw = ask(s)
    s.seen(1)
    leaves(s, raw)


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue answers elsewhere")
def test_while_connecting(stage: Build) -> None:
    """To a peer whose queue is full: its SYNs stay unanswered."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        queued = [socket.socket() for _ in range(3)]
        for sock in queued:
            sock.setblocking(False)
            sock.connect_ex(address)
        s = stage("a", upstream=f"http://127.0.0.1:{address[1]}")
        raw = ask(s)
        s.until(lambda: s.account("a")["inflight"] == 1)
        leaves(s, raw)
        for sock in queued:
            sock.close()


def test_while_the_request_goes_up(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.never_read())
    raw = ask(s, "x" * 8_000_000)
    s.until(lambda: s.api.connections == 1)
    leaves(s, raw)


def test_while_a_refusal_is_read(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.overloaded().with_changes(cut=Fault.cut_body(5, "hang").cut))
    raw = ask(s)
    s.until(lambda: s.api.inflight == 1)
    time.sleep(0.02)
    leaves(s, raw)


def test_while_its_own_login_is_used(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.never_answered())
    raw = s.raw().request("/api/oauth/usage", method="GET")
    s.until(lambda: s.api.inflight == 1)
    leaves(s, raw)


# --- half-closed ----------------------------------------------------------------------------------

half_close = pytest.mark.skipif(sys.platform != "linux", reason="the peer's socket can't be looked up")


def asks_and_ends(s: Any, **body: Any) -> Any:
    """A client that says all it has to say, and waits for its answer."""
    raw = s.raw().request(body=json.dumps({**REQUEST, **body}).encode())
    raw.sock.shutdown(socket.SHUT_WR)
    return raw


def is_answered_and_closed(raw: Any) -> None:
    answer = raw.answer()
    assert answer.status == 200
    whole = b"message_stop" in answer.body or json.loads(answer.body)["type"] == "message"
    assert whole
    assert raw.rest() == (b"", "fin"), "a half-closed connection carries no other request"


@half_close
@pytest.mark.parametrize("before_head", [0.0, 0.6])
@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_half_closes_gets_its_whole_answer(
    stage: Build, stream: bool, before_head: float
) -> None:
    s = stage("a")
    s.api.script.once(Fault.slow(before_head=before_head, between_events=0.05))
    is_answered_and_closed(asks_and_ends(s, stream=stream))
    assert s.outcomes(1) == ["served"]


@half_close
def test_a_small_request_in_the_event_loop_half_closes(stage: Build) -> None:
    s = stage("a")
    small = {**REQUEST, "stream": False}
    raw = s.raw()
    for _ in range(3):
        assert raw.request(body=json.dumps(small).encode()).answer().status == 200
    s.api.script.once(Fault.slow(before_head=0.3))
    raw.request(body=json.dumps(small).encode())
    raw.sock.shutdown(socket.SHUT_WR)
    is_answered_and_closed(raw)
    assert s.outcomes(4) == ["served"] * 4


@half_close
def test_requests_sent_ahead_of_a_half_close_are_all_answered(stage: Build) -> None:
    s = stage("a")
    raw = s.raw()
    for _ in range(3):
        raw.request(body=json.dumps({**REQUEST, "stream": False}).encode())
    raw.sock.shutdown(socket.SHUT_WR)
    assert [raw.answer().status for _ in range(3)] == [200] * 3
    assert raw.rest() == (b"", "fin")


@half_close
def test_a_half_closed_client_is_answered_after_it_waited_for_an_account(stage: Build, clock: Any) -> None:
    s = stage("a")
    s.api.script.once(Fault.quota("5h", reset_in=600.0))
    raw = asks_and_ends(s)
    s.until(lambda: s.service.runtime.router.waiting == 1)
    time.sleep(0.1)
    clock.now += 601
    s.service.runtime.router.credentials_changed([])  # serves the queue
    is_answered_and_closed(raw)


@half_close
def test_a_half_closed_client_is_answered_after_a_pause_and_a_new_connection(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.transport.RETRY_PAUSE_SEC", 0.1)
    s = stage("a")
    s.api.script.times(1, Fault.overloaded())
    s.api.script.once(Fault.no_head())
    is_answered_and_closed(asks_and_ends(s))


@half_close
@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize(
    "fault", [Fault.never_answered(), Fault.cut_after_event(3, "hang"), Fault.quota("5h", reset_in=600.0)]
)
def test_a_half_closed_client_that_leaves_is_noticed(stage: Build, fault: Fault, how: str) -> None:
    s = stage("a")
    s.api.script.once(fault)
    raw = asks_and_ends(s)
    s.until(lambda: s.api.inflight == 1 or s.service.runtime.router.waiting == 1)
    time.sleep(0.1)
    leaves(s, raw, how)


def test_a_client_whose_socket_can_t_be_looked_up_has_left_when_it_half_closes(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "peer_uid", lambda local, peer: None)
    s = stage("a")
    s.api.script.once(Fault.never_answered())
    raw = asks_and_ends(s)
    assert s.outcomes(1) == ["client gone"]
    raw.close()


def test_a_pipelined_request_is_no_departure(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.slow(before_head=0.3))
    raw = ask(s).request("/health", method="GET")
    assert [raw.answer().status for _ in range(2)] == [200, 200]
