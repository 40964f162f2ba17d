"""What a request gets when its first choice is gone: a slot elsewhere, or the reason that counts now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from teamclaude.demo.fault import Fault
from teamclaude.proxy.router import NO_PATIENCE, Router
from teamclaude.routing.account import AccountSpec
from teamclaude.routing.decision import Ask
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.pace import PacePolicy
from teamclaude.routing.rules import Rules

Build = Callable[..., Any]


def test_who_may_not_wait_takes_a_slot_of_another_account() -> None:
    fleet = Fleet(Rules(max_inflight_per_account=1), PacePolicy())
    fleet.configure([AccountSpec("a", "a"), AccountSpec("b", "b")])
    router = Router(fleet, clock=lambda: 1000.0)
    home = router.acquire(Ask(session="s"), NO_PATIENCE, lambda: None)
    # The conversation is warm on its account, whose only slot it occupies itself.
    beside = router.acquire(Ask(session="s"), NO_PATIENCE, lambda: None)
    assert {home.account, beside.account} == {"a", "b"}


def test_a_spent_hold_looks_for_a_slot_of_another_account(stage: Build) -> None:
    s = stage("a", "b", allThrottledHoldBudgetSec=0, maxInflightPerAccount=1)
    home = s.ask(session="s1").account
    s.api.script.once(Fault.silent(), account=home)
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
    assert done.wait(5)
    assert (replies[0].status, replies[0].json()["error"]["type"]) == (429, "rate_limit_error")
    assert s.outcomes(1) == ["held out"]


BODY = b'{"model":"claude-opus-4-8","messages":[{"role":"user","content":"x"}],"max_tokens":9,"stream":true}'
