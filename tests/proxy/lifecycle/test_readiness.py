"""GET /health/ready: whether a load balancer should send requests here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.fakeapi.fault import Fault
from teamclaude.proxy.lifecycle.ending import ANNOUNCED, Ending
from teamclaude.proxy.lifecycle.readiness import ReadinessProbe, readiness_of
from teamclaude.snapshot import AccountView, CapacityView, Snapshot, SystemView
from tests.proxy.conftest import message

Build = Callable[..., Any]

MAX_HELD = 256


def pool(verdict: str, *statuses: str, usable: bool = True, waiting: int = MAX_HELD - 1) -> Snapshot:
    accounts = tuple(AccountView(name=f"a{n}", status=each, usable=usable) for n, each in enumerate(statuses))
    system = SystemView(waiting=waiting)
    return Snapshot(capacity=CapacityView(verdict=verdict), accounts=accounts, system=system)


@pytest.mark.parametrize(
    ("snapshot", "hold_sec", "draining", "worst", "ready", "why"),
    [
        (pool("green", "active"), 1800.0, "", None, True, ""),
        (pool("red", "benched", usable=False), 1800.0, "", None, True, ""),
        (pool("red", "benched", usable=False), 0.0, "", None, False, "do not wait"),
        (pool("green", "active"), 0.0, "", None, True, ""),
        (pool("red", "disabled", "auth_failed", usable=False), 1800.0, "", None, False, "a person"),
        (pool("red", "disabled", "benched", usable=False), 1800.0, "", None, True, ""),
        (pool("red"), 1800.0, "", None, False, "teamclaude login"),
        (pool("red", "benched", usable=False, waiting=MAX_HELD), 1800.0, "", None, False, "wait (256 do)"),
        (pool("yellow", "active", waiting=MAX_HELD), 1800.0, "", None, True, ""),
        (pool("green", "active"), 1800.0, "announced", None, False, "announced"),
        (pool("green", "active"), 1800.0, "", "green", True, ""),
        (pool("yellow", "active"), 1800.0, "", "green", False, "yellow"),
        (pool("yellow", "active"), 1800.0, "", "yellow", True, ""),
        (pool("red", "benched"), 1800.0, "", "yellow", False, "red"),
        (pool("green", "active"), 1800.0, "draining", "yellow", False, "draining"),
    ],
)
def test_ready_is_what_serves_or_holds(
    snapshot: Snapshot, hold_sec: float, draining: str, worst: Optional[str], ready: bool, why: str
) -> None:
    found = readiness_of(snapshot, hold_sec, draining, worst, MAX_HELD)
    assert (found.ready, found.verdict) == (ready, snapshot.capacity.verdict)
    assert why in found.reason
    assert bool(found.reason) is not ready


def test_the_pool_is_looked_at_twice_a_second_at_most_but_the_drain_is_seen_at_once() -> None:
    now, looks = [100.0], []

    def look() -> Snapshot:
        looks.append(now[0])
        return pool("green", "active")

    probe = ReadinessProbe(look, MAX_HELD, lambda: now[0])
    assert [probe.ask(0.0, "").ready for _ in range(1000)] == [True] * 1000
    assert not probe.ask(0.0, "draining").ready
    now[0] += 0.6
    assert probe.ask(0.0, "", "green").ready
    assert looks == [100.0, 100.6]


def test_an_exhausted_server_is_ready_unless_red_means_down(stage: Build) -> None:
    s = stage("a", allThrottledHoldBudgetSec=1800)
    s.api.script.once(Fault.quota("5h", reset_in=7200.0))
    s.ask()
    reply = s.send("GET", "/health/ready")
    assert (reply.status, reply.headers["x-teamclaude-verdict"]) == (200, "red")
    assert reply.json() == {"ready": True, "verdict": "red", "draining": False, "reason": ""}
    for worst in ("green", "yellow"):
        assert s.send("GET", f"/health/ready?verdict={worst}").status == 503
    head = s.raw().request("/health/ready?verdict=green", method="HEAD").answer(head_only=True)
    assert (head.status, head.headers["x-teamclaude-verdict"]) == (503, "red")


def test_a_server_that_would_refuse_to_hold_a_request_is_not_ready(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamclaude.proxy.lifecycle.readiness.LOOK_SEC", 0.0)
    s = stage("a", allThrottledHoldBudgetSec=7200, proxy={"maxHeld": 1})
    s.api.script.always(Fault.quota("5h", reset_in=3600.0))
    waiting = s.raw().request(body=json.dumps(message()).encode())
    s.until(lambda: s.service.snapshot().system.waiting == 1)
    assert s.ask().status == 503
    reply = s.send("GET", "/health/ready")
    reason = "no account is usable, and no more may wait (1 do)"
    assert (reply.status, reply.json()["reason"]) == (503, reason)
    waiting.close()
    s.until(lambda: s.service.snapshot().system.waiting == 0)
    assert s.send("GET", "/health/ready").status == 200


@pytest.mark.parametrize("value", ["", "red", "Green", "green,yellow", "%00", "x" * 5000])
def test_another_verdict_is_a_bad_request(stage: Build, value: str) -> None:
    reply = stage("a").send("GET", f"/health/ready?verdict={value}")
    assert (reply.status, reply.message) == (400, "Expected verdict=green or verdict=yellow.")


def test_before_its_end_a_server_is_not_ready_and_serves(stage: Build) -> None:
    s = stage("a")
    s.service.runtime.life.ending = Ending(ANNOUNCED)
    raw = s.raw().request("/health/ready", method="GET")
    answer = raw.answer()
    assert answer.status == 503
    assert json.loads(answer.body)["draining"] is True
    assert s.ask().status == 200
