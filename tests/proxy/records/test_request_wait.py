"""A waiting request in status, capacity, `explain`, and in its record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding.hold import Hold
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.path_kinds import classify_path
from teamclaude.proxy.net.coroutine import run_coroutine
from teamclaude.proxy.records.exchange import Exchange
from teamclaude.proxy.records.request_wait import HELD, PAUSE, SLOT, RequestWait, current_hold, held_seconds
from teamclaude.routing.expected_account import NOT_EXPECTED, ExpectedAccount
from teamclaude.routing.state.decision import Decision, Reason, RoutingRequest, Wait
from teamclaude.routing.wait_queue import Waiter, WaitLimits
from teamclaude.typed_json import to_json
from tests.proxy.request_thread import RequestThread, advance_clock, hold_request

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

Build = Callable[..., Any]
BODY = b'{"model":"claude-opus-4-8","messages":[],"max_tokens":1,"stream":true}'
NOTHING = Wait(Decision(None, Reason.NOTHING_USABLE))
SLOT_OF_A = Wait(Decision("a", Reason.KEPT), account="a")


class QueuedRequest:
    """A waiter in a line that nobody serves, and its wait."""

    def __init__(self, wait: Wait, expects: ExpectedAccount = NOT_EXPECTED) -> None:
        self.now = 1000.0
        self.waiter = Waiter(RoutingRequest("s"), WaitLimits(3600.0), self.now)
        self.waiter.wait = wait
        self.waiting = RequestWait(wait, self.now, lambda: self.now, 1, self.waiter, lambda waiter: expects)


# --- one wait -------------------------------------------------------------------------------------


def test_a_wait_lasts_until_its_end_and_no_longer() -> None:
    queued = QueuedRequest(NOTHING)
    queued.now += 12.5
    assert (queued.waiting.seconds, queued.waiting.over) == (12.5, False)
    queued.waiting.end()
    queued.now += 100
    assert (queued.waiting.seconds, queued.waiting.over) == (12.5, True)


def test_a_clock_that_is_set_back_takes_no_seconds_away() -> None:
    queued = QueuedRequest(NOTHING)
    queued.waiter.record_attempt(queued.now + 60)
    queued.now -= 500
    queued.waiter.record_attempt(queued.now)
    assert queued.waiting.seconds == pytest.approx(60.0)


def test_what_it_waits_for_now_is_shown_and_what_it_waited_for_last_is_kept() -> None:
    queued = QueuedRequest(NOTHING)
    newer = Wait(NOTHING.decision._replace(detail="two of two"), 1300.0)
    queued.waiter.wait = newer
    assert queued.waiting.wait is newer
    queued.waiting.end()
    queued.waiter.wait = NOTHING
    assert queued.waiting.wait is newer


def test_a_wait_for_a_slot_that_becomes_a_hold_is_two_waits() -> None:
    queued = QueuedRequest(SLOT_OF_A)
    queued.now += 5
    assert queued.waiting.follow() is queued.waiting
    queued.waiter.wait = NOTHING
    assert queued.waiting.reason == Reason.NO_SLOT, "until it is followed it tells what it was"
    second = queued.waiting.follow()
    queued.now += 7
    assert (queued.waiting.kind, queued.waiting.seconds, queued.waiting.wait) == (SLOT, 5.0, SLOT_OF_A)
    assert (second.kind, second.seconds, second.reason) == (HELD, 7.0, Reason.NOTHING_USABLE)


def test_only_a_wait_that_no_account_can_end_and_that_lasts_is_a_hold() -> None:
    queued = QueuedRequest(NOTHING)
    assert current_hold(()) is None
    assert current_hold([queued.waiting]) is None, "a moment is no hold"
    queued.now += 0.99
    assert current_hold([queued.waiting]) is None
    queued.now += 0.01
    assert current_hold([queued.waiting]) is queued.waiting
    queued.waiting.end()
    assert current_hold([queued.waiting]) is None, "it goes on"
    slot = QueuedRequest(SLOT_OF_A)
    slot.now += 500
    assert current_hold([slot.waiting]) is None
    assert current_hold([queued.waiting, slot.waiting]) is None, "it was held before, and now has an account"


def test_a_hold_goes_on_after_an_attempt_that_was_refused() -> None:
    first, second, slot = QueuedRequest(NOTHING), QueuedRequest(NOTHING), QueuedRequest(SLOT_OF_A)
    first.now += 60
    slot.now += 5
    for queued in (first, slot):
        queued.waiting.end()
    waits = [first.waiting, slot.waiting, second.waiting]
    assert current_hold(waits) is second.waiting, "at once: it has been held for a minute"
    assert held_seconds(waits) == 60.0


def test_the_json_of_a_wait() -> None:
    queued = QueuedRequest(NOTHING, ExpectedAccount("alice", 1300.0))
    queued.now += 12.34
    assert to_json(queued.waiting.view({})) == {
        "kind": "held",
        "at": 1_000_000,
        "sec": 12.3,
        "over": False,
        "reason": "no account usable",
        "detail": "",
        "account": "alice",
        "backAt": 1_300_000,
    }
    slot = QueuedRequest(SLOT_OF_A)
    slot.waiting.end()
    told = slot.waiting.view({"a": "alice"})
    assert (told.kind, told.account, told.reason, told.over) == ("slot", "alice", "no slot", True)


# --- words ----------------------------------------------------------------------------------------


# --- the whole proxy ------------------------------------------------------------------------------


def test_a_held_request_is_in_status_and_capacity_with_the_account_it_expects(
    stage: Build, clock: Any
) -> None:
    s = stage("alice")
    waiting_request = hold_request(s, 600.0)
    assert s.status()["held"] == [], "not in its first moment"
    assert s.status()["system"]["held"] == 0
    clock.now += 300
    status = s.status()
    (held,) = status["held"]
    (running,) = s.service.snapshot().to_json()["inflight"]
    assert held == {
        "request": running["id"],
        "session": "s1",
        "agent": "",
        "model": "claude-opus-4-8",
        "heldSec": 300,
        "reason": "no account usable",
        "detail": "",
        "account": "alice",
        "backAt": round((clock.now + 300) * 1000),
    }
    assert (status["system"]["held"], status["system"]["waiting"]) == (1, 1)
    for capacity in (status["capacity"], s.send("GET", "/capacity").json()):
        assert (capacity["held"], capacity["heldSec"]) == (1, 300)
    assert (running["waiting"]["kind"], running["waiting"]["sec"]) == ("held", 300.0)
    advance_clock(s, clock, 301)
    assert waiting_request.done().status == 200
    assert s.status()["held"] == []
    assert s.send("GET", "/capacity").json()["held"] == 0


def test_explain_of_the_last_request_shows_a_waiting_one_and_why_each_account_is_out(
    stage: Build, clock: Any
) -> None:
    s = stage("alice")
    s.ask(session="before")
    waiting_request = hold_request(s, 600.0)
    clock.now += 42
    last = s.send("GET", "/teamclaude/explain/last").json()
    (wait,) = last["waits"]
    assert (last["session"], last["outcome"]) == ("s1", None)
    assert (wait["kind"], wait["sec"], wait["over"], wait["attempts"]) == ("held", 42.0, False, 1)
    assert (wait["account"], wait["backAt"]) == ("alice", round((clock.now + 558) * 1000))
    assert [row["account"] for row in wait["decision"]["excluded"]] == ["alice"]
    advance_clock(s, clock, 600)
    waiting_request.done()
    ended = s.send("GET", f"/teamclaude/explain/{last['request']}").json()
    assert [(w["sec"], w["over"], w["reason"]) for w in ended["waits"]] == [
        (642.0, True, "no account usable")
    ]
    assert [a["status"] for a in ended["attempts"]] == [429, 200]


def test_the_record_keeps_how_long_it_waited_and_for_what(stage: Build, clock: Any) -> None:
    s = stage("alice")
    waiting_request = hold_request(s, 600.0)
    advance_clock(s, clock, 601)
    record = s.wait_for_record(waiting_request.done().headers["x-teamclaude-request"])
    assert (record["waitedSec"], record["waitReason"]) == (601.0, "no account usable")
    plain = s.wait_for_record(s.ask(session="s2").headers["x-teamclaude-request"])
    assert (plain["waitedSec"], plain["waitReason"]) == (None, "")


def test_a_request_that_waits_for_a_slot_is_no_hold_and_says_whose_slot(stage: Build, clock: Any) -> None:
    s = stage("alice", maxInflightPerAccount=1)
    s.ask(session="s0")
    s.api.script.once(Fault.never_answered())
    first = s.raw().request(body=BODY)
    s.until(lambda: s.account("alice")["inflight"] == 1)
    second = RequestThread(s, session="s2")
    s.until(lambda: s.service.runtime.journal.waiting_exchanges())
    clock.now += 3
    row = next(row for row in s.service.snapshot().to_json()["inflight"] if row["session"] == "s2")
    assert (row["waiting"]["kind"], row["waiting"]["sec"], row["waiting"]["account"]) == (
        "slot",
        3.0,
        "alice",
    )
    assert s.status()["held"] == []
    first.reset()
    request = second.done().headers["x-teamclaude-request"]
    (wait,) = s.send("GET", f"/teamclaude/explain/{request}").json()["waits"]
    assert (wait["kind"], wait["account"], wait["reason"], wait["over"]) == ("slot", "alice", "no slot", True)


def test_a_pause_between_two_attempts_is_shown_and_is_no_hold(stage: Build) -> None:
    s = stage("alice")
    s.api.script.once(Fault.overloaded())
    request = s.ask().headers["x-teamclaude-request"]
    waits = s.send("GET", f"/teamclaude/explain/{request}").json()["waits"]
    assert [(w["kind"], w["attempts"], w["over"]) for w in waits] == [(PAUSE, 1, True)]


def test_a_request_whose_client_left_is_no_longer_held(stage: Build, clock: Any) -> None:
    s = stage("alice")
    s.api.script.once(Fault.quota("5h", reset_in=600.0))
    raw = s.raw().request(body=BODY)
    s.until(lambda: s.service.runtime.journal.waiting_exchanges())
    clock.now += 5
    assert len(s.status()["held"]) == 1
    raw.reset()
    s.until(lambda: s.service.runtime.router.waiting == 0)
    assert s.status()["held"] == []


class Client:
    """What a hold needs of one."""

    def __init__(self) -> None:
        self.sent = b""
        self.watch = self

    def check(self) -> None:
        """It is there."""

    def send_nowait(self, data: bytes) -> int:
        self.sent += data
        return len(data)


@pytest.mark.parametrize(
    ("seen", "comment"),
    [
        (ExpectedAccount("alice", 1300.0), b": held, alice back 00:21\n\n"),
        (NOT_EXPECTED, b": held, waiting for an account\n\n"),
        (ExpectedAccount("a\n\nevent: error\x1b[1m", 1300.0), b": held, a  event: error [1m back 00:21\n\n"),
    ],
)
def test_the_comment_of_a_held_stream_names_the_account_and_the_time_in_one_line(
    seen: ExpectedAccount, comment: bytes
) -> None:
    queued = QueuedRequest(NOTHING, seen)
    queued.now += 60
    exchange = Exchange(
        RequestHead("POST", "/v1/messages", 0, []), classify_path("POST", "/v1/messages"), at=0.0
    )
    exchange.begin_wait(queued.waiting)
    client = Client()
    run_coroutine(Hold(exchange, client, True, 0.0).on_tick())  # type: ignore[arg-type]
    assert client.sent.endswith(b"\r\n\r\n" + comment)


def test_while_it_waits_a_request_notices_that_it_waits_for_something_else_by_now() -> None:
    queued = QueuedRequest(SLOT_OF_A)
    exchange = Exchange(
        RequestHead("POST", "/v1/messages", 0, []), classify_path("POST", "/v1/messages"), at=0.0
    )
    exchange.begin_wait(queued.waiting)
    queued.now += 5
    queued.waiter.wait = NOTHING
    run_coroutine(Hold(exchange, Client(), False, 0.0).on_tick())  # type: ignore[arg-type]
    queued.now += 2
    assert [(wait.kind, wait.seconds) for wait in exchange.waits] == [(SLOT, 5.0), (HELD, 2.0)]


def test_a_request_that_goes_on_at_once_has_no_waits(stage: Build) -> None:
    s = stage("alice")
    s.ask()
    assert s.send("GET", "/teamclaude/explain/last").json()["waits"] == []
