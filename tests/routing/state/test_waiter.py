"""A request that waits: when it is due, and what it says it waits for."""

from __future__ import annotations

import pytest

from teamclaude.routing.state.decision import NEVER, Decision, Reason, RoutingRequest, Wait
from teamclaude.routing.state.waiter import NO_WAIT, Alike, Waiter, WaitLimits

NOW = 1000.0
LIMITS = WaitLimits(3600.0)
HELD = Wait(Decision(None, Reason.GATE, "2 ahead", retry_at=NOW + 15.0, at=NOW), NOW + 15.0)


def waiter_at_gate(limits: WaitLimits = LIMITS) -> Waiter:
    waiter = Waiter(RoutingRequest("s", agent="a"), limits, NOW)
    waiter.wait = HELD
    return waiter


def test_one_that_is_held_again_says_until_when_with_the_words_of_before() -> None:
    waiter = waiter_at_gate()
    assert waiter.wait is HELD
    waiter.hold_on(NOW + 10.0)
    assert waiter.wait == Wait(HELD.decision._replace(retry_at=NOW + 25.0), NOW + 25.0)
    waiter.tell(HELD.decision._replace(detail="1 ahead", retry_at=NOW + 99.0))
    assert waiter.wait == Wait(HELD.decision._replace(detail="1 ahead", retry_at=NOW + 25.0), NOW + 25.0)


def test_what_it_has_in_common_with_others_ends_with_another_request_or_outcome() -> None:
    waiter = waiter_at_gate()
    assert not waiter.is_alike(NOW)
    for change in ("request", "wait"):
        waiter.alike, waiter.alike_until = Alike(waiter.request), NOW + 3599.0
        assert waiter.is_alike(NOW)
        assert not waiter.is_alike(NOW - 1.0)  # the clock moved back
        assert not waiter.is_alike(NOW + 3599.0)
        setattr(waiter, change, getattr(waiter, change))
        assert not waiter.is_alike(NOW)


@pytest.mark.parametrize(
    ("limits", "allow_paid", "due"),
    [
        (WaitLimits(3600.0), False, 15.0),
        (WaitLimits(10.0), False, 10.0),
        (WaitLimits(3600.0, paid_after=5.0), False, 5.0),
        (WaitLimits(3600.0, paid_after=5.0), True, 15.0),
    ],
)
def test_it_is_due_at_the_first_of_its_times(limits: WaitLimits, allow_paid: bool, due: float) -> None:
    waiter = waiter_at_gate(limits)
    waiter.request = waiter.request._replace(allow_paid=allow_paid)
    assert waiter.due_at() == NOW + due
    assert not waiter.is_due(NOW + due - 0.1)
    assert waiter.is_due(NOW + due)
    assert waiter.is_due(NOW - 0.1)  # the clock moved back


def test_a_clock_that_moves_back_takes_no_time_from_it() -> None:
    waiter = waiter_at_gate()
    assert waiter.record_attempt(NOW + 100.0) == 100.0
    assert waiter.record_attempt(NOW - 500.0) == 100.0
    assert waiter.record_attempt(NOW - 490.0) == 110.0


def test_the_request_knows_how_long_it_may_be_held() -> None:
    assert Waiter(RoutingRequest("s"), WaitLimits(60.0), NOW).request.hold_sec == 60.0
    only_slots = WaitLimits(60.0).for_slot_only(30.0)
    assert (only_slots.budget, Waiter(RoutingRequest("s"), only_slots, NOW).request.hold_sec) == (30.0, 0.0)


def test_time_spent_is_taken_from_the_limits_unless_it_is_negligible() -> None:
    limits = WaitLimits(60.0, 20.0)
    assert limits.remaining(0.001) is limits
    assert limits.remaining(25.0) == WaitLimits(35.0, 0.0)
    assert NO_WAIT.remaining(5.0) == WaitLimits(0.0, NEVER)


def test_it_is_at_the_gate_while_a_policy_holds_it() -> None:
    waiter = waiter_at_gate()
    assert waiter.is_at_gate
    waiter.wait = Wait(Decision(None, Reason.NOTHING_USABLE))
    assert not waiter.is_at_gate
    assert not Waiter(RoutingRequest("s"), NO_WAIT, NOW).is_at_gate
