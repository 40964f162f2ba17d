"""The policy `price` on fleets in virtual time."""

from __future__ import annotations

import json

import pytest

from teamclaude.routing.fleet import Fleet
from teamclaude.routing.persistence import dump_state, restore_state
from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, Reason, RoutingRequest, Wait
from teamclaude.routing.state.expiring_set import ExpiringSet
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue

HOUR, DAY = 3600.0, 86400.0
HOLD = 1800.0
WARM = Usage(1000, 500, 50_000, 0, 1500)


@pytest.fixture(name="priced")
def priced_pool(make_pool):
    def make(*names, **rules):
        pool = make_pool(*names)
        pool.fleet.set_policy(Rules(**rules), PricePolicy())
        return pool

    return make


def taught(pool, name, tokens_per_week, five=None, rate=100.0):
    """Let these sizes and this burn of an active conversation be known."""
    pool[name].cap_7d.size, pool[name].cap_5h.size = tokens_per_week, five or tokens_per_week / 8
    estimates = pool.fleet.policy.estimates
    estimates.seconds, estimates.tokens = 2 * HOUR, 2 * HOUR * rate
    return pool


def make_active(pool, name, *conversations):
    """Let other conversations have been active on the account lately, and for an hour on."""
    for conversation in conversations:
        pool.fleet.policy.estimates._active.setdefault(name, ExpiringSet()).set_expiry(
            conversation, pool.now + HOUR
        )


def test_with_no_history_it_is_the_weekly_line(priced):
    pool = priced("a", "b", "c")
    pool.week(a=0.30, b=0.05, c=0.20)
    assert pool.choose("s").account == "b"


def test_less_used_loses_against_what_is_lost_soon(priced):
    pool = priced("a", "b")
    pool.quota("a", "7d", 0.60, DAY / 2)
    pool.quota("b", "7d", 0.10, 6 * DAY)
    assert pool.choose("s").account == "a"


def test_a_full_five_hour_window_counts_whatever_the_week_says(priced):
    pool = priced("a", "b")
    pool.week(a=0.1, b=0.4)
    pool.five_hours(a=0.97, b=0.1)
    assert pool.choose("s").account == "b"


def test_new_sessions_spread(priced):
    pool = priced("a", "b", "c")
    taken = [pool.serve(f"s{n}", WARM) for n in range(6)]
    assert sorted(taken) == ["a", "a", "b", "b", "c", "c"]


def test_a_warm_conversation_stays(priced):
    pool = priced("a", "b")
    pool.bind("s", "a")
    pool.week(a=0.9, b=0.0)
    assert pool.choose("s").reason == Reason.KEPT


def test_windows_are_used_to_their_end_unless_a_threshold_is_configured(priced):
    assert priced("a").fleet.rules.switch_threshold > 1.0
    assert priced("a", switch_threshold=0.9).fleet.rules.switch_threshold == 0.9


def test_it_waits_for_an_account_that_is_back_at_once(priced):
    pool = priced("a", "b")
    pool.settle(pool.lease("s", pin="a", cache_life=HOUR), WARM, served=True)
    pool.quota("a", "5h", 1.0, 10.0, "rejected")
    waits = pool.admit("s", cache_life=HOUR, hold_sec=HOLD)
    assert isinstance(waits, Wait)
    assert waits.decision.reason == Reason.WAITS_FOR_CACHE
    assert waits.until == pytest.approx(pool.now + 10.0)
    assert "back in 10 s" in waits.decision.detail
    assert pool.choose("s", cache_life=HOUR).account == "b"  # nobody may wait without a hold


def test_it_does_not_wait_long_for_a_small_cache(priced):
    pool = priced("a", "b")
    pool.bind("s", "a", cache_life=HOUR)
    pool.quota("a", "5h", 1.0, 900.0, "rejected")
    assert pool.choose("s", cache_life=HOUR, hold_sec=HOLD).account == "b"


def nearly_full(priced):
    pool = taught(priced("a"), "a", 8e6, 1e6, rate=100.0)
    pool.quota("a", "5h", 0.9, 3 * HOUR)
    pool.quota("a", "7d", 0.1, 3 * DAY)
    make_active(pool, "a", "other")
    return pool


