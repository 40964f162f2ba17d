"""Limits of requests in flight, learned from refusals that say nothing."""

from __future__ import annotations

from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.quota.rules import Rules


def crowd(Pool, *names):
    pool = Pool(*names)
    pool.fleet.set_policy(Rules(), PricePolicy())
    for name in names:
        pool[name].proven = True
    return pool


def test_a_bare_429_among_several_requests_lowers_the_limit_which_rises_again(Pool):
    pool = crowd(Pool, "a")
    leases = pool.busy("a", 3)
    pool.answer(leases[-1], 429)
    assert (
        pool.fleet.policy.free_slots(pool.fleet.rules, pool["a"], pool.now, 0.0) == -1
    )  # 2, and 3 in flight
    for lease in leases:
        pool.settle(lease)
    assert pool.fleet.policy.free_slots(pool.fleet.rules, pool["a"], pool.now, 0.0) == 2
    pool.wait(1200.0)
    assert pool.fleet.policy.free_slots(pool.fleet.rules, pool["a"], pool.now, 0.0) == 3
    pool.wait(2400.0)
    assert pool.fleet.policy.free_slots(pool.fleet.rules, pool["a"], pool.now, 0.0) == 5


def test_a_bare_429_to_the_only_request_says_nothing_of_a_limit(Pool):
    pool = crowd(Pool, "a")
    (lease,) = pool.busy("a", 1)
    pool.answer(lease, 429)
    pool.settle(lease)
    assert pool.fleet.policy.free_slots(pool.fleet.rules, pool["a"], pool.now, 0.0) == 5


def test_a_refusal_with_a_time_or_a_window_is_no_matter_of_slots(Pool):
    pool = crowd(Pool, "a")
    leases = pool.busy("a", 3)
    pool.answer(leases[-1], 429, ("retry-after", "7"))
    for lease in leases:
        pool.settle(lease)
    pool["a"].proven = True
    assert pool.fleet.policy.free_slots(pool.fleet.rules, pool["a"], pool.now, 0.0) == 5
