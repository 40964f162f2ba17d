"""Requests that wait because no account is usable: what their clients get meanwhile and at the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding import hold as hold_module
from tests.proxy.request_thread import RequestThread

Build = Callable[..., Any]


def wait_until(true: Callable[[], bool]) -> None:
    event = threading.Event()
    for _ in range(1000):
        if true():
            return
        event.wait(0.005)
    raise AssertionError("it did not come to pass")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments come with every beat."""
    monkeypatch.setattr(hold_module, "COMMENT_SEC", 0.01)


def bench(s: Any, seconds: float) -> None:
    s.api.script.once(Fault.quota("5h", reset_in=seconds))
    RequestThread(s, session="refused")
    wait_until(lambda: s.account("a")["status"] == "benched")


def test_a_held_request_is_served_when_the_window_is_reset(stage: Build, clock: Any) -> None:
    s = stage("a")
    bench(s, 600.0)
    held = RequestThread(s, session="s1")
    wait_until(lambda: s.service.runtime.router.waiting == 2)
    clock.now += 601
    s.service.runtime.router.credentials_changed([])  # serves the queue
    assert held.done().status == 200
    assert b"message_stop" in held.done().body


def test_a_long_hold_begins_its_answer_with_comments_and_ends_with_the_stream(
    stage: Build, clock: Any, hasty: None
) -> None:
    s = stage("a", holdCommitSec=0.05)
    bench(s, 600.0)
    held = RequestThread(s, session="s1")
    wait_until(
        lambda: any(e.request.ttfb_sec for e in s.service.snapshot().inflight if e.request.session == "s1")
    )
    clock.now += 601
    s.service.runtime.router.credentials_changed([])  # serves the queue
    reply = held.done()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.body.startswith(b": held")
    assert reply.body.index(b"event: message_start") > 0
    assert b"message_stop" in reply.body
    assert s.api.wait_until(lambda api: not api.live)
    assert s.api.log[-1].header("accept-encoding") == "identity"


def test_a_hold_that_ends_in_vain_is_an_error_event_and_then_a_plain_429(
    stage: Build, clock: Any, hasty: None
) -> None:
    s = stage("a", holdCommitSec=0.05, allThrottledHoldBudgetSec=900)
    bench(s, 600.0)
    held = RequestThread(s, session="s1")
    wait_until(
        lambda: any(e.request.ttfb_sec for e in s.service.snapshot().inflight if e.request.session == "s1")
    )
    s.api.script.always(Fault.quota("5h", reset_in=5000.0))
    clock.now += 601
    s.service.runtime.router.credentials_changed([])  # serves the queue
    reply = held.done()
    event = reply.body.rpartition(b"event: error\ndata: ")[2]
    assert json.loads(event)["error"]["type"] == "rate_limit_error"
    again = s.ask(session="s1")
    assert (again.status, again.json()["error"]["type"]) == (429, "rate_limit_error")


def test_a_request_that_does_not_stream_gets_its_429_before_its_client_gives_up(stage: Build) -> None:
    s = stage("a", holdCommitSec=1)
    bench(s, 600.0)
    assert s.ask(session="s1", stream=False).status == 429


def test_a_recovery_beyond_the_budget_is_answered_at_once(stage: Build) -> None:
    s = stage("a", allThrottledHoldBudgetSec=300)
    s.api.script.always(Fault.quota("5h", reset_in=600.0))
    reply = s.ask(session="s1")
    assert reply.status == 429
    assert int(reply.headers["retry-after"]) >= 599


def test_an_error_event_before_anything_else_is_tried_again(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.stream_error(after=0))
    reply = s.ask()
    assert b"message_stop" in reply.body
    assert b"event: error" not in reply.body
    assert len(s.seen(2)) == 2


def test_an_error_event_that_keeps_coming_is_relayed(stage: Build) -> None:
    s = stage("a")
    s.api.script.always(Fault.stream_error(after=0))
    reply = s.ask()
    assert b"event: error" in reply.body
    assert s.records[-1]["outcome"] == "upstream error"


def test_an_error_event_after_the_first_bytes_is_relayed_and_recorded(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.stream_error(after=3))
    assert b"event: error" in s.ask().body
    assert len(s.seen()) == 1
    assert s.records[-1]["outcome"] == "upstream error"