def test_a_cold_conversation_waits_at_the_gate_of_a_window_that_soon_ends(priced):
    pool = nearly_full(priced)
    waits = pool.admit("s", hold_sec=HOLD)
    assert isinstance(waits, Wait)
    assert waits.decision.reason == Reason.GATE
    assert "a carries one more for" in waits.decision.detail
    assert waits.decision.retry_at == pytest.approx(pool.now + 15.0)


def test_a_window_need_not_carry_conversations_for_longer_than_they_usually_go_on(priced):
    pool = nearly_full(priced)  # 100,000 tokens are left; two conversations that go on burn these in 500 s
    totals = pool.fleet.policy.estimates._totals
    for number in range(10):
        totals.record(f"before {number}", 40_000, pool.now - HOUR)
    totals.record("other", 1000, pool.now)
    assert isinstance(pool.admit("s", hold_sec=HOLD), Lease)
    make_active(pool, "a", "third")
    waits = pool.admit("t", hold_sec=HOLD)  # four of them
    assert isinstance(waits, Wait)
    assert waits.decision.reason == Reason.GATE


def test_no_request_waits_at_the_gate_without_a_hold_or_at_an_idle_account(priced):
    pool = nearly_full(priced)
    assert isinstance(pool.admit("s"), Lease)
    pool = nearly_full(priced)
    pool.wait(HOUR + 1)
    assert isinstance(pool.admit("t", hold_sec=HOLD), Lease)


@pytest.mark.parametrize(
    ("prefix", "configured", "waits"),
    [(200_000, {}, 120.0), (6_000, {}, 60.0), (100, {}, 5.0), (200_000, {"slot_wait_sec": 5.0}, 5.0)],
)
def test_a_slot_is_waited_for_as_long_as_the_cache_is_worth(priced, prefix, configured, waits):
    pool = taught(priced("a", "b", **configured), "a", 1e9)  # 100 tokens a second
    pool["a"].proven = pool["b"].proven = True
    pool.bind("s", "a")
    pool.fleet.bindings["s"].prefix = prefix
    leases = pool.busy("a", 5)
    queue = WaitQueue(pool.fleet)
    waiter = Waiter(RoutingRequest("s"), WaitLimits(HOLD), pool.now)
    queue.enter(waiter, pool.now)
    queue.add(waiter)
    pool.wait(waits - 0.1)
    assert queue.serve(pool.now, "b") == []
    assert waiter.due_at() == pytest.approx(pool.now + 0.1)
    pool.wait(0.1)
    assert queue.serve(pool.now, "b") == [waiter]
    lease = waiter.lease
    assert lease is not None
    assert (lease.account, lease.decision.reason) == ("b", Reason.NO_SLOT)
    assert len(leases) == 5


def test_one_that_waits_for_its_slot_gets_it_as_soon_as_it_is_free(priced):
    pool = taught(priced("a", "b"), "a", 1e9)
    pool["a"].proven = pool["b"].proven = True
    pool.bind("s", "a")
    pool.fleet.bindings["s"].prefix = 200_000
    leases = pool.busy("a", 5)
    queue = WaitQueue(pool.fleet)
    waiter = Waiter(RoutingRequest("s"), WaitLimits(HOLD), pool.now)
    queue.enter(waiter, pool.now)
    queue.add(waiter)
    pool.wait(60.0)
    pool.settle(leases.pop())
    assert queue.serve(pool.now, "a") == [waiter]
    assert waiter.lease is not None
    assert waiter.lease.account == "a"


def test_the_conversation_held_longest_goes_first(priced):
    pool = taught(priced("a"), "a", 48e6, 6e6, rate=100.0)
    pool.quota("a", "5h", 0.4, 4 * HOUR)
    make_active(pool, "a", "other")
    assert pool.choose("s", hold_sec=HOLD).account == "a"  # 3.6M / (2 x 100/s) = 5 h
    pool.fleet.gate_queue.record("first", True, pool.now - 60.0, pool.now)
    assert pool.choose("s", hold_sec=HOLD).reason == Reason.GATE  # 200 min for three
    pool.fleet.gate_queue.record("first", True, pool.now - 60.0, pool.now - 31.0)  # has left since
    assert pool.choose("s", hold_sec=HOLD).account == "a"


def test_waiters_that_left_are_forgotten(priced):
    pool = nearly_full(priced)
    pool.admit("s", hold_sec=HOLD)
    assert set(pool.fleet.gate_queue) == {"s"}
    pool.wait(61.0)
    pool.admit("t", hold_sec=HOLD)
    assert set(pool.fleet.gate_queue) == {"t"}


