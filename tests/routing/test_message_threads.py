"""A request that continues a thread of the API stays where the thread is kept, under every policy."""

from __future__ import annotations

import pytest

from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import NO_CONSTRAINTS, Lease, Reason, Wait
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue

HOUR, DAY = 3600.0, 86400.0
EVERY_POLICY = True
KEY = AccountSpec("key", "key", kind="apikey", last_resort=True)


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", "c", rules=Rules(five_hour_soft_ceiling=0.90))


def over_pace(pool):
    pool.week(resets_in=5 * DAY, a=0.9)


def over_the_rail(pool):
    pool.five_hours(a=0.95)


def nearly_full(pool):
    pool.five_hours(a=0.979)
    pool.week(a=0.979)


def cache_lapsed(pool):
    pool.wait(900)
    assert not pool.fleet.bindings["s"].is_warm(pool.fleet.rules, pool.now)


def crowded(pool):
    pool.busy("a", 2)


def suspect(pool):
    lease = pool.lease("x", pin="a")
    pool.answer(lease, 400)
    pool.settle(lease)


def turn_of_another(pool):
    pool.serve("x")
    pool.serve("y")


@pytest.mark.parametrize(
    "reason",
    [over_pace, over_the_rail, nearly_full, cache_lapsed, crowded, suspect, turn_of_another],
    ids=lambda reason: reason.__name__,
)
def test_it_stays_whatever_else_would_be_better(pool, reason):
    pool.bind("s", "a")
    reason(pool)
    decision = pool.choose("s", continues_thread=True, hold_sec=60.0)
    assert (decision.account, decision.reason, decision.detail) == ("a", Reason.THREAD, "kept by a")
    assert pool.serve("s", continues_thread=True, hold_sec=60.0, waited=30.0) == "a"


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (lambda pool: setattr(pool["a"], "bench_until", pool.now + 600), Reason.BENCHED),
        (lambda pool: pool.quota("a", "5h", 1.01, HOUR), Reason.HARD_CAP),
        (lambda pool: pool.quota("a", "7d_oi", 1.01, HOUR), Reason.MODEL_CAP),
        (lambda pool: setattr(pool["a"], "auth_failed", "revoked"), Reason.UNUSABLE),
        (
            lambda pool: pool.fleet.configure([AccountSpec("a", "a", enabled=False), *pool.specs[1:]]),
            Reason.UNUSABLE,
        ),
        (lambda pool: pool.fleet.configure(pool.specs[1:]), Reason.REMOVED),
    ],
)
def test_it_moves_when_its_account_cannot_serve_it(pool, trouble, reason):
    pool.bind("s", "a")
    trouble(pool)
    decision = pool.choose("s", model="claude-fable-5", continues_thread=True, hold_sec=60.0)
    assert (decision.account in ("b", "c"), decision.reason) == (True, reason)


def test_after_a_move_the_whole_conversation_stays_where_it_is(pool):
    pool.bind("s", "a")
    pool["a"].bench_until = pool.now + 600
    moved = pool.serve("s", continues_thread=True, hold_sec=60.0)
    pool.wait(700)
    assert pool.choose("s", continues_thread=True, hold_sec=60.0).account == moved


def test_an_account_that_would_cost_money_does_not_keep_it(make_pool):
    pool = make_pool("a", KEY)
    pool["a"].bench_until = pool.now + 60
    assert pool.serve("s", allow_paid=True) == "key"
    pool.wait(61)
    decision = pool.choose("s", continues_thread=True, hold_sec=60.0)
    assert (decision.account, decision.reason) == ("a", Reason.KEY_YIELDS)


def test_pins_and_owners_are_obeyed(pool):
    pool.bind("s", "a")
    assert pool.choose("s", continues_thread=True, hold_sec=60.0, pin="b").account == "b"
    assert pool.choose("s", continues_thread=True, hold_sec=60.0, owner="c").account == "c"
    pool.fleet.pin("b", "s")
    assert pool.choose("s", continues_thread=True, hold_sec=60.0).account == "b"


def test_the_first_request_of_a_thread_is_placed_like_any(pool):
    assert pool.choose("s", continues_thread=True, hold_sec=60.0) == pool.choose("s", hold_sec=60.0)


def test_without_the_thread_it_is_as_before(pool):
    pool.bind("s", "a")
    assert pool.choose("s", hold_sec=60.0).reason != Reason.THREAD


# --- slots ------------------------------------------------------------------------------------------


@pytest.fixture
def full(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_inflight_per_account=1, slot_wait_sec=20.0))
    pool.bind("s", "a")
    pool["a"].proven = False  # it answers one request at a time, under every policy
    return pool, pool.lease("x", pin="a")


@pytest.mark.parametrize("waited", [0.0, 19.0, 21.0, 59.0])
def test_it_waits_for_a_slot_of_its_account_as_long_as_it_may(full, waited):
    pool, _ = full
    got = pool.admit("s", waited, continues_thread=True, hold_sec=60.0)
    assert isinstance(got, Wait)
    assert (got.account, got.decision.reason) == ("a", Reason.THREAD)


def test_at_the_end_of_its_wait_another_account_is_better_than_none(full):
    pool, _ = full
    assert pool.lease("s", 60.0, continues_thread=True, hold_sec=60.0).account == "b"


def test_what_may_not_wait_goes_elsewhere_at_once(full):
    pool, _ = full
    got = pool.admit("s", 20.0, continues_thread=True, hold_sec=0.0)
    assert isinstance(got, Lease)
    assert got.account == "b"


def test_a_request_that_takes_no_slot_stays(full):
    pool, _ = full
    assert pool.choose("s", continues_thread=True, needs_slot=False).account == "a"


def test_the_queue_gives_it_the_slot_of_its_account(full):
    pool, running = full
    queue = WaitQueue(pool.fleet)
    waiter = Waiter(pool.ask("s", continues_thread=True, hold_sec=60.0), WaitLimits(60.0), pool.now)
    assert queue.enter(waiter, pool.now) == []
    queue.add(waiter)
    pool.wait(10)
    assert queue.serve(pool.now, changed="b") == []
    assert waiter.last_attempt_at < pool.now, "another account does not concern it"
    pool.wait(20)
    assert queue.serve(pool.now, changed="b") == []
    assert not queue.is_hopeless(waiter, pool.now)
    pool.answer(running)
    pool.settle(running, served=True)
    assert queue.serve(pool.now, changed="a") == [waiter]
    assert waiter.lease is not None
    assert (waiter.lease.account, waiter.lease.decision.reason) == ("a", Reason.THREAD)


def test_whether_any_account_can_serve_does_not_depend_on_the_thread(pool):
    assert "continues_thread" in NO_CONSTRAINTS
    assert pool.ask("s", continues_thread=True).constraints == pool.ask("s").constraints
