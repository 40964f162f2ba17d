"""Clients that speak TLS: their streams and small requests run in the event loop, and end as they should."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.net.connection_task import ConnectionTask
from teamclaude.proxy.net.event_loop import EventLoop
from teamclaude.proxy.net.relay import StreamTask
from tests.proxy.conftest import message
from tests.proxy.tls_stage import tls_stage

Build = Callable[..., Any]
HELLO = json.dumps(message("hello")).encode()
SMALL = json.dumps(message("hello", stream=False)).encode()


@pytest.fixture
def secure(stage: Build, pem: Any) -> Build:
    return tls_stage(stage, pem)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """Return the kinds of tasks that ran in the loop to their end."""
    ran: list[type] = []
    start = EventLoop.start

    def recorded(self: EventLoop, task: Any, on_end: Callable[[], None]) -> bool:
        def ended() -> None:
            ran.append(type(task))
            on_end()

        return start(self, task, ended)

    monkeypatch.setattr(EventLoop, "start", recorded)
    return ran


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here: every request keeps its thread")
def test_streams_and_small_requests_run_in_the_event_loop(secure: Build, tasks: list[type]) -> None:
    s = secure("a")
    s.api.script.always(Fault.slow(between_events=0.002))
    raw = s.raw()
    assert b"event: message_stop" in raw.request(body=HELLO).answer().body
    s.until(lambda: tasks[-1:] == [StreamTask])
    for _ in range(3):
        assert raw.request("/v1/messages/count_tokens", SMALL).answer().status == 200
    raw.close()
    s.until(lambda: set(tasks) == {StreamTask, ConnectionTask})


def test_a_stream_that_was_cut_has_no_regular_end(secure: Build) -> None:
    s = secure("a")
    s.api.script.once(Fault.cut_after_event(3))
    raw = s.raw().request(body=HELLO)
    head = raw._until(b"\r\n\r\n")
    body, how = raw.rest()
    assert b"200 OK" in head
    assert b"message_start" in body
    assert not body.endswith(b"0\r\n\r\n")
    assert how == "cut"
    assert s.outcomes(1) == ["upstream error"]


def test_a_complete_response_has_a_regular_end(secure: Build) -> None:
    s = secure("a")
    answered = s.raw().request(body=HELLO, headers=[("Connection", "close")])
    assert answered.answer().status == 200
    assert answered.rest() == (b"", "fin")
    # HTTP/1.0: the end of the connection is the end of the body, so it has to be a regular one.
    old = s.raw().request(body=HELLO, version="HTTP/1.0")
    assert b"200 OK" in old._until(b"\r\n\r\n")
    body, how = old.rest()
    assert b"event: message_stop" in body
    assert how == "fin"


def test_a_client_that_leaves_within_a_stream_is_noticed(secure: Build) -> None:
    s = secure("a")
    s.api.script.once(Fault.slow(between_events=30.0))
    raw = s.raw().request(body=HELLO)
    raw._until(b"\r\n\r\n")
    raw.close()
    assert s.outcomes(1) == ["client gone"]


def test_a_client_that_says_its_end_and_waits_is_answered(secure: Build) -> None:
    """It closes its sending side as nc does, below TLS."""
    s = secure("a")
    s.api.script.once(Fault.slow(between_events=0.02))
    raw = s.raw().request(body=HELLO)
    socket.socket.shutdown(raw.sock, socket.SHUT_WR)
    assert b"event: message_stop" in raw.answer().body
    assert s.outcomes(1) == ["served"]
