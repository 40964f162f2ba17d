"""Requests that wait because no account is usable: what their clients get meanwhile and at the end."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding import hold as hold_module
from tests.proxy.request_thread import RequestThread, advance_clock, hold_request

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


def test_a_used_up_week_is_waited_for_overnight(stage: Build, clock: Any) -> None:
    s = stage("a")
    s.api.script.once(Fault.quota("7d", reset_in=20 * 3600.0))
    held = RequestThread(s, session="s1")
    wait_until(lambda: s.service.runtime.router.waiting == 1)
    advance_clock(s, clock, 20 * 3600.0 + 1)
    assert held.done().status == 200


def test_a_week_that_is_used_up_for_longer_is_told_at_once(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.quota("7d", reset_in=2 * 86400.0))
    reply = s.ask()
    assert reply.status == 429
    assert 2 * 86400 <= int(reply.headers["retry-after"]) <= 2 * 86400 * 1.16


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


# --- after a restart, in the old process ------------------------------------------------------------------

CLAUDE = {"User-Agent": "claude-cli/2.1.332 (external, cli)"}
OLD_CLAUDE = {"User-Agent": "claude-cli/2.1.112 (external, cli)"}
OTHER = {"User-Agent": "Anthropic/Python 2.12.0"}


def begun(s: Any) -> bool:
    return any(e.request.ttfb_sec for e in s.service.snapshot().inflight)


@pytest.mark.parametrize("client", [CLAUDE, OTHER], ids=["Claude Code", "SDK"])
def test_a_held_stream_that_has_not_begun_is_told_to_ask_the_new_process(stage: Build, client: Any) -> None:
    s = stage("a")
    held = hold_request(s, 600.0, headers=client)
    s.service.runtime.router.handed_over = True
    reply = held.done()
    assert (reply.status, reply.headers["retry-after"], reply.headers["x-should-retry"]) == (503, "1", None)
    assert reply.json()["error"]["type"] == "api_error", "not one of the overloads that Claude Code counts"
    assert (reply.headers["connection"], s.outcomes(1)) == ("close", ["refused"])


@pytest.mark.parametrize("client", [OLD_CLAUDE, OTHER], ids=["old Claude Code", "SDK"])
def test_of_streams_that_have_begun_those_are_cut_that_are_repeated(
    stage: Build, clock: Any, hasty: None, client: Any
) -> None:
    s = stage("a", holdCommitSec=0.05)
    bench(s, 600.0)
    other = RequestThread(s, session="s1", headers=client)
    wait_until(lambda: begun(s))
    claude = RequestThread(s, session="s2", headers=CLAUDE)
    wait_until(lambda: sum(bool(e.request.ttfb_sec) for e in s.service.snapshot().inflight) == 3)
    s.service.runtime.router.handed_over = True
    s.until(lambda: s.service.runtime.router.waiting == 2)
    assert s.outcomes(1) == ["refused"]
    claude.join(30)
    assert isinstance(claude.failure, http.client.IncompleteRead), "it asks again when its stream is cut"
    assert claude.failure.partial.startswith(b": held, ")
    clock.now += 601
    s.service.runtime.router.credentials_changed([])  # serves the queue
    assert b"message_stop" in other.done().body


def test_a_held_request_without_a_stream_is_answered_by_the_old_process(
    stage: Build, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    s = stage("a", holdCommitSec=3600)
    held = hold_request(s, 600.0, stream=False)
    s.service.runtime.router.handed_over = True
    ticks: list[Any] = []
    on_tick = hold_module.Hold.on_tick
    monkeypatch.setattr(hold_module.Hold, "on_tick", lambda self: (on_tick(self), ticks.append(self))[0])
    wait_until(lambda: len(ticks) > 1)
    assert s.service.runtime.router.waiting == 1
    advance_clock(s, clock, 601)
    assert held.done().status == 200
