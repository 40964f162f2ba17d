"""The comparison policies: each does the one thing it is named after."""

from __future__ import annotations

import pytest

from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.decision import Reason

DAY = 86400.0


@pytest.fixture(name="with_policy")
def pool_with_policy(make_pool):
    def make(name, *accounts):
        pool = make_pool(*accounts)
        pool.fleet.set_policy(Rules(), POLICIES[name]())
        return pool

    return make


def test_sticky_takes_the_account_with_fewest_warm_conversations(with_policy):
    pool = with_policy("sticky", "a", "b")
    pool.bind("s", "a")
    assert pool.choose("t").account == "b"
    assert pool.choose("s").account == "a"


def test_drain_takes_the_soonest_reset_and_leaves_a_nearly_full_one(with_policy):
    pool = with_policy("drain", "a", "b")
    pool.quota("a", "7d", 0.1, 5 * DAY)
    pool.quota("b", "7d", 0.8, 1 * DAY)
    assert pool.choose("s").account == "b"
    pool.five_hours(b=0.95)
    assert pool.choose("s").account == "a"


def test_threshold_moves_everybody_when_the_account_in_use_is_full(with_policy):
    pool = with_policy("threshold", "a", "b")
    assert {pool.serve(f"s{n}") for n in range(4)} == {"a"}
    pool.week(a=0.99)
    assert pool.choose("s0").account == "b"


def test_round_robin_goes_on_with_every_request(with_policy):
    pool = with_policy("round-robin", "a", "b")
    taken = []
    for _ in range(4):
        pool.wait(1.0)
        taken.append(pool.serve("s"))
    assert taken == ["a", "b", "a", "b"]
    assert pool.choose("s").reason == Reason.TURN


def test_least_used_takes_the_emptiest(with_policy):
    pool = with_policy("least-used", "a", "b", "c")
    pool.week(a=0.3, b=0.1, c=0.2)
    assert pool.choose("s").account == "b"


def test_only_thinking_policies_learn(with_policy):
    for name, make in POLICIES.items():
        assert (make().to_json() == {}) == (name != "price")