def test_what_it_learned_survives_a_restart(priced):
    pool = taught(priced("a"), "a", 8e6, 1e6)
    pool.quota("a", "7d", 0.1, 3 * DAY)
    for _ in range(30):
        pool.wait(HOUR)
        pool.serve("s", WARM)
    saved = json.loads(json.dumps(dump_state(pool.fleet, pool.now), default=list))
    policy = PricePolicy()
    fleet = Fleet(Rules(), policy)
    fleet.configure([AccountSpec("a", "a")])
    assert restore_state(fleet, saved, pool.now) == []
    old, new = pool.fleet.policy.estimates, policy.estimates
    assert new.week_tokens(fleet.accounts["a"]) == 8e6
    assert new.burn_rate == pytest.approx(old.burn_rate)
    assert new.demand.hours == old.demand.hours
    assert fleet.policy.to_json() == pool.fleet.policy.to_json()
    use = new._totals.usual(100.0)
    restore_state(fleet, saved, pool.now)
    assert new._totals.usual(100.0) == use, "nothing counts twice"


def test_learned_state_that_is_no_good_is_left_out(priced):
    fleet = priced("a").fleet
    data = {
        "accounts": {"a": {"cap7d": {"size": -1}}},
        "learned": {"price": {"hours": ["x"] * 168}},
    }
    lost = restore_state(fleet, data, 0.0)
    assert len(lost) == 169  # and the size
    assert fleet.policy.estimates.week_tokens(fleet.accounts["a"]) is None


def test_the_size_of_a_window_is_learned_from_what_was_burned_since_we_came(priced):
    pool = priced("a")
    for step in range(12):
        pool.wait(60.0)
        lease = pool.lease("s")
        resets_at = pool.now + 3 * DAY - step * 60.0
        pool.fleet.record_response(
            lease,
            200,
            pool.read(
                ("anthropic-ratelimit-unified-7d-utilization", str(round(0.5 + 0.01 * step, 2))),
                ("anthropic-ratelimit-unified-7d-reset", str(resets_at)),
            ),
            pool.now,
        )
        pool.settle(lease, Usage(10_000), served=True)
    assert pool.fleet.policy.estimates.week_tokens(pool["a"]) == pytest.approx(1e6, rel=0.15)


def test_the_decision_names_the_rule_for_each_account(priced):
    pool = priced("a", "b")
    decision = pool.choose("s")
    assert decision.detail == "0 conversations active"
    assert [(e.rule, e.detail) for e in decision.excluded] == [("less quota left", "0 conversations active")]


def test_in_plenty_a_larger_share_is_no_reason_to_crowd_an_account(priced):
    pool = priced("a", "b")
    for name, size in (("a", 3e9), ("b", 1e9)):
        taught(pool, name, size)
    estimates = pool.fleet.policy.estimates
    estimates.demand.hours = [1000.0] * 168
    make_active(pool, "a", "busy-0", "busy-1")
    make_active(pool, "b", "busy-b")
    assert pool.choose("s").account == "b"
    estimates.demand.hours = [3e7] * 168  # more than there is: the shares count again
    estimates.demand._sums = None
    pool.wait(10.0)
    assert pool.choose("s").account == "a"


def test_an_agent_waits_at_the_gate_rather_than_crowd_its_parents_account(priced):
    pool = nearly_full(priced)
    pool.bind("s", "a")
    asked = pool.admit("s", agent="agent", hold_sec=HOLD)
    assert isinstance(asked, Wait)
    assert asked.decision.reason == Reason.GATE


def test_an_agent_waits_for_those_that_have_waited_longer(priced):
    pool = taught(priced("a"), "a", 8e6, five=100 * 2700.0 * 8)
    pool.five_hours(a=0.0)
    pool.bind("s", "a")
    make_active(pool, "a", "s")
    assert pool.choose("s", agent="x", hold_sec=HOLD).detail == "beside its parent"
    for name in ("first", "second", "third"):
        pool.fleet.gate_queue.record(name, True, pool.now - 60.0, pool.now)
    assert pool.choose("s", agent="x", hold_sec=HOLD).reason == Reason.GATE


def test_the_detail_gives_the_time_a_window_lasts_in_minutes_or_hours(priced):
    pool = nearly_full(priced)
    assert pool.choose("s").detail == "1 conversation active, lasts 8 min, none passed: 5h rail"
    pool.wait(10.0)
    pool.quota("a", "5h", 0.0, 4.99 * HOUR)
    assert pool.choose("s").detail == "1 conversation active, lasts 83 min"


