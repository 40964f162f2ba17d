"""Who simply stays is decided as a Choice would decide it, under every policy."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.routing import fleet as fleet_module
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.decision import Decision, Lease, Reason, RoutingRequest, Wait
from tests.routing.conftest import HOUR, STAYING, Pool, only

EVERY_POLICY = True


def no_choice(*_: Any) -> Any:
    raise AssertionError("no Choice is needed")


def expected_and_admitted(pool: Pool, **ask: Any) -> tuple[Decision, Lease | Wait]:
    """What a Choice decides for conversation "s", and what it then gets."""
    expected = pool.choose("s", **ask)
    return expected, pool.admit("s", **ask)


@only(*STAYING[:1])
def test_a_warm_request_needs_no_choice(make_pool, monkeypatch):
    pool = make_pool("a", "b")
    pool.bind("s", "b")
    expected = pool.choose("s")
    monkeypatch.setattr(fleet_module, "Choice", no_choice)
    lease = pool.lease("s")
    assert (lease.decision, lease.account, expected.reason) == (expected, "b", Reason.KEPT)
    pool.settle(lease, served=True)
    assert (pool["b"].warm.count(pool.now), pool.fleet.bindings["s"].inflight) == (1, 0)


def lose(pool: Pool) -> None:
    pool["b"].auth_failed = "gone"


def pin_everything(pool: Pool) -> None:
    pool.fleet.pin("a")


def pin_session(pool: Pool) -> None:
    pool.fleet.pin("a", "s")


def fill(pool: Pool) -> None:
    pool.five_hours(b=1.2)


def lapse(pool: Pool) -> None:
    pool.wait(2 * HOUR)


def evict(pool: Pool) -> None:
    pool.wait(50 * HOUR)


def occupy(pool: Pool) -> None:
    pool.busy("b", 2)


def nothing(pool: Pool) -> None:
    pass


@pytest.mark.parametrize("trouble", [nothing, lose, pin_everything, pin_session, fill, lapse, evict, occupy])
@pytest.mark.parametrize(
    "ask",
    [
        {},
        {"tried": ("b",)},
        {"pin": "a"},
        {"owner": "a"},
        {"allowed": ("a",)},
        {"continues_thread": True, "hold_sec": HOUR},
        {"needs_slot": False},
        {"cache_life": 60.0},
        {"waited": 4.9},
        {"waited": 600.0},
    ],
    ids=str,
)
def test_each_decision_is_that_of_a_choice(make_pool, trouble, ask):
    pool = make_pool("a", "b", rules=Rules(max_inflight_per_account=2))
    pool.bind("s", "b", cache_life=300.0)
    trouble(pool)
    pool.admit(needs_slot=False)  # who was idle for too long is evicted
    expected, got = expected_and_admitted(pool, **ask)
    assert (got.decision.account, got.decision.reason) == (expected.account, expected.reason)
    assert (got.decision.previous, got.decision.retry_at) == (expected.previous, expected.retry_at)


@only(*STAYING)
def test_who_waits_for_a_slot_is_tried_again_when_it_may_take_another_accounts(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_inflight_per_account=1, slot_wait_sec=20.0))
    pool.bind("s", "b")
    pool.busy("b", 1)
    waits = [pool.admit("s", waited) for waited in (0.0, 15.0)]
    assert [(wait.account, wait.until - pool.now) for wait in waits] == [("b", 20.0), ("b", 5.0)]
    assert pool.lease("s", 20.0).account == "a"


@only(*STAYING)
def test_a_conversation_at_the_gate_leaves_it(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "b")
    gate = pool.fleet.gate_queue
    for name in ("s", "t"):
        gate.record(name, True, pool.now - 10.0, pool.now)
    assert pool.lease("s").account == "b"
    assert set(gate) == {"t"}


@only(*STAYING)
def test_a_cache_that_lives_shorter_from_now_on_counts_as_long_as_it_lives(make_pool):
    pool = make_pool("a", rules=Rules(cache_affinity_window_sec=300))
    pool.bind("s", "a", cache_life=HOUR)
    pool.wait(60.0)
    pool.settle(pool.lease("s", cache_life=300.0), served=True)
    pool.wait(299.0)
    assert pool["a"].warm.count(pool.now) == 1
    pool.wait(1.0)
    assert pool["a"].warm.count(pool.now) == 0


@only(*STAYING)
def test_a_request_that_is_not_served_does_not_prolong_its_cache(make_pool):
    pool = make_pool("a", rules=Rules(cache_affinity_window_sec=300))
    pool.bind("s", "a")
    lease = pool.lease("s")
    pool.wait(250.0)
    pool.fleet.admit(RoutingRequest(needs_slot=False), pool.now)
    pool.wait(60.0)
    assert pool["a"].warm.count(pool.now) == 1
    pool.settle(lease)
    assert pool["a"].warm.count(pool.now) == 0
