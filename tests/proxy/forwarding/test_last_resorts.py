"""What a request gets when its first choice fails: a slot elsewhere, or the reason that applies now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.forwarding.router import NO_WAIT, Router
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.pace import PacePolicy
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import RoutingRequest

Build = Callable[..., Any]


def test_a_request_that_may_not_wait_takes_a_slot_of_another_account() -> None:
    fleet = Fleet(Rules(max_inflight_per_account=1), PacePolicy())
    fleet.configure([AccountSpec("a", "a"), AccountSpec("b", "b")])
    router = Router(fleet, clock=lambda: 1000.0)
    home = router.acquire(RoutingRequest(session="s"), NO_WAIT, lambda: None)
    # The conversation is warm on its account, whose only slot it occupies itself.
    beside = router.acquire(RoutingRequest(session="s"), NO_WAIT, lambda: None)
    assert {home.account, beside.account} == {"a", "b"}


def test_a_request_that_may_not_wait_takes_a_slot_of_a_lower_tier() -> None:
    fleet = Fleet(Rules(max_inflight_per_account=1), PacePolicy())
    fleet.configure([AccountSpec("a", "a"), AccountSpec("spare", "spare", priority=1)])
    router = Router(fleet, clock=lambda: 1000.0)
    leases = [router.acquire(RoutingRequest(session=name), NO_WAIT, lambda: None) for name in ("s", "t")]
    assert [lease.account for lease in leases] == ["a", "spare"]
    assert [e for e in leases[1].decision.excluded if e.account == "a"] == [("a", "no slot", "1 in flight")]


def test_a_spent_hold_takes_a_slot_of_another_account(stage: Build) -> None:
    s = stage("a", "b", allThrottledHoldBudgetSec=0, maxInflightPerAccount=1)
    home = s.ask(session="s1").account
    s.api.script.once(Fault.never_answered(), account=home)
    raw = s.raw().request(headers=[("x-claude-code-session-id", "s1")], body=BODY)
    s.until(lambda: s.api.inflight == 1)
    reply = s.ask(session="s1")
    assert (reply.status, reply.account != home) == (200, True)
    raw.close()


def test_an_outage_that_is_over_is_not_why_a_throttled_request_fails(stage: Build) -> None:
    s = stage("a", allThrottledHoldBudgetSec=0)
    s.api.script.once(Fault.status(500))
    s.api.script.once(Fault.quota("5h", reset_in=7200.0))
    done = threading.Event()
    replies: list[Any] = []

    def ask() -> None:
        replies.append(s.ask())
        done.set()

    threading.Thread(target=ask, daemon=True).start()
    assert done.wait(30)
    assert (replies[0].status, replies[0].json()["error"]["type"]) == (429, "rate_limit_error")
    assert s.outcomes(1) == ["held out"]


BODY = b'{"model":"claude-opus-4-8","messages":[{"role":"user","content":"x"}],"max_tokens":9,"stream":true}'


def test_a_retry_elsewhere_leaves_out_accounts_that_refused_and_benches_none_for_its_own_response(
    stage: Build,
) -> None:
    s = stage("a", "b")
    home = s.ask(session="s1").account
    other = "b" if home == "a" else "a"
    s.api.script.once(Fault.bare_429(), account=home)
    s.api.script.times(2, Fault.status(502), account=other)
    reply = s.ask(session="s1")
    assert (reply.status, reply.account) == (200, other)
    asked = [e.account for e in s.seen(5)[1:]]
    assert asked == [home, other, other, other]
    assert s.account(other)["status"] == "active"


def test_a_hold_ends_although_the_clock_was_set_back(stage: Build, clock: Any) -> None:
    s = stage("a", allThrottledHoldBudgetSec=30)
    s.api.script.always(Fault.quota("5h", reset_in=20.0))
    replies: list[Any] = []
    waiting_request = threading.Thread(target=lambda: replies.append(s.ask()), daemon=True)
    waiting_request.start()
    s.until(lambda: s.service.runtime.router.waiting)
    clock.now -= 3600
    s.service.runtime.router.credentials_changed([])  # serves the queue
    clock.now += 31
    waiting_request.join(30)
    assert [reply.status for reply in replies] == [429]


def test_an_answer_that_broke_before_its_first_byte_is_recorded_without_a_status(stage: Build) -> None:
    s = stage("a")
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    s.api.script.always(Fault.bytes_instead(head + b"zz\r\n"))
    raw = s.raw().request(target="/v1/messages/count_tokens", body=BODY)
    assert raw.rest()[0] == b""
    assert s.outcomes(1) == ["upstream error"]
    assert s.records[0]["status"] is None


def test_a_key_kept_for_a_last_resort_is_not_counted_as_throttled(stage: Build) -> None:
    s = stage("a", allThrottledHoldBudgetSec=0)
    document = s.document()
    document["accounts"].append({"name": "k", "type": "apikey", "apiKey": "sk-ant-api03-FAKE-k"})
    s.write(document)
    s.send("POST", "/teamclaude/accounts/reload", {})
    s.api.script.always(Fault.status(429, retry_after=900))
    assert "Account a is throttled" in s.ask().message