def test_a_conversations_own_activity_is_no_reason_to_leave(priced):
    pool = taught(priced("a", "b"), "a", 8e6)
    pool.serve("s", WARM)
    home = pool.fleet.bindings["s"].account
    pool.wait(400.0)  # its cache is gone, but it was active less than 15 minutes ago
    assert pool.choose("s").reason == Reason.LAPSED
    assert pool.choose("s").account == home
    make_active(pool, home, "other")
    assert pool.choose("s").account != home


def test_the_more_are_active_the_longer_a_window_must_carry_a_newcomer(priced):
    pool = taught(priced("a"), "a", 1e9, 5.5e6, rate=100.0)
    pool.quota("a", "5h", 0.0, 4.99 * HOUR)
    entered = 0
    while pool.choose("s", hold_sec=HOLD).account == "a":
        entered += 1
        make_active(pool, "a", f"other-{entered}")
    # 5.5M / (3 x 100/s) is 306 min for a third one, beyond the reset; 229 for a fourth.
    assert entered == 3
    assert pool.choose("s", hold_sec=HOLD).reason == Reason.GATE


def test_one_that_has_just_entered_counts_before_its_first_response(priced):
    pool = taught(priced("a"), "a", 1e9, 5.5e6, rate=100.0)
    pool.quota("a", "5h", 0.0, 4.99 * HOUR)
    make_active(pool, "a", "other-1", "other-2")  # neither has a request in flight
    lease = pool.lease("s", hold_sec=HOLD)
    assert lease.decision.reason == Reason.NEW
    assert pool.choose("t", hold_sec=HOLD).reason == Reason.GATE
    pool.settle(lease)  # it failed: nothing was served
    assert pool.choose("t", hold_sec=HOLD).reason == Reason.GATE
    pool.wait(901.0)
    assert pool.choose("t", hold_sec=HOLD).account == "a"


def test_what_it_costs_to_enter_counts_at_the_gate(priced):
    pool = taught(priced("a"), "a", 48e6, 6e6, rate=100.0)
    pool.quota("a", "5h", 0.4, 4 * HOUR)
    make_active(pool, "a", "other")
    assert pool.choose("s", hold_sec=HOLD).account == "a"
    pool.fleet.policy.estimates._record_cold([900_000] * 5)
    assert pool.choose("s", hold_sec=HOLD).reason == Reason.GATE


def test_an_idle_account_takes_one_that_its_window_can_carry_for_a_while(priced):
    pool = taught(priced("a"), "a", 8e6, 1e6, rate=100.0)
    pool.fleet.gate_queue.record("first", True, pool.now - 60.0, pool.now)  # it may be unable to use this one
    pool.quota("a", "5h", 0.93, 4 * HOUR)
    assert pool.choose("s", hold_sec=HOLD).account == "a"  # 11 min
    pool.wait(6.0)  # outlooks are kept for 5 s
    pool.quota("a", "5h", 0.95, 4 * HOUR)
    assert pool.choose("s", hold_sec=HOLD).reason == Reason.GATE  # 8 min
    assert pool.choose("s").account == "a"


def test_before_a_week_was_seen_no_request_waits_for_a_large_cache(priced):
    pool = priced("a", "b")
    for name in ("a", "b"):
        taught(pool, name, 1e6)
    pool.bind("s", "a", cache_life=HOUR)
    pool.fleet.bindings["s"].prefix = 150_000
    pool.quota("a", "5h", 1.0, 600.0, "rejected")
    estimates = pool.fleet.policy.estimates
    estimates.demand.hours = [3e7] * 24 + [None] * 144  # it looks like far too much for everybody
    assert pool.choose("s", cache_life=HOUR, hold_sec=HOLD).account == "b"
    estimates.demand.hours, estimates.demand._sums = [3e7] * 168, None
    pool.wait(10.0)
    assert pool.choose("s", cache_life=HOUR, hold_sec=HOLD).reason == Reason.WAITS_FOR_CACHE


def test_a_conversation_does_not_follow_the_requests_without_one(priced):
    pool = priced("a", "b", "c")
    first = pool.serve()
    pool.week(**{first: 0.9})
    assert pool.choose("s").account != first
