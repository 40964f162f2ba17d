"""The account a waiting request is expected to get, and when."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.routing.expected_account import NOT_EXPECTED, ExpectedAccount, expected_account
from teamclaude.routing.state.account import AccountSpec, ScopedRefusal
from teamclaude.routing.state.decision import NEVER, Decision, Reason, RoutingRequest, Wait
from teamclaude.routing.user_rules.caps import Caps
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue

EVERY_POLICY = True

HOUR = 3600.0
PAID = AccountSpec("paid", "paid", kind="apikey", last_resort=True)


TWO_HOURS = WaitLimits(2 * HOUR)


def stand(pool: Any, request: RoutingRequest, limits: WaitLimits = TWO_HOURS) -> Waiter:
    waiter = Waiter(request, limits, pool.now)
    WaitQueue(pool.fleet).enter(waiter, pool.now)
    assert waiter.lease is None, "it waits for nothing"
    return waiter


def decision_of(waiter: Waiter) -> Decision:
    assert waiter.wait is not None
    return waiter.wait.decision


def full(pool: Any, **resets_in: float) -> None:
    for name, seconds in resets_in.items():
        pool.quota(name, "5h", 1.0, seconds, "rejected")


def test_the_first_account_that_comes_back_is_expected_with_its_time(make_pool: Any) -> None:
    pool = make_pool("a", "b", "c")
    full(pool, a=HOUR, b=600.0, c=900.0)
    assert expected_account(pool.fleet, stand(pool, RoutingRequest("s")), pool.now) == ExpectedAccount(
        "b", pool.now + 600.0
    )


def test_the_expected_account_is_given_by_name(make_pool: Any) -> None:
    pool = make_pool(AccountSpec("key-1", "alice"))
    full(pool, **{"key-1": 600.0})
    assert expected_account(pool.fleet, stand(pool, RoutingRequest("s")), pool.now).account == "alice"


def test_one_that_refused_this_request_or_needs_a_person_is_not_expected(make_pool: Any) -> None:
    pool = make_pool("a", "b", "c")
    full(pool, b=60.0, c=900.0)
    pool["a"].auth_failed = "login over"
    waiter = stand(pool, RoutingRequest("s", tried=("b",)))
    waiter.wait = Wait(decision_of(waiter)._replace(retry_at=None))
    full(pool, b=60.0)
    assert expected_account(pool.fleet, waiter, pool.now) == ExpectedAccount("c", pool.now + 900.0)


def test_a_model_s_own_window_counts_for_that_model(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    pool.quota("a", "7d_opus", 1.0, 300.0, "rejected")
    full(pool, b=900.0)
    assert (
        expected_account(
            pool.fleet, stand(pool, RoutingRequest("s", model="claude-opus-4-8")), pool.now
        ).account
        == "a"
    )


def test_an_account_that_refuses_just_this_work_is_expected_when_that_ends(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    request = RoutingRequest("s", model="claude-opus-4-8", betas="new-beta")
    pool["a"].scoped_refusals[request.scope] = ScopedRefusal(pool.now + 300.0, "the plan lacks it", pool.now)
    full(pool, b=900.0)
    assert expected_account(pool.fleet, stand(pool, request), pool.now) == ExpectedAccount(
        "a", pool.now + 300.0
    )


def test_a_paid_key_that_refuses_just_this_work_is_not_expected(make_pool: Any) -> None:
    pool = make_pool("a", PAID)
    request = RoutingRequest("s", model="claude-opus-4-8", betas="new-beta")
    pool["paid"].scoped_refusals[request.scope] = ScopedRefusal(
        pool.now + 2 * HOUR, "the plan lacks it", pool.now
    )
    full(pool, a=HOUR)
    waiter = stand(pool, request, WaitLimits(3 * HOUR, paid_after=290.0))
    assert expected_account(pool.fleet, waiter, pool.now) == ExpectedAccount("a", pool.now + HOUR)


def test_a_request_that_insists_on_an_account_waits_for_that_one(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    full(pool, a=60.0, b=900.0)
    assert expected_account(pool.fleet, stand(pool, RoutingRequest("s", pin="b")), pool.now).account == "b"


def test_a_request_that_waits_for_a_slot_is_expected_there_at_no_known_time(make_pool: Any) -> None:
    pool = make_pool("a")
    pool.busy("a", 5)
    assert expected_account(pool.fleet, stand(pool, RoutingRequest("s")), pool.now) == ExpectedAccount(
        "a", None
    )


def test_a_paid_key_is_expected_when_it_may_serve_before_an_account_is_back(make_pool: Any) -> None:
    pool = make_pool("a", PAID)
    pool["a"].bench_until = pool.now + HOUR
    soon = stand(pool, RoutingRequest("s"), WaitLimits(2 * HOUR, paid_after=290.0))
    assert expected_account(pool.fleet, soon, pool.now) == ExpectedAccount("paid", pool.now + 290.0)
    late = stand(pool, RoutingRequest("s"), WaitLimits(2 * HOUR, paid_after=HOUR + 1))
    assert expected_account(pool.fleet, late, pool.now) == ExpectedAccount("a", pool.now + HOUR)


def test_extra_usage_is_expected_when_it_may_be_spent_before_an_account_is_back(make_pool: Any) -> None:
    pool = make_pool(AccountSpec("a", "a", allow_extra_usage=True), "b")
    full(pool, a=HOUR)
    pool["a"].extra_usage = True
    pool["b"].bench_until = pool.now + 600.0
    soon = stand(pool, RoutingRequest("s"), WaitLimits(2 * HOUR, paid_after=290.0))
    assert expected_account(pool.fleet, soon, pool.now) == ExpectedAccount("a", pool.now + 290.0)
    late = stand(pool, RoutingRequest("s"), WaitLimits(2 * HOUR, paid_after=700.0))
    assert expected_account(pool.fleet, late, pool.now) == ExpectedAccount("b", pool.now + 600.0)


def test_a_paid_key_that_is_back_first_is_not_expected_before_it_may_serve(make_pool: Any) -> None:
    pool = make_pool("a", PAID)
    pool["a"].bench_until = pool.now + HOUR
    pool["paid"].bench_until = pool.now + 60.0
    waiter = stand(pool, RoutingRequest("s"), WaitLimits(2 * HOUR, paid_after=290.0))
    assert expected_account(pool.fleet, waiter, pool.now) == ExpectedAccount("paid", pool.now + 290.0)
    waiter = stand(pool, RoutingRequest("s"))
    assert expected_account(pool.fleet, waiter, pool.now) == ExpectedAccount("a", pool.now + HOUR)


def test_a_request_that_insists_on_an_account_is_not_given_to_a_paid_key(make_pool: Any) -> None:
    pool = make_pool("a", PAID)
    full(pool, a=HOUR)
    waiter = stand(pool, RoutingRequest("s", pin="a"), WaitLimits(2 * HOUR, paid_after=290.0))
    assert expected_account(pool.fleet, waiter, pool.now) == ExpectedAccount("a", pool.now + HOUR)


@pytest.mark.parametrize("broken", ["disabled", "none"])
def test_a_paid_key_that_can_not_serve_is_not_expected(make_pool: Any, broken: str) -> None:
    paid = AccountSpec("paid", "paid", kind="apikey", last_resort=True, enabled=False)
    pool = make_pool("a", paid) if broken == "disabled" else make_pool("a")
    pool["a"].bench_until = pool.now + HOUR
    waiter = stand(pool, RoutingRequest("s"), WaitLimits(2 * HOUR, paid_after=290.0))
    assert expected_account(pool.fleet, waiter, pool.now).account == "a"


def test_a_request_held_at_the_gate_is_expected_nowhere(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    full(pool, a=HOUR, b=HOUR)
    waiter = stand(pool, RoutingRequest("s"))
    waiter.wait = Wait(decision_of(waiter)._replace(reason=Reason.GATE), pool.now + 15)
    assert expected_account(pool.fleet, waiter, pool.now) == NOT_EXPECTED


def test_an_account_that_is_gone_is_not_expected(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    full(pool, a=60.0, b=900.0)
    waiter = stand(pool, RoutingRequest("s"))
    waiter.wait = Wait(decision_of(waiter)._replace(retry_at=None))
    pool.fleet.configure([AccountSpec("b", "b")])
    assert expected_account(pool.fleet, waiter, pool.now).account == "b"


def test_a_waiter_that_was_never_tried_expects_nothing(make_pool: Any) -> None:
    assert (
        expected_account(make_pool("a").fleet, Waiter(RoutingRequest("s"), WaitLimits(1.0), 0.0), 0.0)
        == NOT_EXPECTED
    )
    assert Decision(None, "x").retry_at is None


@pytest.mark.parametrize("closed", ["", "a while", "cap", "bench", "login", "scope"])
def test_what_costs_money_is_waited_for_if_it_may_serve_in_time(make_pool: Any, closed: str) -> None:
    pool = make_pool(AccountSpec("a", "a", allow_extra_usage=True, caps=Caps.of({"7d": 0.6})))
    full(pool, a=HOUR)
    pool["a"].extra_usage = True
    request = RoutingRequest("s", model="claude-opus-4-8", betas="new-beta")
    if closed == "cap":
        pool.quota("a", "7d", 0.6, HOUR)
    elif closed == "scope":
        pool["a"].scoped_refusals[request.scope] = ScopedRefusal(
            pool.now + HOUR, "the plan lacks it", pool.now
        )
    elif closed in ("bench", "a while"):
        pool["a"].bench_until = pool.now + (HOUR if closed == "bench" else 299.0)
    pool["a"].auth_failed = closed == "login"
    queue, waiter = WaitQueue(pool.fleet), Waiter(request, WaitLimits(300.0, paid_after=290.0), pool.now)
    queue.enter(waiter, pool.now)
    assert queue.is_hopeless(waiter, pool.now) == (closed not in ("", "a while"))


@pytest.mark.parametrize(
    ("asked", "closed_for", "expected"),
    [
        (RoutingRequest("s"), 0.0, 290.0),
        (RoutingRequest("s"), 700.0, 700.0),
        (RoutingRequest("s"), NEVER, None),
        (RoutingRequest("s", tried=("paid",)), 0.0, None),
        (RoutingRequest("s", allowed=("a",)), 0.0, None),
        (RoutingRequest("s", owner="a"), 0.0, None),
        (RoutingRequest("s", owner="gone"), 0.0, 290.0),
        (RoutingRequest("s", pin="a"), 0.0, None),
    ],
)
def test_what_is_waited_for_is_what_is_expected(
    make_pool: Any, asked: RoutingRequest, closed_for: float, expected: Optional[float]
) -> None:
    pool = make_pool("a", PAID)
    pool["a"].bench_until = pool.now + HOUR
    pool["paid"].bench_until = pool.now + closed_for
    waiter = stand(pool, asked, WaitLimits(2000.0, paid_after=290.0))
    first = ("a", HOUR) if expected is None else ("paid", expected)
    assert expected_account(pool.fleet, waiter, pool.now) == (first[0], pool.now + first[1])
    assert WaitQueue(pool.fleet).is_hopeless(waiter, pool.now) is (expected is None)
